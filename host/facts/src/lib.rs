//! What loopgate knows of a machine.
//!
//! [`Facts`] is everything that was observed in one run, and [`Gap`]s name what could not be. The crate is pure: it
//! observes nothing and judges nothing, so that facts can be recorded on one machine and judged on another.
//! `loopgate-collect` fills the model, `loopgate-engine` hands it to policy plugins.
//!
//! Every string that a process, a container or a remote party could have chosen is an [`Untrusted`]: it has no
//! `Display`, so it cannot reach a terminal or a report without an explicit decision how to escape it.

mod address;
mod document;
mod firewall;
mod gap;
mod host;
mod interface;
mod listener;
mod loopback;
mod names;
mod reach;
mod reachability;
mod routing;
mod settings;
mod sources;
mod untrusted;
mod validate;

use serde::{Deserialize, Serialize};

pub use address::{Prefix, PrefixError, Scope};
pub use document::{DocumentError, MAX_DOCUMENT_BYTES, SCHEMA};
pub use firewall::{
    BackendKind, BackendState, BaseChain, ChainKind, ChainPolicy, Decision, Firewall, FirewallBackend, FirewallManager,
    Hook, LoopbackTraffic, MAX_BASE_CHAINS, MAX_OPENED_PORTS, MAX_SHADOWED_LISTENERS, MAX_SHADOWED_RULES, OpenedPort,
    RuleEffect, RulesetCounts, ShadowedRule, SpoofedEnd, SpoofedLoopback, TableFamily, UnusedPort,
};
pub use gap::{Area, Gap};
pub use host::{Capability, Distribution, Host, NetworkNamespace};
pub use interface::{Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, RpFilter};
pub use listener::{Container, Listener, ListenerId, Origin, Owner, Protocol, Published, Socket};
pub use loopback::{Probe, ProbeOutcome, ProbeProtocol, ProbeStep};
pub use names::{HostsEntry, Names, Resolution};
pub use reach::{Links, Reach, ReachBounds};
pub use reachability::{
    BlockReason, MAX_NARROWED_BY, MAX_SOURCES, ReachPath, ReachVerdict, Reachability, RuleReference,
};
pub use routing::{Bypass, BypassKind, MAX_BYPASSES, MAX_ROUTING_ANSWERS, RouteOutcome, RoutingAnswer};
pub use settings::{LocalRoute, Sysctl};
pub use sources::{Sources, prefixes_of, without};
pub use untrusted::{Untrusted, is_unsafe_to_print};
pub use validate::{Inconsistency, PartitionFlaw};

/// Everything that was observed of one machine, seen from one network namespace, in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Version of the JSON form; always [`SCHEMA`].
    pub schema: u32,
    /// The machine, and the place on it that the observation was made from.
    pub host: Host,
    /// Network interfaces, by index.
    pub interfaces: Vec<Interface>,
    /// Endpoints that accept traffic, by [`ListenerId`].
    pub listeners: Vec<Listener>,
    /// What happened when traffic was sent over the loopback interface.
    pub probes: Vec<Probe>,
    /// What `localhost` and the loopback addresses are called, and by whom.
    pub names: Names,
    /// Kernel settings that rules use, by name.
    pub sysctls: Vec<Sysctl>,
    /// Prefixes that the kernel delivers locally without an interface carrying each of their addresses.
    pub local_routes: Vec<LocalRoute>,
    /// What filters and translates packets.
    pub firewall: Firewall,
    /// What the kernel answered about routing, by interface and destination.
    pub routing: Vec<RoutingAnswer>,
    /// What handles packets past the firewall.
    pub bypasses: Vec<Bypass>,
    /// What could not be observed. A rule that needs one of these areas is `unknown`, never `pass`.
    pub gaps: Vec<Gap>,
}

impl Facts {
    /// Brings every list into its documented order, so that equal machines give equal documents.
    pub fn normalise(&mut self) {
        self.interfaces.sort_by_key(|interface| interface.index);
        for interface in &mut self.interfaces {
            interface.addresses.sort_by_key(|entry| (entry.address, entry.prefix_length));
        }
        for listener in &mut self.listeners {
            listener.normalise();
        }
        self.listeners.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.sysctls.sort_by(|a, b| a.name.cmp(&b.name));
        self.local_routes.sort();
        self.local_routes.dedup();
        self.firewall.normalise();
        routing::normalise(&mut self.routing);
        self.bypasses.sort();
        self.bypasses.dedup();
        self.gaps.sort();
        self.gaps.dedup();
    }

    /// The gaps in one area.
    pub fn gaps_in(&self, area: Area) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(move |gap| gap.area == area)
    }
}
