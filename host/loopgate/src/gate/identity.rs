//! What recognises a finding in the report of another run.
//!
//! The identity of a finding is its rule, its subject and its place among the findings of that rule on that subject.
//! Process ids, messages, evidence and severities are no part of it: a restart, a better wording or a changed policy leaves
//! it as it is. Nor is a port that the kernel chose: a listener on an ephemeral port is known by its address and program.
//!
//! How far a listener reaches is kept beside the identity: one that reaches further than before is a new finding.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use loopgate_engine::{Subject, sha256};
use loopgate_facts::{Facts, Links, Listener, ListenerId, Origin, ReachBounds};
use loopgate_selector::port_range;

use super::Counted;
use crate::policy::RuleId;

const VERSION: &str = "loopgate-finding-v2";

/// What stays the same about a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// The rule.
    pub(crate) rule: RuleId,
    /// The kind of the subject, as machine formats write it.
    pub(crate) kind: &'static str,
    /// Its name, without what changes with a restart.
    pub(crate) name: String,
    /// The place among the findings of the rule on the subject, from 0: a second one is never taken for the first.
    pub(crate) place: usize,
}

impl Identity {
    /// The identity and the reach as one short text: the SHA-256 of [`VERSION`], the rule, the kind, the name, the reach and
    /// the place, each followed by a NUL byte.
    pub(super) fn fingerprint(&self, reach: Option<ReachBounds>) -> String {
        let Self { rule, kind, name, place } = self;
        let reach = reach.map(|reach| format!("{}..{}", reach.certain, reach.possible)).unwrap_or_default();
        sha256(format!("{VERSION}\0{rule}\0{kind}\0{name}\0{reach}\0{place}\0").as_bytes())
    }
}

/// Gives each finding its identity, its reach and its fingerprint; the places follow the order of the slice.
pub(super) fn assign(findings: &mut [Counted], facts: &Facts) {
    let (links, ephemeral) = (Links::of(&facts.interfaces), ephemeral_ports(facts));
    let mut seen: BTreeMap<Identity, usize> = BTreeMap::new();
    for finding in findings {
        let (kind, name) = subject(&finding.finding.subject);
        let listener = finding.listener.as_ref();
        let name = listener.and_then(|it| without_port(it, ephemeral.as_ref())).unwrap_or_else(|| name.to_owned());
        let first = Identity { rule: finding.rule.clone(), kind, name, place: 0 };
        let place = seen.entry(first.clone()).or_default();
        finding.identity = Identity { place: *place, ..first };
        *place += 1;
        finding.reach = listener.map(|listener| links.reach(listener));
        finding.fingerprint = finding.identity.fingerprint(finding.reach);
    }
}

/// The kind of a subject and its name, as machine formats write them.
pub(crate) fn subject(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Listener(id) => ("listener", id.as_str()),
        Subject::Interface(name) => ("interface", name.as_str()),
        Subject::Name(name) => ("name", name.as_str()),
        Subject::Sysctl(name) => ("sysctl", name.as_str()),
        Subject::Host => ("host", ""),
        Subject::Other(name) => ("other", name.as_str()),
    }
}

/// The ports that the kernel chooses from (`net.ipv4.ip_local_port_range`, `ip(7)`; it holds for IPv6 too).
pub(crate) fn ephemeral_ports(facts: &Facts) -> Option<RangeInclusive<u16>> {
    let sysctl = facts.sysctls.iter().find(|sysctl| sysctl.name == "net.ipv4.ip_local_port_range")?;
    port_range(sysctl.value.as_str())
}

