//! Interfaces whose IPv4 is filtered while IPv6 is not.

use loopgate_plugin::prelude::*;

use crate::unused::{InputDefault, defaults, version};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("ipv6-open", include_str!("ipv6-open.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let defaults = defaults(facts);
    let mut pairs = 0;
    for interface in facts.other_interfaces() {
        let ways = [true, false].map(|is_ipv4| defaults.get(&(interface.index, is_ipv4)));
        if let [Some(ipv4), Some(ipv6)] = ways {
            pairs += 1;
            judge(facts, interface, ipv4, ipv6, report);
        }
    }
    if pairs == 0 {
        report.not_applicable("no interface carries both IPv4 and IPv6");
    }
}

fn judge(
    facts: &Facts,
    interface: &NetworkInterface,
    ipv4: &InputDefault<'_>,
    ipv6: &InputDefault<'_>,
    report: &mut Report,
) {
    let name = &interface.name;
    match (ipv4.is_closed(), ipv6.open) {
        (true, Some((_, region))) => report.fail(finding(facts, interface, ipv4, region)),
        (true, None) if ipv6.unknown.is_some() => report.unjudged(untold(name, false, ipv6)),
        (false, Some(_)) if ipv4.open.is_none() && ipv4.unknown.is_some() => report.unjudged(untold(name, true, ipv4)),
        _ => {}
    }
}

fn untold(name: &str, is_ipv4: bool, default: &InputDefault<'_>) -> String {
    let why = default.unknown.map(|region| region.unknown_because.join(", ")).unwrap_or_default();
    format!("what {name} does by default with {} could not be told: {why}", version(is_ipv4))
}

fn finding(facts: &Facts, interface: &NetworkInterface, ipv4: &InputDefault<'_>, ipv6: &Reachability) -> Finding {
    let who = ipv6.farthest.whom();
    let message = format!("{} filters IPv4, and lets {who} in over IPv6", interface.name);
    let finding = Finding::of_interface(interface, message).evidence("over IPv6", facts.describe_region(ipv6));
    match ipv4.filtered {
        Some(region) => finding.evidence("over IPv4", facts.describe_region(region)),
        None => finding,
    }
}
