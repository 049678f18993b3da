//! Sets of senders: source addresses, and for each of them source ports.

use std::sync::Arc;

use range_set_blaze::RangeSetBlaze;

use crate::address_set::{AddressSet, IpVersion};

/// A set of ports. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSet {
    /// Every port: the usual case, because few rules ask for a source port.
    All,
    /// These ports.
    Some(Arc<RangeSetBlaze<u16>>),
}

impl PortSet {
    /// The ports in any of some ranges.
    pub fn from_ranges(ranges: impl IntoIterator<Item = std::ops::RangeInclusive<u16>>) -> Self {
        Self::new(ranges.into_iter().filter(|range| !range.is_empty()).collect())
    }

    fn new(ports: RangeSetBlaze<u16>) -> Self {
        let all = ports.ranges_len() == 1 && ports.first() == Some(0) && ports.last() == Some(u16::MAX);
        if all { Self::All } else { Self::Some(Arc::new(ports)) }
    }

    /// Whether no port is in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Some(ports) if ports.is_empty())
    }

    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Some(ports) => ports.contains(port),
        }
    }

    /// The disjoint ranges, in order.
    pub fn ranges(&self) -> Vec<std::ops::RangeInclusive<u16>> {
        match self {
            Self::All => vec![0..=u16::MAX],
            Self::Some(ports) => ports.ranges().collect(),
        }
    }

    /// The number of disjoint ranges.
    pub fn ranges_len(&self) -> usize {
        match self {
            Self::All => 1,
            Self::Some(ports) => ports.ranges_len(),
        }
    }

    fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, ports) | (ports, Self::All) => ports.clone(),
            (Self::Some(a), Self::Some(b)) => Self::new(&**a & &**b),
        }
    }

    /// The ports that are in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::All) => Self::new(RangeSetBlaze::new()),
            (Self::All, Self::Some(b)) => Self::new(!&**b),
            (Self::Some(a), Self::Some(b)) => Self::new(&**a - &**b),
        }
    }

    /// The ports that are in any of the two.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Some(a), Self::Some(b)) => Self::new(&**a | &**b),
        }
    }
}

/// A set of senders: pairs of an address and a port.
///
/// It is kept as a function from addresses to sets of ports: parts with disjoint, non-empty addresses and non-empty
/// ports.
#[derive(Clone, Debug)]
pub struct Region {
    version: IpVersion,
    parts: Vec<(AddressSet, PortSet)>,
}

impl Region {
    /// Nobody.
    pub fn empty(version: IpVersion) -> Self {
        Self { version, parts: Vec::new() }
    }

    /// Everybody.
    pub fn all(version: IpVersion) -> Self {
        Self::of_addresses(AddressSet::all(version))
    }

    /// These addresses, from every port.
    pub fn of_addresses(addresses: AddressSet) -> Self {
        Self::new(addresses.version(), [(addresses, PortSet::All)])
    }

    /// These ports, of every address.
    pub fn of_ports(version: IpVersion, ports: PortSet) -> Self {
        Self::new(version, [(AddressSet::all(version), ports)])
    }

    /// Parts with disjoint addresses.
    fn new(version: IpVersion, parts: impl IntoIterator<Item = (AddressSet, PortSet)>) -> Self {
        Self::empty(version).with_parts(parts)
    }

    /// With more parts, of addresses that are in no other. Parts with the same ports are joined, empty ones left out.
    fn with_parts(mut self, parts: impl IntoIterator<Item = (AddressSet, PortSet)>) -> Self {
        for (addresses, ports) in parts {
            if addresses.is_empty() || ports.is_empty() {
                continue;
            }
            match self.parts.iter_mut().find(|(_, known)| *known == ports) {
                Some((known, _)) => *known = known.union(&addresses),
                None => self.parts.push((addresses, ports)),
            }
        }
        self
    }

    /// Without one part of another region: most of many parts stay as they are.
    fn without_part(&self, addresses: &AddressSet, ports: &PortSet) -> Self {
        let (kept, cut): (Vec<_>, Vec<_>) = self.parts.iter().partition(|(own, _)| own.is_disjoint(addresses));
        let left = cut.into_iter().flat_map(|(own, own_ports)| {
            let outside = (own.difference(addresses), own_ports.clone());
            [outside, (own.intersection(addresses), own_ports.difference(ports))]
        });
        Self { version: self.version, parts: kept.into_iter().cloned().collect() }.with_parts(left)
    }

