//! Fingerprints: what recognises a finding in the report of another run.
//!
//! A fingerprint is the SHA-256 of `loopgate-finding-v1`, the rule, the kind and the name of the subject, and the
//! place among the findings of the same rule on the same subject, each followed by a NUL byte. Process ids, messages,
//! evidence and severities are no part of it: a restart, a better wording or a changed policy leaves it as it is. The
//! place is, so that a second finding on a subject is never taken for the first.

use std::collections::BTreeMap;

use loopgate_engine::{Subject, sha256};

use super::Finding;

const VERSION: &str = "loopgate-finding-v1";

/// Gives each finding its fingerprint. Findings of one rule and subject are counted in the order of the slice.
pub(super) fn assign(findings: &mut [Finding]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        let (kind, name) = subject(&finding.subject);
        let identity = format!("{VERSION}\0{}\0{kind}\0{name}\0", finding.rule);
        let place = seen.entry(identity.clone()).or_default();
        finding.fingerprint = sha256(format!("{identity}{place}\0").as_bytes());
        *place += 1;
    }
}

/// The kind of a subject and its name, as machine formats write them.
pub(super) fn subject(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Listener(id) => ("listener", id.as_str()),
        Subject::Interface(name) => ("interface", name.as_str()),
        Subject::Name(name) => ("name", name.as_str()),
        Subject::Sysctl(name) => ("sysctl", name.as_str()),
        Subject::Host => ("host", ""),
        Subject::Other(name) => ("other", name.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use loopgate_engine::{Finding as Reported, Outcome, Severity};
    use loopgate_facts::Facts;

    use super::*;
    use crate::sample;

    fn machine(pid: u32) -> Facts {
        let mut facts = sample::facts();
        let mut listener = sample::listener("0.0.0.0", 80, "nginx");
        listener.owners.iter_mut().for_each(|owner| owner.pid = pid);
        facts.listeners.push(listener);
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

    #[test]
    fn a_restart_and_a_better_wording_change_nothing() {
        let before = fingerprints(&machine(1), vec![finding("tcp/0.0.0.0:80", "pid 1 is open")]);
        let after = fingerprints(&machine(2), vec![finding("tcp/0.0.0.0:80", "process 2 is open")]);
        assert_eq!(before, after);
    }

    #[test]
    fn another_subject_and_a_second_finding_on_the_same_have_fingerprints_of_their_own() {
        let findings = vec![
            finding("tcp/0.0.0.0:80", "one"),
            finding("tcp/0.0.0.0:80", "two"),
            finding("tcp/0.0.0.0:81", "one"),
            Reported { subject: Subject::Other("tcp/0.0.0.0:80".into()), ..finding("", "one") },
        ];
        let mut fingerprints = fingerprints(&machine(1), findings);
        fingerprints.sort();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), 4);
    }
}
