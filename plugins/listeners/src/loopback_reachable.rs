//! Listeners on loopback that other machines reach all the same.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::bound_to;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("loopback-reachable", include_str!("loopback-reachable.md"), check);

/// Ports that are published on loopback are judged by the plugin `firewall`.
fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    let sockets = facts.listeners.iter().filter(|listener| !listener.is_published());
    for listener in sockets.filter(|listener| facts.is_confined_to_host(listener)) {
        match listener.exposure() {
            Exposure::Reachable => report.fail(finding(facts, listener)),
            Exposure::Unknown => {
                let why = facts.why_unknown(listener);
                report.unjudged(format!("whether other machines reach {} could not be told: {why}", listener.id));
            }
            Exposure::Shielded => {}
        }
    }
}

fn finding(facts: &Facts, listener: &Listener) -> Finding {
    let (name, bound_to) = (listener.describe(), bound_to(listener));
    let message = format!("{name} is bound to {bound_to}, {}", facts.reach_clause(listener));
    Finding::of_listener(listener, message).reach_of(facts, listener)
}
