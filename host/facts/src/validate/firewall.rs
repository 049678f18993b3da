//! Whether what is said about the firewall can be true.

use std::collections::BTreeSet;

use super::partition::{Part, flaw_of};
use super::reachability::check_regions;
use super::{Inconsistency, Names};
use crate::{
    BackendKind, BlockReason, Decision, Facts, Firewall, ListenerId, MAX_BASE_CHAINS, MAX_BYPASSES, MAX_OPENED_PORTS,
    MAX_SHADOWED_LISTENERS, MAX_SHADOWED_RULES, MAX_SOURCES, OpenedPort, Prefix, ReachVerdict, RuleReference, Scope,
    ShadowedRule, SpoofedEnd, SpoofedLoopback, TableFamily, Untrusted,
};

/// Adds what is wrong with the firewall and with what goes past it.
pub(super) fn check(facts: &Facts, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    let firewall = &facts.firewall;
    check_length("firewall.base_chains", firewall.base_chains.len(), MAX_BASE_CHAINS, found);
    check_length("firewall.opened", firewall.opened.len(), MAX_OPENED_PORTS, found);
    check_length("bypasses", facts.bypasses.len(), MAX_BYPASSES, found);
    check_backends(firewall, found);
    check_loopback(firewall, found);
    for (index, entry) in firewall.spoofed_loopback.iter().enumerate() {
        check_spoofed(&format!("firewall.spoofed_loopback[{index}]"), entry, names, found);
    }
    for (index, unused) in firewall.default_input.iter().enumerate() {
        let at = format!("firewall.default_input[{index}].reachability");
        check_regions(&at, &unused.reachability, names, found);
    }
    for (index, opened) in firewall.opened.iter().enumerate() {
        check_opened(&format!("firewall.opened[{index}]"), opened, names, found);
    }
    check_length("firewall.shadowed", firewall.shadowed.len(), MAX_SHADOWED_RULES, found);
    for (index, shadowed) in firewall.shadowed.iter().enumerate() {
        check_shadowed(&format!("firewall.shadowed[{index}]"), shadowed, facts, found);
    }
    for (index, bypass) in facts.bypasses.iter().enumerate() {
        names.check(&format!("bypasses[{index}]"), bypass.interface.as_ref(), found);
    }
}

fn contradict(at: impl Into<String>, problem: &'static str, found: &mut Vec<Inconsistency>) {
    found.push(Inconsistency::Contradiction { at: at.into(), problem });
}

fn check_backends(firewall: &Firewall, found: &mut Vec<Inconsistency>) {
    let mut seen = BTreeSet::new();
    if !firewall.backends.iter().all(|backend| seen.insert(backend.kind)) {
        contradict("firewall.backends", "a kind occurs twice", found);
    }
    let (mut managers, mut seen) = (firewall.managers.iter().flatten(), BTreeSet::new());
    if !managers.all(|manager| seen.insert(manager)) {
        contradict("firewall.managers", "a manager occurs twice", found);
    }
}

fn check_loopback(firewall: &Firewall, found: &mut Vec<Inconsistency>) {
    let mut seen = BTreeSet::new();
    for (index, entry) in firewall.loopback.iter().enumerate() {
        let at = format!("firewall.loopback[{index}]");
        if Scope::of(entry.address) != Scope::Loopback {
            contradict(at.as_str(), "the address is no loopback address", found);
        }
        if !seen.insert((entry.address, entry.protocol)) {
            contradict(at.as_str(), "the address and protocol occur twice", found);
        }
        check_decision(&at, &entry.decision, found);
    }
}

fn check_spoofed(at: &str, entry: &SpoofedLoopback, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    names.check(at, &entry.interface, found);
    if names.is_loopback(&entry.interface) {
        contradict(at, "on the loopback interface these addresses are not spoofed", found);
    }
    if Scope::of(entry.prefix.address()) != Scope::Loopback {
        contradict(at, "the prefix is none of loopback", found);
    }
    check_decision(at, &entry.decision, found);
    if let Some(by_rules) = &entry.by_rules {
        check_decision(&format!("{at}.by_rules"), by_rules, found);
        if entry.end == SpoofedEnd::Destination {
            contradict(at, "what the rules alone do is said of packets to there", found);
        }
    }
}

