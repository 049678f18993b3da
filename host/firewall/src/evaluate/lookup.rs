//! Which elements of a set a key matches.
//!
//! A key that is wholly known is looked up in an index. One that holds the sender's address is compared with every
//! element once; the result is kept, so that many questions about one set, however large, cost one walk.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::address_set::{AddressSet, IpVersion};
use crate::ip_set::IpSetId;
use crate::region::Region;
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
    found: HashMap<(Place, IpVersion, Vec<Symbol>), Arc<[Hit]>>,
    /// Something was taken for unknown that could be said of a packet of which more is known.
    gave_up: bool,
}

impl Lookups {
    /// What a key finds: disjoint conditions, each with its data. `None` where the set is not known well enough to say.
    pub(super) fn find(&mut self, place: Place, set: &Set, version: IpVersion, key: &[Symbol]) -> Option<Arc<[Hit]>> {
        if set.incomplete.is_some() {
            return None;
        }
        let index = self.indexes.entry(place.clone()).or_insert_with(|| Arc::new(Index::of(set))).clone();
        if let Some(key) = values(key) {
            return Some(index.find(set, &key).map(|element| hit(version, element)).into_iter().collect());
        }
        let memo = (place, version, key.to_vec());
        if let Some(found) = self.found.get(&memo) {
            return Some(found.clone());
        }
        let Some(found) = search(set, version, key) else {
            self.give_up();
            return None;
        };
        let found: Arc<[Hit]> = found.into();
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
fn fields(set: &Set) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut start = 0;
    set.fields.iter().map(move |&length| {
        let field = start..start + length as usize;
        start = field.end.next_multiple_of(4);
        field
    })
}

/// The most elements that are compared one by one where the key has no simple form.
const MAX_COMPARED: usize = 4096;

/// Compares every element, and joins those with the same data.
fn search(set: &Set, version: IpVersion, key: &[Symbol]) -> Option<Vec<Hit>> {
    if let Some(place) = address_field(set, version, key) {
        return Some(search_by_address(set, version, key, &place));
    }
    if set.elements.len() > MAX_COMPARED {
        return None;
    }
    let mut hits = Vec::new();
    for element in &set.elements {
        let condition = compare(set, version, key, element)?;
        if !matches!(condition, Condition::Known(false)) {
            hits.push(Hit { condition: limited(version, condition, element), data: element.data.clone() });
        }
    }
    Some(with_catch_all(set, version, hits))
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

/// The field that is the sender's whole address, where every other field is known.
fn address_field(set: &Set, version: IpVersion, key: &[Symbol]) -> Option<std::ops::Range<usize>> {
    let place = fields(set).find(|field| key.get(field.clone()).is_some_and(|field| is_address(version, field)))?;
    let others = key.iter().enumerate().filter(|(position, _)| !place.contains(position));
    others.into_iter().all(|(_, symbol)| symbol.value().is_some()).then_some(place)
}

fn is_address(version: IpVersion, symbols: &[Symbol]) -> bool {
    let whole = |(index, symbol): (usize, &Symbol)| {
        *symbol == Symbol::variable(Variable::Address, u8::try_from(index).unwrap_or(u8::MAX))
    };
    symbols.len() == version.address_length() && symbols.iter().enumerate().all(whole)
}

fn search_by_address(set: &Set, version: IpVersion, key: &[Symbol], place: &std::ops::Range<usize>) -> Vec<Hit> {
    let known: Vec<u8> = key.iter().map(|symbol| symbol.value().unwrap_or(0)).collect();
    let mut groups: HashMap<(Option<&Data>, bool), usize> = HashMap::new();
    let mut found: Vec<(&Element, Vec<RangeInclusive<u128>>)> = Vec::new();
    for element in &set.elements {
        if let Some(range) = addresses(set, element, &known, place) {
            let group = *groups.entry((element.data.as_ref(), element.limited)).or_insert(found.len());
            match found.get_mut(group) {
                Some((_, ranges)) => ranges.push(range),
                None => found.push((element, vec![range])),
            }
        }
    }
    let hits = found.into_iter().map(|(element, ranges)| {
        let region = Region::of_addresses(AddressSet::from_ranges(version, ranges));
        Hit { condition: limited(version, Condition::Exact(region), element), data: element.data.clone() }
    });
    with_catch_all(set, version, hits.collect())
}

/// The addresses that an element covers, given the other fields of the key.
fn addresses(
    set: &Set,
    element: &Element,
    known: &[u8],
    place: &std::ops::Range<usize>,
) -> Option<RangeInclusive<u128>> {
    let (from, to) = match &element.key {
        Key::Exact(key) => (key, key),
        Key::Range(from, to) => (from, to),
        Key::CatchAll => return None,
    };
    let matches = fields(set).filter(|field| field != place).all(|field| {
        match (known.get(field.clone()), from.get(field.clone()), to.get(field)) {
            (Some(known), Some(from), Some(to)) => from <= known && known <= to,
            _ => false,
        }
    });
    matches.then_some(())?;
    Some(number(from.get(place.clone())?)..=number(to.get(place.clone())?))
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
}

/// Adds the element that covers what no other does.
fn with_catch_all(set: &Set, version: IpVersion, mut hits: Vec<Hit>) -> Vec<Hit> {
    if let Some(element) = set.elements.iter().find(|element| element.key == Key::CatchAll) {
        let covered = hits.iter().fold(Condition::Known(false), |sum, hit| sum.or(hit.condition.clone()));
        hits.push(Hit { condition: limited(version, covered.not(), element), data: element.data.clone() });
    }
    hits
}
