//! Ports that the firewall opens for nobody.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("open-port-without-listener", include_str!("open-port-without-listener.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    for opened in &facts.firewall.opened {
        report.fail(finding(facts, opened));
    }
}

fn finding(facts: &Facts, opened: &OpenedPort) -> Finding {
    let ports = ports(opened);
    let over = opened.interface.map(|index| format!(" over {}", facts.interface_name(index))).unwrap_or_default();
    let sources: Vec<_> = opened.sources.iter().take(MOST_SOURCES).map(ToString::to_string).collect();
    let hidden = opened.unlisted_sources.saturating_add(opened.sources.len().saturating_sub(MOST_SOURCES) as u64);
    let more = if hidden == 0 { String::new() } else { format!(" and {hidden} more") };
    let by = facts.rule(Some(opened.rule)).map(ToString::to_string).unwrap_or_default();
    let message = format!("{ports} is open{over}, and nothing listens there: {by}");
    Finding::new(Subject::Other(ports), message).evidence("lets in", format!("{}{more}", sources.join(" ")))
}

const MOST_SOURCES: usize = 4;

/// `tcp/8080`, `udp/60000-61000`.
fn ports(opened: &OpenedPort) -> String {
    let OpenedPort { protocol, first_port, last_port, .. } = opened;
    if first_port == last_port {
        format!("{protocol}/{first_port}")
    } else {
        format!("{protocol}/{first_port}-{last_port}")
    }
}
