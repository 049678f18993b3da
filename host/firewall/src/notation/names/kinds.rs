//! The data types of `nft(8)`: how long a value is, in which order its bytes are, and how it is written.

use super::symbols::{self, Symbols};

/// A data type (`include/datatype.h` of nftables).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    NetworkFamily,
    Integer,
    HostInteger,
    Text,
    Ipv4,
    Ipv6,
    Ether,
    EtherType,
    ArpOperation,
    Protocol,
    Service,
    IcmpType,
    TcpFlags,
    DccpType,
    Time,
    Mark,
    InterfaceIndex,
    InterfaceType,
    Realm,
    ClassId,
    User,
    Group,
    CtState,
    CtDirection,
    CtStatus,
    Icmpv6Type,
    CtLabel,
    PacketType,
    IcmpCode,
    Icmpv6Code,
    IcmpxCode,
    InterfaceGroup,
    Dscp,
    Ecn,
    FibType,
    Boolean,
    InterfaceName,
    IgmpType,
    Date,
    Hour,
    Day,
}

/// The order of the bytes of a value in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Most significant first.
    Network,
    /// As the machine has it.
    Host,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Decimal,
    /// `0x`, filled with zeros.
    Hexadecimal,
    /// Bits with names, any of which may be set.
    Flags,
    Ipv4,
    Ipv6,
    Ether,
    /// In double quotes.
    Text,
    /// `exists` or `missing`.
    Boolean,
    /// A major and a minor number.
    ClassId,
    /// Depends on the time zone of whoever prints or reads it, or on a file that is not at hand.
    Local,
}

struct Definition {
    kind: Kind,
    number: u32,
    name: &'static str,
    bits: u32,
    order: Order,
    shape: Shape,
    symbols: Symbols,
}

