//! Packets to 127.0.0.0/8 that come in by an interface other than loopback.

use loopgate_plugin::prelude::*;

use crate::settings::{assignment, default_that_is_on};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("route-localnet", include_str!("route-localnet.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.is_linux() {
        return report.not_applicable("route_localnet is a setting of Linux");
    }
    let open = facts.other_interfaces().filter(|interface| interface.settings.route_localnet == Some(true));
    for interface in open {
        report.fail(finding(facts, interface));
    }
    if let Some(sysctl) = default_that_is_on(facts, "route_localnet") {
        report.fail(for_new_interfaces(sysctl));
    }
}

fn finding(facts: &Facts, interface: &NetworkInterface) -> Finding {
    let exposed: Vec<_> = facts.listeners.iter().filter(|it| is_exposed(facts, interface, it)).collect();
    match guard(facts, interface) {
        Some(guard) if exposed.is_empty() => guarded(interface, guard),
        _ => open(facts, interface, &exposed),
    }
}

fn guarded(interface: &NetworkInterface, guard: &RuleReference) -> Finding {
    let message = format!("{} accepts packets to 127.0.0.0/8, and only {guard} keeps them away", interface.name);
    let finding = Finding::of_interface(interface, message).evidence("route_localnet", "1");
    finding.evidence("guarded by", guard.to_string()).severity(Severity::Low)
}

fn open(facts: &Facts, interface: &NetworkInterface, exposed: &[&Listener]) -> Finding {
    let name = &interface.name;
    let message = format!("{name} accepts packets to 127.0.0.0/8, which {}", consequence(facts, exposed));
    let finding = Finding::of_interface(interface, message).evidence("route_localnet", "1").remediation(format!(
        "Set `{}` and `net.ipv4.conf.all.route_localnet = 0`, or, where a container engine needs it, drop what \
             comes from outside: `nft add rule inet filter prerouting iifname != \"lo\" ip daddr 127.0.0.0/8 drop`.",
        assignment(interface, "route_localnet", 0)
    ));
    let finding = exposed
        .iter()
        .take(MOST_LISTENERS)
        .fold(finding, |finding, listener| finding.evidence("exposes", listener.describe()));
    finding.severity(severity(facts, exposed))
}

/// A machine with hundreds of listeners on loopback is shown with the first ones.
const MOST_LISTENERS: usize = 12;

/// The rule that drops all packets to 127.0.0.0/8 which come in by an interface.
fn guard<'facts>(facts: &'facts Facts, interface: &NetworkInterface) -> Option<&'facts RuleReference> {
    let of_interface = |entry: &&SpoofedLoopback| {
        let is_ipv4 = entry.prefix.address.is_ipv4();
        entry.interface == interface.index && is_ipv4 && entry.end == SpoofedEnd::Destination
    };
    let entry = facts.firewall.spoofed_loopback.iter().find(of_interface)?;
    let is_blocked = entry.decision.verdict == ReachVerdict::Blocked;
    facts.rule(entry.decision.decided_by).filter(|_| is_blocked)
}

/// Listeners on 127.0.0.0/8, which rely on the boundary, unless packets that come in by the interface are known not to
/// arrive. A wildcard listener is reachable without it.
fn is_exposed(facts: &Facts, interface: &NetworkInterface, listener: &Listener) -> bool {
    let mut regions = listener.reachability.iter().filter(|region| region.interface == interface.index).peekable();
    let is_kept_away = regions.peek().is_some() && regions.all(|region| region.verdict == ReachVerdict::Blocked);
    relies_on_boundary(facts, listener) && !is_kept_away
}

fn relies_on_boundary(facts: &Facts, listener: &Listener) -> bool {
    let is_ipv4 = listener.address.to_std().to_canonical().is_ipv4();
    let bound = listener.bound_interface.as_deref();
    let is_bound_to_loopback = bound.is_some_and(|name| facts.loopback_interface().is_some_and(|lo| lo.name == name));
    listener.scope == Scope::Loopback && is_ipv4 && !is_bound_to_loopback && !listener.is_published()
}

fn consequence(facts: &Facts, exposed: &[&Listener]) -> String {
    match exposed.len() {
        0 if facts.is_complete(&Area::Listeners) => "would expose the next service on loopback".to_owned(),
        0 => "exposes every service on loopback".to_owned(),
        1 => "exposes 1 listener on loopback".to_owned(),
        count => format!("exposes {count} listeners on loopback"),
    }
}

fn severity(facts: &Facts, exposed: &[&Listener]) -> Severity {
    if exposed.is_empty() && facts.is_complete(&Area::Listeners) { Severity::Medium } else { Severity::High }
}

fn for_new_interfaces(sysctl: &Sysctl) -> Finding {
    let message = "interfaces that are created from now on accept packets to 127.0.0.0/8";
    Finding::of_sysctl(sysctl, message)
        .severity(Severity::Medium)
        .remediation("Set `net.ipv4.conf.default.route_localnet = 0` in /etc/sysctl.d.")
}
