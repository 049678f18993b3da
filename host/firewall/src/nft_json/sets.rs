//! Sets and maps, and their elements.

use loopgate_facts::Untrusted;
use serde_json::Value;

use super::constants::{Piece, constant, piece};
use super::document::Reader;
use super::prototype::{Form, Prototype};
use super::{Lowered, ParseError, Trouble, only_member, several, text};
use crate::notation::names::{Kind, Shape};
use crate::ruleset::{Data, Element, Key, Set, SetId, TableId};

impl<'d> Reader<'d> {
    /// Adds a set or a map that has a name, without its elements.
    pub(super) fn add_set(&mut self, value: &'d Value, pointer: &str) -> Result<(), ParseError> {
        let table = self.table_of(value, pointer)?;
        let name = Self::name_of(value, "name", pointer)?;
        let (prototype, doubt) = prototype(value);
        let set = Set {
            table,
            name: name.into(),
            anonymous: false,
            changes: changes(value),
            fields: prototype.key.iter().map(|form| form.bytes).collect(),
            field_types: prototype.key.iter().map(|form| form.kind.number()).collect(),
            data_length: data_length(&prototype),
            elements: Vec::new(),
            incomplete: doubt.map(Untrusted::from),
        };
        self.push_set(set, prototype, name, pointer)
    }

    /// Fills a set that has a name.
    pub(super) fn fill_set(&mut self, id: SetId, elements: &[Value], pointer: &str) -> Result<(), ParseError> {
        let Some(prototype) = self.prototype(id).cloned() else { return Ok(()) };
        let Some(table) = self.ruleset.set(id).map(|set| set.table) else { return Ok(()) };
        let read = self.elements(table, &prototype, elements, pointer)?;
        if let Some(set) = self.ruleset.sets.get_mut(id.0 as usize) {
            set.changes |= read.found.iter().any(|element| element.expires.is_some());
            set.elements.extend(read.found);
            if let (None, Some(doubt)) = (&set.incomplete, read.doubt) {
                set.incomplete = Some(doubt.into());
            }
        }
        Ok(())
    }

    /// Adds a set that a rule holds within itself. Elements that are not understood make it incomplete.
    pub(super) fn add_anonymous(
        &mut self,
        table: TableId,
        mut prototype: Prototype,
        elements: &[Value],
        pointer: &str,
    ) -> Lowered<SetId> {
        prototype.key = indexes_by_name(&prototype.key, elements);
        prototype.interval = elements.iter().any(|element| holds_range(key_of(element), &prototype.key));
        let read = self.elements(table, &prototype, elements, pointer).map_err(Trouble::Broken)?;
        let name = format!("__set{}", self.next_anonymous());
        let set = Set {
            table,
            name: name.into(),
            anonymous: true,
            changes: false,
            fields: prototype.key.iter().map(|form| form.bytes).collect(),
            field_types: prototype.key.iter().map(|form| form.kind.number()).collect(),
            data_length: data_length(&prototype),
            elements: read.found,
            incomplete: read.doubt.map(Untrusted::from),
        };
        self.push_anonymous(set, prototype).map_err(Trouble::Broken)
    }

    fn elements(
        &self,
        table: TableId,
        prototype: &Prototype,
        elements: &[Value],
        pointer: &str,
    ) -> Result<Read, ParseError> {
        let mut read = Read::default();
        for (position, element) in elements.iter().enumerate() {
            match self.element(table, prototype, element, pointer) {
                Ok(element) => read.found.push(element),
                Err(Trouble::Unclear(what)) => {
                    read.doubt.get_or_insert_with(|| format!("element {position}: {what}"));
                }
                Err(Trouble::Broken(error)) => return Err(error),
            }
        }
        Ok(read)
    }

    fn element(&self, table: TableId, prototype: &Prototype, value: &Value, pointer: &str) -> Lowered<Element> {
        let (key, data) = if prototype.is_map() { pair(value)? } else { (value, None) };
        let (key, limits) = match only_member(key) {
            Some(("elem", inner)) => (inner.get("val").unwrap_or(&Value::Null), Some(inner)),
            _ => (key, None),
        };
        let data = match data {
            Some(data) if prototype.verdicts => Some(Data::Verdict(self.plain_verdict(table, data, pointer)?)),
            Some(data) => Some(Data::Value(self::data(prototype, data)?.into())),
            None => None,
        };
        Ok(Element {
            key: whole_key(prototype, key)?,
            data,
            limited: limits.is_some_and(is_limited),
            expires: limits.and_then(|limits| limits.get("expires")).and_then(Value::as_u64),
        })
    }
}

