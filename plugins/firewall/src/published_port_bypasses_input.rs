//! Published ports that are open though the firewall closes everything by default.

use loopgate_plugin::prelude::*;

use crate::unused::{InputDefault, Way, defaults};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("published-port-bypasses-input", include_str!("published-port-bypasses-input.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let defaults = defaults(facts);
    let published = facts.listeners.iter().filter(|listener| listener.is_published());
    for listener in published.filter(|listener| listener.scope != Scope::Loopback) {
        judge(facts, &defaults, listener, report);
    }
}

fn judge(
    facts: &Facts,
    defaults: &std::collections::BTreeMap<Way, InputDefault<'_>>,
    listener: &Listener,
    report: &mut Report,
) {
    let default = |region: &Reachability| defaults.get(&(region.interface, region.is_ipv4()));
    let is_past_input = |region: &&Reachability| region.path != ReachPath::Input && region.farthest > Reach::Host;
    let bypass = |verdict: ReachVerdict| {
        let regions = facts.from_outside(&listener.reachability).filter(is_past_input);
        let is_closed = |region: &&Reachability| default(region).is_some_and(|way| way.filtered.is_some());
        facts.most_telling(regions.filter(|region| region.verdict == verdict).filter(is_closed))
    };
    if let Some(region) = bypass(ReachVerdict::Reachable) {
        let closed = default(region).and_then(|way| way.filtered);
        report.fail(finding(facts, listener, region, closed));
    } else if bypass(ReachVerdict::Unknown).is_some() {
        let why = facts.why_unknown(listener);
        report.unjudged(format!("whether {} bypasses the input rules could not be told: {why}", listener.id));
    }
}

fn finding(facts: &Facts, listener: &Listener, region: &Reachability, closed: Option<&Reachability>) -> Finding {
    let (name, who) = (listener.describe(), region.farthest.whom());
    let over = facts.interface_name(region.interface);
    let message = format!("{name} is published to {who} over {over}, past the rules that close other ports there");
    let finding = Finding::of_listener(listener, message).reach_of(facts, listener).publication_of(facts, listener);
    match closed {
        Some(closed) => finding.evidence("other ports", facts.describe_region(closed)),
        None => finding,
    }
}
