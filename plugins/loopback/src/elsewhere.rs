//! Loopback addresses on interfaces that are not loopback.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("elsewhere", include_str!("elsewhere.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    // A VRF device is the loopback device of its routing domain and carries loopback addresses for that reason.
    let interfaces = facts.other_interfaces().filter(|interface| interface.kind != InterfaceKind::Vrf);
    for interface in interfaces {
        for entry in interface.addresses.iter().filter(|entry| entry.address.is_loopback()) {
            report.fail(finding(interface, entry));
        }
    }
}

fn finding(interface: &NetworkInterface, entry: &InterfaceAddress) -> Finding {
    let InterfaceAddress { address, prefix_length, .. } = entry;
    let name = &interface.name;
    let finding =
        Finding::of_interface(interface, format!("{name} carries the loopback address {address}/{prefix_length}"))
            .remediation(format!("ip address del {address}/{prefix_length} dev {name}"));
    if address.is_ipv4() && interface.settings.route_localnet == Some(true) {
        return finding.evidence("route_localnet", "1").severity(Severity::High);
    }
    finding
}