fn check_opened(at: &str, opened: &OpenedPort, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    if opened.first_port > opened.last_port {
        contradict(at, "the last port is below the first", found);
    }
    check_sources(at, &opened.sources, &opened.excluded_sources, opened.unlisted_sources, found);
    names.check(at, opened.interface.as_ref(), found);
    check_rule(&format!("{at}.rule"), Some(&opened.rule), found);
}

fn check_shadowed(at: &str, shadowed: &ShadowedRule, facts: &Facts, found: &mut Vec<Inconsistency>) {
    check_sources(at, &shadowed.sources, &shadowed.excluded_sources, shadowed.unlisted_sources, found);
    check_length(&format!("{at}.listeners"), shadowed.listeners.len(), MAX_SHADOWED_LISTENERS, found);
    if shadowed.listeners.is_empty() {
        contradict(at, "it concerns no listener", found);
    }
    let is_there = |id: &ListenerId| facts.listeners.iter().any(|listener| listener.id == *id);
    if !shadowed.listeners.iter().all(is_there) {
        contradict(at, "it concerns a listener that is not there", found);
    }
    for (name, rule) in [("rule", &shadowed.rule), ("decided_by", &shadowed.decided_by)] {
        check_rule(&format!("{at}.{name}"), Some(rule), found);
    }
}

/// A set of addresses by itself.
fn check_sources(at: &str, sources: &[Prefix], excluded: &[Prefix], unlisted: u64, found: &mut Vec<Inconsistency>) {
    check_length(&format!("{at}.sources"), sources.len(), MAX_SOURCES, found);
    check_length(&format!("{at}.excluded_sources"), excluded.len(), MAX_SOURCES, found);
    if let Some(flaw) = flaw_of(&Part { sources, excluded, is_complete: unlisted == 0 }) {
        found.push(Inconsistency::Partition { at: at.to_owned(), flaw });
    }
}

fn check_decision(at: &str, decision: &Decision, found: &mut Vec<Inconsistency>) {
    check_rule(&format!("{at}.decision"), decision.decided_by.as_ref(), found);
    if let Some(problem) = contradiction(decision.verdict, decision.reason, &decision.unknown_because) {
        contradict(format!("{at}.decision"), problem, found);
    }
}

/// What cannot be true together in a verdict.
pub(super) fn contradiction(
    verdict: ReachVerdict,
    reason: Option<BlockReason>,
    unknown_because: &[Untrusted],
) -> Option<&'static str> {
    let is_known = unknown_because.is_empty();
    match (verdict, reason.is_some()) {
        (ReachVerdict::Blocked, false) => Some("it is blocked without a reason"),
        (ReachVerdict::Reachable, true) => Some("it is reachable, with a reason why not"),
        (ReachVerdict::Reachable | ReachVerdict::Blocked, _) if !is_known => Some("it is known, with a reason why not"),
        (ReachVerdict::Unknown, _) if is_known => Some("it is unknown without a reason"),
        _ => None,
    }
}

pub(super) fn check_rule(at: &str, rule: Option<&RuleReference>, found: &mut Vec<Inconsistency>) {
    let Some(rule) = rule else { return };
    if !BackendKind::ALL.iter().any(|kind| kind.as_str() == rule.backend) {
        contradict(at, "the rule is of no backend that facts can come from", found);
    }
    if !TableFamily::ALL.iter().any(|family| family.as_str() == rule.family) {
        contradict(at, "the rule is of no family that tables have", found);
    }
}

pub(super) fn check_length(at: &str, length: usize, most: usize, found: &mut Vec<Inconsistency>) {
    if length > most {
        found.push(Inconsistency::TooMany { at: at.to_owned(), found: length, most });
    }
}
