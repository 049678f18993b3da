//! Listeners that are bound to every local address.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::of_bound;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("wildcard-bind", include_str!("wildcard-bind.md"), check);

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    for listener in facts.exposed_listeners().filter(|listener| listener.scope == Scope::Unspecified) {
        report.fail(finding(facts, listener));
    }
}

fn finding(facts: &Facts, listener: &Listener) -> Finding {
    let severity = if is_public(facts, listener) { Severity::High } else { Severity::Medium };
    let served = served_addresses(facts, listener).take(MOST_ADDRESSES);
    served.fold(of_bound(facts, listener, severity), |finding, (interface, entry)| {
        let InterfaceAddress { address, scope, .. } = entry;
        finding.evidence("answers on", format!("{address}, {scope}, {}", interface.name))
    })
}

/// Whether it can be reached at a public address: by its regions, or, where none are known, by what it is bound to.
fn is_public(facts: &Facts, listener: &Listener) -> bool {
    if listener.reachability.is_empty() {
        return served_addresses(facts, listener).any(|(_, entry)| entry.scope == Scope::Public);
    }
    let mut regions = facts.from_outside(&listener.reachability).filter(|it| it.verdict != ReachVerdict::Blocked);
    regions.any(|region| is_public_at(facts, region))
}

/// Whether anybody reaches it at one of this machine's public addresses.
fn is_public_at(facts: &Facts, region: &Reachability) -> bool {
    let mut entries = facts.interfaces.iter().flat_map(|interface| &interface.addresses);
    let is_destination = |entry: &InterfaceAddress| region.destinations.contains(&entry.address);
    region.farthest == Reach::Public && entries.any(|entry| entry.scope == Scope::Public && is_destination(entry))
}

/// A machine with hundreds of bridges is shown with the first addresses.
const MOST_ADDRESSES: usize = 8;

/// The addresses beyond loopback that a wildcard listener answers on.
///
/// An interface that is down counts: on Linux its IPv4 addresses stay reachable through the others.
fn served_addresses<'facts>(
    facts: &'facts Facts,
    listener: &'facts Listener,
) -> impl Iterator<Item = (&'facts NetworkInterface, &'facts InterfaceAddress)> {
    let entries =
        facts.interfaces.iter().flat_map(|interface| interface.addresses.iter().map(move |entry| (interface, entry)));
    entries.filter(|(interface, entry)| {
        let on_device = listener.bound_interface.as_ref().is_none_or(|bound| *bound == interface.name);
        on_device && entry.scope != Scope::Loopback && takes(listener, &entry.address)
    })
}

fn takes(listener: &Listener, address: &IpAddress) -> bool {
    match address {
        // Where it could not be told, the cautious answer.
        IpAddress::Ipv4(_) => listener.takes_ipv4() != Some(false),
        IpAddress::Ipv6(_) => listener.address.to_std().to_canonical().is_ipv6(),
    }
}
