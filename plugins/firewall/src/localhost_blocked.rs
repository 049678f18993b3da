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
        } else if own.is_empty() && listener.reachability.iter().any(|region| may_be_blocked(facts, listener, region)) {
            report.unjudged(format!("whether this machine reaches its own {} is beyond what is listed", listener.id));
        }
    }
}

/// Whether a region is of local clients that ask for `localhost`, or for the address that the listener is bound to.
/// Such a packet comes in by loopback, from the very address that it goes to.
fn is_own(facts: &Facts, listener: &Listener, region: &Reachability) -> bool {
    is_over_loopback(facts, region) && region.destinations.iter().any(|it| is_asked(listener, region, it))
}

fn is_over_loopback(facts: &Facts, region: &Reachability) -> bool {
    facts.interface(region.interface).is_some_and(NetworkInterface::is_loopback)
}

fn is_asked(listener: &Listener, region: &Reachability, destination: &IpAddress) -> bool {
    is_wanted(listener, destination) && region.is_from(destination) == Some(true)
}

fn is_wanted(listener: &Listener, destination: &IpAddress) -> bool {
    destination.is_loopback() || listener.scope != Scope::Unspecified
}

/// Whether a region that lists not all of its sources can be of local clients, and is not known to let them in.
fn may_be_blocked(facts: &Facts, listener: &Listener, region: &Reachability) -> bool {
    let may_ask = |it: &IpAddress| is_wanted(listener, it) && region.is_from(it).is_none();
    let is_let_in = region.verdict == ReachVerdict::Reachable;
    is_over_loopback(facts, region) && !is_let_in && region.destinations.iter().any(may_ask)
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
