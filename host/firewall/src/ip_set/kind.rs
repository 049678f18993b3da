//! The types of sets.

use super::Part;

/// An attribute that holds an address, and the one that holds how many of its bits count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    pub(super) address: u16,
    pub(super) prefix: Option<u16>,
}

/// What a member has for a part.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Network(Network),
    ProtocolAndPort,
    Port,
    HardwareAddress,
    Interface,
}

impl Source {
    pub(super) fn part(self) -> Part {
        match self {
            Self::Network(_) => Part::Address,
            Self::ProtocolAndPort => Part::ProtocolAndPort,
            Self::Port => Part::Port,
            Self::HardwareAddress => Part::HardwareAddress,
            Self::Interface => Part::Interface,
        }
    }
}

// Attributes of members (`ip_set.h`).
pub(super) const ADDRESS: u16 = 1;
pub(super) const PREFIX: u16 = 3;
pub(super) const PORT: u16 = 4;
pub(super) const PROTOCOL: u16 = 7;
pub(super) const FLAGS: u16 = 8;
pub(super) const HARDWARE_ADDRESS: u16 = 17;
pub(super) const NAME: u16 = 18;
pub(super) const SECOND_ADDRESS: u16 = 20;
pub(super) const SECOND_PREFIX: u16 = 21;
pub(super) const INTERFACE: u16 = 23;
/// The highest that is known, of which those not named here have no say in what matches: counters, comments, what a
/// packet is marked with, the time that is left.
pub(super) const HIGHEST: u16 = 30;

const HOST: Source = Source::Network(Network { address: ADDRESS, prefix: None });
const SECOND_HOST: Source = Source::Network(Network { address: SECOND_ADDRESS, prefix: None });
const NETWORK: Source = Source::Network(Network { address: ADDRESS, prefix: Some(PREFIX) });
const SECOND_NETWORK: Source = Source::Network(Network { address: SECOND_ADDRESS, prefix: Some(SECOND_PREFIX) });

/// A type.
#[derive(Debug)]
pub(super) struct Kind {
    name: &'static str,
    /// The newest revision that is known (`IPSET_TYPE_REV_MAX` of its file in `net/netfilter/ipset`).
    pub(super) revision: u8,
    /// What a member is made of, in the order of the dimensions of a match. None for a set of sets.
    pub(super) sources: &'static [Source],
}

impl Kind {
    pub(super) fn named(name: &[u8]) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name.as_bytes() == name)
    }

    /// Whether its members are sets.
    pub(super) fn is_list(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether its members can be exceptions (`IPSET_TYPE_NOMATCH`).
    pub(super) fn has_exceptions(&self) -> bool {
        self.sources.iter().any(|source| matches!(source, Source::Network(Network { prefix: Some(_), .. })))
    }

    /// Whether a network that is not among the members with the packet's interface hides wider ones
    /// (`IP_SET_HASH_WITH_MULTI`).
    pub(super) fn hides_wider_networks(&self) -> bool {
        matches!(self.sources, [Source::Network(_), Source::Interface])
    }
}

const fn kind(name: &'static str, revision: u8, sources: &'static [Source]) -> Kind {
    Kind { name, revision, sources }
}

/// Those that are known. What is left out asks for marks or hardware addresses: `hash:mac`, `hash:ip,mac`,
/// `hash:ip,mark`.
const KINDS: &[Kind] = &[
    kind("bitmap:ip", 3, &[HOST]),
    kind("bitmap:ip,mac", 3, &[HOST, Source::HardwareAddress]),
    kind("bitmap:port", 3, &[Source::Port]),
    kind("hash:ip", 6, &[HOST]),
    kind("hash:ip,port", 7, &[HOST, Source::ProtocolAndPort]),
    kind("hash:ip,port,ip", 6, &[HOST, Source::ProtocolAndPort, SECOND_HOST]),
    kind("hash:ip,port,net", 8, &[HOST, Source::ProtocolAndPort, SECOND_NETWORK]),
    kind("hash:net", 7, &[NETWORK]),
    kind("hash:net,port", 8, &[NETWORK, Source::ProtocolAndPort]),
    kind("hash:net,iface", 8, &[NETWORK, Source::Interface]),
    kind("hash:net,net", 4, &[NETWORK, SECOND_NETWORK]),
    kind("hash:net,port,net", 3, &[NETWORK, Source::ProtocolAndPort, SECOND_NETWORK]),
    kind("list:set", 3, &[]),
];
