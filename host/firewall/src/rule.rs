//! What a rule is made of.
//!
//! nf_tables executes a small bytecode on registers, and that is what is modelled: a load, a mask and a comparison are
//! three operations here as they are three in the kernel, so that concatenations, masks and inverted lookups need no
//! special cases. Matches and targets of iptables work on packets directly; they become [`Op::Match`], [`Op::Effect`]
//! and [`Op::Verdict`]. Whatever is not understood becomes [`Op::Unknown`] and makes the packets that get there
//! unknown, and no others.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use loopgate_facts::Untrusted;

use crate::address_set::IpVersion;

use crate::ip_set::IpSetId;
use crate::ruleset::{ChainId, SetId};

/// One of the 16 registers of four bytes (`NFT_REG32_00` is 0). A value longer than four bytes takes those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register(pub u8);

/// The number of [`Register`]s.
pub const REGISTERS: u8 = 16;

/// One step of a rule. The steps are done in order; one that does not match ends the rule, not the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Loads something of the packet into a register.
    Load {
        /// What.
        what: Load,
        /// Where to.
        to: Register,
    },
    /// Loads a constant.
    Immediate {
        /// Where to.
        to: Register,
        /// The bytes.
        data: Box<[u8]>,
    },
    /// `to = (from & mask) ^ xor`, byte by byte. All three have one length.
    Mask {
        /// The register to read.
        from: Register,
        /// The register to write.
        to: Register,
        /// Bits to keep.
        mask: Box<[u8]>,
        /// Bits to flip.
        xor: Box<[u8]>,
    },
    /// Shifts a value of `length` bytes, taken as 32-bit words in the order of the machine.
    Shift {
        /// The register to read.
        from: Register,
        /// The register to write.
        to: Register,
        /// Length of the value in bytes.
        length: u32,
        /// To the left.
        left: bool,
        /// By how many bits, 0 to 31.
        by: u32,
    },
    /// `to = from OP other`, where both operands are registers (Linux 6.12).
    Combine {
        /// The left operand.
        from: Register,
        /// The right operand.
        other: Register,
        /// The register to write.
        to: Register,
        /// Length of the value in bytes.
        length: u32,
        /// How.
        how: Combination,
    },
    /// Swaps the bytes of each `size` bytes of a value, between the order of the machine and that of the network.
    SwapBytes {
        /// The register to read.
        from: Register,
        /// The register to write.
        to: Register,
        /// Length of the value in bytes.
        length: u32,
        /// 2, 4 or 8.
        size: u32,
    },
    /// Goes on if a register compares so with a constant, most significant byte first.
    Compare {
        /// The register.
        register: Register,
        /// How.
        how: Comparison,
        /// The constant, with the length to compare.
        value: Box<[u8]>,
    },
    /// Goes on if a register lies in a range, both ends included.
    Range {
        /// The register.
        register: Register,
        /// Goes on if it lies outside instead.
        inverted: bool,
        /// The lowest value.
        from: Box<[u8]>,
        /// The highest value.
        to: Box<[u8]>,
    },
    /// Looks a key up.
    Lookup {
        /// The set or map.
        set: SetId,
        /// The register that holds the key.
        key: Register,
        /// Goes on if the key is not there instead.
        inverted: bool,
        /// Where what was found goes.
        result: LookupResult,
    },
    /// Adds, updates or deletes an element (`dynset`).
    Update {
        /// The set.
        set: SetId,
        /// The register that holds the key.
        key: Register,
        /// What is done.
        how: SetUpdate,
        /// Goes on if the element could not be added instead.
        inverted: bool,
        /// Expressions on the element, such as a limit per source; see [`Op::Rate`].
        rates: Vec<Rate>,
    },
    /// A condition on the packet: all tests hold, or with `inverted` not all do.
    Match {
        /// The conjunction is negated.
        inverted: bool,
        /// What must hold.
        all: Vec<Test>,
    },
    /// A condition that depends on how much traffic there was.
    Rate(Rate),
    /// Something is done to the packet, or to what is known about it, and the rule goes on.
    Effect(Effect),
    /// The rule ends with a verdict.
    Verdict(Verdict),
    /// Something that is shown and otherwise without meaning: a counter, a log, a comment.
    Note(Note),
    /// Something that is not understood. What it does to a packet that gets there is not known.
    Unknown(Unknown),
}

