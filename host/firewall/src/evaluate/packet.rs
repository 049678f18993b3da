//! The packet that is followed through the machine, and what is known about it.

use std::net::IpAddr;

use loopgate_facts::Untrusted;

use crate::address_set::IpVersion;
use crate::ip_set::IpSetId;
use crate::rule::{Direction, End, PayloadBase};
use crate::ruleset::{Hook, SetId};

use super::machine::Device;
use super::shadow::Earlier;
use super::symbol::{Symbol, Variable, whole_address};

/// Transport protocols, as IP numbers them.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;
pub(super) const UDPLITE: u8 = 136;

/// ICMP and ICMPv6.
pub(super) const MESSAGES: [u8; 2] = [1, 58];

/// The protocols whose headers begin with the ports of both ends.
pub(super) const WITH_PORTS: [u8; 4] = [TCP, UDP, SCTP, UDPLITE];

/// An address and a port of this machine, or where address translation sends the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// What conntrack says of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tracking {
    /// The packet has not come to conntrack yet, or conntrack is not at work.
    None,
    /// The first packet of a connection.
    New,
    /// The answer within a connection.
    Established,
    /// A rule said not to track it.
    Untracked,
    /// It belongs to no connection and cannot begin one.
    Invalid,
}

/// Everything about a packet that rules can change, and that decides what becomes of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the packet")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) version: IpVersion,
    pub(super) protocol: u8,
    /// `Original`: from the sender. `Reply`: the answer to it.
    pub(super) direction: Direction,
    /// The end that is not the sender: the destination of a request, the source of an answer.
    pub(super) endpoint: Endpoint,
    /// The question is about every port at once: the port at the end that is not the sender is the variable, and the
    /// sender's is not known.
    pub(super) every_port: bool,
    /// What the sender sent it to.
    pub(super) original: Endpoint,
    /// Whether the destination is translated has been decided for the connection.
    pub(super) mapped: bool,
    /// The same for its source.
    pub(super) source_mapped: bool,
    pub(super) tracking: Tracking,
    /// Its connection is in the table of connections: its first packet has left or arrived (`nf_confirm`). One of this
    /// machine to itself leaves before it arrives.
    pub(super) confirmed: bool,
    /// The sender's address and port stand in the connection, and others in the packet: its source was translated.
    pub(super) sender_hidden: bool,
    /// For an answer: its source is what the packet was sent to again, as the asker expects.
    pub(super) source_restored: bool,
    /// A rule said how it is to be tracked, and until it is it has a connection of its own that is new
    /// (`nf_ct_tmpl_alloc`).
    pub(super) template: bool,
    /// This machine sends it on, and has counted its time to live down (`ip_forward`, `ip6_forward`).
    pub(super) sent_on: bool,
    /// The zone of connections that a rule chose for the packet before its connection was looked for, as it is shown.
    pub(super) zone: Option<Untrusted>,
    /// For an answer: that of the packet that it answers.
    pub(super) request_zone: Option<Untrusted>,
    /// For an answer: the packet that it answers was not tracked.
    pub(super) untracked_request: bool,
    /// The packet's mark; `None` where it is not known.
    pub(super) mark: Option<u32>,
    /// The mark before the chain that it is in, where that may make it leave by another way.
    pub(super) mark_before: Option<u32>,
    /// A chain made it leave by another way.
    pub(super) rerouted: bool,
    /// The mark that it is routed by then; `None` where it is not known.
    pub(super) route_mark: Option<u32>,
    /// The connection's mark; `None` where it is not known.
    pub(super) ct_mark: Option<u32>,
    /// It got here by being extraordinary: a branch that the packets of an ordinary client do not take.
    pub(super) rare: bool,
    /// It is not the first of its connection, which is there already.
    pub(super) later: bool,
    /// It was decided about before, and is followed on to see what comes behind.
    pub(super) earlier: Option<Earlier>,
    /// A rule wrote something about it that is not modelled.
    pub(super) written: bool,
    /// Bytes that a rule wrote: where from, offset and length.
    pub(super) overwritten: Vec<(PayloadBase, u32, u32)>,
    /// Sets that a rule added something to on the way.
    pub(super) touched: Vec<SetId>,
    /// The same of sets of `ipset(8)`; `None` stands for all of them.
    pub(super) changed_ip_sets: Vec<Option<IpSetId>>,
}

impl State {
    pub(super) fn request(version: IpVersion, protocol: u8, endpoint: Endpoint) -> Self {
        Self {
            version,
            protocol,
            direction: Direction::Original,
            endpoint,
            every_port: false,
            original: endpoint,
            mapped: false,
            source_mapped: false,
            tracking: Tracking::None,
            confirmed: false,
            sender_hidden: false,
            source_restored: false,
            template: false,
            sent_on: false,
            zone: None,
            request_zone: None,
            untracked_request: false,
            mark: Some(0),
            mark_before: Some(0),
            rerouted: false,
            route_mark: Some(0),
            ct_mark: Some(0),
            rare: false,
            later: false,
            earlier: None,
            written: false,
            overwritten: Vec::new(),
            touched: Vec::new(),
            changed_ip_sets: Vec::new(),
        }
    }

