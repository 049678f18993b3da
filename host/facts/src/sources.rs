//! Sets of addresses as facts list them: some prefixes, without others within them.
//!
//! `::/0` without `2001:db8::/32` would take 32 prefixes by itself and takes one and one so. The form with the fewest
//! prefixes is worked out exactly, over the tree of prefixes: a prefix stands for what it holds of the set either as
//! itself without what is missing, or as its two halves do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{IpSubnets, Ipv4Subnets, Ipv6Subnets};

use crate::{MAX_SOURCES, Prefix};

/// A set of addresses of one IP version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Prefixes that hold the set, in order.
    pub listed: Vec<Prefix>,
    /// Prefixes within them that are not in the set, in order.
    pub excluded: Vec<Prefix>,
    /// How many prefixes of the set are not listed; if there are any, none is excluded.
    pub unlisted: u64,
}

impl Sources {
    /// Disjoint ranges of numbers of addresses that do not touch, in order, if that takes at most [`MAX_SOURCES`]
    /// prefixes of each kind.
    pub fn exact(is_ipv4: bool, ranges: &[RangeInclusive<u128>]) -> Option<Self> {
        // Each prefix has two ends, and so has each range.
        if ranges.len() > 2 * MAX_SOURCES {
            return None;
        }
        let root = Node { first: 0, host_bits: if is_ipv4 { 32 } else { 128 } };
        let mut plan = Plan::default();
        plan.cost(root, ranges);
        let mut found = Self::default();
        let mut writer = Writer { is_ipv4, wholes: plan.wholes.iter(), found: &mut found };
        writer.write(root, ranges);
        (found.listed.len() <= MAX_SOURCES && found.excluded.len() <= MAX_SOURCES).then_some(found)
    }
}

/// The addresses of some prefixes that are not in others: disjoint ranges of their numbers that do not touch, in order.
pub fn without(listed: &[Prefix], excluded: &[Prefix]) -> Vec<RangeInclusive<u128>> {
    let mut holes = joined(excluded).into_iter().peekable();
    let mut left = Vec::new();
    for range in joined(listed) {
        let mut next = Some(*range.start());
        while let (Some(first), Some(hole)) = (next, holes.peek()) {
            if hole.start() > range.end() {
                break;
            }
            if *hole.start() > first {
                left.push(first..=hole.start() - 1);
            }
            if hole.end() >= &first {
                next = hole.end().checked_add(1).filter(|next| next <= range.end());
            }
            if hole.end() > range.end() {
                break;
            }
            holes.next();
        }
        left.extend(next.map(|first| first..=*range.end()));
    }
    left
}

/// The ranges of prefixes, joined where they touch.
fn joined(prefixes: &[Prefix]) -> Vec<RangeInclusive<u128>> {
    let mut ranges: Vec<_> = prefixes.iter().map(|prefix| prefix.range()).collect();
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u128>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end().checked_add(1).is_none_or(|next| next >= *range.start()) => {
                *last = *last.start()..=*range.end().max(last.end());
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The fewest prefixes that cover a range, in order.
pub fn prefixes_of(is_ipv4: bool, range: RangeInclusive<u128>) -> impl Iterator<Item = Prefix> + Clone {
    let (first, last) = range.into_inner();
    let subnets = match (u32::try_from(first), u32::try_from(last)) {
        (Ok(first), Ok(last)) if is_ipv4 => IpSubnets::V4(Ipv4Subnets::new(first.into(), last.into(), 0)),
        _ => IpSubnets::V6(Ipv6Subnets::new(first.into(), last.into(), 0)),
    };
    subnets.filter_map(|net| Prefix::new(net.addr(), net.prefix_len()).ok())
}

/// A prefix: its first address and the number of bits that are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    first: u128,
    host_bits: u32,
}

impl Node {
    fn last(self) -> u128 {
        self.first | u128::MAX.checked_shr(128 - self.host_bits).unwrap_or(0)
    }

    fn halves(self) -> Option<[Self; 2]> {
        let host_bits = self.host_bits.checked_sub(1)?;
        Some([self, Self { first: self.first | 1 << host_bits, ..self }].map(|half| Self { host_bits, ..half }))
    }

    fn prefix(self, is_ipv4: bool) -> Option<Prefix> {
        let (address, width) = if is_ipv4 {
            (IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.first).ok()?)), 32_u32)
        } else {
            (IpAddr::V6(Ipv6Addr::from_bits(self.first)), 128)
        };
        Prefix::new(address, u8::try_from(width.checked_sub(self.host_bits)?).ok()?).ok()
    }

    /// How much of it is in the set, given the ranges of the set that reach into it.
    fn share(self, ranges: &[RangeInclusive<u128>]) -> Share {
        match ranges {
            [] => Share::Nothing,
            [only] if *only.start() <= self.first && *only.end() >= self.last() => Share::Everything,
            _ => self.halves().map_or(Share::Everything, Share::Some),
        }
    }

    /// The ranges that reach into it, of those that reach into the prefix it is half of.
    fn within(self, ranges: &[RangeInclusive<u128>]) -> &[RangeInclusive<u128>] {
        let from = ranges.partition_point(|range| *range.end() < self.first);
        let to = ranges.partition_point(|range| *range.start() <= self.last());
        ranges.get(from..to).unwrap_or_default()
    }
}

