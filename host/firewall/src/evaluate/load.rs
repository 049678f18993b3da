//! What a load puts into a register.

use crate::address_set::IpVersion;
use crate::rule::{ConntrackKey, Direction, End, Fib, Load, Meta, PayloadBase};
use crate::ruleset::Hook;

use super::machine::Device;
use super::packet::{Endpoint, Headers, Place, State, Tracking, address_bytes};
use super::symbol::{Symbol, Variable, known, whole_address};

/// What a load gives.
#[derive(Debug)]
pub(super) enum Loaded {
    /// These bytes.
    Bytes(Vec<Symbol>),
    /// There is nothing to load: the rule does not match (`NFT_BREAK`).
    Nothing,
    /// It depends on the routing table.
    Fib(Fib),
    /// One of these numbers, whichever.
    OneOf(std::ops::Range<u32>),
}

/// The most numbers of a `numgen` or `jhash` that are tried one by one.
const MAX_NUMBERS: u32 = 256;

/// `ipsec`: packets may come in protected.
pub(super) fn load(what: &Load, state: &State, headers: &Headers, place: &Place<'_>, ipsec: bool) -> Loaded {
    match what {
        Load::Payload { base: PayloadBase::Link, length, .. } => link(*length, place),
        Load::Payload { base, offset, length } => Loaded::Bytes(headers.bytes(*base, *offset, *length)),
        Load::Meta(key) => meta(*key, state, place, ipsec),
        Load::Conntrack { key, direction } => conntrack(*key, *direction, state),
        Load::Fib(fib) => Loaded::Fib(*fib),
        Load::Number { modulus, offset } if *modulus <= MAX_NUMBERS => {
            Loaded::OneOf(*offset..offset.saturating_add(*modulus))
        }
        Load::Number { .. } => opaque(4),
        Load::HeaderPresent(name) => header_present(name.as_str()),
        Load::Opaque { name, length } => opaque_with_usual(name.as_str(), *length),
    }
}

fn bytes(bytes: impl AsRef<[u8]>) -> Loaded {
    Loaded::Bytes(known(bytes.as_ref()).collect())
}

fn opaque(length: u32) -> Loaded {
    Loaded::Bytes(vec![Symbol::OPAQUE; length as usize])
}

/// Packets that this machine sends have no link header yet (`nft_payload_eval`, `net/netfilter/nft_payload.c`).
fn link(length: u32, place: &Place<'_>) -> Loaded {
    let has_none = match place.hook {
        Hook::Output => true,
        Hook::Postrouting => place.input.is_none(),
        _ => false,
    };
    if has_none { Loaded::Nothing } else { opaque(length) }
}

/// Ordinary clients send no extension headers and no IP options; which TCP options they send differs.
fn header_present(name: &str) -> Loaded {
    if name.starts_with("tcp") { opaque(1) } else { Loaded::Bytes(vec![Symbol::rare(0, 1)]) }
}

/// The maximum segment size that TCP announces over Ethernet: 1500 bytes without the headers (RFC 9293, 3.7.1).
const USUAL_SEGMENT: u16 = 1460;

fn opaque_with_usual(name: &str, length: u32) -> Loaded {
    if name.starts_with("tcp option maxseg size") && length == 2 {
        return Loaded::Bytes(USUAL_SEGMENT.to_be_bytes().iter().map(|&byte| Symbol::rare(byte, 0xff)).collect());
    }
    opaque(length)
}

