//! Who can reach a listener, and which rule decides.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::sources::without;
use crate::{Prefix, Untrusted};

/// What happens to an unsolicited first packet from a set of sources.
///
/// An entry holds for each of its interfaces with each of its destinations. The entries of one interface, destination
/// and port partition the addresses of the family: no source is in two of them, and none is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reachability {
    /// The interfaces that the packet comes in by. The loopback device stands for this machine itself.
    pub interfaces: Vec<Untrusted>,
    /// The addresses that the packet is sent to, all of one IP version and one [`crate::Scope`].
    pub destinations: Vec<IpAddr>,
    /// The port that the packet is sent to.
    pub port: u16,
    /// Where the packet comes from: prefixes that hold the set, in order. The set is what they hold without
    /// [`Reachability::excluded_sources`], in the form that takes the fewest prefixes of both. Where that would be more
    /// than [`MAX_SOURCES`] of one kind, only the widest prefixes of the set itself, see
    /// [`Reachability::unlisted_sources`].
    pub sources: Vec<Prefix>,
    /// Prefixes within [`Reachability::sources`] that are not in the set, in order; at most [`MAX_SOURCES`].
    #[serde(default)]
    pub excluded_sources: Vec<Prefix>,
    /// How many prefixes of the set are not in [`Reachability::sources`]; 0 where it is complete. If it is not, nothing
    /// is excluded from it.
    #[serde(default)]
    pub unlisted_sources: u64,
    /// Whether it arrives.
    pub verdict: ReachVerdict,
    /// Why it does not arrive; `None` where it may.
    pub reason: Option<BlockReason>,
    /// What keeps the verdict from being known, such as `xt match "bpf"`; empty where it is.
    pub unknown_because: Vec<Untrusted>,
    /// The way it takes through the machine.
    pub path: ReachPath,
    /// Where address translation sends it, where it does.
    pub translated_to: Option<SocketAddr>,
    /// The rule or policy that decides; `None` where no rule does.
    pub decided_by: Option<RuleReference>,
    /// The rules that sent other sources elsewhere, in the order they were met; at most [`MAX_NARROWED_BY`].
    pub narrowed_by: Vec<RuleReference>,
    /// What else is to know: `rate limited by ...`, `only from source port 53`.
    pub notes: Vec<Untrusted>,
}

/// The most prefixes that [`Reachability::sources`] and [`Reachability::excluded_sources`] list, each. A machine with a
/// set of 100,000 blocked addresses has hundreds of entries over the same sources; their lists must stay readable, and
/// a document of facts within its size.
pub const MAX_SOURCES: usize = 128;

/// The most rules that [`Reachability::narrowed_by`] names; a note counts the others.
pub const MAX_NARROWED_BY: usize = 16;

impl Reachability {
    /// A list of prefixes that is too long for [`Reachability::sources`]: all of them, or the widest [`MAX_SOURCES`]
    /// and the number of the others.
    ///
    /// The prefixes are counted first and listed then, because there can be millions.
    pub fn shortened(prefixes: impl Iterator<Item = Prefix> + Clone) -> (Vec<Prefix>, u64) {
        let mut counts = [0_usize; 129];
        for prefix in prefixes.clone() {
            if let Some(count) = counts.get_mut(usize::from(prefix.length())) {
                *count += 1;
            }
        }
        // The longest prefixes that still fit, and how many of those that follow them.
        let mut room = MAX_SOURCES;
        let fitting =
            counts.iter().take_while(|count| room.checked_sub(**count).inspect(|left| room = *left).is_some());
        let fitting = fitting.count();
        let mut listed: Vec<_> = prefixes
            .filter(|prefix| match usize::from(prefix.length()).cmp(&fitting) {
                Ordering::Less => true,
                Ordering::Equal => room.checked_sub(1).inspect(|left| room = *left).is_some(),
                Ordering::Greater => false,
            })
            .collect();
        listed.sort_unstable();
        let unlisted = counts.iter().sum::<usize>() - listed.len();
        (listed, unlisted as u64)
    }