const fn define(
    kind: Kind,
    (number, name, bits): (u32, &'static str, u32),
    order: Order,
    shape: Shape,
    symbols: Symbols,
) -> Definition {
    Definition { kind, number, name, bits, order, shape, symbols }
}

use Order::{Host, Network};
use Shape::{Boolean, Decimal, Flags, Hexadecimal, Local};

/// `src/datatype.c`, `src/meta.c`, `src/ct.c`, `src/fib.c` and `src/proto.c` of nftables. 0 bits: it depends.
const DEFINITIONS: &[Definition] = &[
    define(Kind::NetworkFamily, (2, "nf_proto", 8), Host, Decimal, symbols::FAMILIES),
    define(Kind::Integer, (4, "integer", 0), Network, Decimal, symbols::NONE),
    define(Kind::HostInteger, (4, "integer", 0), Host, Decimal, symbols::NONE),
    define(Kind::Text, (5, "string", 0), Host, Shape::Text, symbols::NONE),
    define(Kind::Ipv4, (7, "ipv4_addr", 32), Network, Shape::Ipv4, symbols::NONE),
    define(Kind::Ipv6, (8, "ipv6_addr", 128), Network, Shape::Ipv6, symbols::NONE),
    define(Kind::Ether, (9, "ether_addr", 48), Network, Shape::Ether, symbols::NONE),
    define(Kind::EtherType, (10, "ether_type", 16), Network, Hexadecimal, symbols::ETHER_TYPES),
    define(Kind::ArpOperation, (11, "arp_op", 16), Network, Decimal, symbols::ARP_OPERATIONS),
    define(Kind::Protocol, (12, "inet_proto", 8), Network, Decimal, symbols::PROTOCOLS),
    define(Kind::Service, (13, "inet_service", 16), Network, Decimal, symbols::NONE),
    define(Kind::IcmpType, (14, "icmp_type", 8), Network, Decimal, symbols::ICMP_TYPES),
    define(Kind::TcpFlags, (15, "tcp_flag", 8), Network, Flags, symbols::TCP_FLAGS),
    define(Kind::DccpType, (16, "dccp_pkttype", 4), Network, Decimal, symbols::DCCP_TYPES),
    define(Kind::Time, (18, "time", 32), Host, Local, symbols::NONE),
    define(Kind::Mark, (19, "mark", 32), Host, Hexadecimal, symbols::NONE),
    define(Kind::InterfaceIndex, (20, "iface_index", 32), Host, Decimal, symbols::NONE),
    define(Kind::InterfaceType, (21, "iface_type", 16), Host, Decimal, symbols::INTERFACE_TYPES),
    define(Kind::Realm, (22, "realm", 32), Host, Decimal, symbols::NONE),
    define(Kind::ClassId, (23, "classid", 32), Host, Shape::ClassId, symbols::NONE),
    define(Kind::User, (24, "uid", 32), Host, Decimal, symbols::NONE),
    define(Kind::Group, (25, "gid", 32), Host, Decimal, symbols::NONE),
    define(Kind::CtState, (26, "ct_state", 32), Host, Flags, symbols::CT_STATES),
    define(Kind::CtDirection, (27, "ct_dir", 8), Host, Decimal, symbols::CT_DIRECTIONS),
    define(Kind::CtStatus, (28, "ct_status", 32), Host, Flags, symbols::CT_STATUS),
    define(Kind::Icmpv6Type, (29, "icmpv6_type", 8), Network, Decimal, symbols::ICMPV6_TYPES),
    define(Kind::CtLabel, (30, "ct_label", 128), Host, Local, symbols::NONE),
    define(Kind::PacketType, (31, "pkt_type", 8), Host, Decimal, symbols::PACKET_TYPES),
    define(Kind::IcmpCode, (32, "icmp_code", 8), Network, Decimal, symbols::ICMP_CODES),
    define(Kind::Icmpv6Code, (33, "icmpv6_code", 8), Network, Decimal, symbols::ICMPV6_CODES),
    define(Kind::IcmpxCode, (34, "icmpx_code", 8), Network, Decimal, symbols::ICMPX_CODES),
    define(Kind::InterfaceGroup, (35, "devgroup", 32), Host, Decimal, symbols::INTERFACE_GROUPS),
    define(Kind::Dscp, (36, "dscp", 6), Network, Hexadecimal, symbols::DSCP),
    define(Kind::Ecn, (37, "ecn", 2), Network, Decimal, symbols::ECN),
    define(Kind::FibType, (38, "fib_addrtype", 32), Host, Decimal, symbols::FIB_TYPES),
    define(Kind::Boolean, (39, "boolean", 8), Host, Boolean, symbols::NONE),
    define(Kind::InterfaceName, (41, "ifname", 128), Host, Shape::Text, symbols::NONE),
    define(Kind::IgmpType, (42, "igmp_type", 8), Network, Decimal, symbols::IGMP_TYPES),
    define(Kind::Date, (43, "time", 64), Host, Local, symbols::NONE),
    define(Kind::Hour, (44, "hour", 32), Host, Local, symbols::NONE),
    define(Kind::Day, (45, "day", 8), Host, Decimal, symbols::DAYS),
];

const UNKNOWN: Definition = define(Kind::Integer, (0, "", 0), Network, Hexadecimal, symbols::NONE);

impl Kind {
    /// The data type of a name, such as that of a set's key.
    pub(crate) fn named(name: &str) -> Option<Self> {
        DEFINITIONS.iter().find(|definition| definition.name == name).map(|definition| definition.kind)
    }

    fn definition(self) -> &'static Definition {
        DEFINITIONS.iter().find(|definition| definition.kind == self).unwrap_or(&UNKNOWN)
    }

    /// The number that netlink messages give of it.
    pub(crate) fn number(self) -> u32 {
        self.definition().number
    }

    /// Its length in bits; 0 where it depends on what has it.
    pub(crate) fn bits(self) -> u32 {
        self.definition().bits
    }

    /// Its length in bytes; 0 where it depends on what has it.
    pub(crate) fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// The order of its bytes.
    pub(crate) fn order(self) -> Order {
        self.definition().order
    }

    /// How it is written.
    pub(crate) fn shape(self) -> Shape {
        self.definition().shape
    }

    /// The value of one of its symbolic constants.
    pub(crate) fn value(self, symbol: &str) -> Option<u64> {
        self.definition().symbols.iter().find(|(name, _)| *name == symbol).map(|(_, value)| *value)
    }

    /// The symbolic constant for a value.
    pub(crate) fn symbol(self, value: u64) -> Option<&'static str> {
        self.definition().symbols.iter().find(|(_, number)| *number == value).map(|(name, _)| *name)
    }

    /// The names of the bits that are set, in the order that they are printed in; `None` if one has no name.
    pub(crate) fn flags(self, value: u64) -> Option<Vec<&'static str>> {
        let set = self.definition().symbols.iter().filter(|(_, bit)| value & bit != 0);
        let named = set.clone().fold(0, |bits, (_, bit)| bits | bit);
        (named == value && value != 0).then(|| set.map(|(name, _)| *name).collect())
    }

    /// Whether values of more than one byte are turned round where they are ordered: interval sets and comparisons
    /// want the most significant byte first (`byteorder_conversion`, `src/evaluate.c` of nftables).
    pub(crate) fn turns(self, bytes: u32) -> bool {
        self.order() == Host && matches!(bytes, 2 | 4 | 8) && self.shape() != Shape::Text
    }
}
