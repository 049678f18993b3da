//! Ports published on loopback that neighbours reach.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("loopback-publish-reachable", include_str!("loopback-publish-reachable.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let published = facts.listeners.iter().filter(|listener| listener.is_published());
    for listener in published.filter(|listener| listener.scope == Scope::Loopback) {
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
    let name = listener.describe();
    let message = format!("{name} is published on {}, {}", listener.address, facts.reach_clause(listener));
    let finding = Finding::of_listener(listener, message).reach_of(facts, listener).publication_of(facts, listener);
    finding.remediation(format!(
        "Drop what comes from outside: `iptables -t raw -I PREROUTING -d {} ! -i lo -p {} --dport {} -j DROP`, as \
         Docker does since version 28.",
        listener.address, listener.protocol, listener.port
    ))
}
