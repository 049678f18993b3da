//! Which elements of a set a key matches.
//!
//! A key that is wholly known is looked up in an index. One that holds the sender's address, or a port that is not
//! known, is compared with every element once; the result is kept, so that many questions about one set, however large,
//! cost one walk.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use crate::address_set::{AddressSet, IpVersion};
use crate::ip_set::IpSetId;
use crate::region::{PortSet, Region};
use crate::ruleset::{Data, Element, Key, Set, SetId};

use super::condition::Condition;
use super::symbol::{Symbol, Variable, between, equal, values};

/// What a lookup finds.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    /// For which senders.
    pub(super) condition: Condition,
    /// What the map gives.
    pub(super) data: Option<Data>,
}

/// What a key finds.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Disjoint conditions, each with its data.
    pub(super) hits: Vec<Hit>,
    /// For which senders it finds anything.
    pub(super) anything: Condition,
}

impl Found {
    fn new(hits: Vec<Hit>) -> Self {
        let anything = Condition::any(hits.iter().map(|hit| hit.condition.clone()).collect());
        Self { hits, anything }
    }
}

/// Where a set is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// In a table.
    Table(SetId),
    /// A layer of an `ipset(8)`, by its number.
    IpSet(IpSetId, u16),
}

/// Lookups in the sets of one ruleset.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    indexes: HashMap<Place, Arc<Index>>,
    /// By what elements have besides one field, which begins at a position.
    others: HashMap<(Place, usize), Arc<Others>>,
    found: HashMap<(Place, IpVersion, Vec<Symbol>), Arc<Found>>,
    /// Something was taken for unknown that could be said of a packet of which more is known.
    gave_up: bool,
}

impl Lookups {
    /// What a key finds. `None` where the set is not known well enough to say.
    pub(super) fn find(&mut self, place: &Place, set: &Set, version: IpVersion, key: &[Symbol]) -> Option<Arc<Found>> {
        if set.incomplete.is_some() {
            return None;
        }
        let index = self.indexes.entry(place.clone()).or_insert_with(|| Arc::new(Index::of(set))).clone();
        if let Some(key) = values(key) {
            let hit = index.find(set, &key).map(|element| hit(version, element));
            return Some(Arc::new(Found::new(hit.into_iter().collect())));
        }
        let memo = (place.clone(), version, key.to_vec());
        if let Some(found) = self.found.get(&memo) {
            return Some(found.clone());
        }
        let Some(found) = search(set, version, key, |open| {
            let others = self.others.entry((place.clone(), open.field.start));
            others.or_insert_with(|| Arc::new(Others::of(set, &open.field))).clone()
        }) else {
            self.give_up();
            return None;
        };
        let found = Arc::new(Found::new(found));
        self.found.insert(memo, found.clone());
        Some(found)
    }

    /// Notes that something is taken for unknown that could be said of a packet of which more is known.
    pub(super) fn give_up(&mut self) {
        self.gave_up = true;
    }

    /// Whether that was done since this was last asked.
    pub(super) fn gave_up(&mut self) -> bool {
        std::mem::take(&mut self.gave_up)
    }
}

fn hit(version: IpVersion, element: &Element) -> Hit {
    Hit { condition: limited(version, Condition::Known(true), element), data: element.data.clone() }
}

/// An element with a limit of its own matches an ordinary first packet.
fn limited(version: IpVersion, condition: Condition, element: &Element) -> Condition {
    if element.limited { condition.and(Condition::usually(version, true)) } else { condition }
}

/// Finds the element for a key that is known.
#[derive(Debug)]
struct Index {
    exact: HashMap<Box<[u8]>, usize>,
    /// Ranges of sets with one field, by their first key.
    sorted: Vec<(Box<[u8]>, usize)>,
    /// Ranges of concatenations.
    ranges: Vec<usize>,
    catch_all: Option<usize>,
}

impl Index {
    fn of(set: &Set) -> Self {
        let mut index = Self { exact: HashMap::new(), sorted: Vec::new(), ranges: Vec::new(), catch_all: None };
        for (position, element) in set.elements.iter().enumerate() {
            match &element.key {
                Key::Exact(key) => {
                    index.exact.insert(key.clone(), position);
                }
                Key::Range(from, _) if set.fields.len() == 1 => index.sorted.push((from.clone(), position)),
                Key::Range(..) => index.ranges.push(position),
                Key::CatchAll => index.catch_all = Some(position),
            }
        }
        index.sorted.sort();
        index
    }