/// What is not understood, and how far its effect can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its name as an administrator knows it: `xt match "bpf"`, `expression "osf"`.
    pub construct: Untrusted,
    /// It can only match or not match: it neither decides nor changes anything.
    pub only_matches: bool,
}

/// How registers are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
}

/// How a register is compared (`nft_cmp_ops`, `include/uapi/linux/netfilter/nf_tables.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where the result of a lookup goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// Only whether the key is there counts.
    Nothing,
    /// The data goes into a register.
    Register(Register),
    /// The data is a verdict, which is done at once.
    Verdict,
}

/// What a rule does to a set (`nft_dynset_ops`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUpdate {
    /// Adds the element if it is not there.
    Add,
    /// Adds the element or renews its timeout.
    Update,
    /// Deletes the element.
    Delete,
}

/// What a load loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Bytes of the packet.
    Payload {
        /// Where the offset counts from.
        base: PayloadBase,
        /// Offset in bytes.
        offset: u32,
        /// How many bytes.
        length: u32,
    },
    /// What is known about the packet (`meta`).
    Meta(Meta),
    /// What is known about its connection (`ct`).
    Conntrack {
        /// What.
        key: ConntrackKey,
        /// Of which direction, where that makes a difference.
        direction: Option<Direction>,
    },
    /// What the routing table says of an address of the packet (`fib`).
    Fib(Fib),
    /// A number that goes round or is random, from `offset` to `offset + modulus - 1`.
    Number {
        /// How many numbers there are.
        modulus: u32,
        /// The smallest.
        offset: u32,
    },
    /// The presence of an option or extension header: one byte, 0 or 1.
    HeaderPresent(Untrusted),
    /// Something whose value is not known: what it is, and its length in bytes.
    Opaque {
        /// Its name as an administrator knows it: `socket transparent`, `rt mtu`, `tcp option maxseg size`.
        name: Untrusted,
        /// Its length in bytes.
        length: u32,
    },
}

/// Where an offset counts from (`nft_payload_bases`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum PayloadBase {
    Link,
    Network,
    Transport,
    /// What the transport carries, or a tunnel's inner packet.
    Inner,
}

/// What is known about a packet (`nft_meta_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the keys of `nft(8)`, \"Meta expressions\"")]
pub enum Meta {
    Length,
    Protocol,
    Priority,
    Mark,
    InputInterface,
    OutputInterface,
    InputInterfaceName,
    OutputInterfaceName,
    InputInterfaceType,
    OutputInterfaceType,
    InputInterfaceGroup,
    OutputInterfaceGroup,
    InputInterfaceKind,
    OutputInterfaceKind,
    SocketUser,
    SocketGroup,
    Trace,
    RouteClass,
    SecurityMark,
    NetworkFamily,
    TransportProtocol,
    BridgeInputPort,
    BridgeOutputPort,
    PacketType,
    Cpu,
    ControlGroup,
    Random,
    SecurityPath,
    BridgePortVlan,
    BridgeVlanProtocol,
    Time,
    Day,
    Hour,
    SlaveInterface,
    SlaveInterfaceName,
    BridgeBroute,
    BridgeHardwareAddress,
    /// One that this version does not know, by number.
    Other(u32),
}

