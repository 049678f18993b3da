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
    let name = &interface.name;
    let exposed: Vec<_> = facts.listeners.iter().filter(|listener| is_exposed(facts, listener)).collect();
    let message = format!("{name} accepts packets to 127.0.0.0/8, which {}", consequence(facts, &exposed));
    let finding = Finding::of_interface(interface, message).evidence("route_localnet", "1").remediation(format!(
        "Set `{}` and `net.ipv4.conf.all.route_localnet = 0`, or, where a container engine needs it, drop what \
             comes from outside: `nft add rule inet filter prerouting iifname != \"lo\" ip daddr 127.0.0.0/8 drop`.",
        assignment(interface, "route_localnet", 0)
    ));
    let finding = exposed
        .iter()
        .take(MOST_LISTENERS)
        .fold(finding, |finding, listener| finding.evidence("exposes", listener.describe()));
    finding.severity(severity(facts, &exposed))
}

/// A machine with hundreds of listeners on loopback is shown with the first ones.
const MOST_LISTENERS: usize = 12;

/// Listeners on 127.0.0.0/8, which rely on the boundary. A wildcard listener is reachable without it.
fn is_exposed(facts: &Facts, listener: &Listener) -> bool {
    let is_ipv4 = listener.address.to_std().to_canonical().is_ipv4();
    let bound = listener.bound_interface.as_deref();
    let is_bound_to_loopback = bound.is_some_and(|name| facts.loopback_interface().is_some_and(|lo| lo.name == name));
    listener.scope == Scope::Loopback && is_ipv4 && !is_bound_to_loopback
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