    fn find<'a>(&self, set: &'a Set, key: &[u8]) -> Option<&'a Element> {
        let at = |position: usize| set.elements.get(position);
        if let Some(&position) = self.exact.get(key) {
            return at(position);
        }
        let before = self.sorted.partition_point(|(from, _)| **from <= *key);
        let candidate =
            before.checked_sub(1).and_then(|position| self.sorted.get(position)).map(|(_, position)| *position);
        let ranges = candidate.into_iter().chain(self.ranges.iter().copied()).filter_map(at);
        ranges.into_iter().find(|element| covers(set, element, key)).or_else(|| self.catch_all.and_then(at))
    }
}

fn covers(set: &Set, element: &Element, key: &[u8]) -> bool {
    let Key::Range(from, to) = &element.key else { return false };
    fields(set).all(|field| match (key.get(field.clone()), from.get(field.clone()), to.get(field)) {
        (Some(key), Some(from), Some(to)) => from <= key && key <= to,
        _ => false,
    })
}

/// Where the fields of a key are: each begins at a multiple of four bytes.
pub(super) fn fields(set: &Set) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    set.fields.iter().map(move |&length| {
        let field = start..start + length as usize;
        start = field.end.next_multiple_of(4);
        field
    })
}

/// The most elements that are compared one by one where the key has no simple form, of those that it may be.
const MAX_COMPARED: usize = 4096;

/// Compares every element, and joins those with the same data.
fn search(
    set: &Set,
    version: IpVersion,
    key: &[Symbol],
    others: impl FnOnce(&Open) -> Arc<Others>,
) -> Option<Vec<Hit>> {
    if let Some(open) = Open::of(set, version, key) {
        return Some(open.search(set, version, key, &others(&open)));
    }
    let candidates: Vec<_> =
        set.elements.iter().filter(|element| may_be(set, element, key)).take(MAX_COMPARED + 1).collect();
    if candidates.len() > MAX_COMPARED {
        return None;
    }
    let mut hits = Vec::new();
    for element in candidates {
        let condition = compare(set, version, key, element)?;
        if !matches!(condition, Condition::Known(false)) {
            hits.push(Hit { condition: limited(version, condition, element), data: element.data.clone() });
        }
    }
    Some(with_catch_all(set, version, hits))
}

/// Whether the fields of a key that are wholly known are those of an element.
fn may_be(set: &Set, element: &Element, key: &[Symbol]) -> bool {
    fields(set).all(|field| {
        let Some(known) = key.get(field.clone()).and_then(values) else { return true };
        holds(element, field, &known)
    })
}

/// Whether a field of an element holds a value.
fn holds(element: &Element, field: Range<usize>, value: &[u8]) -> bool {
    let (from, to) = match &element.key {
        Key::Exact(key) => (key, key),
        Key::Range(from, to) => (from, to),
        Key::CatchAll => return false,
    };
    match (from.get(field.clone()), to.get(field)) {
        (Some(from), Some(to)) => from <= value && value <= to,
        _ => false,
    }
}

fn compare(set: &Set, version: IpVersion, key: &[Symbol], element: &Element) -> Option<Condition> {
    match &element.key {
        Key::Exact(wanted) if wanted.len() == key.len() => Some(equal(version, key, wanted)),
        Key::Range(from, to) => fields(set).try_fold(Condition::Known(true), |condition, field| {
            let (key, from, to) = (key.get(field.clone())?, from.get(field.clone())?, to.get(field)?);
            Some(condition.and(between(version, key, from, to)))
        }),
        Key::Exact(_) | Key::CatchAll => Some(Condition::Known(false)),
    }
}

/// The elements of a set by what they have besides one field: a question about each of thousands of addresses, with
/// every port, meets few of thousands of elements.
#[derive(Debug)]
struct Others {
    exact: HashMap<Box<[u8]>, Vec<usize>>,
    ranges: Vec<usize>,
}

impl Others {
    fn of(set: &Set, field: &Range<usize>) -> Self {
        let mut others = Self { exact: HashMap::new(), ranges: Vec::new() };
        for (position, element) in set.elements.iter().enumerate() {
            match &element.key {
                Key::Exact(key) => others.exact.entry(without(key, field)).or_default().push(position),
                Key::Range(from, to) if without(from, field) == without(to, field) => {
                    others.exact.entry(without(from, field)).or_default().push(position);
                }
                Key::Range(..) => others.ranges.push(position),
                Key::CatchAll => {}
            }
        }
        others
    }