/// How much of a prefix is in the set.
enum Share {
    Nothing,
    Everything,
    /// Some of it: its halves.
    Some([Node; 2]),
}

/// What it takes to list what a prefix holds of a set.
#[derive(Clone, Copy)]
struct Cost {
    /// In prefixes of both kinds.
    listed: usize,
    /// In prefixes that are excluded, where it is within one that is listed.
    excluded: usize,
}

/// For each prefix of which some is in the set, in the order of the walk: whether it is listed as a whole.
#[derive(Default)]
struct Plan {
    wholes: Vec<bool>,
}

impl Plan {
    /// The walk is as deep as an address has bits.
    fn cost(&mut self, node: Node, ranges: &[RangeInclusive<u128>]) -> Cost {
        match node.share(ranges) {
            Share::Nothing => Cost { listed: 0, excluded: 1 },
            Share::Everything => Cost { listed: 1, excluded: 0 },
            Share::Some(halves) => {
                let at = self.wholes.len();
                self.wholes.push(false);
                let [low, high] = halves.map(|half| self.cost(half, half.within(ranges)));
                let (parted, excluded) = (low.listed + high.listed, low.excluded + high.excluded);
                let is_whole = 1 + excluded < parted;
                if let Some(whole) = self.wholes.get_mut(at) {
                    *whole = is_whole;
                }
                Cost { listed: parted.min(1 + excluded), excluded }
            }
        }
    }
}

struct Writer<'a> {
    is_ipv4: bool,
    wholes: std::slice::Iter<'a, bool>,
    found: &'a mut Sources,
}

