//! What the kernel answers about routing, and what takes packets past the firewall.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{BlockReason, Prefix, Untrusted};

/// What routing does with packets that came in, as the kernel answered (`RTM_GETROUTE`, `rtnetlink(7)`).
///
/// The entries of one interface, destination and mark partition the sources, as those of [`crate::Reachability`] do.
/// What is the same by several interfaces or to several destinations is said once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingAnswer {
    /// The interfaces that the packet can come in by.
    pub interfaces: Vec<Untrusted>,
    /// Where it goes to, after address translation: addresses of one IP version.
    pub destinations: Vec<IpAddr>,
    /// Its mark; 0 without one.
    pub mark: u32,
    /// Where it comes from: prefixes that hold the set, in order.
    pub sources: Vec<Prefix>,
    /// Prefixes within `sources` that are not in the set, in order.
    pub excluded_sources: Vec<Prefix>,
    /// What becomes of it.
    pub outcome: RouteOutcome,
}

/// The most entries of [`crate::Facts::routing`].
pub const MAX_ROUTING_ANSWERS: usize = 65_536;

pub(crate) fn normalise(answers: &mut [RoutingAnswer]) {
    for answer in &mut *answers {
        answer.interfaces.sort_unstable();
        answer.destinations.sort_unstable();
        answer.sources.sort_unstable();
        answer.excluded_sources.sort_unstable();
    }
    answers.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
}

impl RoutingAnswer {
    /// Each interface with each destination that it holds for.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (&Untrusted, IpAddr)> {
        let to_each = |interface| self.destinations.iter().map(move |destination| (interface, *destination));
        self.interfaces.iter().flat_map(to_each)
    }

    fn sort_key(&self) -> impl Ord + '_ {
        (&self.interfaces, &self.destinations, self.mark, &self.outcome, &self.sources, &self.excluded_sources)
    }
}

/// What routing does with a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteOutcome {
    /// It is for this machine.
    Local,
    /// It goes on by the interface of this name.
    Forward(Untrusted),
    /// It goes no further.
    Blocked(BlockReason),
    /// It cannot be said; why.
    Unknown(Untrusted),
}

/// Something that handles packets before, beside or after netfilter, so that rules do not tell the whole story.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bypass {
    /// The interface that it is on; `None` where it concerns all of them.
    pub interface: Option<Untrusted>,
    /// What it is.
    pub kind: BypassKind,
    /// What is known of it, such as the name or number of a program.
    pub detail: Untrusted,
}

/// The most entries of [`crate::Facts::bypasses`].
pub const MAX_BYPASSES: usize = 4096;

/// What can handle packets past netfilter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BypassKind {
    /// An XDP program: it can drop, rewrite and redirect before anything else sees a packet.
    Xdp,
    /// A traffic control filter or program at ingress or egress (`tc(8)`).
    TrafficControl,
    /// IP virtual server (`ipvsadm(8)`).
    Ipvs,
    /// A socket that takes packets to foreign addresses (`IP_TRANSPARENT`, `ip(7)`).
    TransparentSocket,
    /// A BPF program that chooses the socket (`bpf_sk_lookup`).
    SocketLookup,
    /// A BPF program at a netfilter hook.
    NetfilterProgram,
    /// A BPF program at the sockets of a control group.
    ControlGroupProgram,
    /// Bridged frames that pass through the rules of IP (`br_netfilter`).
    BridgeNetfilter,
    /// Policies of `IPsec` (`ip-xfrm(8)`).
    Ipsec,
    /// Connections that skip the hooks (`nft(8)`, "Flowtables").
    Flowtable,
    /// Anything else.
    Other,
}

impl BypassKind {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::TrafficControl => "traffic-control",
            Self::Ipvs => "ipvs",
            Self::TransparentSocket => "transparent-socket",
            Self::SocketLookup => "socket-lookup",
            Self::NetfilterProgram => "netfilter-program",
            Self::ControlGroupProgram => "control-group-program",
            Self::BridgeNetfilter => "bridge-netfilter",
            Self::Ipsec => "ipsec",
            Self::Flowtable => "flowtable",
            Self::Other => "other",
        }
    }
}
