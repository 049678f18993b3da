//! Ports that address translation publishes: they have no socket of their own at the address that packets are sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopgate_facts::{
    Interface, InterfaceKind, Listener, ListenerId, Origin, Protocol, Published, Reachability, RuleReference, Scope,
    Untrusted,
};

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Answer, Decider, Endpoint, Evaluator, Fate, Question};
use crate::region::PortSet;
use crate::rule::{End, Op, Verdict};

use super::record::outcome;
use super::ways::{Outcome, Ways};
use super::{Addresses, Answers, is_on_link, protocol_number, reference, takes};

const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// The most ports of one range that each become a listener; a note on the last says how far the range goes.
const MAX_PORTS_OF_RANGE: usize = 256;

/// Where a published port leads, for one address that packets are sent to.
#[derive(Debug)]
struct Lead<'i> {
    destination: IpAddr,
    target: SocketAddr,
    interface: Option<u32>,
    rule: Option<Decider>,
    /// What becomes of packets, by interface.
    outcomes: Vec<(&'i Interface, Outcome)>,
}

/// The ports that packets from outside are translated on.
pub fn published(
    answers: &mut Answers<'_, '_>,
    interfaces: &[Interface],
    addresses: &Addresses,
    listeners: &[Listener],
) -> Vec<Listener> {
    if !translates_destinations(answers.evaluator().machine().ruleset) {
        return Vec::new();
    }
    let mut leads: BTreeMap<(Protocol, u16), Vec<Lead<'_>>> = BTreeMap::new();
    for protocol in PROTOCOLS {
        for destination in addresses.iter() {
            for (port, note) in translated_ports(answers, interfaces, protocol, destination) {
                let destination = Endpoint { address: destination, port };
                let found = follow(answers.evaluator(), interfaces, protocol, destination, note.as_ref());
                leads.entry((protocol, port)).or_default().extend(found);
            }
        }
    }
    let listeners = leads.into_iter().flat_map(|((protocol, port), leads)| {
        by_target(leads).into_iter().flat_map(move |leads| listeners_of(protocol, port, leads, addresses, listeners))
    });
    let names = |evaluator: &Evaluator<'_>, index: u32| {
        evaluator.machine().device(index).map(|device| Untrusted::from_bytes(&device.name))
    };
    listeners.map(|draft| draft.finish(answers.evaluator(), names)).collect()
}

fn translates_destinations(ruleset: &Ruleset) -> bool {
    let ops = ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    ops.into_iter().any(|op| matches!(op, Op::Verdict(Verdict::Translate(to)) if to.end == End::Destination))
}

/// The ports of an address that some packets from outside are translated on.
fn translated_ports(
    answers: &mut Answers<'_, '_>,
    interfaces: &[Interface],
    protocol: Protocol,
    destination: IpAddr,
) -> BTreeMap<u16, Option<Untrusted>> {
    let mut found = BTreeMap::new();
    let carry =
        |interface: &&Interface| interface.kind != InterfaceKind::Loopback && is_on_link(destination, interface);
    for interface in interfaces.iter().filter(carry) {
        let ports = answers.ports(&question(interface, protocol, Endpoint { address: destination, port: 0 }));
        for range in ports.translated().iter().flat_map(PortSet::ranges) {
            let (first, last) = (*range.start(), *range.end());
            let mut ports = range.filter(|port| *port != 0).take(MAX_PORTS_OF_RANGE).peekable();
            while let Some(port) = ports.next() {
                let cut = ports.peek().is_none() && port < last;
                let note = cut.then(|| format!("ports {first} to {last} are translated in the same way").into());
                found.entry(port).or_insert(note);
            }
        }
    }
    found
}

fn question(interface: &Interface, protocol: Protocol, destination: Endpoint) -> Question {
    let sources = AddressSet::all(IpVersion::of(destination.address));
    Question { interface: interface.index, protocol: protocol_number(protocol), destination, sources }
}

/// Asks about a port for every interface, for each endpoint that it leads to.
fn follow<'i>(
    evaluator: &mut Evaluator<'_>,
    interfaces: &'i [Interface],
    protocol: Protocol,
    destination: Endpoint,
    note: Option<&Untrusted>,
) -> Vec<Lead<'i>> {
    let answers: Vec<_> = interfaces
        .iter()
        .filter(|interface| is_on_link(destination.address, interface))
        .map(|interface| (interface, question(interface, protocol, destination)))
        .map(|(interface, question)| (interface, evaluator.ask(&question), question))
        .collect();
    let targets: BTreeSet<Endpoint> =
        answers.iter().flat_map(|(_, answer, _)| answer.ends()).filter_map(|end| end.translated).collect();
    targets
        .into_iter()
        .map(|target| {
            let ruleset = evaluator.machine().ruleset;
            let arrives = |fate: &Fate| match fate {
                Fate::Delivered(endpoint) | Fate::Forwarded { endpoint, .. } => *endpoint == target,
                _ => false,
            };
            let leading = answers.iter().filter(|(_, answer, _)| leads(answer, target));
            let outcomes = leading.map(|(interface, answer, question)| {
                let mut regions = outcome(ruleset, question, answer.judge(arrives));
                for region in &mut regions {
                    region.notes.extend(note.cloned());
                }
                (*interface, Outcome::from(regions))
            });
            Lead {
                destination: destination.address,
                target: SocketAddr::new(target.address, target.port),
                interface: answers.iter().find_map(|(_, answer, _)| leaves_by(answer, target)),
                rule: answers.iter().find_map(|(_, answer, _)| translator(answer, target)),
                outcomes: outcomes.collect(),
            }
        })
        .collect()
}

