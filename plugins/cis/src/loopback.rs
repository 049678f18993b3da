//! The question of all controls about loopback: what is of this machine is let in, and what only claims to be is not.

use loopgate_plugin::prelude::*;

use crate::managers::Versions;

/// Judges traffic over loopback, and packets from elsewhere that claim a loopback address as their source.
pub(crate) fn judge(facts: &Facts, versions: Versions, report: &mut Report) {
    for traffic in facts.firewall.loopback.iter().filter(|traffic| versions.have(&traffic.address)) {
        judge_own(facts, traffic, report);
    }
    let claimed = facts.firewall.spoofed_loopback.iter().filter(|spoofed| spoofed.end == SpoofedEnd::Source);
    for spoofed in claimed.filter(|spoofed| versions.have(&spoofed.prefix.address)) {
        judge_spoofed(facts, spoofed, report);
    }
}

fn judge_own(facts: &Facts, traffic: &LoopbackTraffic, report: &mut Report) {
    let LoopbackTraffic { address, protocol, decision } = traffic;
    match decision.verdict {
        ReachVerdict::Reachable => {}
        ReachVerdict::Blocked => {
            let why = facts.why_blocked(decision.reason.as_ref(), decision.decided_by);
            let message = format!("{protocol} from {address} to itself is blocked: {why}");
            let name = facts.loopback_interface().map_or_else(|| "lo".to_owned(), |interface| interface.name.clone());
            let finding = Finding::new(Subject::Interface(name), message);
            report.fail(finding.evidence("over loopback", facts.describe_decision(decision)));
        }
        ReachVerdict::Unknown => {
            let why = decision.unknown_because.join(", ");
            report.unjudged(format!("whether {protocol} from {address} to itself is let in is not known: {why}"));
        }
    }
}

fn judge_spoofed(facts: &Facts, spoofed: &SpoofedLoopback, report: &mut Report) {
    let over = facts.interface_name(spoofed.interface);
    let what = format!("packets that claim to come from {} over {over}", spoofed.prefix);
    let Some(decision) = &spoofed.by_rules else {
        return report.unjudged(format!("what the rules do with {what} was not recorded"));
    };
    match decision.verdict {
        ReachVerdict::Blocked => {}
        ReachVerdict::Reachable => {
            let by = match facts.rule(decision.decided_by) {
                Some(rule) => format!("{what} are let in by {rule}"),
                None => format!("no rule drops {what}"),
            };
            let message = format!("{by}{}", kernel_drops(spoofed));
            let finding = Finding::new(Subject::Interface(over), message);
            report.fail(finding.evidence("by the rules alone", facts.describe_decision(decision)));
        }
        ReachVerdict::Unknown => {
            let why = decision.unknown_because.join(", ");
            report.unjudged(format!("whether rules drop {what} could not be told: {why}"));
        }
    }
}

/// What stands behind the rules.
fn kernel_drops(spoofed: &SpoofedLoopback) -> &'static str {
    match (spoofed.decision.verdict, &spoofed.decision.reason) {
        (ReachVerdict::Blocked, Some(BlockReason::Martian)) => "; only the kernel drops them",
        _ => "",
    }
}
