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
        let (court, mut facts) = (court?, facts?);
        let observed_at = facts.host.collected_at;
        if let Some(at) = day.at {
            facts.host.collected_at = at.0;
        }
        let answers = court.answers(&facts);
        let as_of = day.at.map(|at| at.0).filter(|at| *at != observed_at);
        Ok(Self { court, facts, answers, observed_at, as_of })
    }

    /// Asks the plugins of a policy that was put together already.
    pub(super) fn of(court: Court, facts: Facts) -> Self {
        let (answers, observed_at) = (court.answers(&facts), facts.host.collected_at);
        Self { court, facts, answers, observed_at, as_of: None }
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
