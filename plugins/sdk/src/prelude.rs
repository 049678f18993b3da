//! Everything that a rule uses, each name once.
//!
//! The generated modules name the types of the facts twice, once where they are defined and once where the exported
//! interface uses them; importing both with `*` is ambiguous. Import this module instead.

pub use crate::bindings::exports::loopgate::policy::rules::{
    Outcome, PluginInfo, Problem, Remark, RuleInfo, RuleResult, Severity, Subject,
};
pub use crate::bindings::loopgate::policy::types::{
    Area, BackendState, BaseChain, BlockReason, Bypass, Container, Decision, Distribution, Endpoint, Facts, Firewall,
    FirewallBackend, Gap, HostsEntry, InterfaceAddress, InterfaceKind, InterfaceSettings, IpAddress, Listener,
    LocalRoute, LoopbackTraffic, Machine, Names, NetworkInterface, NetworkNamespace, OpenedPort, Origin, Owner, Prefix,
    Probe, ProbeFailure, ProbeProtocol, ProbeStep, Protocol, Published, Reach, ReachBounds, ReachPath, ReachVerdict,
    Reachability, Resolution, RpFilter, RuleEffect, RuleReference, RulesetCounts, Scope, ShadowedRule, Shadowing,
    SpoofedEnd, SpoofedLoopback, Sysctl, UnusedPort,
};
pub use crate::finding::Finding;
pub use crate::reach::Exposure;
pub use crate::report::Report;
pub use crate::rule::Rule;
pub use loopgate_parameters::{NoParameters, Parameters, Reader};
