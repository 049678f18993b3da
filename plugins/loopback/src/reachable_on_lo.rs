//! Addresses on the loopback interface that other machines can reach.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("reachable-on-lo", include_str!("reachable-on-lo.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if let Some(interface) = facts.loopback_interface() {
        for entry in interface.addresses.iter().filter(|entry| is_reachable(entry)) {
            report.fail(on_interface(facts, interface, entry));
        }
    }
    for route in &facts.local_routes {
        report.fail(local_route(facts, route));
    }
}

/// An IPv6 link-local address belongs to the link of its interface, so on loopback nobody else is there.
fn is_reachable(entry: &InterfaceAddress) -> bool {
    match entry.scope {
        Scope::Loopback | Scope::Unspecified | Scope::Multicast => false,
        Scope::LinkLocal => entry.address.is_ipv4(),
        Scope::Private | Scope::Shared | Scope::Public => true,
    }
}

fn on_interface(facts: &Facts, interface: &NetworkInterface, entry: &InterfaceAddress) -> Finding {
    let InterfaceAddress { address, prefix_length, scope, .. } = entry;
    let name = &interface.name;
    let message =
        format!("{name} carries the {scope} address {address}/{prefix_length}, which other machines can reach");
    let finding = Finding::of_interface(interface, message)
        .remediation(format!("ip address del {address}/{prefix_length} dev {name}"));
    let bound =
        facts.exposed_listeners().filter(|listener| listener.address.to_std().to_canonical() == address.to_std());
    bound.take(MOST_LISTENERS).fold(finding, |finding, listener| finding.evidence("listener", listener.describe()))
}

const MOST_LISTENERS: usize = 8;

fn local_route(facts: &Facts, route: &LocalRoute) -> Finding {
    let LocalRoute { destination, table, .. } = route;
    let message = format!("every address of {destination} is delivered to this machine (AnyIP)");
    let subject = Subject::Other(format!("local {destination}"));
    let finding = Finding::new(subject, message)
        .evidence(
            "route",
            format!("local {destination} dev {} table {table}", route.interface.as_deref().unwrap_or("lo")),
        )
        .severity(Severity::Medium)
        .remediation(format!("ip route del local {destination} table {table}"));
    let wildcards = facts.exposed_listeners().filter(|listener| listener.scope == Scope::Unspecified).count();
    if wildcards == 0 {
        return finding;
    }
    finding.evidence("wildcard listeners that answer on it", wildcards.to_string())
}
