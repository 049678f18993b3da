//! Whether what is said about reach can be true.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::partition::{Part, flaw};
use super::{Inconsistency, Names, PartitionFlaw, firewall};
use crate::{Facts, Listener, MAX_NARROWED_BY, MAX_SOURCES, Origin, Reachability, RouteOutcome, RoutingAnswer};

const NO_WAY: &str = "it holds for no interface or no destination";

/// Adds what is wrong with the reachability of listeners and with the answers about routing.
pub(super) fn check(facts: &Facts, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    for (index, listener) in facts.listeners.iter().enumerate() {
        let at = format!("listeners[{index}]");
        check_origin(&at, listener, names, found);
        check_regions(&format!("{at}.reachability"), &listener.reachability, names, found);
        for (position, region) in listener.reachability.iter().enumerate() {
            if !leads_to(region, listener) {
                let at = format!("{at}.reachability[{position}]");
                let problem = "the destination is none of the listener, and nothing translates it";
                found.push(Inconsistency::Contradiction { at, problem });
            }
        }
    }
    check_routing(facts, names, found);
}

fn check_origin(at: &str, listener: &Listener, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    if (listener.origin == Origin::PublishedPort) != listener.published.is_some() {
        let problem = "`published` belongs to the origin `published-port`, and to no other";
        found.push(Inconsistency::Contradiction { at: at.to_owned(), problem });
    }
    if let Some(published) = &listener.published {
        let at = format!("{at}.published");
        firewall::check_rule(&format!("{at}.rule"), Some(&published.rule), found);
        names.check(&at, published.interface.as_ref(), found);
    }
}

/// Whether packets of a region can arrive at a listener as far as addresses and ports tell.
fn leads_to(region: &Reachability, listener: &Listener) -> bool {
    let is_bound = region.destinations.iter().all(|destination| is_bound_to(listener, *destination));
    region.translated_to.is_some() || (is_bound && region.port == listener.port)
}

fn is_bound_to(listener: &Listener, destination: IpAddr) -> bool {
    let (to, bound) = (destination.to_canonical(), listener.address.to_canonical());
    if listener.address.is_unspecified() {
        to.is_ipv4() == bound.is_ipv4() || listener.takes_ipv4_on_ipv6() != Some(false)
    } else {
        to == bound || bound.is_unspecified() && to.is_ipv4()
    }
}

/// Adds what is wrong with regions: each by itself, and all of one interface, destination and port together.
pub(super) fn check_regions(at: &str, regions: &[Reachability], names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, region) in regions.iter().enumerate() {
        check_region(&format!("{at}[{index}]"), region, names, found);
        for (interface, destination) in region.ways() {
            groups.entry((interface, destination, region.port)).or_default().push(index);
        }
    }
    let ways = groups.into_iter().map(|((_, destination, _), members)| (destination, members));
    for (first, flaw) in flaws(ways, |index| regions.get(index).map(part)) {
        found.push(Inconsistency::Partition { at: format!("{at}[{first}]"), flaw });
    }
}

/// The ways whose entries are no partition of the sources: the first entry of each, and what is wrong.
fn flaws<'facts>(
    ways: impl Iterator<Item = (IpAddr, Vec<usize>)>,
    part: impl Fn(usize) -> Option<Part<'facts>>,
) -> Vec<(usize, PartitionFlaw)> {
    let mut sound = BTreeSet::new();
    let mut found = Vec::new();
    for (destination, members) in ways {
        let is_ipv4 = destination.is_ipv4();
        // Ways with the same entries are sound together.
        if sound.contains(&(is_ipv4, members.clone())) {
            continue;
        }
        let parts: Vec<_> = members.iter().copied().filter_map(&part).collect();
        match flaw(is_ipv4, &parts) {
            Some(flaw) => found.push((members.first().copied().unwrap_or_default(), flaw)),
            None => {
                sound.insert((is_ipv4, members));
            }
        }
    }
    found
}

fn part(region: &Reachability) -> Part<'_> {
    Part { sources: &region.sources, excluded: &region.excluded_sources, is_complete: region.unlisted_sources == 0 }
}

fn check_region(at: &str, region: &Reachability, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    if region.ways().next().is_none() {
        found.push(Inconsistency::Contradiction { at: at.to_owned(), problem: NO_WAY });
    }
    for interface in &region.interfaces {
        names.check(at, interface, found);
    }
    firewall::check_length(&format!("{at}.sources"), region.sources.len(), MAX_SOURCES, found);
    firewall::check_length(&format!("{at}.excluded_sources"), region.excluded_sources.len(), MAX_SOURCES, found);
    firewall::check_length(&format!("{at}.narrowed_by"), region.narrowed_by.len(), MAX_NARROWED_BY, found);
    for rule in region.decided_by.iter().chain(&region.narrowed_by) {
        firewall::check_rule(at, Some(rule), found);
    }
    let problem = firewall::contradiction(region.verdict, region.reason, &region.unknown_because);
    found.extend(problem.map(|problem| Inconsistency::Contradiction { at: at.to_owned(), problem }));
    if region.destinations.iter().any(IpAddr::is_unspecified) || region.port == 0 {
        let problem = "no packet is sent to this address and port";
        found.push(Inconsistency::Contradiction { at: at.to_owned(), problem });
    }
}

fn check_routing<'facts>(facts: &'facts Facts, names: &Names<'_>, found: &mut Vec<Inconsistency>) {
    firewall::check_length("routing", facts.routing.len(), crate::MAX_ROUTING_ANSWERS, found);
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, answer) in facts.routing.iter().enumerate() {
        let at = format!("routing[{index}]");
        if answer.ways().next().is_none() {
            found.push(Inconsistency::Contradiction { at: at.clone(), problem: NO_WAY });
        }
        answer.interfaces.iter().for_each(|interface| names.check(&at, interface, found));
        if let RouteOutcome::Forward(interface) = &answer.outcome {
            names.check(&at, interface, found);
        }
        for (interface, destination) in answer.ways() {
            groups.entry((interface, destination, answer.mark)).or_default().push(index);
        }
    }
    let ways = groups.into_iter().map(|((_, destination, _), members)| (destination, members));
    let part = |answer: &'facts RoutingAnswer| Part {
        sources: &answer.sources,
        excluded: &answer.excluded_sources,
        is_complete: true,
    };
    for (first, flaw) in flaws(ways, |index| facts.routing.get(index).map(part)) {
        found.push(Inconsistency::Partition { at: format!("routing[{first}]"), flaw });
    }
}
