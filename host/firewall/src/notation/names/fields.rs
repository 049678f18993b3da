//! Header fields: where they are, how long, and what must be known of a packet for it to have them.

use super::kinds::Kind;
use crate::rule::PayloadBase;

/// A header.
#[derive(Debug)]
pub(crate) struct Header {
    /// Its name.
    pub name: &'static str,
    /// What its offsets count from.
    pub base: PayloadBase,
    /// What must hold for a packet to have it.
    pub layer: Layer,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a header.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name.
    pub name: &'static str,
    /// Where it begins, in bits.
    pub offset: u32,
    /// Its length in bits.
    pub bits: u32,
    /// What it holds.
    pub kind: Kind,
}

/// What must hold for a packet to have a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The device has Ethernet frames.
    Ethernet,
    /// The packet is one of this network protocol.
    Network(Network),
    /// The packet has this transport protocol, in this network protocol where it belongs to one.
    Transport(u8, Option<Network>),
    /// Any transport protocol.
    AnyTransport,
}

/// A network protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Ipv4,
    Ipv6,
    Arp,
}

impl Network {
    /// Its number as an address family (`NFPROTO_*`, `include/uapi/linux/netfilter.h`).
    pub(crate) fn family(self) -> u8 {
        match self {
            Self::Ipv4 => 2,
            Self::Arp => 3,
            Self::Ipv6 => 10,
        }
    }

    /// Its number in an Ethernet frame (`include/uapi/linux/if_ether.h`).
    pub(crate) fn ether_type(self) -> u16 {
        match self {
            Self::Ipv4 => 0x0800,
            Self::Arp => 0x0806,
            Self::Ipv6 => 0x86dd,
        }
    }

    /// The protocol of such a number.
    pub(crate) fn of_family(number: u64) -> Option<Self> {
        [Self::Ipv4, Self::Ipv6, Self::Arp].into_iter().find(|network| u64::from(network.family()) == number)
    }

    /// The protocol of such a number.
    pub(crate) fn of_ether_type(number: u64) -> Option<Self> {
        [Self::Ipv4, Self::Ipv6, Self::Arp].into_iter().find(|network| u64::from(network.ether_type()) == number)
    }
}

/// The header of a name.
pub(crate) fn header(name: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|header| header.name == name)
}