/// The name of a socket whose port may be another one after a restart; `None` for every other.
fn without_port(listener: &Listener, ephemeral: Option<&RangeInclusive<u16>>) -> Option<String> {
    let is_ephemeral = listener.origin == Origin::Socket && ephemeral?.contains(&listener.port);
    if !is_ephemeral || listener.owners.is_empty() {
        return None;
    }
    let endpoint = ListenerId::new(
        listener.protocol,
        listener.address,
        0,
        listener.zone.as_ref(),
        listener.bound_interface.as_ref(),
    );
    let mut programs: Vec<&str> =
        listener.owners.iter().map(|owner| owner.executable.as_ref().unwrap_or(&owner.name).as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    Some(format!("{} of {}", endpoint.text().as_str(), programs.join(", ")))
}

#[cfg(test)]
mod tests {
    use loopgate_engine::{Finding as Reported, Outcome, Severity};
    use loopgate_facts::Sysctl;

    use super::*;
    use crate::sample;

    fn machine(pid: u32, port: u16) -> Facts {
        let mut facts = sample::facts();
        let mut listener = sample::listener("0.0.0.0", port, "nginx");
        listener.owners.iter_mut().for_each(|owner| owner.pid = pid);
        facts.listeners.push(listener);
        let (name, value) = ("net.ipv4.ip_local_port_range".to_owned(), "32768\t60999".into());
        facts.sysctls.push(Sysctl { name, value, source: "/proc".to_owned() });
        facts
    }

    fn fingerprints(facts: &Facts, findings: Vec<Reported>) -> Vec<String> {
        let outcome = Outcome::Fail { findings, unjudged: Vec::new() };
        let answer = sample::answer("demo", &[("rule", Severity::High, Some(outcome))]);
        let report = sample::report(&sample::policy(), facts, &[answer]);
        report.findings.into_iter().map(|finding| finding.fingerprint).collect()
    }

    fn finding(id: &str, message: &str) -> Reported {
        Reported { message: message.into(), ..sample::finding(Subject::Listener(id.into())) }
    }

    /// Demand 15: process ids are no part of a finding's identity.
    #[test]
    fn a_restart_and_a_better_wording_change_nothing() {
        let before = fingerprints(&machine(1, 80), vec![finding("tcp/0.0.0.0:80", "pid 1 is open")]);
        let after = fingerprints(&machine(2, 80), vec![finding("tcp/0.0.0.0:80", "process 2 is open")]);
        assert_eq!(before, after);
    }

    /// Demand 15: nor are ephemeral ports.
    #[test]
    fn a_port_that_the_kernel_chose_changes_nothing() {
        let before = fingerprints(&machine(1, 40_000), vec![finding("tcp/0.0.0.0:40000", "open")]);
        let after = fingerprints(&machine(1, 50_000), vec![finding("tcp/0.0.0.0:50000", "open")]);
        assert_eq!(before, after);
        let chosen = fingerprints(&machine(1, 80), vec![finding("tcp/0.0.0.0:80", "open")]);
        let other = fingerprints(&machine(1, 81), vec![finding("tcp/0.0.0.0:81", "open")]);
        assert_ne!(chosen, other);
    }

    #[test]
    fn a_listener_that_reaches_further_is_another_finding() {
        let mut facts = machine(1, 80);
        facts.listeners.iter_mut().for_each(|listener| listener.reachability = sample::reachable_from("10.0.0.0/8"));
        let before = fingerprints(&facts, vec![finding("tcp/0.0.0.0:80", "open")]);
        facts.listeners.iter_mut().for_each(|listener| listener.reachability = sample::reachable_from("0.0.0.0/0"));
        assert_ne!(before, fingerprints(&facts, vec![finding("tcp/0.0.0.0:80", "open")]));
    }

    #[test]
    fn another_subject_and_a_second_finding_on_the_same_have_fingerprints_of_their_own() {
        let findings = vec![
            finding("tcp/0.0.0.0:80", "one"),
            finding("tcp/0.0.0.0:80", "two"),
            finding("tcp/0.0.0.0:81", "one"),
            Reported { subject: Subject::Other("tcp/0.0.0.0:80".into()), ..finding("", "one") },
        ];
        let mut fingerprints = fingerprints(&machine(1, 80), findings);
        fingerprints.sort();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), 4);
    }
}