    /// The answer to a packet that arrived in this state.
    pub(super) fn reply(&self) -> Self {
        Self {
            direction: Direction::Reply,
            untracked_request: self.tracking == Tracking::Untracked,
            tracking: Tracking::None,
            template: false,
            sent_on: false,
            zone: None,
            request_zone: self.zone.clone(),
            confirmed: false,
            mark: Some(0),
            written: false,
            overwritten: Vec::new(),
            ..self.clone()
        }
    }

    /// The direction of the packet in its connection: an answer to a packet that was not tracked begins one.
    pub(super) fn connection_direction(&self) -> Direction {
        if self.tracking == Tracking::New { Direction::Original } else { self.direction }
    }

    /// The end that is not the sender as the packet itself has it.
    pub(super) fn shown_endpoint(&self) -> Endpoint {
        if self.source_restored { self.original } else { self.endpoint }
    }

    pub(super) fn is_translated(&self) -> bool {
        self.endpoint != self.original
    }

    /// The bytes of the sender's port.
    pub(super) fn sender_port(&self) -> [Symbol; 2] {
        if self.every_port || !self.has_ports() { [Symbol::OPAQUE; 2] } else { VARIABLE_PORT }
    }

    /// The bytes of the port of one end that is not the sender.
    pub(super) fn port_of(&self, endpoint: Endpoint) -> [Symbol; 2] {
        match self.every_port {
            _ if !self.has_ports() => [Symbol::OPAQUE; 2],
            true => VARIABLE_PORT,
            false => endpoint.port.to_be_bytes().map(Symbol::known),
        }
    }

    fn has_ports(&self) -> bool {
        WITH_PORTS.contains(&self.protocol)
    }

    /// Whether the sender stands at this end of the packet.
    pub(super) fn is_sender(&self, end: End) -> bool {
        (end == End::Source) == (self.direction == Direction::Original)
    }
}

/// Where a packet is while rules look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) hook: Hook,
    pub(super) input: Option<&'a Device>,
    pub(super) output: Option<&'a Device>,
}

/// The headers of a packet as symbols.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    network: Vec<Symbol>,
    transport: Vec<Symbol>,
}

impl Headers {
    pub(super) fn of(state: &State) -> Self {
        let mut headers = Self { network: network(state), transport: transport(state) };
        for &(base, offset, length) in &state.overwritten {
            headers.overwrite(base, offset, length);
        }
        headers
    }

    fn overwrite(&mut self, base: PayloadBase, offset: u32, length: u32) {
        let header = match base {
            PayloadBase::Network => &mut self.network,
            PayloadBase::Transport => &mut self.transport,
            PayloadBase::Link | PayloadBase::Inner => return,
        };
        for symbol in header.iter_mut().skip(offset as usize).take(length as usize) {
            *symbol = Symbol::OPAQUE;
        }
    }

    /// Bytes of a header; those behind what is modelled can be anything.
    pub(super) fn bytes(&self, base: PayloadBase, offset: u32, length: u32) -> Vec<Symbol> {
        let header = match base {
            PayloadBase::Network => self.network.as_slice(),
            PayloadBase::Transport => self.transport.as_slice(),
            PayloadBase::Link | PayloadBase::Inner => &[],
        };
        let at = |position| header.get(position).copied().unwrap_or(Symbol::OPAQUE);
        (offset as usize..offset as usize + length as usize).map(at).collect()
    }

    /// Bytes of a header, if every bit of them is known.
    pub(super) fn known(&self, base: PayloadBase, offset: u32, length: u32) -> Option<Vec<u8>> {
        self.bytes(base, offset, length).into_iter().map(Symbol::value).collect()
    }

    /// Whether bytes of a header differ from a value whatever is not known of them.
    pub(super) fn differ(&self, base: PayloadBase, offset: u32, value: &[u8]) -> bool {
        let header = match base {
            PayloadBase::Network => self.network.as_slice(),
            PayloadBase::Transport => self.transport.as_slice(),
            PayloadBase::Link | PayloadBase::Inner => &[],
        };
        let bytes = header.get(offset as usize..).unwrap_or_default();
        bytes.iter().zip(value).any(|(symbol, byte)| (symbol.xor ^ byte) & !symbol.and != 0)
    }

    /// The bytes of an address of the packet.
    pub(super) fn address(&self, version: IpVersion, end: End) -> &[Symbol] {
        let length = version.address_length();
        let source = match version {
            IpVersion::V4 => 12,
            IpVersion::V6 => 8,
        };
        let start = if end == End::Source { source } else { source + length };
        self.network.get(start..start + length).unwrap_or_default()
    }

