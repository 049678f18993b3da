//! Sets and maps.

use loopgate_facts::Untrusted;

use super::expression::rate;
use super::fields::{Fields, Flaw, REGISTER_SIZE, list, message};
use super::{Builder, DataKind, SetFacts, next_id};
use crate::rule::Rate;
use crate::ruleset::{Set, SetId};

// `enum nft_set_flags`.
pub(super) const NFT_SET_ANONYMOUS: u32 = 0x1;
pub(super) const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_MAP: u32 = 0x8;
const NFT_SET_TIMEOUT: u32 = 0x10;
const NFT_SET_EVAL: u32 = 0x20;
const NFT_SET_OBJECT: u32 = 0x40;
pub(super) const NFT_SET_CONCAT: u32 = 0x80;
/// `NFT_SET_CONSTANT` 2 and `NFT_SET_EXPR` 0x100 are the others.
const KNOWN: u32 = 0x1ff;

// `enum nft_set_attributes`.
const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_DATA_TYPE: u16 = 6;
const NFTA_SET_DATA_LEN: u16 = 7;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_OBJ_TYPE: u16 = 15;
const NFTA_SET_EXPR: u16 = 17;
const NFTA_SET_EXPRESSIONS: u16 = 18;

impl SetFacts {
    /// Whether the set is a tree of keys at which intervals begin and end (`net/netfilter/nft_set_rbtree.c`). A set of
    /// concatenated intervals holds the two ends of each in one element instead (`nft_set_pipapo.c`).
    pub(super) fn is_bounded_by_ends(&self) -> bool {
        self.flags & NFT_SET_INTERVAL != 0 && self.flags & NFT_SET_CONCAT == 0
    }
}

