//! Exact sets of addresses of one IP version.

mod memory;
mod ranges;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock, OnceLock};

use loopgate_facts::{MAX_SOURCES, Prefix, Reachability, Sources, prefixes_of};

use ranges::{Operation, Ranges};

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum IpVersion {
    V4,
    V6,
}

impl IpVersion {
    /// The version of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Length of an address in bytes.
    pub fn address_length(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The highest address as a number.
    pub fn last(self) -> u128 {
        match self {
            Self::V4 => u32::MAX.into(),
            Self::V6 => u128::MAX,
        }
    }

    /// The address that a number stands for; bits beyond the width of an address are dropped.
    pub fn address(self, number: u128) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits(u32::try_from(number & u128::from(u32::MAX)).unwrap_or(0)).into(),
            Self::V6 => Ipv6Addr::from_bits(number).into(),
        }
    }
}

/// An address as a number, most significant byte first.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A set of addresses of one IP version. Cloning is cheap.
#[derive(Clone)]
pub struct AddressSet(Arc<Shared>);

/// What clones of a set share.
struct Shared {
    ranges: Ranges,
    /// The set as facts list it, once somebody asked for that.
    listed: OnceLock<Sources>,
}

impl PartialEq for AddressSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.ranges == other.0.ranges
    }
}

impl Eq for AddressSet {}

impl AddressSet {
    /// No address.
    pub fn empty(version: IpVersion) -> Self {
        Self::from_ranges(version, [])
    }

    /// Every address.
    pub fn all(version: IpVersion) -> Self {
        // One set for everybody, so that what is combined with it is remembered.
        static ALL: LazyLock<[AddressSet; 2]> = LazyLock::new(|| {
            [IpVersion::V4, IpVersion::V6].map(|version| AddressSet::from_range(version, 0..=version.last()))
        });
        let [v4, v6] = &*ALL;
        if version == IpVersion::V4 { v4.clone() } else { v6.clone() }
    }

    /// One address.
    pub fn single(address: IpAddr) -> Self {
        let number = number(address);
        Self::from_range(IpVersion::of(address), number..=number)
    }

    /// The addresses of a prefix; bits behind the prefix do not count.
    pub fn prefix(prefix: Prefix) -> Self {
        let version = IpVersion::of(prefix.address());
        let host_bits = version.address_length() * 8 - usize::from(prefix.length());
        let host = u128::MAX.checked_shr(128 - u32::try_from(host_bits).unwrap_or(0)).unwrap_or(0);
        let first = number(prefix.address()) & !host;
        Self::from_range(version, first..=first | host)
    }

    /// The addresses whose numbers lie in a range. A range that is upside down is empty.
    pub fn from_range(version: IpVersion, range: RangeInclusive<u128>) -> Self {
        Self::from_ranges(version, [range])
    }

    /// The addresses whose numbers lie in any of some ranges.
    pub fn from_ranges(version: IpVersion, ranges: impl IntoIterator<Item = RangeInclusive<u128>>) -> Self {
        Self::new(Ranges::new(version, ranges))
    }

    fn new(ranges: Ranges) -> Self {
        Self(Arc::new(Shared { ranges, listed: OnceLock::new() }))
    }

    /// The IP version of its addresses.
    pub fn version(&self) -> IpVersion {
        self.0.ranges.version()
    }

    /// Whether no address is in it.
    pub fn is_empty(&self) -> bool {
        self.0.ranges.len() == 0
    }

    /// Whether every address of the version is in it.
    pub fn is_all(&self) -> bool {
        self.0.ranges.len() == 1 && self.ranges().next() == Some(0..=self.version().last())
    }

    /// Whether an address is in it; one of the other version never is.
    pub fn contains(&self, address: IpAddr) -> bool {
        IpVersion::of(address) == self.version() && self.0.ranges.contains(number(address))
    }

    /// The lowest address.
    pub fn first(&self) -> Option<IpAddr> {
        self.ranges().next().map(|range| self.version().address(*range.start()))
    }

