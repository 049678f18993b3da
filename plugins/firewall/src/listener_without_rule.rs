//! Listeners that no rule was written for.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("listener-without-rule", include_str!("listener-without-rule.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.filters_input() && facts.is_complete(&Area::Firewall) {
        return report.not_applicable("nothing filters what comes in");
    }
    for listener in facts.exposed_listeners().filter(|listener| !listener.is_published()) {
        judge(facts, listener, report);
    }
}

fn judge(facts: &Facts, listener: &Listener, report: &mut Report) {
    let regions: Vec<_> = facts.from_outside(&listener.reachability).filter(|region| is_for_rules(region)).collect();
    if regions.iter().any(|region| is_ruled(facts, region)) {
        return;
    }
    if regions.iter().any(|region| region.verdict == ReachVerdict::Unknown) {
        let why = facts.why_unknown(listener);
        return report.unjudged(format!("whether a rule is meant for {} could not be told: {why}", listener.id));
    }
    if let Some(region) = regions.first() {
        report.fail(finding(facts, listener, region));
    }
}

/// Whether it is for rules to decide: what the kernel or routing keeps away needs none.
fn is_for_rules(region: &Reachability) -> bool {
    use BlockReason::{AnswerBlocked, Dropped, Rejected};
    region.verdict != ReachVerdict::Blocked || matches!(region.reason, Some(Dropped | Rejected | AnswerBlocked))
}

/// Whether a rule decides, and not the policy at the end.
fn is_ruled(facts: &Facts, region: &Reachability) -> bool {
    let decides = facts.rule(region.decided_by).into_iter();
    let narrowed = region.narrowed_by.iter().filter_map(|position| facts.rule(Some(*position)));
    region.verdict != ReachVerdict::Unknown && decides.chain(narrowed).any(|rule| !rule.is_policy())
}

fn finding(facts: &Facts, listener: &Listener, region: &Reachability) -> Finding {
    let (name, is_shielded) = (listener.describe(), listener.exposure() == Exposure::Shielded);
    let message = match facts.rule(region.decided_by) {
        Some(policy) if is_shielded => format!("no rule is about {name}: {policy} keeps others away"),
        Some(policy) => format!("no rule is about {name}: {policy} lets others reach it"),
        None => format!("no rule is about {name}, so nothing keeps others away"),
    };
    let severity = if is_shielded { Severity::Info } else { Severity::Low };
    Finding::of_listener(listener, message).reach_of(facts, listener).severity(severity)
}
