//! What the policy says of a machine so far: which listeners no entry approves, which ones it fails, what is stale.

use std::collections::{BTreeMap, BTreeSet};

use loopgate_engine::{Finding, Outcome, Subject};
use loopgate_facts::{Facts, Listener, Scope};

use super::candidate::{Candidate, Surroundings};
use super::doubt::Doubt;
use crate::commands::judge::Trial;
use crate::error::Error;
use crate::gate::{Answer, Standing};
use crate::report::{self, Report};

/// The plugin that approves listeners.
pub(super) const APPROVED: &str = "approved";

/// What a trial says that matters here.
pub(super) struct Judged<'t> {
    facts: &'t Facts,
    /// The listeners that no entry approves, with what an entry that is about them says against adding another.
    unapproved: BTreeMap<&'t str, Option<Doubt>>,
    /// Findings that fail the policy, by listener.
    failing: BTreeMap<String, BTreeSet<Doubt>>,
    report: Report,
}

impl<'t> Judged<'t> {
    /// An error if the plugin that approves did not answer: its silence approves nothing.
    pub(super) fn new(trial: &'t Trial) -> Result<Self, Error> {
        let report = trial.report(None);
        let answer = trial.answers().iter().find(|answer| answer.plugin.name.as_str() == APPROVED);
        let results = answer.map(|answer| (answer, answer.results.as_ref()));
        let answer = match results {
            Some((answer, Ok(_))) => answer,
            Some((_, Err(failure))) => return Err(Error::BuiltIn { name: APPROVED, why: failure.to_string() }),
            None => return Err(Error::BuiltIn { name: APPROVED, why: "it did not answer".to_owned() }),
        };
        let unapproved = unapproved(answer, trial.facts());
        Ok(Self { facts: trial.facts(), unapproved, failing: failing(&report), report })
    }

    /// The listeners that need an entry or fail the policy, with what speaks against approving them as they are.
    pub(super) fn candidates(&self) -> Vec<Candidate<'t>> {
        let surroundings = Surroundings::of(self.facts);
        let candidate = |listener: &'t Listener| {
            let id = listener.id.text().as_str();
            let (unapproved, failing) = (self.unapproved.get(id), self.failing.get(id));
            if unapproved.is_none() && failing.is_none() {
                return None;
            }
            let candidate = Candidate::new(listener, unapproved.is_some(), &surroundings);
            let doubts = failing.into_iter().flatten().chain(unapproved.into_iter().flatten()).cloned();
            Some(candidate.doubted_by(doubts))
        };
        self.facts.listeners.iter().filter_map(candidate).collect()
    }

    /// How many listeners there are that need neither an entry nor a decision.
    pub(super) fn settled(&self) -> usize {
        let is_open = |it: &&Listener| {
            let id = it.id.text().as_str();
            self.unapproved.contains_key(id) || self.failing.contains_key(id)
        };
        self.facts.listeners.len().saturating_sub(self.facts.listeners.iter().filter(is_open).count())
    }

    /// The entries that match nothing, as the plugin says it, with their lines.
    pub(super) fn stale(&self) -> Vec<&report::Finding> {
        self.of_rule("entry-stale").collect()
    }

    /// What could not be told about approvals.
    pub(super) fn unjudged(&self) -> Vec<&loopgate_facts::Untrusted> {
        let rules = self.report.rules.iter().filter(|rule| rule.id.plugin.as_str() == APPROVED);
        let unjudged = rules.flat_map(|rule| match &rule.outcome {
            report::Outcome::Unknown(reasons) | report::Outcome::Failed { unjudged: reasons, .. } => reasons.as_slice(),
            _ => &[],
        });
        let unjudged: BTreeSet<_> = unjudged.collect();
        unjudged.into_iter().collect()
    }

    fn of_rule(&self, rule: &'static str) -> impl Iterator<Item = &report::Finding> {
        let is_of = move |finding: &&report::Finding| {
            finding.rule.plugin.as_str() == APPROVED && finding.rule.rule.as_str() == rule
        };
        self.report.findings.iter().filter(is_of)
    }
}

/// What other rules than those about approvals find about listeners, as far as it fails the policy.
fn failing(report: &Report) -> BTreeMap<String, BTreeSet<Doubt>> {
    let mut failing: BTreeMap<String, BTreeSet<Doubt>> = BTreeMap::new();
    let counts =
        |finding: &&report::Finding| finding.standing == Standing::Counts && finding.severity >= report.fail_on;
    for finding in report.findings.iter().filter(counts).filter(|it| it.rule.plugin.as_str() != APPROVED) {
        if let Some(id) = listener_of(&finding.subject) {
            failing.entry(id.to_owned()).or_default().insert(doubt(report, finding));
        }
    }
    failing
}

fn doubt(report: &Report, finding: &report::Finding) -> Doubt {
    let title = report.rules.iter().find(|rule| rule.id == finding.rule).map(|rule| rule.title.clone());
    Doubt::Fails { rule: finding.rule.clone(), severity: finding.severity, title: title.unwrap_or_default() }
}

fn unapproved<'t>(answer: &'t Answer, facts: &Facts) -> BTreeMap<&'t str, Option<Doubt>> {
    let entries = answer.parameters.value();
    let over: BTreeSet<_> = findings(answer, "entry-expired").iter().map(|finding| &finding.parameter).collect();
    let wildcards = facts.listeners.iter().filter(|listener| listener.scope == Scope::Unspecified);
    let wildcards: BTreeSet<&str> = wildcards.map(|listener| listener.id.text().as_str()).collect();
    let mut unapproved = BTreeMap::new();
    for finding in findings(answer, "unapproved-listener") {
        let Some(id) = listener_of(&finding.subject) else { continue };
        // The entry that was about it, or that it misses by one field.
        let entry = finding.parameter.as_ref().and_then(|pointer| entries.pointer(pointer.as_str()));
        let doubt = match entry {
            None => None,
            Some(_) if over.contains(&finding.parameter) => Some(Doubt::Over),
            Some(entry) => (entry.get("address").is_some() && wildcards.contains(id)).then_some(Doubt::Widened),
        };
        unapproved.insert(id, doubt);
    }
    unapproved
}

fn listener_of(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Listener(id) => Some(id.as_str()),
        _ => None,
    }
}

/// What a rule found, whatever the policy makes of it.
fn findings<'a>(answer: &'a Answer, rule: &str) -> &'a [Finding] {
    let position = answer.rules.iter().position(|info| info.name.as_str() == rule);
    let result = position.and_then(|position| answer.results.as_ref().ok()?.get(position)?.as_ref());
    match result.map(|result| &result.outcome) {
        Some(Outcome::Fail { findings, .. }) => findings,
        _ => &[],
    }
}
