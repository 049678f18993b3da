//! Judging, as several commands need it.

use jiff::Timestamp;
use loopgate_engine::Severity;
use loopgate_facts::Facts;

use crate::cli::{Day, FactsFile, PolicyFile};
use crate::error::Error;
use crate::gate::baseline::Baseline;
use crate::gate::{Answer, Case, Judgement, judge};
use crate::plugins::Court;
use crate::policy::Policy;
use crate::report::Report;

/// What was judged, and by what.
pub(super) struct Trial {
    court: Court,
    facts: Facts,
    answers: Vec<Answer>,
    observed_at: Timestamp,
    as_of: Option<Timestamp>,
}

impl Trial {
    /// Asks the plugins of a policy about facts. The plugins are loaded while the machine is observed; what is wrong with the
    /// policy is reported first.
    pub(super) fn hold(policy: &PolicyFile, facts: &FactsFile, day: &Day) -> Result<Self, Error> {
        let (court, facts) = rayon::join(|| super::court(policy), || super::facts(facts));
        Ok(Self::of(court?, facts?, day.at.map(|at| at.0)))
    }

    /// Asks the plugins that are loaded, as of another time than that of the facts where one is given.
    pub(super) fn of(court: Court, mut facts: Facts, at: Option<Timestamp>) -> Self {
        let observed_at = facts.host.collected_at;
        if let Some(at) = at {
            facts.host.collected_at = at;
        }
        let answers = court.answers(&facts);
        Self { court, facts, answers, observed_at, as_of: at.filter(|at| *at != observed_at) }
    }

    /// What was judged.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The policy that it was judged by.
    pub(super) fn policy(&self) -> &Policy {
        &self.court.policy
    }

    /// What the plugins answered.
    pub(super) fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Fails on this severity, whatever the policy says.
    pub(super) fn fail_on(&mut self, severity: Severity) {
        self.court.policy.fail_on = severity;
    }

    /// What the gate makes of the answers.
    pub(super) fn judgement(&self, baseline: Option<&Baseline>) -> Judgement {
        let Self { court, facts, answers, .. } = self;
        judge(&Case { policy: &court.policy, sources: &court.layers.sources, facts, answers, baseline })
    }

    /// The report.
    pub(super) fn report(&self, baseline: Option<&Baseline>) -> Report {
        let Self { court, facts, answers, .. } = self;
        let mut report = Report::new(&court.layers, &court.policy, facts, answers, self.judgement(baseline));
        report.host.collected_at = self.observed_at;
        report.as_of = self.as_of;
        report
    }
}