/// What is known about a connection (`nft_ct_keys`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the keys of `nft(8)`, \"Conntrack expressions\"")]
pub enum ConntrackKey {
    State,
    Direction,
    Status,
    Mark,
    SecurityMark,
    Expiration,
    Helper,
    NetworkFamily,
    /// The source address, 4 or 16 bytes by the connection's family.
    Source,
    /// The destination address, 4 or 16 bytes by the connection's family.
    Destination,
    TransportProtocol,
    SourcePort,
    DestinationPort,
    Labels,
    Packets,
    Bytes,
    AveragePacket,
    Zone,
    EventMask,
    SourceIpv4,
    DestinationIpv4,
    SourceIpv6,
    DestinationIpv6,
    Id,
    /// One that this version does not know, by number.
    Other(u32),
}

/// A direction of a connection (`enum ip_conntrack_dir`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// As the first packet went.
    Original,
    /// As the answers go.
    Reply,
}

/// A question to the routing table (`fib`, `nft(8)`; `net/netfilter/nft_fib.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fib {
    /// Ask about this address of the packet.
    pub end: End,
    /// The packet's mark takes part.
    pub mark: bool,
    /// Only routes over the interface that the packet came in by count.
    pub input_interface: bool,
    /// Only routes over the interface that the packet leaves by count.
    pub output_interface: bool,
    /// What is asked.
    pub result: FibResult,
}

/// What a question to the routing table gives (`nft_fib_result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FibResult {
    /// The index of the interface, 0 for none: four bytes.
    Interface,
    /// The name of the interface, empty for none: 16 bytes.
    InterfaceName,
    /// The type of the address (`RTN_*`): four bytes.
    AddressType,
    /// Whether there is a route: one byte, 0 or 1.
    Present,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum End {
    Source,
    Destination,
}

/// One test of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// It must fail.
    pub inverted: bool,
    /// What is tested.
    pub predicate: Predicate,
}

