//! Elements of sets and maps.

use super::expression::{rate, verdict};
use super::fields::{Fields, Flaw, data, list, message};
use super::{Builder, DataKind, Names, SetFacts, dangling};
use crate::ruleset::{Data, Element, Key, Set};

// `enum nft_set_elem_attributes`.
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_SET_ELEM_FLAGS: u16 = 3;
const NFTA_SET_ELEM_EXPIRATION: u16 = 5;
const NFTA_SET_ELEM_EXPR: u16 = 7;
const NFTA_SET_ELEM_KEY_END: u16 = 10;
const NFTA_SET_ELEM_EXPRESSIONS: u16 = 11;

// `enum nft_set_elem_flags`.
const NFT_SET_ELEM_INTERVAL_END: u32 = 1;
const NFT_SET_ELEM_CATCHALL: u32 = 2;

/// Adds a list of elements. One that is not understood makes its set incomplete.
pub(super) fn add(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
    const NFTA_SET_ELEM_LIST_SET: u16 = 2;
    const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
    let (family, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let table = builder.find_table(family, fields.text(NFTA_SET_ELEM_LIST_TABLE)?)?;
    let names = builder.names.get(table.0 as usize).ok_or(Flaw::Unknown)?;
    let name = fields.text(NFTA_SET_ELEM_LIST_SET)?;
    let id = names.set(name)?.0 as usize;
    let (set, facts) =
        builder.ruleset.sets.get_mut(id).zip(builder.sets.get_mut(id)).ok_or_else(|| dangling("set", name))?;
    for element in fields.get(NFTA_SET_ELEM_LIST_ELEMENTS).into_iter().flat_map(list) {
        if let Err(flaw) = add_one(set, facts, names, element?) {
            set.incomplete.get_or_insert_with(|| format!("element {}: {flaw}", set.elements.len()).into());
        }
    }
    Ok(())
}

fn add_one(set: &mut Set, facts: &mut SetFacts, names: &Names, element: &[u8]) -> Result<(), Flaw> {
    let fields = Fields::strict(element, NFTA_SET_ELEM_EXPRESSIONS)?;
    let flags = fields.flags(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END | NFT_SET_ELEM_CATCHALL)?;
    if flags & NFT_SET_ELEM_INTERVAL_END != 0 {
        if !facts.is_bounded_by_ends() {
            return Err(fields.unknown_value(NFTA_SET_ELEM_FLAGS));
        }
        facts.ends.push(key(&fields, NFTA_SET_ELEM_KEY, facts)?);
        return Ok(());
    }
    set.elements.push(Element {
        key: keys(&fields, flags, facts)?,
        data: element_data(&fields, facts, names)?,
        limited: is_limited(&fields)?,
        expires: expiration(&fields)?,
    });
    Ok(())
}

fn keys(fields: &Fields<'_>, flags: u32, facts: &SetFacts) -> Result<Key, Flaw> {
    if flags & NFT_SET_ELEM_CATCHALL != 0 {
        return Ok(Key::CatchAll);
    }
    let first = key(fields, NFTA_SET_ELEM_KEY, facts)?;
    if !fields.has(NFTA_SET_ELEM_KEY_END) {
        return Ok(Key::Exact(first));
    }
    let last = key(fields, NFTA_SET_ELEM_KEY_END, facts)?;
    Ok(if first == last { Key::Exact(first) } else { Key::Range(first, last) })
}

fn key(fields: &Fields<'_>, kind: u16, facts: &SetFacts) -> Result<Box<[u8]>, Flaw> {
    let key = fields.data(kind)?;
    if key.len() == facts.key_length as usize { Ok(key.into()) } else { Err(Flaw::Length) }
}

fn element_data(fields: &Fields<'_>, facts: &SetFacts, names: &Names) -> Result<Option<Data>, Flaw> {
    match facts.data {
        DataKind::Nothing | DataKind::Object(_) => Ok(None),
        DataKind::Verdict => {
            let verdict = verdict::nested(fields.bytes(NFTA_SET_ELEM_DATA)?, names)?;
            Ok(Some(Data::Verdict(verdict)))
        }
        DataKind::Value(length) => {
            let value = data(fields.bytes(NFTA_SET_ELEM_DATA)?)?;
            if value.len() == length as usize { Ok(Some(Data::Value(value.into()))) } else { Err(Flaw::Length) }
        }
    }
}

/// Counters never keep an element from matching; everything else can.
fn is_limited(fields: &Fields<'_>) -> Result<bool, Flaw> {
    let single = fields.get(NFTA_SET_ELEM_EXPR).map(Ok);
    let several = fields.get(NFTA_SET_ELEM_EXPRESSIONS).into_iter().flat_map(list);
    for expression in single.into_iter().chain(several) {
        if !matches!(rate::of_element(expression?), Ok(None)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Milliseconds become whole seconds.
fn expiration(fields: &Fields<'_>) -> Result<Option<u64>, Flaw> {
    fields.has(NFTA_SET_ELEM_EXPIRATION).then(|| Ok(fields.u64(NFTA_SET_ELEM_EXPIRATION)? / 1000)).transpose()
}
