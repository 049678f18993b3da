//! The answers of the kernel as facts: what is the same by several interfaces or to several destinations is said once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use loopgate_facts::{RouteOutcome, RoutingAnswer, Untrusted};
use loopgate_firewall::address_set::AddressSet;
use loopgate_firewall::routing::InputRoute;

use super::InputKey;
use crate::linux::interfaces::Devices;

/// What becomes of packets, by whom they come from.
type Pieces = Vec<(AddressSet, InputRoute)>;

/// Destinations and a mark with one answer.
#[derive(PartialEq)]
struct Group<'a> {
    mark: u32,
    pieces: &'a Pieces,
    destinations: Vec<IpAddr>,
}

pub(super) fn facts(answers: &HashMap<InputKey, Pieces>, devices: &Devices) -> Vec<RoutingAnswer> {
    let mut found = Vec::new();
    for (interfaces, groups) in by_interfaces(answers) {
        let names: Vec<_> = interfaces.into_iter().map(|index| devices.name(index)).collect();
        for Group { mark, pieces, destinations } in groups {
            found.extend(pieces.iter().map(|(sources, route)| {
                let (sources, excluded_sources) = sources.listed_in_full();
                let (interfaces, destinations) = (names.clone(), destinations.clone());
                let outcome = outcome(route, devices);
                RoutingAnswer { interfaces, destinations, mark, sources, excluded_sources, outcome }
            }));
        }
    }
    found
}

/// Interfaces with the same answers.
fn by_interfaces(answers: &HashMap<InputKey, Pieces>) -> Vec<(Vec<u32>, Vec<Group<'_>>)> {
    // Protocol and port are part of the question only where a policy rule asks for them.
    let mut keys: Vec<_> = answers.keys().copied().collect();
    keys.sort_unstable();
    keys.dedup_by_key(|key| (key.interface, key.destination, key.mark));
    let mut by_interface: BTreeMap<u32, Vec<Group<'_>>> = BTreeMap::new();
    for (key, pieces) in keys.iter().filter_map(|key| Some((key, answers.get(key)?))) {
        let groups = by_interface.entry(key.interface).or_default();
        match groups.iter_mut().find(|group| group.takes(key, pieces)) {
            Some(group) => group.destinations.push(key.destination),
            None => groups.push(Group { mark: key.mark, pieces, destinations: vec![key.destination] }),
        }
    }
    let mut joined: Vec<(Vec<u32>, Vec<Group<'_>>)> = Vec::new();
    for (interface, groups) in by_interface {
        match joined.iter_mut().find(|(_, known)| *known == groups) {
            Some((interfaces, _)) => interfaces.push(interface),
            None => joined.push((vec![interface], groups)),
        }
    }
    joined
}

impl Group<'_> {
    fn takes(&self, key: &InputKey, pieces: &Pieces) -> bool {
        let is_same_version = self.destinations.first().is_none_or(|one| one.is_ipv4() == key.destination.is_ipv4());
        self.mark == key.mark && is_same_version && self.pieces == pieces
    }
}

fn outcome(route: &InputRoute, devices: &Devices) -> RouteOutcome {
    match route {
        InputRoute::Local => RouteOutcome::Local,
        InputRoute::Forward { interface } => RouteOutcome::Forward(devices.name(*interface)),
        InputRoute::Blocked(reason) => RouteOutcome::Blocked(*reason),
        InputRoute::Unknown(why) => RouteOutcome::Unknown(Untrusted::clone(why)),
    }
}