/// What a test tests. They are the matches of iptables (`iptables-extensions(8)`), which read the packet themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// An address lies in a range.
    AddressRange {
        /// Which one.
        end: End,
        /// The range, both ends included and of one family.
        range: RangeInclusive<IpAddr>,
    },
    /// The bits of an address under a mask, which need not be a prefix.
    AddressMask {
        /// Which one.
        end: End,
        /// The bits.
        address: IpAddr,
        /// The mask.
        mask: IpAddr,
    },
    /// The transport protocol (`-p`). The packet has it whatever its number.
    Protocol(u8),
    /// A port of TCP, UDP, UDP-Lite, SCTP or DCCP.
    Ports {
        /// Which ones may match; both for `multiport --ports`.
        ends: Vec<End>,
        /// The ranges, of which one must match.
        ranges: Vec<RangeInclusive<u16>>,
    },
    /// TCP flags under a mask (`--tcp-flags`): the byte that holds FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    TcpFlags {
        /// The flags to look at.
        mask: u8,
        /// Those that must be set.
        set: u8,
    },
    /// A TCP option of this number is present.
    TcpOption(u8),
    /// An ICMP (1) or ICMPv6 (58) message of these types and codes.
    Icmp {
        /// The protocol number.
        protocol: u8,
        /// The types.
        kinds: RangeInclusive<u8>,
        /// The codes.
        codes: RangeInclusive<u8>,
    },
    /// A fragment behind the first (`-f`).
    Fragment,
    /// The time to live, or the hop limit of IPv6 (`ttl`, `hl`).
    TimeToLive {
        /// How it compares.
        how: Comparison,
        /// With what.
        value: u8,
    },
    /// The upper six bits of the type of service, or of the traffic class of IPv6 (`dscp`).
    DifferentiatedServices(u8),
    /// The type of service, or the traffic class of IPv6, under a mask (`tos`).
    TypeOfService {
        /// The bits.
        value: u8,
        /// The mask.
        mask: u8,
    },
    /// The length of the packet in bytes, with its IP header (`length`).
    Length(RangeInclusive<u16>),
    /// How `IPsec` protects the packet (`policy`).
    Ipsec {
        /// As it came in, or as it leaves.
        end: InterfaceEnd,
        /// It is protected (`--pol ipsec`), or not (`--pol none`).
        protected: bool,
        /// What else is asked, in the words of iptables. It only holds for a packet that is protected.
        more: Untrusted,
    },
    /// The port of a bridge that the packet came in by or leaves by, which `br_netfilter` tells (`physdev`).
    BridgePort {
        /// In or out.
        end: InterfaceEnd,
        /// Its name, with the `+` of a prefix; `None` asks whether there is one.
        name: Option<Untrusted>,
    },
    /// The packet goes from one port of a bridge to another (`physdev --physdev-is-bridged`).
    Bridged,
    /// An extension header that ordinary packets do not have (`rt`, `hbh`, `dst`, `frag`) is there: the match that
    /// asks.
    HeaderPresent(Untrusted),
    /// The name of the interface (`-i`, `-o`): equal under a mask over `IFNAMSIZ` bytes.
    Interface {
        /// In or out.
        end: InterfaceEnd,
        /// Its name, without the `+` of a prefix.
        name: Vec<u8>,
        /// It begins so; the rest does not matter.
        prefix: bool,
    },
    /// The group of the interface under a mask (`devgroup`).
    InterfaceGroup {
        /// In or out.
        end: InterfaceEnd,
        /// The bits.
        group: u32,
        /// The mask.
        mask: u32,
    },
    /// States of the connection as bits: INVALID 1, ESTABLISHED 2, RELATED 4, NEW 8, UNTRACKED 64, and the pseudo
    /// states SNAT 128 and DNAT 256. One must hold.
    ConntrackState(u16),
    /// Status bits of the connection (`IPS_*`): one of the mask is set. With 0 it never holds (`--ctstatus NONE`).
    ConntrackStatus(u32),
    /// The direction of the packet in its connection.
    ConntrackDirection(Direction),
    /// The transport protocol of the connection's original direction.
    ConntrackProtocol(u8),
    /// An address of the connection under a mask.
    ConntrackAddress {
        /// Of which direction.
        direction: Direction,
        /// Which end.
        end: End,
        /// The bits.
        address: IpAddr,
        /// The mask.
        mask: IpAddr,
    },
    /// A port of the connection.
    ConntrackPort {
        /// Of which direction.
        direction: Direction,
        /// Which end.
        end: End,
        /// The range.
        range: RangeInclusive<u16>,
    },
    /// The type of an address in the routing table: one of these bits (`1 << RTN_*`, `include/uapi/linux/rtnetlink.h`).
    AddressType {
        /// Which address.
        end: End,
        /// The types, as bits.
        types: u16,
        /// Only routes over the interface that the packet came in by count (`--limit-iface-in`).
        input_interface: bool,
        /// Only routes over the interface that the packet leaves by count (`--limit-iface-out`).
        output_interface: bool,
    },
    /// The packet's mark under a mask.
    Mark {
        /// The bits.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// The connection's mark under a mask.
    ConntrackMark {
        /// The bits.
        value: u32,
        /// The mask.
        mask: u32,
    },
    /// How the frame was addressed: `PACKET_HOST` 0, `PACKET_BROADCAST` 1, `PACKET_MULTICAST` 2.
    PacketType(u32),
    /// The reverse path of the source is an interface that the packet could have come in by (`rpfilter`).
    ReversePath {
        /// Any interface will do (`--loose`).
        loose: bool,
        /// The mark takes part (`--validmark`).
        mark: bool,
        /// Packets from this machine's own addresses pass (`--accept-local`).
        accept_local: bool,
    },
    /// Parts of the packet are in a set of `ipset(8)`.
    InIpSet(IpSetQuestion),
    /// Something that is not understood; it holds or not.
    Unknown(Untrusted),
}

