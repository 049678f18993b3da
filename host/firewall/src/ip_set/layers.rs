//! The order in which the kernel finds members.
//!
//! It tries the lengths of prefixes that the set has one after the other, the longest first, and with two networks the
//! lengths of the second for each of the first (`mtype_test_cidrs`, `net/netfilter/ipset/ip_set_hash_gen.h`). The first
//! member that it finds decides.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use loopgate_facts::Untrusted;

use super::kind::Kind;
use super::member::Member;
use super::{Effect, Layer, Part};
use crate::ruleset::{Element, Key, Set, TableId};

/// The members by the order in which they are found. An error says why it is not known.
pub(super) fn layers(kind: &Kind, length: usize, members: Vec<Member>) -> Result<Vec<Layer>, Untrusted> {
    let mut levels: BTreeMap<Reverse<[u8; 2]>, Vec<Member>> = BTreeMap::new();
    for member in members {
        levels.entry(Reverse(member.prefixes)).or_default().push(member);
    }
    let mut order = Order { sizes: sizes(kind, length), layers: Vec::new() };
    let lowest = levels.len().saturating_sub(1);
    for (position, level) in levels.into_values().enumerate() {
        let hidden = kind.hides_wider_networks() && position != lowest;
        order.level(kind, level, hidden)?;
    }
    Ok(order.layers.into_iter().map(|(effect, ranges)| order.sizes.layer(effect, ranges)).collect())
}

type Ranges = Vec<(Vec<u8>, Vec<u8>)>;

struct Order {
    sizes: Sizes,
    layers: Vec<(Effect, Ranges)>,
}

impl Order {
    /// Members of one level are disjoint, but for names of interfaces that begin alike.
    fn level(&mut self, kind: &Kind, level: Vec<Member>, hides: bool) -> Result<(), Untrusted> {
        if kind.hides_wider_networks() && is_ambiguous(&level, self.sizes.address()) {
            return Err("a wildcard among its interfaces, and an exception".into());
        }
        let stops = if hides { self.stops(&level) } else { Vec::new() };
        let mut split: [(Effect, Ranges); 2] = [(Effect::Match, Vec::new()), (Effect::Except, Vec::new())];
        for member in level {
            let [(_, matching), (_, excepted)] = &mut split;
            let ranges = if member.effect == Effect::Except { excepted } else { matching };
            ranges.push((member.first, member.last));
        }
        // Those that can join the layer before come first.
        if self.layers.last().is_some_and(|(effect, _)| *effect == Effect::Except) {
            split.reverse();
        }
        for (effect, ranges) in split {
            self.push(effect, ranges);
        }
        self.push(Effect::Stop, stops);
        Ok(())
    }

    /// The networks of a level, with every interface.
    fn stops(&self, level: &[Member]) -> Ranges {
        let length = self.sizes.address();
        let whole = |key: &[u8], rest: u8| {
            let mut key = key.to_vec();
            key.iter_mut().skip(length).for_each(|byte| *byte = rest);
            key
        };
        let mut stops: Ranges =
            level.iter().map(|member| (whole(&member.first, 0), whole(&member.last, u8::MAX))).collect();
        stops.sort_unstable();
        stops.dedup();
        stops
    }

    fn push(&mut self, effect: Effect, ranges: Ranges) {
        match self.layers.last_mut() {
            _ if ranges.is_empty() => {}
            Some((last, known)) if *last == effect => known.extend(ranges),
            _ => self.layers.push((effect, ranges)),
        }
    }
}

/// Whether a packet can be among members of one network that match and among others that do not: which of them the
/// kernel finds depends on the order in which they were added.
fn is_ambiguous(level: &[Member], network: usize) -> bool {
    #[derive(Default)]
    struct Found {
        wildcard: bool,
        effects: BTreeSet<Effect>,
    }
    let mut networks: HashMap<_, Found> = HashMap::new();
    for member in level {
        let found = networks.entry(member.first.get(..network)).or_default();
        found.wildcard |= member.wildcard;
        found.effects.insert(member.effect);
    }
    networks.values().any(|found| found.wildcard && found.effects.len() > 1)
}

/// Lengths of the parts of a key in bytes.
struct Sizes {
    fields: Vec<u32>,
}

fn sizes(kind: &Kind, address: usize) -> Sizes {
    let size = |part: Part| match part {
        Part::Address => u32::try_from(address).unwrap_or(16),
        Part::ProtocolAndPort => 3,
        Part::Port => 2,
        Part::HardwareAddress => 6,
        Part::Interface => 16,
    };
    Sizes { fields: kind.sources.iter().map(|source| size(source.part())).collect() }
}

impl Sizes {
    /// The length of the first part, which is an address where there is one.
    fn address(&self) -> usize {
        self.fields.first().map_or(0, |length| *length as usize)
    }

    fn layer(&self, effect: Effect, ranges: Ranges) -> Layer {
        let ranges = if self.fields.len() == 1 { self.disjoint(ranges) } else { ranges };
        let values = Set {
            table: TableId(u32::MAX),
            name: Untrusted::default(),
            anonymous: true,
            changes: true,
            fields: self.fields.clone(),
            field_types: vec![0; self.fields.len()],
            data_length: None,
            elements: ranges.into_iter().map(|(first, last)| element(first, last)).collect(),
            incomplete: None,
        };
        Layer { effect, values }
    }

    /// A set with one field holds disjoint ranges, the fewer the better. Keys have no padding then.
    fn disjoint(&self, mut ranges: Ranges) -> Ranges {
        let length = self.address();
        ranges.sort_unstable();
        let mut disjoint: Ranges = Vec::with_capacity(ranges.len());
        for (mut first, mut last) in ranges {
            first.truncate(length);
            last.truncate(length);
            match disjoint.last_mut() {
                Some((_, end)) if *end >= first || is_next(end, &first) => {
                    if *end < last {
                        *end = last;
                    }
                }
                _ => disjoint.push((first, last)),
            }
        }
        disjoint
    }
}

/// Whether nothing is between two keys.
fn is_next(one: &[u8], other: &[u8]) -> bool {
    let number = |key: &[u8]| key.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number(one).checked_add(1) == Some(number(other))
}

fn element(first: Vec<u8>, last: Vec<u8>) -> Element {
    let key = if first == last { Key::Exact(first.into()) } else { Key::Range(first.into(), last.into()) };
    Element { key, data: None, limited: false, expires: None }
}
