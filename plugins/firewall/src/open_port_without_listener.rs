//! Ports that the firewall opens for nobody.

use std::collections::BTreeMap;

use loopgate_plugin::describe_sources;
use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("open-port-without-listener", include_str!("open-port-without-listener.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let mut openings: BTreeMap<(u32, String), Vec<&OpenedPort>> = BTreeMap::new();
    for opened in &facts.firewall.opened {
        openings.entry((opened.rule, ports(opened))).or_default().push(opened);
    }
    for ((rule, ports), opened) in openings {
        report.fail(finding(facts, rule, ports, &opened));
    }
}

/// One rule opens a port over many interfaces.
fn finding(facts: &Facts, rule: u32, ports: String, opened: &[&OpenedPort]) -> Finding {
    let by = facts.rule(Some(rule)).map(ToString::to_string).unwrap_or_default();
    let message = format!("{ports} is open, and nothing listens there: {by}");
    let finding = Finding::new(Subject::Other(ports), message);
    let shown = opened.iter().take(MOST_INTERFACES);
    let finding = shown.fold(finding, |finding, opened| finding.evidence("lets in", describe(facts, opened)));
    match opened.len().saturating_sub(MOST_INTERFACES) {
        0 => finding,
        more => finding.evidence("lets in", format!("the same over {more} more interfaces")),
    }
}

const MOST_INTERFACES: usize = 4;

/// `10.0.0.0/8 over eth0`.
fn describe(facts: &Facts, opened: &OpenedPort) -> String {
    let over = opened.interface.map(|index| format!(" over {}", facts.interface_name(index))).unwrap_or_default();
    format!("{}{over}", describe_sources(&opened.sources, &opened.excluded_sources, opened.unlisted_sources))
}

/// `tcp/8080`, `udp/60000-61000`.
fn ports(opened: &OpenedPort) -> String {
    let OpenedPort { protocol, first_port, last_port, .. } = opened;
    if first_port == last_port {
        format!("{protocol}/{first_port}")
    } else {
        format!("{protocol}/{first_port}-{last_port}")
    }
}