/// `nft_meta_get_eval` (`net/netfilter/nft_meta.c`).
fn meta(key: Meta, state: &State, place: &Place<'_>, ipsec: bool) -> Loaded {
    match key {
        Meta::Protocol => bytes(ethertype(state.version).to_be_bytes()),
        Meta::NetworkFamily => bytes([network_family(state.version)]),
        Meta::TransportProtocol => bytes([state.protocol]),
        Meta::Mark => state.mark.map_or_else(|| opaque(4), |mark| bytes(mark.to_ne_bytes())),
        Meta::InputInterface => bytes(place.input.map_or(0, |device| device.index).to_ne_bytes()),
        Meta::OutputInterface => bytes(place.output.map_or(0, |device| device.index).to_ne_bytes()),
        Meta::InputInterfaceName => bytes(name(place.input)),
        Meta::OutputInterfaceName => bytes(name(place.output)),
        Meta::InputInterfaceType => of_device(place.input, |device| bytes(device.hardware.to_ne_bytes())),
        Meta::OutputInterfaceType => of_device(place.output, |device| bytes(device.hardware.to_ne_bytes())),
        Meta::InputInterfaceGroup => of_device(place.input, group),
        Meta::OutputInterfaceGroup => of_device(place.output, group),
        Meta::InputInterfaceKind => of_device(place.input, |_| opaque(16)),
        Meta::OutputInterfaceKind => of_device(place.output, |_| opaque(16)),
        // A packet that came in has no socket yet: only established connections are looked up early
        // (`tcp_v4_early_demux`).
        Meta::SocketUser | Meta::SocketGroup | Meta::ControlGroup => {
            if place.hook == Hook::Output || place.hook == Hook::Postrouting { opaque(4) } else { Loaded::Nothing }
        }
        Meta::PacketType | Meta::Trace if !state.written => bytes([0]),
        Meta::PacketType | Meta::Trace | Meta::Day | Meta::BridgeBroute => opaque(1),
        Meta::SecurityPath if ipsec => Loaded::Bytes(vec![Symbol::rare(0, 1)]),
        Meta::SecurityPath => bytes([0]),
        Meta::BridgeInputPort | Meta::BridgeOutputPort | Meta::SlaveInterfaceName => opaque(16),
        Meta::BridgePortVlan | Meta::BridgeVlanProtocol => opaque(2),
        Meta::BridgeHardwareAddress => opaque(6),
        Meta::Time => opaque(8),
        _ => opaque(4),
    }
}

/// `ETH_P_IP`, `ETH_P_IPV6`.
pub(super) fn ethertype(version: IpVersion) -> u16 {
    match version {
        IpVersion::V4 => 0x0800,
        IpVersion::V6 => 0x86dd,
    }
}

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
pub(super) fn network_family(version: IpVersion) -> u8 {
    match version {
        IpVersion::V4 => 2,
        IpVersion::V6 => 10,
    }
}

/// `IFNAMSIZ`.
pub(super) const NAME_LENGTH: usize = 16;

/// The name as the kernel compares it: padded with zeros, all zeros without a device (`nft_meta_store_ifname`).
pub(super) fn name(device: Option<&Device>) -> [u8; NAME_LENGTH] {
    let mut padded = [0; NAME_LENGTH];
    let bytes = device.map_or(&[][..], |device| &device.name);
    for (target, &byte) in padded.iter_mut().zip(bytes) {
        *target = byte;
    }
    padded
}

fn of_device(device: Option<&Device>, what: impl Fn(&Device) -> Loaded) -> Loaded {
    device.map_or(Loaded::Nothing, what)
}

fn group(device: &Device) -> Loaded {
    device.group.map_or_else(|| opaque(4), |group| bytes(group.to_ne_bytes()))
}

/// State bits (`NF_CT_STATE_BIT`, `include/uapi/linux/netfilter/nf_conntrack_common.h`).
pub(super) fn state_bits(state: &State) -> u32 {
    match state.tracking {
        Tracking::None if state.template => 8,
        Tracking::None | Tracking::Invalid => 1,
        Tracking::Established => 2,
        Tracking::New => 8,
        Tracking::Untracked => 64,
    }
}

/// Status bits (`enum ip_conntrack_status`) that are known, and those that depend on which hooks ran.
pub(super) fn status_bits(state: &State) -> (u32, u32) {
    const SEEN_REPLY: u32 = 1 << 1;
    const ASSURED: u32 = 1 << 2;
    const CONFIRMED: u32 = 1 << 3;
    const SRC_NAT: u32 = 1 << 4;
    const DST_NAT: u32 = 1 << 5;
    const SRC_NAT_DONE: u32 = 1 << 7;
    const DST_NAT_DONE: u32 = 1 << 8;
    let translated = if state.is_translated() { DST_NAT } else { 0 };
    let done = SRC_NAT_DONE | DST_NAT_DONE;
    match state.connection_direction() {
        Direction::Original => (translated | if state.confirmed { CONFIRMED } else { 0 }, done),
        Direction::Reply => (translated | SEEN_REPLY | CONFIRMED, done | ASSURED | SRC_NAT),
    }
}

