//! Whether sets of sources are a partition: every address in exactly one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::PartitionFlaw;
use crate::Prefix;
use crate::sources::{prefixes_of, without};

/// The sources of one entry.
#[derive(Clone, Copy)]
pub(super) struct Part<'facts> {
    pub(super) sources: &'facts [Prefix],
    /// Prefixes within them that do not count.
    pub(super) excluded: &'facts [Prefix],
    /// Whether the list is complete. With one that is not, nobody can say that an address is missing.
    pub(super) is_complete: bool,
}

/// What keeps the parts from being a partition of the addresses of one IP version.
pub(super) fn flaw(is_ipv4: bool, parts: &[Part<'_>]) -> Option<PartitionFlaw> {
    let is_of_version = |prefix: &&Prefix| prefix.address().is_ipv4() == is_ipv4;
    for part in parts {
        if let Some(stray) = part.sources.iter().chain(part.excluded).find(|prefix| !is_of_version(prefix)) {
            return Some(PartitionFlaw::Version(*stray));
        }
        if let Some(flaw) = flaw_of(part) {
            return Some(flaw);
        }
    }
    let mut ranges: Vec<_> = parts.iter().flat_map(|part| without(part.sources, part.excluded)).collect();
    ranges.sort_unstable_by_key(|range| *range.start());
    let is_complete = parts.iter().all(|part| part.is_complete);
    walk(is_ipv4, is_complete, &ranges)
}

/// What is wrong with one list.
pub(super) fn flaw_of(part: &Part<'_>) -> Option<PartitionFlaw> {
    if without(part.sources, part.excluded).is_empty() {
        return Some(PartitionFlaw::Empty);
    }
    let stray = part.excluded.iter().find(|prefix| !part.sources.iter().any(|source| source.contains(**prefix)));
    if let Some(stray) = stray {
        return Some(PartitionFlaw::NotExcluded(*stray));
    }
    if !part.is_complete && !part.excluded.is_empty() {
        return Some(PartitionFlaw::Incomplete);
    }
    [part.sources, part.excluded].into_iter().find_map(repeated).map(PartitionFlaw::Overlap)
}

/// A prefix that shares addresses with another one of a list.
fn repeated(prefixes: &[Prefix]) -> Option<Prefix> {
    let mut prefixes = prefixes.to_vec();
    prefixes.sort_by_key(|prefix| *prefix.range().start());
    let pairs = prefixes.iter().zip(prefixes.iter().skip(1));
    pairs.into_iter().find(|(one, next)| one.range().end() >= next.range().start()).map(|(_, next)| *next)
}

/// Goes through ranges by their first addresses: each begins where the one before it ended.
fn walk(is_ipv4: bool, is_complete: bool, ranges: &[RangeInclusive<u128>]) -> Option<PartitionFlaw> {
    let mut next = Some(0);
    for range in ranges {
        match next {
            Some(next) if *range.start() > next && is_complete => {
                return Some(PartitionFlaw::Missing(address(is_ipv4, next)));
            }
            Some(next) if *range.start() >= next => {}
            _ => return prefixes_of(is_ipv4, range.clone()).next().map(PartitionFlaw::Overlap),
        }
        next = range.end().checked_add(1);
    }
    let last = if is_ipv4 { u32::MAX.into() } else { u128::MAX };
    let missing = next.filter(|next| *next <= last && is_complete);
    missing.map(|next| PartitionFlaw::Missing(address(is_ipv4, next)))
}

fn address(is_ipv4: bool, number: u128) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if is_ipv4 => Ipv4Addr::from_bits(number).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(text: &str) -> Vec<Prefix> {
        text.split_whitespace().map(|prefix| prefix.parse().unwrap()).collect()
    }

    fn flaw_of_texts(parts: &[&str]) -> Option<PartitionFlaw> {
        let lists: Vec<_> = parts.iter().map(|part| prefixes(part)).collect();
        let parts: Vec<_> = lists.iter().map(|sources| complete(sources)).collect();
        flaw(lists.first().is_none_or(|list| list.first().is_none_or(|prefix| prefix.address().is_ipv4())), &parts)
    }

    #[test]
    fn flaws_are_named() {
        let missing = |text: &str| Some(PartitionFlaw::Missing(text.parse().unwrap()));
        let overlap = |text: &str| Some(PartitionFlaw::Overlap(text.parse().unwrap()));
        for (parts, expected) in [
            (&["0.0.0.0/0"][..], None),
            (&["::/0"], None),
            (&["128.0.0.0/1", "0.0.0.0/1"], None),
            (&["0.0.0.0/1 192.0.0.0/2", "128.0.0.0/2"], None),
            (&["::/1", "8000::/1"], None),
            (&[], missing("0.0.0.0")),
            (&["0.0.0.0/1"], missing("128.0.0.0")),
            (&["8000::/1"], missing("::")),
            (&["::/1"], missing("8000::")),
            (&["0.0.0.0/0", "10.0.0.0/8"], overlap("10.0.0.0/8")),
            (&["::/0", "::/0"], overlap("::/0")),
            (&["0.0.0.0/0", ""], Some(PartitionFlaw::Empty)),
            (&["0.0.0.0/0", "::/0"], Some(PartitionFlaw::Version("::/0".parse().unwrap()))),
        ] {
            assert_eq!(flaw_of_texts(parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_list_that_is_not_complete_can_lack_addresses_but_not_share_them() {
        let flaw = |list: &str| flaw(true, &[Part { sources: &prefixes(list), excluded: &[], is_complete: false }]);
        assert_eq!(flaw("10.0.0.0/8 192.0.2.0/24"), None);
        assert_eq!(flaw("10.0.0.0/8 10.1.0.0/16"), Some(PartitionFlaw::Overlap("10.1.0.0/16".parse().unwrap())));
    }

    #[test]
    fn what_one_part_excludes_another_has() {
        let part = |sources: &str, excluded: &str| (prefixes(sources), prefixes(excluded));
        let flaw_of = |parts: &[(Vec<Prefix>, Vec<Prefix>)], is_complete| {
            let part =
                |(sources, excluded): &'_ (Vec<Prefix>, Vec<Prefix>)| flaw_of_owned(sources, excluded, is_complete);
            let parts: Vec<_> = parts.iter().map(part).collect();
            flaw(
                false,
                &parts
                    .iter()
                    .map(|(sources, excluded, is_complete)| Part { sources, excluded, is_complete: *is_complete })
                    .collect::<Vec<_>>(),
            )
        };
        let whole = || part("::/0", "2001:db8::/32");
        assert_eq!(flaw_of(&[whole(), part("2001:db8::/32", "")], true), None);
        assert_eq!(flaw_of(&[whole()], true), Some(PartitionFlaw::Missing("2001:db8::".parse().unwrap())));
        let overlap = Some(PartitionFlaw::Overlap("2001:db9::/32".parse().unwrap()));
        assert_eq!(flaw_of(&[whole(), part("2001:db8::/32 2001:db9::/32", "")], true), overlap);
        assert_eq!(flaw_of(&[part("::/0", "::/0")], true), Some(PartitionFlaw::Empty));
        let stray = Some(PartitionFlaw::NotExcluded("8000::/1".parse().unwrap()));
        assert_eq!(flaw_of(&[part("::/1", "8000::/1")], true), stray);
        assert_eq!(flaw_of(&[whole()], false), Some(PartitionFlaw::Incomplete));
        assert_eq!(
            flaw_of(&[part("::/0", "10.0.0.0/8")], true),
            Some(PartitionFlaw::Version("10.0.0.0/8".parse().unwrap()))
        );
    }

    fn flaw_of_owned(sources: &[Prefix], excluded: &[Prefix], is_complete: bool) -> (Vec<Prefix>, Vec<Prefix>, bool) {
        (sources.to_vec(), excluded.to_vec(), is_complete)
    }

    proptest! {
        /// Halving the addresses again and again gives a partition; without any one of the pieces it is none.
        #[test]
        fn halves_of_halves_are_a_partition(
            version in prop_oneof![Just("0.0.0.0/0"), Just("::/0")],
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..24),
            lost: prop::sample::Index,
        ) {
            let mut pieces = vec![(version.parse::<Prefix>().unwrap(), false)];
            for (at, side) in cuts {
                let at = at.index(pieces.len());
                let (whole, part) = pieces[at];
                let Ok(low) = Prefix::new(whole.address(), whole.length() + 1) else { continue };
                let high = Prefix::new(upper_half(low), low.length()).unwrap();
                pieces[at] = (low, part);
                pieces.push((high, side));
            }
            let is_ipv4 = version == "0.0.0.0/0";
            let half = |wanted| pieces.iter().filter(move |(_, side)| *side == wanted).map(|(piece, _)| *piece);
            let halves = [half(false).collect::<Vec<_>>(), half(true).collect()];
            let parts: Vec<_> = halves.iter().filter(|half| !half.is_empty()).map(|half| complete(half)).collect();
            prop_assert_eq!(flaw(is_ipv4, &parts), None);

            let all = halves.concat();
            let mut fewer = all.clone();
            let piece = fewer.remove(lost.index(all.len()));
            let flaw_of_fewer = flaw(is_ipv4, &[complete(&fewer)]);
            prop_assert!(flaw_of_fewer.is_some());
            let more = [all, vec![piece]].concat();
            let flaw_of_more = flaw(is_ipv4, &[complete(&more)]);
            prop_assert!(matches!(flaw_of_more, Some(PartitionFlaw::Overlap(_))));
        }
    }

    fn complete(sources: &[Prefix]) -> Part<'_> {
        Part { sources, excluded: &[], is_complete: true }
    }

    fn upper_half(low: Prefix) -> IpAddr {
        let range = low.range();
        address(low.address().is_ipv4(), range.end() + 1)
    }
}
