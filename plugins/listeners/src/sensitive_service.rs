//! Services that should stay on loopback and do not.

use loopgate_plugin::prelude::*;

use crate::catalogue::Service;
use crate::parameters::Settings;
use crate::place::{bound_to, ids, is_bound, shielded};
use crate::recognise::{OwnerIs, Recognised, Sign, is_identifiable, recognise};

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("sensitive-service", include_str!("sensitive-service.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let mut unseen = Vec::new();
    for listener in facts.exposed_listeners() {
        match recognise(&settings.catalogue, listener) {
            Some(found) => report.fail(finding(facts, listener, &found)),
            None if could_be_anything(facts, listener) => unseen.push(listener),
            None => {}
        }
    }
    report_unseen(&unseen, report);
}

fn finding(facts: &Facts, listener: &Listener, found: &Recognised<'_>) -> Finding {
    let Service { severity, why, .. } = found.service;
    let (name, phrase, bound_to) = (listener.describe(), found.phrase(), bound_to(listener));
    let (is_bound, reach) = (is_bound(listener), facts.reach_clause(listener));
    let message = format!("{name} {phrase}, which {why}; it {is_bound} {bound_to}, {reach}");
    let finding = found.explain(Finding::of_listener(listener, message)).reach_of(facts, listener);
    let severity = if found.is_doubtful() { Severity::Medium.min(*severity) } else { *severity };
    finding.severity(shielded(listener, severity))
}

/// Whether any service could be behind a listener that was not recognised: its owner was not seen.
///
/// The collector gives a gap for every socket without a visible owner; facts without one say that none is hidden. A
/// published port without owners leads to a process that nobody looked for.
pub(crate) fn could_be_anything(facts: &Facts, listener: &Listener) -> bool {
    if listener.owners.is_empty() {
        listener.is_published() || !facts.is_complete(&Area::Owners)
    } else {
        !is_identifiable(listener)
    }
}

pub(crate) fn report_unseen(listeners: &[&Listener], report: &mut Report) {
    match listeners {
        [] => {}
        [one] => report.unjudged(format!("the owner of {} was not seen, and its port is not telling", one.id)),
        several => {
            let (count, ids) = (several.len(), ids(several));
            report.unjudged(format!(
                "the owners of {count} listeners were not seen, and their ports are not telling: {ids}"
            ));
        }
    }
}

impl Recognised<'_> {
    /// What the listener is, as a phrase after its id.
    pub(crate) fn phrase(&self) -> String {
        let name = &self.service.name;
        match self.sign {
            Sign::Port(OwnerIs::Unseen) => format!("is, by its port alone, {name}"),
            Sign::Port(OwnerIs::Anything) => {
                format!("is, by its port alone, {name} behind a program that can be anything")
            }
            Sign::Port(OwnerIs::Unrelated) => format!("has the port of {name}, though its owner has another name"),
            _ => format!("is {name}"),
        }
    }

    /// Whether the owner contradicts what the port says.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.sign == Sign::Port(OwnerIs::Unrelated)
    }

    /// Adds what the service was recognised by, its incidents and its remedy.
    pub(crate) fn explain(&self, finding: Finding) -> Finding {
        let finding = finding.evidence("service", &self.service.name).evidence("recognised by", self.sign.to_string());
        let see = |finding: Finding, reference| finding.evidence("see", reference);
        let finding = self.service.references.iter().fold(finding, see);
        match &self.service.remedy {
            Some(remedy) => finding.remediation(remedy),
            None => finding,
        }
    }
}