fn leads(answer: &Answer, target: Endpoint) -> bool {
    answer.ends().iter().any(|end| end.translated == Some(target))
}

fn leaves_by(answer: &Answer, target: Endpoint) -> Option<u32> {
    answer.ends().iter().find_map(|end| match end.fate {
        Fate::Forwarded { endpoint, interface } if endpoint == target => Some(interface),
        _ => None,
    })
}

/// The rule that translates: the first that let packets go on with the new destination.
fn translator(answer: &Answer, target: Endpoint) -> Option<Decider> {
    let translates = answer.acceptances().iter().find(|acceptance| acceptance.translated == Some(target));
    translates.map(|acceptance| acceptance.decider)
}

fn by_target(leads: Vec<Lead<'_>>) -> Vec<Vec<Lead<'_>>> {
    let mut groups: BTreeMap<SocketAddr, Vec<Lead<'_>>> = BTreeMap::new();
    for lead in leads {
        groups.entry(lead.target).or_default().push(lead);
    }
    groups.into_values().collect()
}

/// A published port before names are looked up.
struct Draft {
    listener: Listener,
    target: SocketAddr,
    /// The listener of this machine that packets come to.
    behind: Option<ListenerId>,
    interface: Option<u32>,
    rule: Option<Decider>,
}

/// One listener on all addresses where every address leads to the target, else one for each address.
fn listeners_of(
    protocol: Protocol,
    port: u16,
    leads: Vec<Lead<'_>>,
    addresses: &Addresses,
    listeners: &[Listener],
) -> Vec<Draft> {
    let is_ipv4 = leads.first().is_some_and(|lead| lead.destination.is_ipv4());
    let leads_from: BTreeSet<_> = leads.iter().map(|lead| lead.destination).collect();
    let mut of_version = addresses.iter().filter(|address| address.is_ipv4() == is_ipv4 && is_usual(*address));
    if leads.len() > 1 && of_version.all(|address| leads_from.contains(&address)) {
        let any = if is_ipv4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        return draft(protocol, port, any, leads, listeners).into_iter().collect();
    }
    leads.into_iter().filter_map(|lead| draft(protocol, port, lead.destination, vec![lead], listeners)).collect()
}

/// Rules for all addresses often leave out those that nobody routes.
fn is_usual(address: IpAddr) -> bool {
    !matches!(Scope::of(address), Scope::Loopback | Scope::LinkLocal)
}

fn draft(
    protocol: Protocol,
    port: u16,
    address: IpAddr,
    leads: Vec<Lead<'_>>,
    listeners: &[Listener],
) -> Option<Draft> {
    let first = leads.first()?;
    let (target, interface, rule) = (first.target, first.interface, first.rule);
    // The socket of a proxy on the same endpoint, such as docker-proxy's.
    let proxy = listeners
        .iter()
        .find(|listener| listener.protocol == protocol && listener.port == port && listener.address == address);
    let behind = first.interface.is_none().then(|| behind(protocol, target, listeners)).flatten();
    let listener = Listener {
        id: ListenerId::new(protocol, address, port, None, None).published(),
        origin: Origin::PublishedPort,
        owners: proxy.or(behind).map(|listener| listener.owners.clone()).unwrap_or_default(),
        reachability: regions(port, leads),
        ..Listener::at(protocol, address, port)
    };
    Some(Draft { listener, target, behind: behind.map(|listener| listener.id.clone()), interface, rule })
}

/// The listener that gets what is translated to an endpoint of this machine: one that is bound to its address rather than
/// to all.
fn behind(protocol: Protocol, target: SocketAddr, listeners: &[Listener]) -> Option<&Listener> {
    let target = Endpoint { address: target.ip(), port: target.port() };
    let takers = listeners.iter().filter(|listener| listener.protocol == protocol && takes(listener, target));
    takers.min_by_key(|listener| listener.address.to_canonical() != target.address)
}

fn regions(port: u16, leads: Vec<Lead<'_>>) -> Vec<Reachability> {
    let mut ways = Ways::default();
    for Lead { destination, outcomes, .. } in leads {
        for (interface, outcome) in outcomes {
            ways.add(interface, destination, outcome);
        }
    }
    ways.regions(port)
}

impl Draft {
    fn finish(self, evaluator: &Evaluator<'_>, name: impl Fn(&Evaluator<'_>, u32) -> Option<Untrusted>) -> Listener {
        let Self { listener, target, behind, interface, rule } = self;
        let unknown = || RuleReference {
            backend: "nf-tables".to_owned(),
            family: "inet".to_owned(),
            table: Untrusted::default(),
            chain: Untrusted::default(),
            handle: None,
            line: None,
            text: "a rule that was not noted".into(),
        };
        let published = Published {
            target,
            interface: interface.and_then(|index| name(evaluator, index)),
            rule: rule.map_or_else(unknown, |rule| reference(evaluator.machine().ruleset, rule)),
            container: None,
            listener: behind,
        };
        Listener { published: Some(published), ..listener }
    }
}
