//! Findings with all that the gate knows and decides of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use loopgate_engine::{Finding, Severity, Subject};
use loopgate_facts::{Facts, Listener, ReachBounds};

use super::JudgedRule;
use super::identity::{self, Identity};
use crate::policy::{Policy, PolicyLine, RuleId};

/// A finding and what the policy makes of it.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The rule.
    pub(crate) rule: RuleId,
    /// Its position among the rules.
    pub(crate) position: usize,
    /// Its severity under the policy.
    pub(crate) severity: Severity,
    /// The finding as its plugin reported it.
    pub(crate) finding: Finding,
    /// The listener that it is about.
    pub(crate) listener: Option<Listener>,
    /// How far that listener reaches.
    pub(crate) reach: Option<ReachBounds>,
    /// What stays the same about it.
    pub(crate) identity: Identity,
    /// What recognises it in another report.
    pub(crate) fingerprint: String,
    /// Whether it counts.
    pub(crate) standing: Standing,
}

/// Whether a finding counts for the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Counts,
    /// The policy accepts it for a time.
    Waived(Waived),
    /// It was there when the baseline was recorded.
    Baselined,
}

/// How a finding is waived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waived {
    /// Why it is accepted.
    pub(crate) reason: String,
    /// Who accepts it.
    pub(crate) owner: String,
    /// The last day that it is.
    pub(crate) expires: String,
    /// The line of the waiver.
    pub(crate) policy: Option<PolicyLine>,
}

impl Counted {
    /// Whether it counts for the verdict.
    pub(crate) fn counts(&self) -> bool {
        self.standing == Standing::Counts
    }

    fn new(
        position: usize,
        rule: &JudgedRule,
        severity: Severity,
        finding: &Finding,
        listeners: &Listeners<'_>,
    ) -> Self {
        let listener = match &finding.subject {
            Subject::Listener(id) => listeners.get(id.as_str()).map(|listener| (*listener).clone()),
            _ => None,
        };
        Self {
            rule: rule.id.clone(),
            position,
            severity,
            finding: finding.clone(),
            listener,
            reach: None,
            identity: Identity { rule: rule.id.clone(), kind: "", name: String::new(), place: 0 },
            fingerprint: String::new(),
            standing: Standing::Counts,
        }
    }

    fn sort_key(&self) -> impl Ord + '_ {
        let port = self.listener.as_ref().map(|listener| listener.port);
        let Finding { subject, message, evidence, .. } = &self.finding;
        (Reverse(self.severity), &self.rule, port, subject, message, evidence)
    }
}

type Listeners<'facts> = BTreeMap<&'facts str, &'facts Listener>;

/// The findings of rules, worst first, then by rule, port and subject; each of them counts. `first` is the position of the
/// first of the rules among all.
pub(super) fn count(policy: &Policy, facts: &Facts, rules: &[JudgedRule], first: usize) -> Vec<Counted> {
    let listeners: Listeners<'_> =
        facts.listeners.iter().map(|listener| (listener.id.text().as_str(), listener)).collect();
    let mut findings = Vec::new();
    for (position, rule) in (first..).zip(rules) {
        let of_rule = rule.findings(policy).into_iter();
        findings.extend(of_rule.map(|(severity, finding)| Counted::new(position, rule, severity, finding, &listeners)));
    }
    sort(&mut findings);
    identity::assign(&mut findings, facts);
    findings
}

/// Puts findings into the order of reports.
pub(super) fn sort(findings: &mut [Counted]) {
    findings.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
}