/// The field of a header by their names.
pub(crate) fn field(header: &'static Header, name: &str) -> Option<&'static Field> {
    header.fields.iter().find(|field| field.name == name)
}

const fn at(name: &'static str, offset: u32, bits: u32, kind: Kind) -> Field {
    Field { name, offset, bits, kind }
}

const fn transport(name: &'static str, number: u8, fields: &'static [Field]) -> Header {
    Header { name, base: PayloadBase::Transport, layer: Layer::Transport(number, None), fields }
}

const fn of_network(name: &'static str, number: u8, network: Network, fields: &'static [Field]) -> Header {
    Header { name, base: PayloadBase::Transport, layer: Layer::Transport(number, Some(network)), fields }
}

const fn network(name: &'static str, network: Network, fields: &'static [Field]) -> Header {
    Header { name, base: PayloadBase::Network, layer: Layer::Network(network), fields }
}

/// `src/proto.c` of nftables, and the documents that define the headers (RFC 791, 8200, 9293, 768, 792, 4443 and
/// others).
pub(crate) const HEADERS: &[Header] = &[
    Header {
        name: "ether",
        base: PayloadBase::Link,
        layer: Layer::Ethernet,
        fields: &[
            at("daddr", 0, 48, Kind::Ether),
            at("saddr", 48, 48, Kind::Ether),
            at("type", 96, 16, Kind::EtherType),
        ],
    },
    network("ip", Network::Ipv4, IPV4),
    network("ip6", Network::Ipv6, IPV6),
    network("arp", Network::Arp, ARP),
    transport("tcp", 6, TCP),
    transport("udp", 17, UDP),
    transport("udplite", 136, UDPLITE),
    transport("sctp", 132, SCTP),
    transport("dccp", 33, DCCP),
    transport("ah", 51, AH),
    transport("esp", 50, ESP),
    transport("comp", 108, COMP),
    of_network("icmp", 1, Network::Ipv4, ICMP),
    of_network("igmp", 2, Network::Ipv4, IGMP),
    of_network("icmpv6", 58, Network::Ipv6, ICMPV6),
    Header { name: "th", base: PayloadBase::Transport, layer: Layer::AnyTransport, fields: PORTS },
];

const IPV4: &[Field] = &[
    at("version", 0, 4, Kind::Integer),
    at("hdrlength", 4, 4, Kind::Integer),
    at("dscp", 8, 6, Kind::Dscp),
    at("ecn", 14, 2, Kind::Ecn),
    at("length", 16, 16, Kind::Integer),
    at("id", 32, 16, Kind::Integer),
    at("frag-off", 48, 16, Kind::Integer),
    at("ttl", 64, 8, Kind::Integer),
    at("protocol", 72, 8, Kind::Protocol),
    at("checksum", 80, 16, Kind::Integer),
    at("saddr", 96, 32, Kind::Ipv4),
    at("daddr", 128, 32, Kind::Ipv4),
];

const IPV6: &[Field] = &[
    at("version", 0, 4, Kind::Integer),
    at("dscp", 4, 6, Kind::Dscp),
    at("ecn", 10, 2, Kind::Ecn),
    at("flowlabel", 12, 20, Kind::Integer),
    at("length", 32, 16, Kind::Integer),
    at("nexthdr", 48, 8, Kind::Protocol),
    at("hoplimit", 56, 8, Kind::Integer),
    at("saddr", 64, 128, Kind::Ipv6),
    at("daddr", 192, 128, Kind::Ipv6),
];

const ARP: &[Field] = &[
    at("htype", 0, 16, Kind::Integer),
    at("ptype", 16, 16, Kind::EtherType),
    at("hlen", 32, 8, Kind::Integer),
    at("plen", 40, 8, Kind::Integer),
    at("operation", 48, 16, Kind::ArpOperation),
    at("saddr ether", 64, 48, Kind::Ether),
    at("saddr ip", 112, 32, Kind::Ipv4),
    at("daddr ether", 144, 48, Kind::Ether),
    at("daddr ip", 192, 32, Kind::Ipv4),
];

const PORTS: &[Field] = &[at("sport", 0, 16, Kind::Service), at("dport", 16, 16, Kind::Service)];

const TCP: &[Field] = &[
    at("sport", 0, 16, Kind::Service),
    at("dport", 16, 16, Kind::Service),
    at("sequence", 32, 32, Kind::Integer),
    at("ackseq", 64, 32, Kind::Integer),
    at("doff", 96, 4, Kind::Integer),
    at("reserved", 100, 4, Kind::Integer),
    at("flags", 104, 8, Kind::TcpFlags),
    at("window", 112, 16, Kind::Integer),
    at("checksum", 128, 16, Kind::Integer),
    at("urgptr", 144, 16, Kind::Integer),
];

const UDP: &[Field] = &[
    at("sport", 0, 16, Kind::Service),
    at("dport", 16, 16, Kind::Service),
    at("length", 32, 16, Kind::Integer),
    at("checksum", 48, 16, Kind::Integer),
];

const UDPLITE: &[Field] = &[
    at("sport", 0, 16, Kind::Service),
    at("dport", 16, 16, Kind::Service),
    at("csumcov", 32, 16, Kind::Integer),
    at("checksum", 48, 16, Kind::Integer),
];

const SCTP: &[Field] = &[
    at("sport", 0, 16, Kind::Service),
    at("dport", 16, 16, Kind::Service),
    at("vtag", 32, 32, Kind::Integer),
    at("checksum", 64, 32, Kind::Integer),
];

const DCCP: &[Field] =
    &[at("sport", 0, 16, Kind::Service), at("dport", 16, 16, Kind::Service), at("type", 67, 4, Kind::DccpType)];

const AH: &[Field] = &[
    at("nexthdr", 0, 8, Kind::Protocol),
    at("hdrlength", 8, 8, Kind::Integer),
    at("reserved", 16, 16, Kind::Integer),
    at("spi", 32, 32, Kind::Integer),
    at("sequence", 64, 32, Kind::Integer),
];

const ESP: &[Field] = &[at("spi", 0, 32, Kind::Integer), at("sequence", 32, 32, Kind::Integer)];

const COMP: &[Field] =
    &[at("nexthdr", 0, 8, Kind::Protocol), at("flags", 8, 8, Kind::Integer), at("cpi", 16, 16, Kind::Integer)];

const ICMP: &[Field] = &[
    at("type", 0, 8, Kind::IcmpType),
    at("code", 8, 8, Kind::IcmpCode),
    at("checksum", 16, 16, Kind::Integer),
    at("id", 32, 16, Kind::Integer),
    at("sequence", 48, 16, Kind::Integer),
    at("gateway", 32, 32, Kind::Integer),
    at("mtu", 48, 16, Kind::Integer),
];

const IGMP: &[Field] = &[
    at("type", 0, 8, Kind::IgmpType),
    at("mrt", 8, 8, Kind::Integer),
    at("checksum", 16, 16, Kind::Integer),
    at("group", 32, 32, Kind::Ipv4),
];

const ICMPV6: &[Field] = &[
    at("type", 0, 8, Kind::Icmpv6Type),
    at("code", 8, 8, Kind::Icmpv6Code),
    at("checksum", 16, 16, Kind::Integer),
    at("id", 32, 16, Kind::Integer),
    at("sequence", 48, 16, Kind::Integer),
    at("parameter-problem", 32, 32, Kind::Integer),
    at("mtu", 32, 32, Kind::Integer),
    at("max-delay", 32, 16, Kind::Integer),
];
