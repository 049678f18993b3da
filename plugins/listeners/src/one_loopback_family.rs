//! Services on loopback that only one address family reaches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("one-loopback-family", include_str!("one-loopback-family.md"), check);

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    if !LOOPBACKS.iter().all(|address| is_localhost(facts, *address)) {
        return report.not_applicable("localhost is one address here, not two");
    }
    if !facts.is_complete(&Area::Listeners) {
        // The other half of a service may be among those that were not seen.
        return;
    }
    // Listeners come by port, so that those of one service are neighbours.
    for neighbours in facts.listeners.chunk_by(|one, next| one.port == next.port) {
        for listener in neighbours {
            if let Some(other) = other_family(listener) {
                judge(neighbours, listener, other, report);
            }
        }
    }
}

/// Whether the loopback interface carries the address and the resolver gives it for `localhost`.
fn is_localhost(facts: &Facts, address: IpAddr) -> bool {
    let carried = facts.interfaces.iter().flat_map(|interface| &interface.addresses);
    let Resolution::Addresses(resolved) = &facts.names.localhost else { return false };
    carried.map(|entry| &entry.address).any(|carried| carried.to_std() == address)
        && resolved.iter().any(|resolved| resolved.to_std() == address)
}

/// The other loopback address, for a listener on `127.0.0.1` or `::1`. Others of 127.0.0.0/8 are not `localhost`.
fn other_family(listener: &Listener) -> Option<IpAddr> {
    let address = listener.address.to_std().to_canonical();
    let [ipv4, ipv6] = LOOPBACKS;
    if address == ipv4 {
        return Some(ipv6);
    }
    (address == ipv6).then_some(ipv4)
}

fn judge(neighbours: &[Listener], listener: &Listener, other: IpAddr, report: &mut Report) {
    let twins = neighbours.iter().filter(|twin| twin.protocol == listener.protocol && twin.id != listener.id);
    match twins.map(|twin| covers(twin, other)).max() {
        Some(Coverage::Yes) => {}
        Some(Coverage::Unknown) => {
            report.unjudged(format!("whether {other} reaches the service of {} could not be told", listener.id));
        }
        Some(Coverage::No) | None => report.fail(finding(listener, other)),
    }
}

/// Whether a listener answers on an address.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Coverage {
    No,
    Unknown,
    Yes,
}

fn covers(listener: &Listener, address: IpAddr) -> Coverage {
    let bound = listener.address.to_std().to_canonical();
    let takes = match address {
        _ if bound == address => Some(true),
        _ if !bound.is_unspecified() => Some(false),
        IpAddr::V4(_) => listener.takes_ipv4(),
        IpAddr::V6(_) => Some(bound.is_ipv6()),
    };
    takes.map_or(Coverage::Unknown, |takes| if takes { Coverage::Yes } else { Coverage::No })
}

fn finding(listener: &Listener, other: IpAddr) -> Finding {
    let message =
        format!("{} answers on {} only, while localhost is {other} as well", listener.describe(), listener.address);
    Finding::of_listener(listener, message)
        .evidence("not served", format!("{}/{}", listener.protocol, SocketAddr::new(other, listener.port)))
}
