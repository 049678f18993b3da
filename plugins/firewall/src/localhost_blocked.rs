//! Traffic of the machine to its own services that a rule blocks.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("localhost-blocked", include_str!("localhost-blocked.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    for listener in &facts.listeners {
        let own: Vec<_> = listener.reachability.iter().filter(|region| is_own(facts, listener, region)).collect();
        if let Some(region) = own.iter().find(|region| is_blocked(region)) {
            report.fail(finding(facts, listener, region));
        } else if let Some(region) = own.iter().find(|region| region.verdict == ReachVerdict::Unknown) {
            let why = region.unknown_because.join(", ");
            report.unjudged(format!("whether this machine reaches its own {} could not be told: {why}", listener.id));
        }
    }
}

/// Whether a region is of local clients that ask for `localhost`, or for the address that the listener is bound to. Such
/// a packet comes in by loopback, from the very address that it goes to.
fn is_own(facts: &Facts, listener: &Listener, region: &Reachability) -> bool {
    let over_loopback = facts.interface(region.interface).is_some_and(NetworkInterface::is_loopback);
    over_loopback && region.destinations.iter().any(|destination| is_asked(listener, region, destination))
}

fn is_asked(listener: &Listener, region: &Reachability, destination: &IpAddress) -> bool {
    let is_wanted = destination.is_loopback() || listener.scope != Scope::Unspecified;
    is_wanted && region.sources.iter().any(|prefix| prefix.contains(destination))
}

fn is_blocked(region: &Reachability) -> bool {
    use BlockReason::{AnswerBlocked, Dropped, Rejected};
    region.verdict == ReachVerdict::Blocked && matches!(region.reason, Some(Dropped | Rejected | AnswerBlocked))
}

fn finding(facts: &Facts, listener: &Listener, region: &Reachability) -> Finding {
    let (name, address) = (listener.describe(), region.destinations.iter().find(|it| is_asked(listener, region, it)));
    let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
    let why = facts.why_blocked(region.reason.as_ref(), region.decided_by);
    let message = format!("local clients do not reach {name}{at}: {why}");
    Finding::of_listener(listener, message).evidence("blocked", facts.describe_region(region))
}
