//! What filters and translates packets, and what it does with traffic that no listener stands for.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{BlockReason, ListenerId, Prefix, Protocol, ReachVerdict, Reachability, RuleReference, Untrusted};

/// The firewall of the observed network namespace.
///
/// Where a part of it could not be read, [`Firewall::backends`] says so, a [`crate::Gap`] in [`crate::Area::Firewall`]
/// says why, and every verdict that depends on it is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// The parts of the kernel that filter, each once, by kind.
    pub backends: Vec<FirewallBackend>,
    /// What manages the rules at [`Hook::Input`], each once, by name; `None` in facts that were recorded before this was
    /// asked.
    #[serde(default)]
    pub managers: Option<Vec<FirewallManager>>,
    /// Where the kernel enters rules, by hook and priority: those that run first before the others. At most
    /// [`MAX_BASE_CHAINS`].
    pub base_chains: Vec<BaseChain>,
    /// What becomes of traffic of this machine to itself.
    pub loopback: Vec<LoopbackTraffic>,
    /// What becomes of packets that come in by another interface and have a loopback address.
    pub spoofed_loopback: Vec<SpoofedLoopback>,
    /// What becomes of packets to a port that nobody listens on and no rule names.
    pub default_input: Vec<UnusedPort>,
    /// Ports that rules let in from outside and on which nothing listens; at most [`MAX_OPENED_PORTS`].
    pub opened: Vec<OpenedPort>,
    /// Rules that were written for listeners and that no packet to them comes to; at most [`MAX_SHADOWED_RULES`].
    pub shadowed: Vec<ShadowedRule>,
    /// How many more there are of them, as far as was looked.
    #[serde(default)]
    pub unlisted_shadowed: u64,
    /// Whether every rule was looked at that could be one of them.
    pub shadowed_complete: bool,
}

impl Firewall {
    pub(crate) fn normalise(&mut self) {
        self.backends.sort();
        if let Some(managers) = &mut self.managers {
            managers.sort_unstable();
        }
        self.base_chains.sort();
        self.loopback.sort_by_key(|entry| (entry.address, entry.protocol));
        self.spoofed_loopback.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        for unused in &mut self.default_input {
            unused.reachability.iter_mut().for_each(Reachability::normalise);
            unused.reachability.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        }
        self.default_input.sort_by_key(|unused| (unused.protocol, unused.port));
        for opened in &mut self.opened {
            opened.sources.sort_unstable();
            opened.excluded_sources.sort_unstable();
        }
        self.opened.sort();
        for shadowed in &mut self.shadowed {
            shadowed.sources.sort_unstable();
            shadowed.excluded_sources.sort_unstable();
            shadowed.listeners.sort();
        }
        self.shadowed.sort();
    }
}

/// The most base chains that [`Firewall::base_chains`] names.
pub const MAX_BASE_CHAINS: usize = 1024;

/// The most entries of [`Firewall::opened`]; a gap says that there are more.
pub const MAX_OPENED_PORTS: usize = 4096;

/// The most entries of [`Firewall::shadowed`].
pub const MAX_SHADOWED_RULES: usize = 64;

/// The most entries of [`ShadowedRule::listeners`].
pub const MAX_SHADOWED_LISTENERS: usize = 16;

/// What people filter packets with, as the names of tables and chains tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallManager {
    /// firewalld: its table of nf_tables, or its chains in tables of iptables.
    Firewalld,
    /// ip6tables, in either form, with rules or a policy that no other manager made.
    Ip6tables,
    /// iptables, in either form, with rules or a policy that no other manager made.
    Iptables,
    /// nft: every other table of nf_tables.
    Nftables,
    /// ufw: its chains in tables of iptables.
    Ufw,
}

impl FirewallManager {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firewalld => "firewalld",
            Self::Ip6tables => "ip6tables",
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
            Self::Ufw => "ufw",
        }
    }
}

/// A part of the kernel that filters packets, and what came of reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallBackend {
    /// Which.
    pub kind: BackendKind,
    /// What came of reading it.
    pub state: BackendState,
}