    /// The elements that a key may be of which all but the field is known, in order.
    fn of_key<'s>(
        &self,
        set: &'s Set,
        field: &Range<usize>,
        key: &[Symbol],
    ) -> impl Iterator<Item = &'s Element> + use<'s> {
        let outside = key.iter().enumerate().filter(|(position, _)| !field.contains(position));
        let known: Option<Box<[u8]>> = outside.map(|(_, symbol)| symbol.value()).collect();
        let exact = known.and_then(|known| self.exact.get(&known));
        let mut positions: Vec<usize> = exact.into_iter().flatten().chain(&self.ranges).copied().collect();
        positions.sort_unstable();
        positions.into_iter().filter_map(|position| set.elements.get(position))
    }
}

/// A key without one field.
fn without(key: &[u8], field: &Range<usize>) -> Box<[u8]> {
    let outside = key.iter().enumerate().filter(|(position, _)| !field.contains(position));
    outside.map(|(_, byte)| *byte).collect()
}

/// The only field of a key that is not known: a whole address or a whole port.
struct Open {
    field: Range<usize>,
    is_port: bool,
}

impl Open {
    fn of(set: &Set, version: IpVersion, key: &[Symbol]) -> Option<Self> {
        let open = fields(set).find_map(|field| {
            let symbols = key.get(field.clone())?;
            let is_port = is_whole(symbols, Variable::Port, 2);
            let is_open = is_port || is_whole(symbols, Variable::Address, version.address_length());
            is_open.then_some(Self { field, is_port })
        })?;
        let others = key.iter().enumerate().filter(|(position, _)| !open.field.contains(position));
        others.into_iter().all(|(_, symbol)| symbol.value().is_some()).then_some(open)
    }

    fn search(&self, set: &Set, version: IpVersion, key: &[Symbol], others: &Others) -> Vec<Hit> {
        let mut groups: HashMap<(Option<&Data>, bool), usize> = HashMap::new();
        let mut found: Vec<(&Element, Vec<RangeInclusive<u128>>)> = Vec::new();
        for element in others.of_key(set, &self.field, key).filter(|element| may_be(set, element, key)) {
            let Some(range) = self.range(element) else { continue };
            let group = *groups.entry((element.data.as_ref(), element.limited)).or_insert(found.len());
            match found.get_mut(group) {
                Some((_, ranges)) => ranges.push(range),
                None => found.push((element, vec![range])),
            }
        }
        let hits = found.into_iter().map(|(element, ranges)| {
            let condition = Condition::Exact(self.region(version, ranges));
            Hit { condition: limited(version, condition, element), data: element.data.clone() }
        });
        with_catch_all(set, version, hits.collect())
    }

    /// What an element covers of the field.
    fn range(&self, element: &Element) -> Option<RangeInclusive<u128>> {
        let (from, to) = match &element.key {
            Key::Exact(key) => (key, key),
            Key::Range(from, to) => (from, to),
            Key::CatchAll => return None,
        };
        Some(number(from.get(self.field.clone())?)..=number(to.get(self.field.clone())?))
    }

    fn region(&self, version: IpVersion, ranges: Vec<RangeInclusive<u128>>) -> Region {
        if !self.is_port {
            return Region::of_addresses(AddressSet::from_ranges(version, ranges));
        }
        // A field of two bytes has no other numbers.
        let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
        let ports = ranges.into_iter().map(|range| port(*range.start())..=port(*range.end()));
        Region::of_ports(version, PortSet::from_ranges(ports))
    }
}

pub(super) fn is_whole(symbols: &[Symbol], variable: Variable, length: usize) -> bool {
    let whole = |(index, symbol): (usize, &Symbol)| {
        *symbol == Symbol::variable(variable, u8::try_from(index).unwrap_or(u8::MAX))
    };
    symbols.len() == length && symbols.iter().enumerate().all(whole)
}

pub(super) fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// Adds the element that covers what no other does.
fn with_catch_all(set: &Set, version: IpVersion, mut hits: Vec<Hit>) -> Vec<Hit> {
    if let Some(element) = set.elements.iter().find(|element| element.key == Key::CatchAll) {
        let covered = Condition::any(hits.iter().map(|hit| hit.condition.clone()).collect());
        hits.push(Hit { condition: limited(version, covered.not(), element), data: element.data.clone() });
    }
    hits
}