/// What a rule asks a set of `ipset(8)` (`struct xt_set_info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSetQuestion {
    /// The set: a key of [`crate::Ruleset::ip_sets`].
    pub set: IpSetReference,
    /// Members that are exceptions (`nomatch`) count as found, and others do not (`--return-nomatch`).
    pub return_nomatch: bool,
    /// What its members have counted takes part (`--packets-gt`, `--bytes-lt`).
    pub counters: bool,
}

/// A set of `ipset(8)`, as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSetReference {
    /// The set.
    pub id: IpSetId,
    /// Which end of the packet each part is of.
    pub ends: Vec<End>,
}

/// The interface that a packet came in by or leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum InterfaceEnd {
    Input,
    Output,
}

/// A condition that depends on how much traffic there was.
///
/// The packet asked about is the first of a peer that is not being throttled: `usually` says what the condition gives
/// then. Whether the other outcome is worse is looked at too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Its name as an administrator knows it: `limit rate 3/minute`, `-m recent --update --hitcount 6`.
    pub text: Untrusted,
    /// Whether an ordinary first packet matches.
    pub usually: bool,
}

/// What a rule does to a packet besides deciding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `mark = (mark & keep) ^ xor`.
    SetMark {
        /// Bits to keep.
        keep: u32,
        /// Bits to flip then.
        xor: u32,
    },
    /// The mark becomes the four bytes of a register, in the order of the machine.
    SetMarkFrom(Register),
    /// The same for the connection's mark.
    SetConntrackMark {
        /// Bits to keep.
        keep: u32,
        /// Bits to flip then.
        xor: u32,
    },
    /// The connection's mark becomes the four bytes of a register.
    SetConntrackMarkFrom(Register),
    /// The connection's mark becomes `(ctmark & keep) ^ (mark & mask)`.
    SaveMark {
        /// Bits of the connection's mark to keep.
        keep: u32,
        /// Bits of the packet's mark to take.
        mask: u32,
    },
    /// The packet's mark becomes `(mark & keep) ^ (ctmark & mask)`.
    RestoreMark {
        /// Bits of the packet's mark to keep.
        keep: u32,
        /// Bits of the connection's mark to take.
        mask: u32,
    },
    /// The connection is not tracked (`notrack`).
    NoTrack,
    /// Members are added to sets of `ipset(8)`, or deleted (`SET`).
    ChangeIpSets(Vec<IpSetChange>),
    /// Another part of the packet or of what is known about it is written: its name. What depends on it is not known
    /// any more.
    Write {
        /// The bytes of the packet that change, where they are its own.
        payload: Option<(PayloadBase, u32, u32)>,
        /// Its name as an administrator knows it: `meta priority`, `ip dscp`.
        name: Untrusted,
    },
}

impl Meta {
    /// Whether it gives the name of an interface or of its driver: as many bytes as the longest has (`IFNAMSIZ`).
    pub(crate) fn is_name(self) -> bool {
        matches!(
            self,
            Self::InputInterfaceName
                | Self::OutputInterfaceName
                | Self::InputInterfaceKind
                | Self::OutputInterfaceKind
                | Self::BridgeInputPort
                | Self::BridgeOutputPort
                | Self::SlaveInterfaceName
        )
    }
}

impl Effect {
    /// Whether it writes something that decides where the packet goes, or whether it is taken there: addresses, ports,
    /// or what the receiver checks. What is written is not followed.
    pub(crate) fn decides_delivery(&self, version: IpVersion) -> bool {
        match self {
            // `tcp_v4_rcv` and `ip_rcv_core` take nothing that was meant for others.
            Self::Write { payload: None, name } => name.as_str().starts_with("meta pkttype"),
            Self::Write { payload: Some((base, offset, length)), .. } => {
                let last = offset.saturating_add(*length);
                !harmless(*base, version).iter().any(|(start, end)| start <= offset && last <= *end)
            }
            _ => false,
        }
    }
}

