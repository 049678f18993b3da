//! The ranges of a set, in numbers as wide as its addresses.

use std::ops::RangeInclusive;

use range_set_blaze::{RangeSetBlaze, RangesIter};

use super::IpVersion;

/// How two sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Intersection,
    Difference,
    Union,
}

/// Disjoint ranges of addresses as numbers, most significant byte first.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Ranges {
    V4(RangeSetBlaze<u32>),
    V6(RangeSetBlaze<u128>),
}

impl Ranges {
    /// Ranges that are upside down are empty; what is beyond the last address is left out.
    pub(super) fn new(version: IpVersion, ranges: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        match version {
            IpVersion::V4 => Self::V4(ranges.filter_map(narrow).collect()),
            IpVersion::V6 => Self::V6(ranges.collect()),
        }
    }

    pub(super) fn version(&self) -> IpVersion {
        match self {
            Self::V4(_) => IpVersion::V4,
            Self::V6(_) => IpVersion::V6,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::V4(set) => set.ranges_len(),
            Self::V6(set) => set.ranges_len(),
        }
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        match self {
            Self::V4(set) => u32::try_from(number).is_ok_and(|number| set.contains(number)),
            Self::V6(set) => set.contains(number),
        }
    }

    /// The lowest number and the highest.
    pub(super) fn ends(&self) -> Option<(u128, u128)> {
        match self {
            Self::V4(set) => set.first().zip(set.last()).map(|(first, last)| (first.into(), last.into())),
            Self::V6(set) => set.first().zip(set.last()),
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::V4(set) => Iter::V4(set.ranges()),
            Self::V6(set) => Iter::V6(set.ranges()),
        }
    }

    /// Sets of different versions have nothing in common, and cannot be put together: the first stays what it is.
    pub(super) fn combine(&self, other: &Self, operation: Operation) -> Self {
        match (self, other) {
            (Self::V4(a), Self::V4(b)) => Self::V4(match operation {
                Operation::Intersection => a & b,
                Operation::Difference => a - b,
                Operation::Union => a | b,
            }),
            (Self::V6(a), Self::V6(b)) => Self::V6(match operation {
                Operation::Intersection => a & b,
                Operation::Difference => a - b,
                Operation::Union => a | b,
            }),
            (mine, _) if operation == Operation::Intersection => Self::new(mine.version(), []),
            (mine, _) => mine.clone(),
        }
    }
}

fn narrow(range: RangeInclusive<u128>) -> Option<RangeInclusive<u32>> {
    let first = u32::try_from(*range.start()).ok()?;
    Some(first..=u32::try_from(*range.end()).unwrap_or(u32::MAX))
}

/// The ranges of a set, in order.
#[derive(Clone)]
pub(super) enum Iter<'a> {
    V4(RangesIter<'a, u32>),
    V6(RangesIter<'a, u128>),
}

impl Iterator for Iter<'_> {
    type Item = RangeInclusive<u128>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::V4(ranges) => ranges.next().map(|range| u128::from(*range.start())..=u128::from(*range.end())),
            Self::V6(ranges) => ranges.next(),
        }
    }
}
