//! Packets from outside that have a loopback address.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("spoofed-loopback-dropped", include_str!("spoofed-loopback-dropped.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if facts.other_interfaces().next().is_none() && facts.is_complete(&Area::Interfaces) {
        return report.not_applicable("no interface leads to another machine");
    }
    for spoofed in &facts.firewall.spoofed_loopback {
        match spoofed.decision.verdict {
            ReachVerdict::Blocked => {}
            ReachVerdict::Reachable => report.fail(finding(facts, spoofed)),
            ReachVerdict::Unknown => {
                let because = spoofed.decision.unknown_because.join(", ");
                let what = describe(facts, spoofed);
                report.unjudged(format!("whether {what} are dropped could not be told: {because}"));
            }
        }
    }
}

/// `packets from 127.0.0.0/8 over eth0`.
fn describe(facts: &Facts, spoofed: &SpoofedLoopback) -> String {
    let preposition = match spoofed.end {
        SpoofedEnd::Source => "from",
        SpoofedEnd::Destination => "to",
    };
    format!("packets {preposition} {} over {}", spoofed.prefix, facts.interface_name(spoofed.interface))
}

fn finding(facts: &Facts, spoofed: &SpoofedLoopback) -> Finding {
    let what = describe(facts, spoofed);
    let decision = facts.describe_decision(&spoofed.decision);
    let message = format!("{what} come in: neither the kernel nor a rule drops them");
    Finding::new(Subject::Interface(facts.interface_name(spoofed.interface)), message).evidence(what, decision)
}
