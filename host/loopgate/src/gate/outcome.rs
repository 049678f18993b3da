//! What an outcome is worth, given what the host could not observe.

use loopgate_engine::{Failure, Finding, Outcome, RuleInfo};
use loopgate_facts::{Facts, Gap, Untrusted};

/// What became of a rule in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Everything was seen and is as it should be.
    Passed,
    /// Something is not.
    Failed {
        /// The violations, at least one.
        findings: Vec<Finding>,
        /// What could not be judged beside them, and why.
        unjudged: Vec<Untrusted>,
    },
    /// There is nothing that the rule could look at; why.
    NotApplicable(Untrusted),
    /// It could not be told; why, at least one reason.
    Unknown(Vec<Untrusted>),
}

impl Settled {
    /// Whether there may be a violation that was not found.
    pub(crate) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Failed { unjudged, .. } => !unjudged.is_empty(),
            Self::Passed | Self::NotApplicable(_) => false,
        }
    }
}

/// Settles the outcome of one rule.
///
/// A plugin sees only what was observed. Where an area that the rule needs has a gap, a pass means "nothing wrong in
/// what was seen", and that is not a pass; nor is "nothing to look at".
pub(crate) fn settle(rule: &RuleInfo, answer: Result<Option<&Outcome>, &Failure>, facts: &Facts) -> Settled {
    let missing = missing(rule, facts);
    match answer {
        Err(failure) => Settled::Unknown(vec![format!("the plugin failed: {failure}").into()]),
        Ok(None) => Settled::Unknown(vec!["the plugin left the rule out of its answer".into()]),
        Ok(Some(Outcome::Unknown(reasons))) => Settled::Unknown(reasons_or_silence(reasons)),
        Ok(Some(Outcome::Fail { findings, unjudged })) => failed(findings, unjudged, missing),
        Ok(Some(_)) if !missing.is_empty() => Settled::Unknown(missing),
        Ok(Some(Outcome::Pass)) => Settled::Passed,
        Ok(Some(Outcome::NotApplicable(why))) => Settled::NotApplicable(why.clone()),
    }
}

fn failed(findings: &[Finding], unjudged: &[Untrusted], missing: Vec<Untrusted>) -> Settled {
    if findings.is_empty() {
        return Settled::Unknown(vec!["the plugin reported a failure without a finding".into()]);
    }
    let mut unjudged = unjudged.to_vec();
    unjudged.extend(missing.into_iter().filter(|reason| !unjudged.contains(reason)).collect::<Vec<_>>());
    Settled::Failed { findings: findings.to_vec(), unjudged }
}

fn reasons_or_silence(reasons: &[Untrusted]) -> Vec<Untrusted> {
    if reasons.is_empty() { vec!["the plugin gave no reason".into()] } else { reasons.to_vec() }
}

/// What the rule needs and the facts lack.
fn missing(rule: &RuleInfo, facts: &Facts) -> Vec<Untrusted> {
    let gaps = facts.gaps.iter().filter(|gap| rule.needs.contains(&gap.area)).map(gap_reason);
    let beyond_us = rule.unknown_needs.iter().map(|area| {
        format!("it needs the area `{}`, which this version of loopgate does not observe", area.as_str()).into()
    });
    gaps.chain(beyond_us).collect()
}

/// A gap as the reason of an unknown outcome, in the words that the SDK of the plugins has for it: a gap that plugin
/// and gate both name is then named once.
pub(crate) fn gap_reason(gap: &Gap) -> Untrusted {
    let reason = format!("{} (leaves unknown: {})", gap.reason.as_str(), gap.leaves_unknown.as_str());
    match &gap.subject {
        Some(subject) => format!("{} ({}): {reason}", gap.area, subject.as_str()).into(),
        None => format!("{}: {reason}", gap.area).into(),
    }
}