impl Prototype {
    fn is_map(&self) -> bool {
        self.verdicts || !self.data.is_empty() || self.objects.is_some()
    }
}

#[derive(Default)]
struct Read {
    found: Vec<Element>,
    /// Why they are not all there.
    doubt: Option<String>,
}

/// What a set object says of its type; and why nothing can be said about lookups, where it is not understood.
fn prototype(value: &Value) -> (Prototype, Option<String>) {
    let flags: Vec<&str> = value.get("flags").map_or(&[][..], several).iter().filter_map(Value::as_str).collect();
    let elements = value.get("elem").map_or(&[][..], several);
    let mut prototype = Prototype { interval: flags.contains(&"interval"), ..Prototype::default() };
    let mut doubt = None;
    match value.get("type").and_then(forms) {
        Some(key) => prototype.key = indexes_by_name(&key, elements),
        None => doubt = Some("the type of its keys is not understood".to_owned()),
    }
    match value.get("map") {
        None => {}
        Some(map) if map.as_str() == Some("verdict") => prototype.verdicts = true,
        Some(map) => match (forms(map), map.as_str()) {
            (Some(data), _) => prototype.data = data,
            (None, Some(object @ ("counter" | "quota" | "limit" | "ct helper" | "ct timeout" | "synproxy"))) => {
                prototype.objects = Some(object.to_owned());
                doubt = Some("it is a map to objects".to_owned());
            }
            (None, _) => {
                prototype.objects = Some(String::new());
                doubt = Some("the type of its data is not understood".to_owned());
            }
        },
    }
    // Addresses and ports of a map in ranges are pairs of values (`flags interval` on the data).
    if value.get("map").is_some() && data_in_ranges(&prototype, elements) {
        prototype.data = prototype.data.iter().flat_map(|form| [*form, *form]).collect();
    }
    (prototype, doubt)
}

fn data_in_ranges(prototype: &Prototype, elements: &[Value]) -> bool {
    prototype.data.len() == 1
        && elements.iter().any(|element| pair(element).is_ok_and(|(_, data)| data.is_some_and(is_span)))
}

fn is_span(value: &Value) -> bool {
    matches!(only_member(value), Some(("range" | "prefix", _)))
}

/// The data types of a key: a name, a list of names, names with dots between, or (`typeof`) expressions.
fn forms(value: &Value) -> Option<Vec<Form>> {
    match value {
        Value::String(names) => names.split(" . ").map(|name| Form::of(Kind::named(name)?)).collect(),
        Value::Array(names) if !names.is_empty() => {
            names.iter().map(|name| Form::of(Kind::named(name.as_str()?)?)).collect()
        }
        Value::Object(_) => {
            let (_, expression) = only_member(value).filter(|(kind, _)| *kind == "typeof")?;
            let parts = super::operands::parts(expression).ok()?;
            parts.iter().map(|part| (part.form.shift == 0).then_some(part.form)).collect()
        }
        _ => None,
    }
}

fn data_length(prototype: &Prototype) -> Option<u32> {
    match prototype.data.as_slice() {
        [] => None,
        [one] => Some(one.bytes),
        several => Some(several.iter().map(Form::padded).sum()),
    }
}

/// Rules can add to it, or its elements go by themselves. That rules do add to it is found where they do.
fn changes(value: &Value) -> bool {
    let flags = value.get("flags").map_or(&[][..], several);
    flags.iter().filter_map(Value::as_str).any(|flag| flag == "dynamic" || flag == "timeout")
}

/// The key and, in a map, the data of an element.
fn pair(value: &Value) -> Lowered<(&Value, Option<&Value>)> {
    match value.as_array().map(Vec::as_slice) {
        Some([key, data]) => Ok((key, Some(data))),
        _ => super::unclear("not a pair"),
    }
}

/// The key of an element without what surrounds it.
fn key_of(element: &Value) -> &Value {
    let key = match element.as_array().map(Vec::as_slice) {
        Some([key, _]) => key,
        _ => element,
    };
    match only_member(key) {
        Some(("elem", inner)) => inner.get("val").unwrap_or(&Value::Null),
        _ => key,
    }
}

