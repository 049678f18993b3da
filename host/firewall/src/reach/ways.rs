//! Puts together what is the same by several interfaces and to several addresses.

use std::net::IpAddr;
use std::rc::Rc;

use loopgate_facts::{Interface, InterfaceKind, Reachability, Scope, Untrusted};

/// What becomes of packets, the same for everybody who shares it: regions that name no interface, destination or port.
pub(super) type Outcome = Rc<[Reachability]>;

/// What becomes of packets by each interface to each address of one listener.
#[derive(Debug, Default)]
pub(super) struct Ways(Vec<ByInterface>);

#[derive(Debug)]
struct ByInterface {
    names: Vec<Untrusted>,
    is_loopback: bool,
    groups: Vec<Group>,
}

/// Addresses with one outcome.
#[derive(Debug, PartialEq)]
struct Group {
    destinations: Vec<IpAddr>,
    outcome: Outcome,
}

impl Ways {
    /// Adds what becomes of packets by one interface to one address that was not added before.
    pub(super) fn add(&mut self, interface: &Interface, destination: IpAddr, outcome: Outcome) {
        let Self(known) = self;
        match known.iter_mut().find(|of| of.names.contains(&interface.name)) {
            Some(of) => of.add(destination, outcome),
            None => known.push(ByInterface {
                names: vec![interface.name.clone()],
                is_loopback: interface.kind == InterfaceKind::Loopback,
                groups: vec![Group { destinations: vec![destination], outcome }],
            }),
        }
    }

    /// The regions of a port: of interfaces and addresses with one outcome once.
    pub(super) fn regions(self, port: u16) -> Vec<Reachability> {
        let mut joined: Vec<ByInterface> = Vec::new();
        for one in self.0 {
            match joined.iter_mut().find(|other| other.is_loopback == one.is_loopback && other.groups == one.groups) {
                Some(other) => other.names.extend(one.names),
                None => joined.push(one),
            }
        }
        joined.iter().flat_map(|of| of.groups.iter().flat_map(|group| group.regions(&of.names, port))).collect()
    }
}

impl ByInterface {
    fn add(&mut self, destination: IpAddr, outcome: Outcome) {
        match self.groups.iter_mut().find(|group| group.takes(destination, &outcome)) {
            Some(group) => group.destinations.push(destination),
            None => self.groups.push(Group { destinations: vec![destination], outcome }),
        }
    }
}

impl Group {
    fn takes(&self, destination: IpAddr, outcome: &Outcome) -> bool {
        let scope = Scope::of(destination);
        self.outcome == *outcome && self.destinations.first().is_some_and(|known| Scope::of(*known) == scope)
    }

    fn regions(&self, names: &[Untrusted], port: u16) -> impl Iterator<Item = Reachability> {
        self.outcome.iter().map(move |region| Reachability {
            interfaces: names.to_vec(),
            destinations: self.destinations.clone(),
            port,
            ..region.clone()
        })
    }
}