    /// The addresses that packets come from, as far as they are listed: disjoint ranges of their numbers, in order.
    pub fn source_ranges(&self) -> Vec<RangeInclusive<u128>> {
        without(&self.sources, &self.excluded_sources)
    }

    /// Whether an address is listed as one that packets come from.
    pub fn lists(&self, source: IpAddr) -> bool {
        let is_among = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.has(source));
        is_among(&self.sources) && !is_among(&self.excluded_sources)
    }

    pub(crate) fn normalise(&mut self) {
        self.interfaces.sort_unstable();
        self.destinations.sort_unstable();
        self.sources.sort_unstable();
        self.excluded_sources.sort_unstable();
    }

    /// Whether it holds for packets that come in by an interface and are sent to an endpoint.
    pub fn is_about(&self, interface: &str, destination: SocketAddr) -> bool {
        self.port == destination.port()
            && self.destinations.contains(&destination.ip())
            && self.interfaces.iter().any(|name| name.as_str() == interface)
    }

    /// Each of its interfaces with each of its destinations.
    pub fn ways(&self) -> impl Iterator<Item = (&Untrusted, IpAddr)> {
        let by = |interface| self.destinations.iter().map(move |destination| (interface, *destination));
        self.interfaces.iter().flat_map(by)
    }

    pub(crate) fn sort_key(&self) -> impl Ord + '_ {
        let Self { interfaces, destinations, port, verdict, reason, sources, excluded_sources, .. } = self;
        (interfaces, destinations, port, verdict, reason, sources, excluded_sources)
    }
}

/// Whether a packet arrives and its answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReachVerdict {
    /// It does.
    Reachable,
    /// It does not.
    Blocked,
    /// It depends on something that is not known.
    Unknown,
}

impl ReachVerdict {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ReachVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Why a packet does not arrive, or is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockReason {
    /// A rule or policy drops it.
    Dropped,
    /// A rule rejects it: the peer is told.
    Rejected,
    /// The kernel does not accept such a source or destination from this interface (`ip_route_input_slow`,
    /// `net/ipv4/route.c`): a loopback address from outside, an own address, or a failed source validation.
    Martian,
    /// The routing table has no way to the destination.
    NotRouted,
    /// It arrives at another endpoint: address translation or routing leads elsewhere.
    Elsewhere,
    /// The listener does not take packets from this interface (`SO_BINDTODEVICE`, the zone of its address).
    OtherInterface,
    /// It arrives, and a rule keeps the answer from leaving.
    AnswerBlocked,
    /// It arrives, and the routing table has no way back to the source.
    AnswerNotRouted,
}

impl BlockReason {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Martian => "martian",
            Self::NotRouted => "not-routed",
            Self::Elsewhere => "elsewhere",
            Self::OtherInterface => "other-interface",
            Self::AnswerBlocked => "answer-blocked",
            Self::AnswerNotRouted => "answer-not-routed",
        }
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The way of a packet through the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReachPath {
    /// To a socket of this network namespace.
    Input,
    /// Onward to another machine or a container.
    Forward,
    /// It ends before that is decided.
    Neither,
}

/// A rule, or the policy of a chain, as an administrator finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleReference {
    /// `nf-tables`, `ip-tables` or `ip6-tables`.
    pub backend: String,
    /// The family of the table: `ip`, `ip6`, `inet`, `bridge`, `netdev`.
    pub family: String,
    /// The table.
    pub table: Untrusted,
    /// The chain.
    pub chain: Untrusted,
    /// The number of the rule within its table, as `nft -a list ruleset` shows it.
    pub handle: Option<u64>,
    /// The position of the rule in its chain, from 1, as `iptables -L --line-numbers` shows it, or its line in the file
    /// that was read. `None` for a policy.
    pub line: Option<u32>,
    /// The rule in the notation of the tool that wrote it, or `policy drop`.
    pub text: Untrusted,
}