/// The parts of a key.
fn key_parts(key: &Value) -> &[Value] {
    match only_member(key) {
        Some(("concat", list)) => several(list),
        _ => std::slice::from_ref(key),
    }
}

fn holds_range(key: &Value, forms: &[Form]) -> bool {
    key_parts(key).iter().zip(forms).any(|(part, form)| {
        let name = form.kind.shape() == Shape::Text
            && !form.literal
            && part.as_str().is_some_and(|text| super::constants::beginning(text).is_some());
        is_span(part) || name
    })
}

/// Interfaces that are printed by name are looked up by name.
fn indexes_by_name(forms: &[Form], elements: &[Value]) -> Vec<Form> {
    let named = |position: usize| {
        elements.iter().any(|element| key_parts(key_of(element)).get(position).is_some_and(Value::is_string))
    };
    forms.iter().enumerate().map(|(position, form)| if named(position) { form.by_name() } else { *form }).collect()
}

fn whole_key(prototype: &Prototype, key: &Value) -> Lowered<Key> {
    if key.as_str() == Some("*") {
        return Ok(Key::CatchAll);
    }
    let parts = key_parts(key);
    let forms = &prototype.key;
    if parts.len() != forms.len() {
        return super::unclear("key of another type");
    }
    let pieces = parts.iter().zip(forms).map(|(part, form)| piece(part, form, prototype.interval));
    let Some(pieces) = pieces.collect::<Option<Vec<_>>>() else { return super::unclear("key") };
    let is_range = pieces.iter().any(|piece| matches!(piece, Piece::Range(..)));
    let (from, to) = joined(&pieces);
    match (is_range, prototype.interval) {
        (false, _) => Ok(Key::Exact(from.into())),
        (true, true) => Ok(Key::Range(from.into(), to.into())),
        (true, false) => super::unclear("range in a set without ranges"),
    }
}

/// Each part of several begins at a multiple of four bytes.
fn joined(pieces: &[Piece]) -> (Vec<u8>, Vec<u8>) {
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for piece in pieces {
        let (low, high) = match piece {
            Piece::One(value) => (value, value),
            Piece::Range(low, high) => (low, high),
        };
        from.extend_from_slice(low);
        to.extend_from_slice(high);
        if pieces.len() > 1 {
            from.resize(from.len().next_multiple_of(4), 0);
            to.resize(to.len().next_multiple_of(4), 0);
        }
    }
    (from, to)
}

/// The data of an element.
fn data(prototype: &Prototype, value: &Value) -> Lowered<Vec<u8>> {
    known_data(prototype, value).ok_or_else(|| Trouble::Unclear("data".to_owned()))
}

fn known_data(prototype: &Prototype, value: &Value) -> Option<Vec<u8>> {
    let forms = &prototype.data;
    let values = key_parts(value);
    if let ([first, second], [value]) = (forms.as_slice(), values) {
        return (first == second).then(|| pair_of_ends(first, value)).flatten();
    }
    let pieces = values.iter().zip(forms).map(|(value, form)| Some(Piece::One(constant(value, form, false)?)));
    let pieces: Vec<Piece> = pieces.collect::<Option<_>>()?;
    (pieces.len() == forms.len() && values.len() == forms.len()).then(|| joined(&pieces).0)
}

/// Both ends of a range, one behind the other.
fn pair_of_ends(form: &Form, value: &Value) -> Option<Vec<u8>> {
    let (from, to) = match piece(value, form, false)? {
        Piece::One(value) => (value.clone(), value),
        Piece::Range(from, to) => (from, to),
    };
    Some(joined(&[Piece::One(from), Piece::One(to)]).0)
}

/// What an element may hold that never keeps it from matching.
const WITHOUT_EFFECT: &[&str] = &["val", "timeout", "expires", "comment", "counter", "last"];

fn is_limited(element: &Value) -> bool {
    element.as_object().is_some_and(|members| members.keys().any(|member| !WITHOUT_EFFECT.contains(&member.as_str())))
}

/// The expressions on the elements of a set (`stmt`), which packets that are looked up consume too.
pub(super) fn statement_name(value: &Value) -> Option<&str> {
    only_member(value).map(|(name, _)| name).or_else(|| text(value, "name"))
}