/// `nft_ct_get_eval` (`net/netfilter/nft_ct.c`): the state is always there, the rest only for a tracked packet.
fn conntrack(key: ConntrackKey, direction: Option<Direction>, state: &State) -> Loaded {
    if key == ConntrackKey::State {
        return bytes(state_bits(state).to_ne_bytes());
    }
    match state.tracking {
        Tracking::New | Tracking::Established => of_connection(key, direction, state),
        Tracking::None if state.template => match of_connection(key, direction, state) {
            Loaded::Bytes(symbols) => Loaded::Bytes(vec![Symbol::OPAQUE; symbols.len()]),
            other => other,
        },
        Tracking::None | Tracking::Invalid | Tracking::Untracked => Loaded::Nothing,
    }
}

fn of_connection(key: ConntrackKey, direction: Option<Direction>, state: &State) -> Loaded {
    let tuple = |end| tuple_end(state, direction.unwrap_or(Direction::Original), end);
    match key {
        ConntrackKey::Direction => bytes([u8::from(state.connection_direction() == Direction::Reply)]),
        ConntrackKey::Status => status(state),
        ConntrackKey::Mark => state.ct_mark.map_or_else(|| opaque(4), |mark| bytes(mark.to_ne_bytes())),
        // Only connections that a helper expected have one that began them.
        ConntrackKey::Helper => Loaded::Nothing,
        ConntrackKey::NetworkFamily => bytes([network_family(state.version)]),
        ConntrackKey::TransportProtocol => bytes([state.protocol]),
        ConntrackKey::Source | ConntrackKey::SourceIpv4 | ConntrackKey::SourceIpv6 => {
            address(state, key, tuple(End::Source))
        }
        ConntrackKey::Destination | ConntrackKey::DestinationIpv4 | ConntrackKey::DestinationIpv6 => {
            address(state, key, tuple(End::Destination))
        }
        ConntrackKey::SourcePort => port(state, tuple(End::Source)),
        ConntrackKey::DestinationPort => port(state, tuple(End::Destination)),
        ConntrackKey::Labels if !state.written => bytes([0; 16]),
        ConntrackKey::Labels => opaque(16),
        ConntrackKey::Zone if !state.written => bytes([0; 2]),
        ConntrackKey::Zone => opaque(2),
        ConntrackKey::Packets | ConntrackKey::Bytes | ConntrackKey::AveragePacket => opaque(8),
        _ => opaque(4),
    }
}

fn status(state: &State) -> Loaded {
    let (set, unknown) = status_bits(state);
    let bytes = set.to_ne_bytes().into_iter().zip(unknown.to_ne_bytes());
    let symbol = |(xor, and)| Symbol { variable: Variable::Opaque, index: 0, and, xor };
    Loaded::Bytes(bytes.map(symbol).collect())
}

/// One end of a tuple of the connection: `None` is the sender.
pub(super) fn tuple_end(state: &State, direction: Direction, end: End) -> Option<Endpoint> {
    // The answer begins the connection where the request was not tracked.
    let begun_by_sender = state.direction == state.connection_direction();
    match (direction, end) {
        (Direction::Original, End::Source) | (Direction::Reply, End::Destination) => {
            (!begun_by_sender).then_some(state.endpoint)
        }
        _ if !begun_by_sender => None,
        (Direction::Original, End::Destination) => Some(state.original),
        (Direction::Reply, End::Source) => Some(state.endpoint),
    }
}

/// An address of the connection; a key for the other IP version finds nothing.
fn address(state: &State, key: ConntrackKey, end: Option<Endpoint>) -> Loaded {
    let wanted = match key {
        ConntrackKey::SourceIpv4 | ConntrackKey::DestinationIpv4 => IpVersion::V4,
        ConntrackKey::SourceIpv6 | ConntrackKey::DestinationIpv6 => IpVersion::V6,
        _ => state.version,
    };
    if wanted != state.version {
        return Loaded::Nothing;
    }
    end.map_or_else(|| Loaded::Bytes(whole_address(state.version)), |endpoint| bytes(address_bytes(endpoint.address)))
}

fn port(state: &State, end: Option<Endpoint>) -> Loaded {
    Loaded::Bytes(end.map_or_else(|| state.sender_port(), |endpoint| state.port_of(endpoint)).to_vec())
}
