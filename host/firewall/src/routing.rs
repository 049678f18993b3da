//! What the evaluator asks about routing.
//!
//! On a live machine the kernel answers (it applies `route_localnet`, `rp_filter`, `accept_local`, policy rules and
//! VRFs itself); on recorded facts the recorded answers do. Each answer partitions the addresses that were asked about,
//! so that no source is without one.

use std::net::IpAddr;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::rule::FibResult;

/// Answers questions about routing, for sets of addresses at once.
pub trait Routing: Sync {
    /// What becomes of packets that came in.
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)>;

    /// What becomes of packets of one sender that came in, for each of `question.destinations`.
    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)>;

    /// By which interface packets of this machine leave for each of `question.destinations`.
    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)>;

    /// What the routing table says of each of `question.addresses` (`fib`, `addrtype`, `rpfilter`).
    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)>;

    /// Whether an answer about this version may depend on the port that packets are sent to (`ip rule add dport`): if
    /// not, ports that no rule tells apart share their answers.
    fn depends_on_ports(&self, _version: IpVersion) -> bool {
        true
    }

    /// Whether what answers a segment of TCP takes over its mark, where the socket has none of its own
    /// (`net.ipv4.tcp_fwmark_accept`, `ip-sysctl`).
    fn answers_with_marks(&self) -> bool {
        false
    }
}

/// Packets that came in and are about to be routed.
#[derive(Clone, Copy, Debug)]
pub struct InputQuestion<'a> {
    /// Index of the interface they came in by.
    pub interface: u32,
    /// Their destination, after address translation.
    pub destination: IpAddr,
    /// Their sources.
    pub sources: &'a AddressSet,
    /// Their mark; `None` where it is not known.
    pub mark: Option<u32>,
    /// Their transport protocol, as IP numbers it.
    pub protocol: u8,
    /// Their destination port, after address translation.
    pub port: u16,
}

/// Packets of one sender that came in and are about to be routed to others, such as answers of a container.
#[derive(Clone, Copy, Debug)]
pub struct ForwardQuestion<'a> {
    /// Index of the interface they came in by.
    pub interface: u32,
    /// Their source.
    pub source: IpAddr,
    /// Their destinations.
    pub destinations: &'a AddressSet,
    /// Their mark; `None` where it is not known.
    pub mark: Option<u32>,
    /// Their transport protocol, as IP numbers it.
    pub protocol: u8,
}

/// What becomes of packets that came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InputRoute {
    /// They are for this machine.
    Local,
    /// They go on by an interface.
    Forward {
        /// Its index.
        interface: u32,
    },
    /// They go no further.
    Blocked(BlockReason),
    /// It cannot be said, and why.
    Unknown(Untrusted),
}

/// Packets that this machine sends.
#[derive(Clone, Copy, Debug)]
pub struct OutputQuestion<'a> {
    /// Their source.
    pub source: IpAddr,
    /// The interface that their socket is bound to, by index.
    pub bound_interface: Option<u32>,
    /// Their destinations.
    pub destinations: &'a AddressSet,
    /// Their mark; `None` where it is not known.
    pub mark: Option<u32>,
    /// Their transport protocol, as IP numbers it.
    pub protocol: u8,
}

/// By which interface packets leave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutputRoute {
    /// By this one; the loopback device for this machine's own addresses.
    Leaves {
        /// Its index.
        interface: u32,
    },
    /// There is no way.
    None,
    /// It cannot be said, and why.
    Unknown(Untrusted),
}

/// A question about addresses and the routing table (`nft_fib4_eval`, `net/ipv4/netfilter/nft_fib_ipv4.c`).
#[derive(Clone, Copy, Debug)]
pub struct FibQuestion<'a> {
    /// The addresses.
    pub addresses: &'a AddressSet,
    /// Only routes over this interface count, by index.
    pub interface: Option<u32>,
    /// The mark that takes part; `Some(0)` where none does, `None` where it is not known.
    pub mark: Option<u32>,
    /// What is asked.
    pub result: FibResult,
}

/// What the routing table says of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FibAnswer {
    /// The type of the address (`RTN_*`, `include/uapi/linux/rtnetlink.h`), for [`FibResult::AddressType`].
    AddressType(u8),
    /// The index of the interface that the route leads over, `None` without a route; for the other results.
    Interface(Option<u32>),
    /// It cannot be said, and why.
    Unknown(Untrusted),
}
