//! Ports that address translation publishes: they have no socket of their own at the address that packets are sent to.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopgate_facts::{
    Interface, InterfaceKind, Listener, ListenerId, Origin, Protocol, Published, ReachVerdict, Reachability,
    RuleReference, Scope, Untrusted,
};

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Answer, Decider, Endpoint, Evaluator, Fate, Judged, Obstacle, Question, Responder};
use crate::region::PortSet;
use crate::rule::{End, Op, Verdict};
use crate::ruleset::{Chain, Family};

use super::entrance::{Entrance, entrances};
use super::record::outcome;
use super::ways::{Outcome, Ways};
use super::{Addresses, Answers, doubted, is_on_link, protocol_number, reference, takes, takes_from};

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
    outcomes: Vec<(Entrance<'i>, Outcome)>,
}

/// What address translation publishes.
#[derive(Debug, Default)]
pub struct Publications {
    /// The ports that packets from outside are translated on.
    pub listeners: Vec<Listener>,
    /// What keeps it from being known of others, each once.
    pub obstacles: Vec<Unfollowed>,
}

/// A translation of which it is not known what it publishes, or something in front of translations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unfollowed {
    /// The rule as text, where it is one.
    pub rule: Option<Untrusted>,
    /// What about it is not known.
    pub because: Untrusted,
}

/// The ports that packets from outside are translated on.
pub fn published(
    answers: &mut Answers<'_, '_>,
    interfaces: &[Interface],
    addresses: &Addresses,
    listeners: &[Listener],
) -> Publications {
    let ruleset = answers.evaluator().machine().ruleset;
    let mut search = Search { answers, entrances: Vec::new(), leads: BTreeMap::new(), obstacles: Vec::new() };
    let versions = versions_translated(ruleset);
    for protocol in PROTOCOLS {
        search.entrances = entrances(interfaces, protocol, ruleset);
        for destination in addresses.iter().filter(|address| versions.contains(&IpVersion::of(*address))) {
            search.at(protocol, destination);
        }
    }
    let Search { answers, leads, obstacles, .. } = search;
    let drafts = leads.into_iter().flat_map(|((protocol, port), leads)| {
        by_target(leads).into_iter().flat_map(move |leads| listeners_of(protocol, port, leads, addresses, listeners))
    });
    let evaluator = answers.evaluator();
    Publications {
        listeners: drafts.map(|draft| draft.finish(evaluator)).collect(),
        obstacles: unfollowed(evaluator.machine().ruleset, &obstacles),
    }
}

fn unfollowed(ruleset: &Ruleset, obstacles: &[Obstacle]) -> Vec<Unfollowed> {
    let shown = obstacles.iter().map(|Obstacle { rule, because }| Unfollowed {
        rule: rule.map(|rule| reference(ruleset, rule).text),
        because: because.clone(),
    });
    let mut seen = HashSet::new();
    shown.filter(|one| seen.insert(one.clone())).collect()
}

/// The IP versions of which rules send packets elsewhere: they translate destinations, or write them.
fn versions_translated(ruleset: &Ruleset) -> Vec<IpVersion> {
    let sends_elsewhere = |op: &Op, version: IpVersion| match op {
        Op::Verdict(Verdict::Translate(to)) => to.end == End::Destination,
        Op::Effect(effect) => effect.decides_delivery(version),
        _ => false,
    };
    let has = |version: &IpVersion| {
        let of_version = |chain: &&Chain| {
            let family = ruleset.table(chain.table).map(|table| table.family);
            family.is_some_and(|family| family.routes(*version) || family == Family::Netdev)
        };
        let mut ops =
            ruleset.chains.iter().filter(of_version).flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
        ops.any(|op| sends_elsewhere(op, *version))
    };
    [IpVersion::V4, IpVersion::V6].into_iter().filter(has).collect()
}

/// Looks for published ports.
struct Search<'a, 'e, 'm, 'i> {
    answers: &'a mut Answers<'e, 'm>,
    entrances: Vec<Entrance<'i>>,
    leads: BTreeMap<(Protocol, u16), Vec<Lead<'i>>>,
    obstacles: Vec<Obstacle>,
}

