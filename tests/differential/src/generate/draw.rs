//! Chance, and what the rules that it made have in common: addresses and ports that probes should try.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::Protocol;
use crate::plan;

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// A source of choices that remembers the addresses and ports it gave to rules.
pub(crate) struct Draw {
    random: fastrand::Rng,
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    source_ports: Vec<u16>,
}

impl Draw {
    /// The same seed gives the same choices.
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, addresses: Vec::new(), ports: Vec::new(), source_ports: Vec::new() }
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(0..100) < percent
    }

    /// A number of a range.
    pub(crate) fn number(&mut self, range: std::ops::Range<u32>) -> u32 {
        self.random.u32(range)
    }

    /// How many, from 0, each further one with so many percent.
    pub(crate) fn count(&mut self, percent: u32, most: usize) -> usize {
        (0..most).take_while(|_| self.random.u32(0..100) < percent).count()
    }

    /// One of some.
    pub(crate) fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.random.usize(0..some.len())]
    }

    /// One of some, by weight.
    pub(crate) fn weighted<T: Copy>(&mut self, some: &[(u32, T)]) -> T {
        let total = some.iter().map(|(weight, _)| weight).sum();
        let mut left = self.random.u32(0..total);
        for &(weight, value) in some {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return value,
            }
        }
        some[0].1
    }

    /// A transport protocol.
    pub(crate) fn protocol(&mut self) -> Protocol {
        if self.chance(62) { Protocol::Tcp } else { Protocol::Udp }
    }

    /// A source address that rules may name.
    pub(crate) fn source(&mut self, version: Version) -> IpAddr {
        match version {
            Version::V4 => self.pick(&plan::SOURCES_V4).into(),
            Version::V6 => self.pick(&plan::SOURCES_V6).into(),
        }
    }

    /// An address of the host, mostly the first.
    pub(crate) fn own(&mut self, version: Version) -> IpAddr {
        let first = self.chance(55);
        match version {
            Version::V4 if first => plan::HOST_V4[0].into(),
            Version::V4 => self.pick(&plan::HOST_V4).into(),
            Version::V6 if first => plan::HOST_V6[0].into(),
            Version::V6 => self.pick(&plan::HOST_V6).into(),
        }
    }

    /// An address of the host that others can send to.
    pub(crate) fn own_outside(&mut self, version: Version) -> IpAddr {
        loop {
            let address = self.own(version);
            if !address.is_loopback() {
                return address;
            }
        }
    }

    /// An address behind the host.
    pub(crate) fn behind(&mut self, version: Version) -> IpAddr {
        match version {
            Version::V4 => self.pick(&plan::BEHIND_V4).into(),
            Version::V6 => self.pick(&plan::BEHIND_V6).into(),
        }
    }

    /// A port that something listens on.
    pub(crate) fn port(&mut self) -> u16 {
        let port = if self.ports.is_empty() || self.chance(70) { self.pick(&plan::PORTS) } else { self.known_port() };
        self.ports.push(port);
        port
    }

    fn known_port(&mut self) -> u16 {
        self.ports[self.random.usize(0..self.ports.len())]
    }

    /// The port of a probe, mostly one that rules name.
    pub(crate) fn probed_port(&mut self) -> u16 {
        if self.ports.is_empty() || self.chance(25) { self.pick(&plan::PORTS) } else { self.known_port() }
    }

    /// A source port that rules name.
    pub(crate) fn source_port(&mut self) -> u16 {
        let port: u16 = self.pick(&[53, 67, 68, 123, 1023, 1024, 5353, 20, 32768, 60999]);
        self.source_ports.extend([port, port.saturating_add(1), port.saturating_sub(1)]);
        port
    }

    /// A source port of a probe that rules name, if any does.
    pub(crate) fn probed_source_port(&mut self) -> Option<u16> {
        if self.source_ports.is_empty() {
            return None;
        }
        Some(self.source_ports[self.random.usize(0..self.source_ports.len())])
    }

    /// An address with how many bits of it count; probes will try its ends.
    pub(crate) fn prefix(&mut self, version: Version) -> (IpAddr, u8) {
        let address = if self.chance(80) { self.source(version) } else { self.own(version) };
        let (width, lengths): (u8, &[u8]) = match version {
            Version::V4 => (32, &[32, 32, 32, 31, 30, 29, 28, 27, 26, 25, 24, 24, 24, 23, 20, 16, 12, 8, 8, 4, 1]),
            Version::V6 => (128, &[128, 128, 127, 126, 124, 121, 120, 112, 64, 64, 64, 48, 32, 16, 10, 8, 7, 3]),
        };
        let length = self.pick(lengths);
        let host = if length == 0 { u128::MAX } else { (1_u128 << (width - length)).wrapping_sub(1) };
        let first = bits(address) & !host;
        self.remember(version, first, first | host);
        (from_bits(version, first), length)
    }

    /// A range of addresses; probes will try its ends.
    pub(crate) fn range(&mut self, version: Version) -> (IpAddr, IpAddr) {
        let first = bits(self.source(version));
        let last = if self.chance(50) {
            first.saturating_add(self.pick(&[1, 2, 5, 31, 100, 255]))
        } else {
            bits(self.source(version))
        };
        let most = if version == Version::V4 { u128::from(u32::MAX) } else { u128::MAX };
        let (first, last) = (first.min(last), first.max(last).min(most));
        self.remember(version, first, last);
        (from_bits(version, first), from_bits(version, last))
    }

    fn remember(&mut self, version: Version, first: u128, last: u128) {
        let numbers = [first, last, first.wrapping_sub(1), last.wrapping_add(1), first + (last - first) / 2];
        self.addresses.extend(numbers.map(|number| from_bits(version, number)));
    }

    /// The source address of a probe, often at the edge of a range that a rule names.
    pub(crate) fn probed_source(&mut self, version: Version) -> IpAddr {
        let is_version = |address: &IpAddr| address.is_ipv4() == (version == Version::V4) && plan::is_pinned(*address);
        if self.chance(55) {
            let known: Vec<IpAddr> = self.addresses.iter().copied().filter(is_version).collect();
            if !known.is_empty() {
                return self.pick(&known);
            }
        }
        self.source(version)
    }
}

/// An address as a number.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn from_bits(version: Version, number: u128) -> IpAddr {
    match version {
        Version::V4 => Ipv4Addr::from_bits(u32::try_from(number & u128::from(u32::MAX)).unwrap_or(0)).into(),
        Version::V6 => Ipv6Addr::from_bits(number).into(),
    }
}