    /// The IP version of its addresses.
    pub fn version(&self) -> IpVersion {
        self.version
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a sender is in it.
    pub fn contains(&self, address: std::net::IpAddr, port: u16) -> bool {
        self.parts.iter().any(|(addresses, ports)| addresses.contains(address) && ports.contains(port))
    }

    /// The parts: disjoint addresses, with the ports that go with each.
    pub fn parts(&self) -> &[(AddressSet, PortSet)] {
        &self.parts
    }

    /// Every address that is in it with some port.
    pub fn addresses(&self) -> AddressSet {
        match self.parts.as_slice() {
            [(only, _)] => only.clone(),
            parts => AddressSet::from_ranges(self.version, parts.iter().flat_map(|(addresses, _)| addresses.ranges())),
        }
    }

    /// The senders that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self.parts.iter().flat_map(|a| other.parts.iter().map(move |b| (a, b)));
        let common = pairs.map(|((a, p), (b, q))| (a.intersection(b), p.intersection(q)));
        Self::new(self.version, common)
    }

    /// The senders that are in this one and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if let [(addresses, ports)] = other.parts.as_slice() {
            return self.without_part(addresses, ports);
        }
        let left = self.parts.iter().flat_map(|(addresses, ports)| subtract(addresses, ports, &other.parts));
        Self::new(self.version, left)
    }

    /// The senders that are in any of the two.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        for (one, many) in [(other, self), (self, other)] {
            if let [part] = one.parts.as_slice()
                && many.parts.iter().all(|(addresses, _)| addresses.is_disjoint(&part.0))
            {
                return many.clone().with_parts([part.clone()]);
            }
        }
        let pairs = self.parts.iter().flat_map(|a| other.parts.iter().map(move |b| (a, b)));
        let common = pairs.map(|((a, p), (b, q))| (a.intersection(b), p.union(q)));
        let only = |a: &Self, b: &Self| {
            a.parts.iter().map(|(addresses, ports)| (without(addresses, &b.parts), ports.clone())).collect::<Vec<_>>()
        };
        Self::new(self.version, common.chain(only(self, other)).chain(only(other, self)))
    }

    /// The senders that are not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all(self.version).difference(self)
    }

    /// Whether some sender is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut pairs = self.parts.iter().flat_map(|a| other.parts.iter().map(move |b| (a, b)));
        pairs.any(|((a, p), (b, q))| !p.intersection(q).is_empty() && !a.intersection(b).is_empty())
    }

    /// The senders whose address is in a set.
    #[must_use]
    pub fn within(&self, addresses: &AddressSet) -> Self {
        let parts = self.parts.iter().map(|(own, ports)| (own.intersection(addresses), ports.clone()));
        Self::new(self.version, parts)
    }
}

/// The addresses that are in none of some parts.
fn without(addresses: &AddressSet, parts: &[(AddressSet, PortSet)]) -> AddressSet {
    parts.iter().fold(addresses.clone(), |left, (theirs, _)| left.difference(theirs))
}

/// What is left of some addresses with some ports without the parts of another region.
fn subtract(addresses: &AddressSet, ports: &PortSet, others: &[(AddressSet, PortSet)]) -> Vec<(AddressSet, PortSet)> {
    let mut left = addresses.clone();
    let mut found = Vec::new();
    for (theirs, their_ports) in others {
        if left.is_empty() {
            break;
        }
        let both = left.intersection(theirs);
        if !both.is_empty() {
            left = left.difference(&both);
            found.push((both, ports.difference(their_ports)));
        }
    }
    found.push((left, ports.clone()));
    found
}

impl PartialEq for Region {
    /// Regions with the same senders are equal, however they are cut into parts.
    fn eq(&self, other: &Self) -> bool {
        self.difference(other).is_empty() && other.difference(self).is_empty()
    }
}

impl Eq for Region {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_region() -> impl Strategy<Value = Region> {
        let part = (0_u128..24, 0_u128..24, 0_u16..24, 0_u16..24);
        prop::collection::vec(part, 0..4).prop_map(|parts| {
            parts.into_iter().fold(Region::empty(IpVersion::V4), |sum, (first, last, low, high)| {
                let addresses = AddressSet::from_range(IpVersion::V4, first..=last);
                let ports = PortSet::from_ranges([low..=high]);
                sum.union(&Region::new(IpVersion::V4, [(addresses, ports)]))
            })
        })
    }

    proptest! {
        #[test]
        fn the_algebra_agrees_with_membership(a in any_region(), b in any_region()) {
            for number in 0..26 {
                let address = IpVersion::V4.address(number);
                for port in 0..26 {
                    let (in_a, in_b) = (a.contains(address, port), b.contains(address, port));
                    prop_assert_eq!(a.intersection(&b).contains(address, port), in_a && in_b);
                    prop_assert_eq!(a.union(&b).contains(address, port), in_a || in_b);
                    prop_assert_eq!(a.difference(&b).contains(address, port), in_a && !in_b);
                    prop_assert_eq!(a.complement().contains(address, port), !in_a);
                }
            }
        }

        #[test]
        fn parts_have_disjoint_addresses(a in any_region(), b in any_region()) {
            let parts = a.union(&b);
            for (position, (addresses, _)) in parts.parts().iter().enumerate() {
                for (other, _) in &parts.parts()[position + 1..] {
                    prop_assert!(addresses.intersection(other).is_empty());
                }
            }
        }
    }
}