    /// The disjoint ranges of its numbers, in order.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u128>> + Clone + '_ {
        self.0.ranges.iter()
    }

    /// The number of disjoint ranges.
    pub fn ranges_len(&self) -> usize {
        self.0.ranges.len()
    }

    /// The addresses that are in both. Sets of different versions have none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_apart(other) {
            return Self::empty(self.version());
        }
        if self.is_empty() || other.is_all() {
            return self.clone();
        }
        if other.is_empty() || self.is_all() {
            return other.clone();
        }
        self.combine(other, Operation::Intersection)
    }

    /// The addresses that are in this one and not in the other. All of them where that is of another version.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() || self.is_apart(other) {
            return self.clone();
        }
        self.combine(other, Operation::Difference)
    }

    /// The addresses that are in any of the two. Those of another version are left out.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.version() != other.version() || other.is_empty() || self.is_all() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.combine(other, Operation::Union)
    }

    /// The addresses that are not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all(self.version()).difference(self)
    }

    /// Whether every address of this one is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    /// Whether no address is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self.single_address(), other.single_address()) {
            _ if self.is_apart(other) => true,
            (Some(address), _) => !other.0.ranges.contains(address),
            (_, Some(address)) => !self.0.ranges.contains(address),
            (None, None) => self.intersection(other).is_empty(),
        }
    }

    /// The number of its address, if it has no other.
    fn single_address(&self) -> Option<u128> {
        self.0.ranges.ends().filter(|(first, last)| first == last).map(|(only, _)| only)
    }

    /// Whether they are of two versions, or all addresses of one lie before those of the other; sets that are not may
    /// have nothing in common either.
    fn is_apart(&self, other: &Self) -> bool {
        if self.version() != other.version() {
            return true;
        }
        let (mine, theirs) = (self.0.ranges.ends(), other.0.ranges.ends());
        mine.zip(theirs)
            .is_some_and(|((first, last), (other_first, other_last))| last < other_first || other_last < first)
    }

    fn combine(&self, other: &Self, operation: Operation) -> Self {
        debug_assert_eq!(self.version(), other.version(), "sets of one version are combined");
        if self.ranges_len() + other.ranges_len() < WORTH_REMEMBERING {
            return self.combined(other, operation);
        }
        memory::recall(operation, self, other).unwrap_or_else(|| {
            let result = self.combined(other, operation);
            memory::remember(operation, self, other, result)
        })
    }

    fn combined(&self, other: &Self, operation: Operation) -> Self {
        let (a, b) = (&self.0.ranges, &other.0.ranges);
        let result = a.combine(b, operation);
        // An operand again is the operand itself, so that what is remembered of it holds.
        if result == *a {
            self.clone()
        } else if result == *b {
            other.clone()
        } else {
            Self::new(result)
        }
    }

    /// The set as facts list it.
    pub fn listed(&self) -> &Sources {
        self.0.listed.get_or_init(|| {
            let ranges: Vec<_> = self.ranges().take(2 * MAX_SOURCES + 1).collect();
            Sources::exact(self.version() == IpVersion::V4, &ranges).unwrap_or_else(|| {
                let (listed, unlisted) = Reachability::shortened(self.each_prefix());
                Sources { listed, excluded: Vec::new(), unlisted }
            })
        })
    }

    /// Prefixes that hold the set, and prefixes within them that are not in it: like [`AddressSet::listed`], with none
    /// left out.
    pub fn listed_in_full(&self) -> (Vec<Prefix>, Vec<Prefix>) {
        match self.listed() {
            Sources { listed, excluded, unlisted: 0 } => (listed.clone(), excluded.clone()),
            _ => (self.prefixes(), Vec::new()),
        }
    }

    /// The fewest prefixes that cover exactly this set, in order.
    pub fn prefixes(&self) -> Vec<Prefix> {
        self.each_prefix().collect()
    }

    fn each_prefix(&self) -> impl Iterator<Item = Prefix> + Clone + '_ {
        let is_ipv4 = self.version() == IpVersion::V4;
        self.ranges().flat_map(move |range| prefixes_of(is_ipv4, range))
    }
}