impl<'i> Search<'_, '_, '_, 'i> {
    /// Looks among the ports of an address.
    fn at(&mut self, protocol: Protocol, destination: IpAddr) {
        for (port, note) in self.translated_ports(protocol, destination) {
            let found = self.follow(protocol, Endpoint { address: destination, port }, note.as_ref());
            self.leads.entry((protocol, port)).or_default().extend(found);
        }
    }

    /// The ports of an address that some packets from outside are translated on.
    fn translated_ports(&mut self, protocol: Protocol, destination: IpAddr) -> BTreeMap<u16, Option<Untrusted>> {
        let mut found = BTreeMap::new();
        let carry =
            |interface: &&Interface| interface.kind != InterfaceKind::Loopback && is_on_link(destination, interface);
        let interfaces: Vec<_> = self.entrances.iter().map(|entrance| entrance.interface).filter(carry).collect();
        for interface in interfaces {
            let question = question(interface, protocol, Endpoint { address: destination, port: 0 });
            let ports = self.answers.ports(&question);
            self.note(ports.obstacles().iter().cloned());
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

    /// Asks about a port for every interface, for each endpoint that it leads to.
    fn follow(&mut self, protocol: Protocol, destination: Endpoint, note: Option<&Untrusted>) -> Vec<Lead<'i>> {
        let evaluator = self.answers.evaluator();
        let answers: Vec<_> = self
            .entrances
            .iter()
            .filter(|entrance| is_on_link(destination.address, entrance.interface))
            .map(|entrance| (*entrance, question(entrance.interface, protocol, destination)))
            .map(|(entrance, question)| (entrance, evaluator.ask(&question), question))
            .collect();
        let ends = || answers.iter().flat_map(|(_, answer, _)| answer.ends());
        let targets: BTreeSet<Endpoint> = ends().filter_map(|end| end.translated).collect();
        let ruleset = evaluator.machine().ruleset;
        let lead = |target: Endpoint| {
            let leading = answers.iter().filter(|(_, answer, _)| leads(answer, target));
            let outcomes = leading.map(|(entrance, answer, question)| {
                let mut regions = outcome(ruleset, question, judge(answer, target, &targets));
                for region in &mut regions {
                    region.notes.extend(note.cloned());
                }
                let outcome = Outcome::from(regions);
                (*entrance, entrance.exception().iter().fold(outcome, doubted))
            });
            Lead {
                destination: destination.address,
                target: SocketAddr::new(target.address, target.port),
                interface: answers.iter().find_map(|(_, answer, _)| leaves_by(answer, target)),
                rule: answers.iter().find_map(|(_, answer, _)| translator(answer, target)),
                outcomes: outcomes.collect(),
            }
        };
        let found = targets.iter().copied().map(lead).collect();
        for (_, answer, _) in &answers {
            self.note(answer.obstacles());
        }
        found
    }

    fn note(&mut self, obstacles: impl Iterator<Item = Obstacle>) {
        for obstacle in obstacles {
            if !self.obstacles.contains(&obstacle) {
                self.obstacles.push(obstacle);
            }
        }
    }
}

fn question(interface: &Interface, protocol: Protocol, destination: Endpoint) -> Question {
    let sources = AddressSet::all(IpVersion::of(destination.address));
    Question {
        interface: interface.index,
        protocol: protocol_number(protocol),
        destination,
        sources,
        responder: Responder::default(),
    }
}

/// Who gets through to a target. Where a rule chooses among targets by chance, so that packets of one source may come
/// to any of them, a source gets through that gets through to each that may be chosen.
fn judge(answer: &Answer, target: Endpoint, targets: &BTreeSet<Endpoint>) -> Vec<Judged> {
    let gets_to = |fate: &Fate, wanted: &dyn Fn(&Endpoint) -> bool| match fate {
        Fate::Delivered(endpoint) | Fate::Forwarded { endpoint, .. } => wanted(endpoint),
        _ => false,
    };
    let alone = answer.judge(|fate| gets_to(fate, &|endpoint| *endpoint == target));
    if targets.len() == 1 {
        return alone;
    }
    let (open, settled): (Vec<_>, Vec<_>) = alone.into_iter().partition(|part| part.verdict == ReachVerdict::Unknown);
    let among = answer.judge(|fate| gets_to(fate, &|endpoint| targets.contains(endpoint)));
    let within =
        open.iter().flat_map(|open| among.iter().map(move |part| (open.region.intersection(&part.region), part)));
    let shared = within.filter(|(region, _)| !region.is_empty()).map(|(region, part)| Judged {
        region,
        translated: Some(target),
        ..part.clone()
    });
    settled.into_iter().chain(shared).collect()
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
    let arriving: Vec<_> = leads.iter().flat_map(|lead| &lead.outcomes).map(|(entrance, _)| *entrance).collect();
    let behind = first.interface.is_none().then(|| behind(protocol, target, &arriving, listeners)).flatten();
    let listener = Listener {
        id: ListenerId::new(protocol, address, port, None, None).published(),
        origin: Origin::PublishedPort,
        owners: proxy.or(behind).map(|listener| listener.owners.clone()).unwrap_or_default(),
        reachability: regions(port, leads),
        ..Listener::at(protocol, address, port)
    };
    Some(Draft { listener, target, behind: behind.map(|listener| listener.id.clone()), interface, rule })
}

/// The listener that gets what is translated to an endpoint of this machine and comes in by some interfaces: one that
/// is bound to its address rather than to all.
fn behind<'l>(
    protocol: Protocol,
    target: SocketAddr,
    arriving: &[Entrance<'_>],
    listeners: &'l [Listener],
) -> Option<&'l Listener> {
    let target = Endpoint { address: target.ip(), port: target.port() };
    let gets = |listener: &&Listener| {
        takes(listener, target) && arriving.iter().any(|entrance| takes_from(listener, target.address, entrance))
    };
    let getting = listeners.iter().filter(|listener| listener.protocol == protocol).filter(gets);
    getting.min_by_key(|listener| listener.address.to_canonical() != target.address)
}

fn regions(port: u16, leads: Vec<Lead<'_>>) -> Vec<Reachability> {
    let mut ways = Ways::default();
    for Lead { destination, outcomes, .. } in leads {
        for (entrance, outcome) in outcomes {
            ways.add(entrance.interface, destination, outcome);
        }
    }
    ways.regions(port)
}

impl Draft {
    fn finish(self, evaluator: &Evaluator<'_>) -> Listener {
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
            interface: interface
                .and_then(|index| evaluator.machine().device(index))
                .map(|device| Untrusted::from_bytes(&device.name)),
            rule: rule.map_or_else(unknown, |rule| reference(evaluator.machine().ruleset, rule)),
            container: None,
            listener: behind,
        };
        Listener { published: Some(published), ..listener }
    }
}
