//! Packets to ports that nobody opened.

use loopgate_plugin::prelude::*;

use crate::unused::{InputDefault, defaults, version};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("default-deny-input", include_str!("default-deny-input.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.filters_input() && facts.is_complete(&Area::Firewall) {
        return judge_without_filter(facts, report);
    }
    for ((interface, is_ipv4), default) in defaults(facts) {
        judge(facts, interface, is_ipv4, &default, report);
    }
}

/// One remark for the whole machine: what is exposed without a filter is a finding of other rules, listener by
/// listener.
fn judge_without_filter(facts: &Facts, report: &mut Report) {
    if facts.other_interfaces().next().is_none() {
        return report.not_applicable("no interface leads to another machine");
    }
    let message = "no rule filters what comes in: the next service that binds to a wildcard is reachable at once";
    let finding = Finding::new(Subject::Host, message).severity(Severity::Low);
    let backends = facts.firewall.backends.iter();
    report.fail(backends.fold(finding, |finding, backend| finding.evidence(&backend.kind, describe(&backend.state))));
}

fn describe(state: &BackendState) -> String {
    match state {
        BackendState::Read(counts) => format!("{} rules in {} chains", counts.rules, counts.chains),
        BackendState::Absent => "absent".to_owned(),
        BackendState::Unreadable(why) => format!("unreadable: {why}"),
    }
}

fn judge(facts: &Facts, interface: u32, is_ipv4: bool, default: &InputDefault<'_>, report: &mut Report) {
    let (name, version) = (facts.interface_name(interface), version(is_ipv4));
    if let Some((protocol, region)) = default.open {
        let who = region.farthest.whom();
        let by = match facts.rule(region.decided_by) {
            Some(rule) => format!(", by {rule}"),
            None => String::new(),
        };
        let message = format!("{name} lets {who} in over {version} to every {protocol} port that is not closed{by}");
        let finding = Finding::new(Subject::Interface(name), message);
        report.fail(finding.evidence("an unused port", facts.describe_region(region)));
    } else if let Some(region) = default.unknown {
        let why = region.unknown_because.join(", ");
        report.unjudged(format!("what {name} does by default with {version} could not be told: {why}"));
    }
}