/// Sets with at least so many ranges together are combined once: a question about each of hundreds of listeners
/// combines the same large sets in the same way.
const WORTH_REMEMBERING: usize = 64;

impl fmt::Debug for AddressSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |number| self.version().address(number);
        formatter
            .debug_list()
            .entries(self.ranges().map(|range| address(*range.start())..=address(*range.end())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> AddressSet {
        let prefixes = text.split_whitespace().map(|prefix| AddressSet::prefix(prefix.parse().unwrap()));
        prefixes.reduce(|a, b| a.union(&b)).unwrap()
    }

    fn shown(set: &AddressSet) -> String {
        set.prefixes().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_set_is_shown_as_the_fewest_prefixes() {
        assert_eq!(shown(&set("10.0.0.0/9 10.128.0.0/9 192.0.2.1/32")), "10.0.0.0/8 192.0.2.1/32");
        assert_eq!(shown(&AddressSet::all(IpVersion::V4)), "0.0.0.0/0");
        assert_eq!(shown(&AddressSet::all(IpVersion::V6)), "::/0");
        assert_eq!(shown(&set("128.0.0.0/1").complement()), "0.0.0.0/1");
        assert_eq!(shown(&set("::1/128 fe80::/10")), "::1/128 fe80::/10");
    }

    #[test]
    fn bits_behind_a_prefix_do_not_count() {
        assert_eq!(set("10.1.2.3/8"), set("10.0.0.0/8"));
        assert_eq!(set("0.0.0.0/0"), AddressSet::all(IpVersion::V4));
        assert_eq!(set("::/0"), AddressSet::all(IpVersion::V6));
    }

    #[test]
    fn sets_of_two_versions_have_nothing_in_common() {
        let (ipv4, ipv6) = (set("10.0.0.0/8 192.0.2.1/32"), set("::a00:0/104"));
        let (all, none) = (AddressSet::all(IpVersion::V6), AddressSet::empty(IpVersion::V6));
        for other in [ipv6, all, none] {
            assert_eq!(ipv4.intersection(&other), AddressSet::empty(IpVersion::V4));
            assert_eq!(ipv4.union(&other), ipv4);
            assert_eq!(AddressSet::empty(IpVersion::V4).union(&other), AddressSet::empty(IpVersion::V4));
            assert_eq!(ipv4.difference(&other), ipv4);
            assert!(ipv4.is_disjoint(&other));
        }
    }

    fn any_set() -> impl Strategy<Value = AddressSet> {
        prop::collection::vec((0_u128..64, 0_u128..64), 0..6).prop_map(|ranges| {
            AddressSet::from_ranges(IpVersion::V4, ranges.into_iter().map(|(first, last)| first..=last))
        })
    }

    proptest! {
        #[test]
        fn the_algebra_agrees_with_membership(a in any_set(), b in any_set()) {
            for number in 0..70 {
                let address = IpVersion::V4.address(number);
                let (in_a, in_b) = (a.contains(address), b.contains(address));
                prop_assert_eq!(a.intersection(&b).contains(address), in_a && in_b);
                prop_assert_eq!(a.union(&b).contains(address), in_a || in_b);
                prop_assert_eq!(a.difference(&b).contains(address), in_a && !in_b);
                prop_assert_eq!(a.complement().contains(address), !in_a);
            }
        }

        #[test]
        fn what_is_listed_is_exactly_the_set(a in any_set()) {
            let listed = a.listed();
            let of = |prefixes: &[Prefix]| prefixes.iter().fold(AddressSet::empty(IpVersion::V4), |sum, prefix| {
                sum.union(&AddressSet::prefix(*prefix))
            });
            prop_assert_eq!(listed.unlisted, 0);
            prop_assert_eq!(of(&listed.listed).difference(&of(&listed.excluded)), a);
        }

        #[test]
        fn prefixes_cover_exactly_the_set(a in any_set()) {
            let prefixes = a.prefixes();
            let again = prefixes.iter().fold(AddressSet::empty(IpVersion::V4), |sum, prefix| {
                sum.union(&AddressSet::prefix(*prefix))
            });
            prop_assert_eq!(again, a);
        }
    }
}