/// A part of the kernel that filters packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// `nf_tables`, whether `nft` or `iptables-nft` wrote the rules.
    NfTables,
    /// The older `ip_tables`.
    IpTables,
    /// The older `ip6_tables`.
    Ip6Tables,
}

impl BackendKind {
    /// Every kind, in order.
    pub const ALL: [Self; 3] = [Self::NfTables, Self::IpTables, Self::Ip6Tables];

    /// The word that reports, JSON and [`RuleReference::backend`] use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NfTables => "nf-tables",
            Self::IpTables => "ip-tables",
            Self::Ip6Tables => "ip6-tables",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What came of reading a part of the firewall.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendState {
    /// It was read to the end.
    Read(RulesetCounts),
    /// The kernel does not have it, or nothing uses it.
    Absent,
    /// It could not be read; why.
    Unreadable(Untrusted),
}

/// How much there is of a ruleset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each says itself")]
pub struct RulesetCounts {
    pub tables: u32,
    pub chains: u32,
    pub rules: u32,
    pub sets: u32,
}

/// A chain that the kernel enters by itself (`nft(8)`, "Chains").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseChain {
    /// Where it is entered.
    pub hook: Hook,
    /// Lower numbers run first at a hook.
    pub priority: i32,
    /// Who evaluates it.
    pub backend: BackendKind,
    /// Which packets its table sees.
    pub family: TableFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its name.
    pub chain: Untrusted,
    /// What it is for.
    pub kind: ChainKind,
    /// What happens to a packet that reaches its end.
    pub policy: ChainPolicy,
    /// The devices that it is registered for; empty where it sees every device.
    pub devices: Vec<Untrusted>,
    /// How many rules it has itself.
    pub rules: u32,
}

/// A place on the way of a packet (`NF_INET_*`, `include/uapi/linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// As a packet leaves the device driver.
    Ingress,
    /// Before routing.
    Prerouting,
    /// For this machine.
    Input,
    /// For another machine.
    Forward,
    /// From this machine.
    Output,
    /// After routing.
    Postrouting,
    /// As a packet is handed to the device driver.
    Egress,
}

impl Hook {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
            Self::Egress => "egress",
        }
    }
}

/// Which packets a table sees (`nft(8)`, "Address families").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableFamily {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// ARP.
    Arp,
    /// Frames that a bridge forwards.
    Bridge,
    /// Everything that arrives on a device.
    Netdev,
}

impl TableFamily {
    /// Every family.
    pub const ALL: [Self; 6] = [Self::Ip, Self::Ip6, Self::Inet, Self::Arp, Self::Bridge, Self::Netdev];

    /// The word that reports, JSON and [`RuleReference::family`] use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
        }
    }
}

/// What a base chain is for (`nft(8)`, "Supported chain types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainKind {
    /// Filtering.
    Filter,
    /// Address translation.
    Nat,
    /// Routing again what this machine sends.
    Route,
}

impl ChainKind {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

/// What happens at the end of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainPolicy {
    /// The packet goes on.
    Accept,
    /// The packet is dropped.
    Drop,
}

impl ChainPolicy {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }
}

/// What becomes of a packet, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether it arrives: at a socket, if one were there.
    pub verdict: ReachVerdict,
    /// Why it does not arrive; `None` where it may.
    pub reason: Option<BlockReason>,
    /// What keeps the verdict from being known; empty where it is.
    pub unknown_because: Vec<Untrusted>,
    /// The rule or policy that decides; `None` where no rule does, as where the kernel itself drops the packet.
    pub decided_by: Option<RuleReference>,
}

/// What becomes of traffic of this machine to itself: from a loopback address to the same address, over the loopback
/// interface, through the hooks of the way out and those of the way in. The port is one that no rule names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoopbackTraffic {
    /// `127.0.0.1` or `::1`.
    pub address: IpAddr,
    /// TCP or UDP: each has an entry.
    pub protocol: Protocol,
    /// What becomes of it.
    pub decision: Decision,
}

