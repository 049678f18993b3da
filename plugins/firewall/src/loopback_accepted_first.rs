//! Traffic of the machine to itself.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("loopback-accepted-first", include_str!("loopback-accepted-first.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    for traffic in &facts.firewall.loopback {
        let LoopbackTraffic { address, protocol, decision } = traffic;
        match decision.verdict {
            ReachVerdict::Reachable => {}
            ReachVerdict::Blocked => report.fail(finding(facts, traffic)),
            ReachVerdict::Unknown => {
                let why = decision.unknown_because.join(", ");
                report.unjudged(format!("whether {protocol} from {address} to itself is let in is not known: {why}"));
            }
        }
    }
}

fn finding(facts: &Facts, traffic: &LoopbackTraffic) -> Finding {
    let LoopbackTraffic { address, protocol, decision } = traffic;
    let why = facts.why_blocked(decision.reason.as_ref(), decision.decided_by);
    let message = format!("{protocol} from {address} to itself is blocked over loopback: {why}");
    let name = facts.loopback_interface().map_or_else(|| "lo".to_owned(), |interface| interface.name.clone());
    Finding::new(Subject::Interface(name), message)
        .evidence(format!("{protocol} {address} over loopback"), facts.describe_decision(decision))
}