pub(super) fn add(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    let (family, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let table = builder.find_table(family, fields.text(NFTA_SET_TABLE)?)?;
    let name = fields.text(NFTA_SET_NAME)?;
    let facts = facts(&fields)?;
    let (lengths, types) = parts(&fields, facts.key_length)?;
    let unknown_flags = facts.flags & !KNOWN != 0;
    let set = Set {
        table,
        name: Untrusted::from_bytes(name),
        anonymous: facts.flags & NFT_SET_ANONYMOUS != 0,
        changes: facts.flags & (NFT_SET_TIMEOUT | NFT_SET_EVAL) != 0,
        fields: lengths,
        field_types: types,
        data_length: if let DataKind::Value(length) = facts.data { Some(length) } else { None },
        elements: Vec::new(),
        incomplete: unknown_flags.then(|| format!("its flags {:#x} are not known", facts.flags).into()),
    };
    let id = SetId(next_id(&builder.ruleset.sets)?);
    builder.ruleset.sets.push(set);
    builder.sets.push(facts);
    builder.names_mut(table)?.sets.entry(name.into()).or_insert(id);
    Ok(())
}

fn facts(fields: &Fields<'_>) -> Result<SetFacts, Flaw> {
    let flags = fields.u32_or_0(NFTA_SET_FLAGS)?;
    let key_length = fields.u32(NFTA_SET_KEY_LEN)?;
    if !(1..=MAXIMUM_LENGTH).contains(&key_length) {
        return Err(Flaw::Length);
    }
    let rates = rates(fields);
    Ok(SetFacts {
        flags,
        key_length,
        data: data_kind(fields, flags)?,
        unknown_expression: rates.is_err(),
        rates: rates.unwrap_or_default(),
        ends: Vec::new(),
    })
}

/// `NFT_DATA_VALUE_MAXLEN`.
const MAXIMUM_LENGTH: u32 = 64;

fn data_kind(fields: &Fields<'_>, flags: u32) -> Result<DataKind, Flaw> {
    const NFT_DATA_VERDICT: u32 = 0xffff_ff00;
    if flags & NFT_SET_OBJECT != 0 {
        return Ok(DataKind::Object(fields.u32(NFTA_SET_OBJ_TYPE)?));
    }
    if flags & NFT_SET_MAP == 0 {
        return Ok(DataKind::Nothing);
    }
    if fields.u32(NFTA_SET_DATA_TYPE)? == NFT_DATA_VERDICT {
        return Ok(DataKind::Verdict);
    }
    match fields.u32(NFTA_SET_DATA_LEN)? {
        length @ 1..=MAXIMUM_LENGTH => Ok(DataKind::Value(length)),
        _ => Err(Flaw::Length),
    }
}

/// The expressions that a new element gets.
fn rates(fields: &Fields<'_>) -> Result<Vec<Rate>, Flaw> {
    let single = fields.get(NFTA_SET_EXPR).map(Ok);
    let several = fields.get(NFTA_SET_EXPRESSIONS).into_iter().flat_map(list);
    let found: Result<Vec<_>, _> = single.into_iter().chain(several).map(|item| rate::of_element(item?)).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The lengths of the parts of a key, and the numbers of their types. The kernel knows the lengths where it needs them,
/// which is for intervals; else they follow from the types.
fn parts(fields: &Fields<'_>, key_length: u32) -> Result<(Vec<u32>, Vec<u32>), Flaw> {
    let types = types(fields.u32_or_0(NFTA_SET_KEY_TYPE)?);
    let described = described(fields)?;
    let is_whole = |lengths: &Vec<u32>| padded_sum(lengths) == Some(key_length);
    let lengths = if let Some(described) = described.filter(|lengths| lengths.len() > 1) {
        // What does not add up says nothing about where a part begins.
        if is_whole(&described) { Ok(described) } else { Err(Flaw::Length) }?
    } else {
        let lengths = types.iter().map(|number| length_of_type(*number)).collect::<Option<Vec<_>>>();
        lengths.filter(|lengths| lengths.len() > 1 && is_whole(lengths)).unwrap_or_else(|| vec![key_length])
    };
    let types = if types.len() == lengths.len() { types } else { vec![0; lengths.len()] };
    Ok((lengths, types))
}

fn padded_sum(lengths: &[u32]) -> Option<u32> {
    let mut padded = lengths.iter().map(|length| length.checked_next_multiple_of(REGISTER_SIZE));
    padded.try_fold(0_u32, |sum, length| sum.checked_add(length?))
}

/// The types of concatenated parts stand in six bits each, the last in the lowest (nft `include/datatype.h`).
fn types(mut packed: u32) -> Vec<u32> {
    const BITS: u32 = 6;
    let mut types = Vec::new();
    while packed != 0 {
        types.push(packed & ((1 << BITS) - 1));
        packed >>= BITS;
    }
    if types.is_empty() {
        types.push(0);
    }
    types.reverse();
    types
}

/// `NFTA_SET_DESC_CONCAT`: a list of `NFTA_LIST_ELEM`, each of which holds a length.
fn described(fields: &Fields<'_>) -> Result<Option<Vec<u32>>, Flaw> {
    const NFTA_SET_DESC_CONCAT: u16 = 2;
    const NFTA_SET_FIELD_LEN: u16 = 1;
    let Some(description) = fields.get(NFTA_SET_DESC) else { return Ok(None) };
    let Some(concatenation) = Fields::lenient(description)?.get(NFTA_SET_DESC_CONCAT) else { return Ok(None) };
    let lengths = list(concatenation).map(|part| Fields::lenient(part?)?.u32(NFTA_SET_FIELD_LEN));
    lengths.collect::<Result<_, _>>().map(Some)
}

/// The types of which a set's key is made, and their lengths in bytes (nft `include/datatype.h`).
const TYPE_LENGTHS: &[(u32, u32)] = &[
    (2, 1),   // nf_proto
    (7, 4),   // ipv4_addr
    (8, 16),  // ipv6_addr
    (9, 6),   // ether_addr
    (10, 2),  // ether_type
    (11, 2),  // arp_op
    (12, 1),  // inet_proto
    (13, 2),  // inet_service
    (14, 1),  // icmp_type
    (15, 1),  // tcp_flag
    (19, 4),  // mark
    (20, 4),  // iface_index
    (21, 2),  // iface_type
    (24, 4),  // uid
    (25, 4),  // gid
    (26, 4),  // ct_state
    (27, 1),  // ct_dir
    (28, 4),  // ct_status
    (29, 1),  // icmpv6_type
    (31, 1),  // pkt_type
    (32, 1),  // icmp_code
    (33, 1),  // icmpv6_code
    (35, 4),  // devgroup
    (36, 1),  // dscp
    (38, 4),  // fib_addrtype
    (41, 16), // ifname
];

fn length_of_type(number: u32) -> Option<u32> {
    TYPE_LENGTHS.iter().find(|(known, _)| *known == number).map(|(_, length)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_a_concatenation_come_first_to_last() {
        assert_eq!(types(7), [7]);
        assert_eq!(types(0b111_001101), [7, 13]);
        assert_eq!(types(0b1000_001100_001101), [8, 12, 13]);
        assert_eq!(types(0), [0]);
    }

    #[test]
    fn parts_are_padded_to_registers() {
        assert_eq!(padded_sum(&[4, 2, 1, 6]), Some(20));
        assert_eq!(padded_sum(&[u32::MAX]), None);
    }
}