    /// The bytes of a port of the packet.
    pub(super) fn port(&self, end: End) -> [Symbol; 2] {
        let start = if end == End::Source { 0 } else { 2 };
        let port = self.transport.get(start..).and_then(<[Symbol]>::first_chunk);
        port.copied().unwrap_or([Symbol::OPAQUE; 2])
    }

    /// The byte of TCP flags.
    pub(super) fn tcp_flags(&self) -> Symbol {
        self.transport.get(13).copied().unwrap_or(Symbol::OPAQUE)
    }
}

fn address_symbols(state: &State, end: End) -> Vec<Symbol> {
    if state.is_sender(end) && state.sender_hidden {
        return vec![Symbol::OPAQUE; state.version.address_length()];
    }
    if state.is_sender(end) {
        return whole_address(state.version);
    }
    address_bytes(state.shown_endpoint().address).into_iter().map(Symbol::known).collect()
}

const VARIABLE_PORT: [Symbol; 2] = [Symbol::variable(Variable::Port, 0), Symbol::variable(Variable::Port, 1)];

fn port_symbols(state: &State, end: End) -> [Symbol; 2] {
    match state.is_sender(end) {
        true if state.sender_hidden => [Symbol::OPAQUE; 2],
        true => state.sender_port(),
        false => state.port_of(state.shown_endpoint()),
    }
}

/// The bytes of an address, most significant first.
pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// What an ordinary client sends: no options, not a fragment, a usual time to live (RFC 791, RFC 8200).
fn network(state: &State) -> Vec<Symbol> {
    let time_to_live = if state.sent_on { 63 } else { 64 };
    // What begins a connection of TCP carries no data yet, and its headers have not 256 bytes.
    let is_short = state.protocol == TCP && !state.later;
    let (length_high, length_low) = (if is_short { Symbol::rare(0, 0xff) } else { Symbol::OPAQUE }, Symbol::OPAQUE);
    let mut header = match state.version {
        IpVersion::V4 => vec![
            Symbol::rare(0x45, 0x0f), // version, header length
            Symbol::rare(0, 0xff),    // type of service
            length_high,              // total length
            length_low,
            Symbol::OPAQUE, // identification
            Symbol::OPAQUE,
            Symbol::rare(0x40, 0x40), // flags: whether it may be fragmented is the sender's choice
            Symbol::known(0),         // fragment offset
            Symbol::rare(time_to_live, 0xff), // time to live
            Symbol::known(state.protocol),
            Symbol::OPAQUE, // checksum
            Symbol::OPAQUE,
        ],
        IpVersion::V6 => vec![
            Symbol::rare(0x60, 0x0f), // version, traffic class
            Symbol::rare(0, 0xff),    // traffic class, flow label
            Symbol::OPAQUE,
            Symbol::OPAQUE,
            length_high, // payload length
            length_low,
            Symbol::rare(state.protocol, 0xff), // next header: an extension header can stand before the transport's
            Symbol::rare(time_to_live, 0xff),   // hop limit
        ],
    };
    header.extend(address_symbols(state, End::Source));
    header.extend(address_symbols(state, End::Destination));
    header
}

fn transport(state: &State) -> Vec<Symbol> {
    if !state.has_ports() {
        return Vec::new();
    }
    let mut header = port_symbols(state, End::Source).to_vec();
    header.extend(port_symbols(state, End::Destination));
    match state.protocol {
        TCP => header.extend(tcp(state.direction, state.later)),
        SCTP => {
            header.extend([Symbol::OPAQUE; 8]); // verification tag, checksum
            // INIT, INIT ACK (RFC 9260, 3.2).
            header.push(match state.direction {
                _ if state.later => Symbol::OPAQUE,
                Direction::Original => Symbol::known(1),
                Direction::Reply => Symbol::known(2),
            });
        }
        _ => {}
    }
    header
}

/// The rest of a TCP header (RFC 9293). Only SYN decides whether a listener takes it: PSH, URG, ECE and CWR are the
/// sender's choice (`tcp_rcv_state_process`, `net/ipv4/tcp_input.c`).
fn tcp(direction: Direction, later: bool) -> Vec<Symbol> {
    const SYN: u8 = 0x02;
    const SYN_ACK: u8 = 0x12;
    const ACK: u8 = 0x10;
    let mut header = vec![Symbol::OPAQUE; 4]; // sequence number
    let (acknowledged, flags) = match direction {
        Direction::Original if later => (Symbol::OPAQUE, Symbol::rare(ACK, 0b1110_1000)),
        Direction::Original => (Symbol::rare(0, 0xff), Symbol::rare(SYN, 0b1110_1000)),
        Direction::Reply => (Symbol::OPAQUE, Symbol::known(SYN_ACK)),
    };
    header.extend([acknowledged; 4]);
    header.push(Symbol::rare(0xa0, 0xff)); // header length
    header.push(flags);
    header.extend([Symbol::OPAQUE; 4]); // window, checksum
    header.extend([Symbol::rare(0, 0xff); 2]); // urgent pointer
    header
}