/// What becomes of packets that come in by an interface which is not loopback, and have a loopback address.
///
/// The kernel drops them as martians unless `route_localnet` is on (`ip_route_input_slow`, `net/ipv4/route.c`;
/// `ip6_rcv_core`, `net/ipv6/ip6_input.c`): then the reason is [`BlockReason::Martian`] and no rule decides. A rule
/// that drops them before that is named instead. With address translation "arrives" counts wherever it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoofedLoopback {
    /// The interface that they come in by.
    pub interface: Untrusted,
    /// The addresses: `127.0.0.0/8` or `::1/128`.
    pub prefix: Prefix,
    /// Where in the packet the address is.
    pub end: SpoofedEnd,
    /// What becomes of them; blocked if all of them are.
    pub decision: Decision,
    /// What the rules alone do with those that claim to come from there, to any port of TCP and UDP at the addresses of
    /// the interface but those of DHCP clients, as if the kernel dropped none of them; blocked if they let none of them
    /// in. `None` for [`SpoofedEnd::Destination`] and in facts that were recorded before this was asked.
    #[serde(default)]
    pub by_rules: Option<Decision>,
}

impl SpoofedLoopback {
    fn sort_key(&self) -> (&Untrusted, Prefix, SpoofedEnd) {
        (&self.interface, self.prefix, self.end)
    }
}

/// Where in a packet a loopback address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpoofedEnd {
    /// It claims to come from there; it is sent to an address of this machine.
    Source,
    /// It is sent there, from an address that may come in by the interface.
    Destination,
}

impl SpoofedEnd {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// Who can reach a port that nobody listens on and no rule names: what the rules do by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnusedPort {
    /// TCP or UDP: each has an entry.
    pub protocol: Protocol,
    /// The port that was asked for.
    pub port: u16,
    /// For every interface but loopback and each address of its own, what becomes of packets from each source: a
    /// partition like that of a listener.
    pub reachability: Vec<Reachability>,
}

/// Ports that a rule lets in from outside and on which nothing listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedPort {
    /// Transport protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first_port: u16,
    /// The last port, not below the first.
    pub last_port: u16,
    /// The interface that the rule asks for; `None` where it takes any.
    pub interface: Option<Untrusted>,
    /// Whom it lets in, as in [`Reachability::sources`]; at least one prefix.
    pub sources: Vec<Prefix>,
    /// As in [`Reachability::excluded_sources`].
    #[serde(default)]
    pub excluded_sources: Vec<Prefix>,
    /// As in [`Reachability::unlisted_sources`].
    #[serde(default)]
    pub unlisted_sources: u64,
    /// The rule.
    pub rule: RuleReference,
}

/// A rule that names a listener's port or address, sources or an interface, and would decide otherwise than what
/// decides: but no packet to these listeners ever comes to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowedRule {
    /// The rule.
    pub rule: RuleReference,
    /// What decides before it: a rule, or the policy of a chain that runs earlier.
    pub decided_by: RuleReference,
    /// What it would do.
    pub effect: RuleEffect,
    /// No first packet comes to it. Else it takes packets that are not to these listeners, which are dropped without it
    /// too.
    pub never_matches: bool,
    /// Whom it is about, as in [`Reachability::sources`]; at least one prefix.
    pub sources: Vec<Prefix>,
    /// As in [`Reachability::excluded_sources`].
    #[serde(default)]
    pub excluded_sources: Vec<Prefix>,
    /// As in [`Reachability::unlisted_sources`].
    #[serde(default)]
    pub unlisted_sources: u64,
    /// The listeners, at least one and at most [`MAX_SHADOWED_LISTENERS`].
    pub listeners: Vec<ListenerId>,
    /// How many more there are.
    #[serde(default)]
    pub unlisted_listeners: u64,
}

/// What a rule does with packets that come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleEffect {
    /// It lets them in.
    LetsIn,
    /// It keeps them out.
    KeepsOut,
}

impl RuleEffect {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LetsIn => "lets-in",
            Self::KeepsOut => "keeps-out",
        }
    }
}