impl Writer<'_> {
    fn write(&mut self, node: Node, ranges: &[RangeInclusive<u128>]) {
        match node.share(ranges) {
            Share::Nothing => {}
            Share::Everything => self.found.listed.extend(node.prefix(self.is_ipv4)),
            Share::Some(halves) => {
                if self.wholes.next().copied().unwrap_or_default() {
                    self.found.listed.extend(node.prefix(self.is_ipv4));
                    return self.exclude(halves, ranges);
                }
                for half in halves {
                    self.write(half, half.within(ranges));
                }
            }
        }
    }

    /// Lists what is missing of the halves of a prefix that is listed.
    fn exclude(&mut self, halves: [Node; 2], ranges: &[RangeInclusive<u128>]) {
        for half in halves {
            let ranges = half.within(ranges);
            match half.share(ranges) {
                Share::Nothing => self.found.excluded.extend(half.prefix(self.is_ipv4)),
                Share::Everything => {}
                Share::Some(halves) => {
                    self.wholes.next();
                    self.exclude(halves, ranges);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(text: &str) -> Vec<Prefix> {
        text.split_whitespace().map(|prefix| prefix.parse().unwrap()).collect()
    }

    fn shown(prefixes: &[Prefix]) -> String {
        prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_shortest_form_is_found() {
        for (listed, excluded, shortest) in [
            ("0.0.0.0/0", "", "0.0.0.0/0 without "),
            ("::/0", "", "::/0 without "),
            ("::/0", "2001:db8::/32", "::/0 without 2001:db8::/32"),
            ("::/0", "2001:db8::1/128", "::/0 without 2001:db8::1/128"),
            ("0.0.0.0/0", "10.0.0.0/8 192.0.2.7/32", "0.0.0.0/0 without 10.0.0.0/8 192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1 without "),
            ("0.0.0.0/0", "0.0.0.0/2", "64.0.0.0/2 128.0.0.0/1 without "),
            ("10.0.0.0/8 192.168.0.0/16", "", "10.0.0.0/8 192.168.0.0/16 without "),
            ("10.0.0.0/8 192.168.0.0/16", "10.1.2.0/24", "10.0.0.0/8 192.168.0.0/16 without 10.1.2.0/24"),
            ("2000::/3 fc00::/7", "2001:db8::/32", "2000::/3 fc00::/7 without 2001:db8::/32"),
            ("192.0.2.0/25 192.0.2.128/25", "", "192.0.2.0/24 without "),
            ("::/0", "::/0", " without "),
        ] {
            let (listed, excluded) = (prefixes(listed), prefixes(excluded));
            let is_ipv4 = listed.iter().all(|prefix| prefix.address().is_ipv4());
            let found = Sources::exact(is_ipv4, &without(&listed, &excluded)).unwrap();
            assert_eq!(format!("{} without {}", shown(&found.listed), shown(&found.excluded)), shortest);
        }
    }

    #[test]
    fn what_takes_too_many_is_not_listed() {
        let singles = |count: u128| (0..count).map(|number| 4 * number..=4 * number).collect::<Vec<_>>();
        assert_eq!(Sources::exact(true, &singles(128)).unwrap().listed.len(), 128);
        assert_eq!(Sources::exact(true, &singles(129)), None);
        assert_eq!(Sources::exact(true, &singles(300)), None);
        // 129 holes.
        let holes: Vec<_> = (0..130_u128).map(|number| 4 * number + 1..=4 * number + 3).collect();
        assert_eq!(Sources::exact(false, &holes), None);
    }

    /// A prefix of few addresses near the beginning.
    fn any_prefix(is_ipv4: bool) -> impl Strategy<Value = Prefix> {
        let width = if is_ipv4 { 32 } else { 128 };
        (0_u128..64, 0..=6_u32).prop_map(move |(number, host_bits)| {
            let first = number >> host_bits << host_bits;
            Node { first, host_bits: if host_bits == 6 { width } else { host_bits } }.prefix(is_ipv4).unwrap()
        })
    }

    fn has(ranges: &[RangeInclusive<u128>], number: u128) -> bool {
        ranges.iter().any(|range| range.contains(&number))
    }

    proptest! {
        #[test]
        fn both_forms_are_the_same_set(
            is_ipv4: bool,
            (listed, excluded) in any::<bool>().prop_flat_map(|is_ipv4| {
                let some = || prop::collection::vec(any_prefix(is_ipv4), 0..6);
                (some(), some())
            }),
        ) {
            let is_ipv4 = listed.first().or(excluded.first()).map_or(is_ipv4, |prefix| prefix.address().is_ipv4());
            let ranges = without(&listed, &excluded);
            for number in (0..70).chain([u128::from(u32::MAX), u128::MAX]) {
                let among = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.range().contains(&number));
                prop_assert_eq!(has(&ranges, number), among(&listed) && !among(&excluded));
            }
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));

            let found = Sources::exact(is_ipv4, &ranges).unwrap();
            prop_assert_eq!(&without(&found.listed, &found.excluded), &ranges);
            let is_within = |prefix: &Prefix| found.listed.iter().any(|listed| listed.contains(*prefix));
            prop_assert!(found.excluded.iter().all(is_within));

            let plain: Vec<_> = ranges.iter().flat_map(|range| prefixes_of(is_ipv4, range.clone())).collect();
            prop_assert_eq!(&without(&plain, &[]), &ranges);
            prop_assert!(found.listed.len() + found.excluded.len() <= plain.len());
            prop_assert!(found.listed.is_sorted() && found.excluded.is_sorted());
        }

        /// Ends and holes anywhere: what is listed is the set, and no more than twice what a range takes in the worst
        /// case.
        #[test]
        fn any_range_of_addresses_is_listed(a: u128, b: u128, hole: u128) {
            let (first, last) = (a.min(b), a.max(b));
            let hole = first.max(hole).min(last);
            let mut ranges = vec![first..=last];
            if first < hole && hole < last {
                ranges = vec![first..=hole - 1, hole + 1..=last];
            }
            let found = Sources::exact(false, &ranges).unwrap();
            prop_assert_eq!(&without(&found.listed, &found.excluded), &ranges);
            let plain = ranges.iter().flat_map(|range| prefixes_of(false, range.clone())).collect::<Vec<_>>();
            prop_assert_eq!(&without(&plain, &[]), &ranges);
        }
    }
}
