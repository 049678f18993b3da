//! Where no gap in the firewall explains it, every listener has its reachability and every question about the firewall
//! its answer, for each interface that packets can come in by.
//!
//! Those are the interfaces that are up, belong to no bridge, bond or VRF, and carry an address of the IP version.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::validate::Inconsistency;
use crate::{
    Area, BackendKind, BackendState, Facts, Interface, InterfaceKind, Listener, Origin, Protocol, Reachability, Scope,
    SpoofedEnd, Untrusted,
};

/// Adds what is not there. The caller made sure that no gap explains it.
pub(super) fn check(facts: &Facts, found: &mut Vec<Inconsistency>) {
    let ways = Ways::of(&facts.interfaces);
    for (index, listener) in facts.listeners.iter().enumerate() {
        if let Some(interface) = ways.missing_for(listener) {
            let what = format!("who can reach listeners[{index}] over {}", interface.escaped());
            found.push(unexplained(what));
        }
    }
    check_backends(facts, found);
    check_loopback(facts, found);
    check_outside(facts, &ways, found);
}

fn unexplained(what: impl Into<String>) -> Inconsistency {
    Inconsistency::Unexplained { what: what.into(), area: Area::Firewall }
}

/// The interfaces that packets can come in by.
struct Ways<'facts>(Vec<Way<'facts>>);

struct Way<'facts> {
    name: &'facts Untrusted,
    is_loopback: bool,
    has_ipv4: bool,
    has_ipv6: bool,
}

impl Way<'_> {
    fn carries(&self, is_ipv4: bool) -> bool {
        if is_ipv4 { self.has_ipv4 } else { self.has_ipv6 }
    }
}

impl<'facts> Ways<'facts> {
    fn of(interfaces: &'facts [Interface]) -> Self {
        let is_way = |interface: &&Interface| interface.up && interface.master.is_none();
        Self(interfaces.iter().filter(is_way).map(way).collect())
    }

    /// The first interface that nothing is said about. Nobody asks for groups: routing of multicast is not modelled,
    /// and such a listener has no certain reach. A port is published where packets are translated, and no further.
    fn missing_for(&self, listener: &Listener) -> Option<&'facts Untrusted> {
        if listener.scope == Scope::Multicast {
            return None;
        }
        let (takes_ipv4, takes_ipv6) = versions(listener);
        let known = pairs(&listener.reachability);
        if listener.origin == Origin::PublishedPort && !known.is_empty() {
            return None;
        }
        let is_wanted = |way: &&Way<'_>| listener.interface().is_none_or(|only| only == way.name);
        let lacks = |way: &&Way<'facts>| {
            (takes_ipv4 && way.has_ipv4 && !known.contains(&(way.name, true)))
                || (takes_ipv6 && way.has_ipv6 && !known.contains(&(way.name, false)))
        };
        self.0.iter().filter(is_wanted).find(lacks).map(|way| way.name)
    }

    /// The ways into the machine, with the IP versions that they carry.
    fn outside(&self) -> impl Iterator<Item = (&'facts Untrusted, bool)> {
        let outside = self.0.iter().filter(|way| !way.is_loopback);
        outside
            .flat_map(|way| [true, false].into_iter().filter(|is_ipv4| way.carries(*is_ipv4)).map(|v4| (way.name, v4)))
    }
}

fn way(interface: &Interface) -> Way<'_> {
    let carries = |is_wanted: fn(&IpAddr) -> bool| interface.addresses.iter().any(|entry| is_wanted(&entry.address));
    Way {
        name: &interface.name,
        is_loopback: interface.kind == InterfaceKind::Loopback,
        has_ipv4: carries(IpAddr::is_ipv4),
        has_ipv6: carries(IpAddr::is_ipv6),
    }
}

/// Whether a listener takes IPv4, and whether it takes IPv6.
fn versions(listener: &Listener) -> (bool, bool) {
    let is_ipv4 = listener.address.to_canonical().is_ipv4();
    (is_ipv4 || listener.takes_ipv4_on_ipv6() == Some(true), !is_ipv4)
}

/// The interfaces that regions tell about, with the IP version of their destinations.
fn pairs(regions: &[Reachability]) -> BTreeSet<(&Untrusted, bool)> {
    let ways = regions.iter().flat_map(Reachability::ways);
    ways.map(|(interface, destination)| (interface, destination.is_ipv4())).collect()
}

fn check_backends(facts: &Facts, found: &mut Vec<Inconsistency>) {
    let backends = &facts.firewall.backends;
    for kind in BackendKind::ALL {
        let of_kind = backends.iter().find(|backend| backend.kind == kind);
        if of_kind.is_none_or(|backend| matches!(backend.state, BackendState::Unreadable(_))) {
            found.push(unexplained(format!("the ruleset of {kind}")));
        }
    }
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

fn check_loopback(facts: &Facts, found: &mut Vec<Inconsistency>) {
    let loopback = facts.interfaces.iter().find(|interface| interface.kind == InterfaceKind::Loopback);
    let addresses = loopback.map(|interface| interface.addresses.as_slice()).unwrap_or_default();
    for is_ipv4 in [true, false] {
        let is_carried = addresses.iter().any(|entry| entry.address.is_ipv4() == is_ipv4);
        let is_there = |protocol: &Protocol| {
            let mut entries = facts.firewall.loopback.iter();
            entries.any(|entry| entry.protocol == *protocol && entry.address.is_ipv4() == is_ipv4)
        };
        if is_carried && !PROTOCOLS.iter().all(is_there) {
            found.push(unexplained("what becomes of traffic over loopback"));
        }
    }
}

fn check_outside(facts: &Facts, ways: &Ways<'_>, found: &mut Vec<Inconsistency>) {
    let spoofed = &facts.firewall.spoofed_loopback;
    let spoofed: BTreeSet<_> =
        spoofed.iter().map(|entry| (&entry.interface, entry.prefix.address().is_ipv4(), entry.end)).collect();
    let unused = |protocol| {
        let of_protocol = facts.firewall.default_input.iter().filter(move |unused| unused.protocol == protocol);
        of_protocol.flat_map(|unused| pairs(&unused.reachability)).collect::<BTreeSet<_>>()
    };
    let unused = PROTOCOLS.map(unused);
    for (name, is_ipv4) in ways.outside() {
        let ends = [SpoofedEnd::Source, SpoofedEnd::Destination];
        if !ends.iter().all(|end| spoofed.contains(&(name, is_ipv4, *end))) {
            found.push(unexplained(format!("what becomes of loopback addresses on {}", name.escaped())));
        }
        if !unused.iter().all(|known| known.contains(&(name, is_ipv4))) {
            found.push(unexplained(format!("who can reach an unused port over {}", name.escaped())));
        }
    }
}