/// Bytes of a header that no receiver looks at: the type of service, the identification, the time to live where it ends
/// here, and the checksum that goes with them; headers of the link, which is behind.
fn harmless(base: PayloadBase, version: IpVersion) -> &'static [(u32, u32)] {
    match (base, version) {
        (PayloadBase::Network, IpVersion::V4) => &[(0, 2), (4, 6), (8, 9), (10, 12)],
        (PayloadBase::Network, IpVersion::V6) => &[(0, 4), (7, 8)],
        (PayloadBase::Transport, _) => &[],
        (PayloadBase::Link | PayloadBase::Inner, _) => &[(0, u32::MAX)],
    }
}

/// What is done to a set of `ipset(8)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSetChange {
    /// The set.
    pub set: IpSetReference,
    /// The member is deleted.
    pub deletes: bool,
}

/// Something without meaning for who can reach what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// `counter`: packets and bytes so far.
    Counter {
        /// Packets.
        packets: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Anything else, as it is shown: `log prefix "x"`.
    Other(Untrusted),
}

/// How a rule or a chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The packet leaves this base chain and goes on to the next.
    Accept,
    /// The packet is dropped.
    Drop,
    /// The packet is dropped, and the peer is told so: how, as it is shown (`tcp reset`, `icmp-port-unreachable`).
    Reject(Untrusted),
    /// The next rule.
    Continue,
    /// Back to the calling chain; in a base chain, its policy.
    Return,
    /// Into a chain, and back behind this rule.
    Jump(ChainId),
    /// Into a chain, and from its end back to whoever called this one.
    Goto(ChainId),
    /// Address translation. The packet leaves the chain as with [`Verdict::Accept`].
    Translate(Translation),
    /// The packet goes to a local socket without being translated (`tproxy`); the rule goes on with the next
    /// expression, which must decide.
    TransparentProxy {
        /// The address of the socket, `None` for the packet's own.
        address: Option<Operand>,
        /// Its port, `None` for the packet's own.
        port: Option<Operand>,
    },
    /// A program decides (`queue`).
    Queue {
        /// Without a program the packet is accepted.
        bypass: bool,
    },
    /// The packet is taken away: sent to another device, or otherwise not seen again. How, as it is shown.
    Stolen(Untrusted),
}

/// An address translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Translation {
    /// What is translated.
    pub end: End,
    /// To where.
    pub target: Target,
    /// The ports to choose from: lowest and highest. `None` leaves the port, where it is free.
    pub ports: Option<(Operand, Operand)>,
}

/// The address of a translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of these addresses, lowest and highest; `None` leaves the address.
    Addresses(Option<(Operand, Operand)>),
    /// The first address of the interface that the packet came in by; for packets of this machine, loopback
    /// (`redirect`).
    Redirect,
    /// The address of the interface that the packet leaves by (`masquerade`).
    Masquerade,
    /// The prefix is replaced, the rest of the address stays (`NETMAP`): the bits and their mask. The hook tells of
    /// which end, whatever [`Translation::end`] says.
    Prefix(IpAddr, IpAddr),
    /// Not understood.
    Unknown(Untrusted),
}

/// A value of a translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// An address.
    Address(IpAddr),
    /// A port.
    Port(u16),
    /// What the register holds: an address of the packet's family, or a port in network order.
    Register(Register),
}

impl Op {
    /// Moves the positions of chains and sets on, as [`crate::Ruleset::append`] needs.
    pub(crate) fn move_references(&mut self, chains: u32, sets: u32) {
        match self {
            Self::Verdict(verdict) => verdict.move_references(chains),
            Self::Lookup { set, .. } | Self::Update { set, .. } => set.0 += sets,
            _ => {}
        }
    }
}

impl Verdict {
    /// The chain that it leads to.
    pub(crate) fn called(&self) -> Option<ChainId> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(*chain),
            _ => None,
        }
    }

    /// Moves the position of the chain that it leads to on.
    pub(crate) fn move_references(&mut self, chains: u32) {
        if let Self::Jump(chain) | Self::Goto(chain) = self {
            chain.0 += chains;
        }
    }
}
