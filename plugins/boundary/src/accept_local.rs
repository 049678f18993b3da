//! Packets from outside that claim to come from this machine.

use loopgate_plugin::prelude::*;

use crate::settings::{assignment, default_that_is_on};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("accept-local", include_str!("accept-local.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.is_linux() {
        return report.not_applicable("accept_local is a setting of Linux");
    }
    let open = facts.other_interfaces().filter(|interface| interface.settings.accept_local == Some(true));
    for interface in open {
        report.fail(finding(facts, interface));
    }
    if let Some(sysctl) = default_that_is_on(facts, "accept_local") {
        let message =
            "interfaces that are created from now on accept packets with the addresses of this machine as source";
        report.fail(Finding::of_sysctl(sysctl, message).severity(Severity::Low));
    }
}

fn finding(facts: &Facts, interface: &NetworkInterface) -> Finding {
    let InterfaceSettings { rp_filter, route_localnet, .. } = &interface.settings;
    let name = &interface.name;
    let message = format!("{name} accepts packets that claim to come from this machine{}", joint(facts, interface));
    let finding = Finding::of_interface(interface, message)
        .evidence("accept_local", "1")
        .evidence("rp_filter", rp_filter.map_or("not observed", word))
        .evidence("route_localnet", route_localnet.map_or("not observed", |on| if on { "1" } else { "0" }))
        .remediation(format!(
            "Set `{}` and `net.ipv4.conf.all.accept_local = 0` in /etc/sysctl.d.",
            assignment(interface, "accept_local", 0)
        ));
    finding.severity(severity(facts, interface))
}

/// What the settings beside it make of it.
fn joint(facts: &Facts, interface: &NetworkInterface) -> &'static str {
    match severity(facts, interface) {
        Severity::High => ", and packets to 127.0.0.0/8, so that a neighbour can speak to loopback as loopback",
        _ => "",
    }
}

/// With `accept_local`, loose validation lets every local source pass, and strict validation lets pass that of the
/// interface's own addresses (`__fib_validate_source`, `net/ipv4/fib_frontend.c`): only a loopback source is refused by
/// it. What is not known counts as open; a rule that drops packets to or from loopback closes it.
fn severity(facts: &Facts, interface: &NetworkInterface) -> Severity {
    let InterfaceSettings { rp_filter, route_localnet, .. } = interface.settings;
    let is_open = route_localnet == Some(true) && rp_filter != Some(RpFilter::Strict);
    if is_open && !is_guarded(facts, interface) { Severity::High } else { Severity::Medium }
}

/// Whether packets to 127.0.0.0/8, or those from there, are known to be dropped on an interface: loopback speaks to
/// loopback with both.
fn is_guarded(facts: &Facts, interface: &NetworkInterface) -> bool {
    let mut spoofed = facts.firewall.spoofed_loopback.iter();
    spoofed.any(|entry| {
        let is_ipv4 = entry.prefix.address.is_ipv4();
        entry.interface == interface.index && is_ipv4 && entry.decision.verdict == ReachVerdict::Blocked
    })
}

fn word(filter: RpFilter) -> &'static str {
    match filter {
        RpFilter::Off => "off",
        RpFilter::Strict => "strict",
        RpFilter::Loose => "loose",
    }
}
