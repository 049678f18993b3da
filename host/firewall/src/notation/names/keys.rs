//! The keys of `meta` and `ct`.

use super::kinds::Kind;
use crate::rule::{ConntrackKey, Meta};

/// A key of `meta`.
#[derive(Debug)]
pub(crate) struct MetaName {
    /// Its name.
    pub name: &'static str,
    /// The word `meta` is not printed before it (`meta_key_is_unqualified`, `src/meta.c` of nftables).
    pub bare: bool,
    /// What it is.
    pub meta: Meta,
    /// What it holds.
    pub kind: Kind,
    /// Its length in bytes.
    pub bytes: u32,
}

/// A key of `ct`.
#[derive(Debug)]
pub(crate) struct ConntrackName {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub key: ConntrackKey,
    /// What it holds.
    pub kind: Kind,
    /// Its length in bytes.
    pub bytes: u32,
}

const fn meta(name: &'static str, meta: Meta, kind: Kind, bytes: u32) -> MetaName {
    MetaName { name, bare: false, meta, kind, bytes }
}

const fn bare(name: &'static str, meta: Meta, kind: Kind, bytes: u32) -> MetaName {
    MetaName { name, bare: true, meta, kind, bytes }
}

const fn ct(name: &'static str, key: ConntrackKey, kind: Kind, bytes: u32) -> ConntrackName {
    ConntrackName { name, key, kind, bytes }
}

/// `src/meta.c` of nftables; the lengths are what the kernel stores (`net/netfilter/nft_meta.c`).
pub(crate) const META: &[MetaName] = &[
    meta("length", Meta::Length, Kind::HostInteger, 4),
    meta("protocol", Meta::Protocol, Kind::EtherType, 2),
    meta("priority", Meta::Priority, Kind::ClassId, 4),
    meta("mark", Meta::Mark, Kind::Mark, 4),
    bare("iif", Meta::InputInterface, Kind::InterfaceIndex, 4),
    bare("oif", Meta::OutputInterface, Kind::InterfaceIndex, 4),
    bare("iifname", Meta::InputInterfaceName, Kind::InterfaceName, 16),
    bare("oifname", Meta::OutputInterfaceName, Kind::InterfaceName, 16),
    meta("iiftype", Meta::InputInterfaceType, Kind::InterfaceType, 2),
    meta("oiftype", Meta::OutputInterfaceType, Kind::InterfaceType, 2),
    bare("iifgroup", Meta::InputInterfaceGroup, Kind::InterfaceGroup, 4),
    bare("oifgroup", Meta::OutputInterfaceGroup, Kind::InterfaceGroup, 4),
    meta("iifkind", Meta::InputInterfaceKind, Kind::InterfaceName, 16),
    meta("oifkind", Meta::OutputInterfaceKind, Kind::InterfaceName, 16),
    meta("skuid", Meta::SocketUser, Kind::User, 4),
    meta("skgid", Meta::SocketGroup, Kind::Group, 4),
    meta("nftrace", Meta::Trace, Kind::HostInteger, 1),
    meta("rtclassid", Meta::RouteClass, Kind::Realm, 4),
    meta("secmark", Meta::SecurityMark, Kind::HostInteger, 4),
    meta("nfproto", Meta::NetworkFamily, Kind::NetworkFamily, 1),
    meta("l4proto", Meta::TransportProtocol, Kind::Protocol, 1),
    meta("ibrname", Meta::BridgeInputPort, Kind::InterfaceName, 16),
    meta("obrname", Meta::BridgeOutputPort, Kind::InterfaceName, 16),
    meta("pkttype", Meta::PacketType, Kind::PacketType, 1),
    meta("cpu", Meta::Cpu, Kind::HostInteger, 4),
    meta("cgroup", Meta::ControlGroup, Kind::HostInteger, 4),
    meta("random", Meta::Random, Kind::Integer, 4),
    meta("ipsec", Meta::SecurityPath, Kind::Boolean, 1),
    meta("secpath", Meta::SecurityPath, Kind::Boolean, 1),
    meta("ibrpvid", Meta::BridgePortVlan, Kind::HostInteger, 2),
    meta("ibrvproto", Meta::BridgeVlanProtocol, Kind::EtherType, 2),
    meta("time", Meta::Time, Kind::Date, 8),
    meta("day", Meta::Day, Kind::Day, 1),
    meta("hour", Meta::Hour, Kind::Hour, 4),
    meta("sdif", Meta::SlaveInterface, Kind::InterfaceIndex, 4),
    meta("sdifname", Meta::SlaveInterfaceName, Kind::InterfaceName, 16),
    meta("broute", Meta::BridgeBroute, Kind::HostInteger, 1),
    meta("ibrhwaddr", Meta::BridgeHardwareAddress, Kind::Ether, 6),
];

/// `src/ct.c` of nftables; the lengths are what the kernel stores (`net/netfilter/nft_ct.c`).
pub(crate) const CONNTRACK: &[ConntrackName] = &[
    ct("state", ConntrackKey::State, Kind::CtState, 4),
    ct("direction", ConntrackKey::Direction, Kind::CtDirection, 1),
    ct("status", ConntrackKey::Status, Kind::CtStatus, 4),
    ct("mark", ConntrackKey::Mark, Kind::Mark, 4),
    ct("secmark", ConntrackKey::SecurityMark, Kind::HostInteger, 4),
    ct("expiration", ConntrackKey::Expiration, Kind::Time, 4),
    ct("helper", ConntrackKey::Helper, Kind::Text, 16),
    ct("l3proto", ConntrackKey::NetworkFamily, Kind::NetworkFamily, 1),
    ct("protocol", ConntrackKey::TransportProtocol, Kind::Protocol, 1),
    ct("proto-src", ConntrackKey::SourcePort, Kind::Service, 2),
    ct("proto-dst", ConntrackKey::DestinationPort, Kind::Service, 2),
    ct("label", ConntrackKey::Labels, Kind::CtLabel, 16),
    ct("packets", ConntrackKey::Packets, Kind::HostInteger, 8),
    ct("bytes", ConntrackKey::Bytes, Kind::HostInteger, 8),
    ct("avgpkt", ConntrackKey::AveragePacket, Kind::HostInteger, 8),
    ct("zone", ConntrackKey::Zone, Kind::HostInteger, 2),
    ct("ip saddr", ConntrackKey::SourceIpv4, Kind::Ipv4, 4),
    ct("ip daddr", ConntrackKey::DestinationIpv4, Kind::Ipv4, 4),
    ct("ip6 saddr", ConntrackKey::SourceIpv6, Kind::Ipv6, 16),
    ct("ip6 daddr", ConntrackKey::DestinationIpv6, Kind::Ipv6, 16),
    ct("id", ConntrackKey::Id, Kind::HostInteger, 4),
];
