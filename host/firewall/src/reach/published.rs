//! Ports that address translation publishes: they have no socket of their own at the address that packets are sent to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::rc::Rc;

use loopgate_facts::{
    BlockReason, Interface, InterfaceKind, Listener, ListenerId, Origin, Prefix, Protocol, Published, ReachVerdict,
    Reachability, RuleReference, Scope, Sources, Untrusted,
};

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion, number};
use crate::evaluate::{
    Answer, Decider, End as WayEnd, Endpoint, Evaluator, Fate, Judged, Obstacle, Purpose, Question, Responder,
    keeps_addresses, looks_at_interfaces, pieces, translates_from_outside,
};
use crate::region::PortSet;
use crate::rule::{End, Op, Verdict};
use crate::ruleset::{Chain, Family};

use super::destinations::representative;
use super::entrance::{Entrance, entrances};
use super::record::outcome;
use super::summary::question;
use super::ways::{Outcome, Ways};
use super::{
    Addresses, Answers, doubted, is_on_link, protocol_number, reference, responder, takes, takes_from, where_reachable,
};

const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// The most ports of one range that each become a listener; a note on the last says how far the range goes.
const MAX_PORTS_OF_RANGE: usize = 256;

/// The most ports of addresses of the machine that are followed to where they lead. Rules that ask for a bit of the
/// port translate half of all there are.
const MAX_FOLLOWED: usize = 32_768;

/// The same of addresses that are not those of the machine.
const MAX_FOLLOWED_OF_OTHERS: usize = 8192;

/// The most pieces of foreign addresses that are asked about, of one IP version.
const MAX_PIECES: usize = 1024;

/// The most prefixes that a note names of the addresses that one stands for.
const MAX_NAMED: usize = 8;

/// An address that packets are sent to.
#[derive(Clone, Debug)]
struct Destination {
    address: IpAddr,
    /// No interface carries it: the addresses that no rule tells apart from it, itself included.
    stands_for: Option<AddressSet>,
}

impl Destination {
    /// Whether it stands for more than itself.
    fn is_wide(&self) -> bool {
        self.stands_for.as_ref().is_some_and(|set| *set != AddressSet::single(self.address))
    }

    /// How many ports of a range each become a listener. Whoever translates whole addresses may do so with thousands.
    fn most_of(&self, range: &RangeInclusive<u16>) -> usize {
        if self.stands_for.is_some() && range.len() > MAX_PORTS_OF_RANGE { 1 } else { MAX_PORTS_OF_RANGE }
    }

    /// Whether packets to it come in by an interface. A link-local address that nobody carries is on every link.
    fn is_on(&self, interface: &Interface) -> bool {
        match self.stands_for {
            None => is_on_link(self.address, interface),
            Some(_) => interface.kind != InterfaceKind::Loopback || self.address.is_loopback(),
        }
    }

    /// Which addresses it stands for, where it is not for itself.
    fn note(&self) -> Option<Untrusted> {
        let Sources { listed, excluded, unlisted } = self.stands_for.as_ref().filter(|_| self.is_wide())?.listed();
        let named = |prefixes: &[Prefix], unlisted: u64| {
            let names = prefixes.iter().take(MAX_NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            match prefixes.len().saturating_sub(MAX_NAMED) as u64 + unlisted {
                0 => names,
                more => format!("{names} and {more} more"),
            }
        };
        let without = if excluded.is_empty() { String::new() } else { format!(" without {}", named(excluded, 0)) };
        Some(format!("{} stands for every address in {}{without}", self.address, named(listed, *unlisted)).into())
    }
}

/// Where a published port leads, for one address that packets are sent to.
#[derive(Debug)]
struct Lead<'i> {
    destination: Destination,
    target: SocketAddr,
    interface: Option<u32>,
    rule: Option<Decider>,
    /// What becomes of packets, by interface.
    outcomes: Vec<(Entrance<'i>, Outcome)>,
}

impl Lead<'_> {
    /// Whether another address leads the same way.
    fn is_same(&self, other: &Self) -> bool {
        let ways = |lead: &Self| lead.outcomes.iter().map(|(entrance, _)| entrance.interface.index).collect::<Vec<_>>();
        let outcomes = || self.outcomes.iter().zip(&other.outcomes);
        (self.target, self.interface, self.rule) == (other.target, other.interface, other.rule)
            && ways(self) == ways(other)
            && outcomes().all(|((_, mine), (_, theirs))| mine == theirs)
    }
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
    let entrances = PROTOCOLS.map(|protocol| (protocol, entrances(interfaces, protocol, ruleset)));
    let (leads, alike, obstacles) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut search = Search {
        answers,
        interfaces,
        listeners,
        entrances,
        leads,
        alike,
        followed: 0,
        followed_of_others: 0,
        obstacles,
    };
    for version in versions_translated(ruleset) {
        let own = addresses.own().filter(|address| IpVersion::of(*address) == version);
        let own: Vec<_> = own.map(|address| Destination { address, stands_for: None }).collect();
        let foreign = search.foreign(version, addresses);
        for destination in own.into_iter().chain(foreign) {
            for protocol in PROTOCOLS {
                search.at(protocol, &destination);
            }
        }
    }
    let Search { answers, leads, obstacles, .. } = search;
    let drafts = leads.into_iter().flat_map(|((protocol, port), leads)| {
        by_target(leads).into_iter().flat_map(move |leads| listeners_of(protocol, port, leads, addresses, listeners))
    });
    let evaluator = answers.evaluator();
    Publications {
        listeners: told_apart(drafts.map(|draft| draft.finish(evaluator)).collect()),
        obstacles: unfollowed(evaluator.machine().ruleset, &obstacles),
    }
}

/// Several targets of one port are listeners with a name each.
fn told_apart(mut listeners: Vec<Listener>) -> Vec<Listener> {
    let mut seen = HashMap::new();
    for listener in &listeners {
        *seen.entry(listener.id.clone()).or_insert(0) += 1;
    }
    for listener in &mut listeners {
        let is_one_of_many = seen.get(&listener.id).is_some_and(|times| *times > 1);
        listener.id = listener.id_of_target().filter(|_| is_one_of_many).unwrap_or_else(|| listener.id.clone());
    }
    listeners
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
    interfaces: &'i [Interface],
    listeners: &'i [Listener],
    entrances: [(Protocol, Vec<Entrance<'i>>); PROTOCOLS.len()],
    leads: BTreeMap<(Protocol, u16), Vec<Lead<'i>>>,
    /// IP versions for which one interface stands for the others before routing.
    alike: Vec<IpVersion>,
    /// How many ports of its own addresses were followed to where they lead.
    followed: usize,
    /// The same of addresses that are not its own.
    followed_of_others: usize,
    obstacles: Vec<Obstacle>,
}

impl<'i> Search<'_, '_, '_, 'i> {
    /// Addresses that are not those of the machine, one for each piece that no rule tells apart: a neighbour can send
    /// packets to any address through this machine, and translation comes before routing.
    fn foreign(&mut self, version: IpVersion, addresses: &Addresses) -> Vec<Destination> {
        let machine = *self.answers.evaluator().machine();
        if !translates_from_outside(machine.ruleset, version) {
            return Vec::new();
        }
        if !looks_at_interfaces(&machine, version) {
            self.alike.push(version);
        }
        let own = addresses.own().filter(|address| IpVersion::of(*address) == version).map(number);
        let foreign = AddressSet::from_ranges(version, own.map(|number| number..=number)).complement();
        let networks = if keeps_addresses(machine.ruleset, version) { networks(self.interfaces) } else { Vec::new() };
        let found = pieces(&machine, Purpose::Translated, &foreign, &networks, MAX_PIECES);
        let too_many = || format!("rules tell more than {MAX_PIECES} destinations apart").into();
        let doubts = found.doubt.into_iter().chain((!found.rest.is_empty()).then(too_many));
        self.note(doubts.map(|because| Obstacle { rule: None, because }));
        let destination =
            |piece: AddressSet| Some(Destination { address: representative(&piece)?, stands_for: Some(piece) });
        found.each.into_iter().filter_map(destination).collect()
    }

    /// The interfaces that packets of a protocol can come in by.
    fn entrances(&self, protocol: Protocol) -> Vec<Entrance<'i>> {
        let of_protocol = self.entrances.iter().filter(|(known, _)| *known == protocol);
        of_protocol.flat_map(|(_, entrances)| entrances.iter().copied()).collect()
    }

    /// Looks among the ports of an address.
    fn at(&mut self, protocol: Protocol, destination: &Destination) {
        for (port, note) in self.translated_ports(protocol, destination) {
            let (followed, most, whose) = match destination.stands_for {
                None => (&mut self.followed, MAX_FOLLOWED, "this machine"),
                Some(_) => (&mut self.followed_of_others, MAX_FOLLOWED_OF_OTHERS, "others"),
            };
            *followed += 1;
            if *followed > most {
                let because = format!("rules translate more than {most} ports of addresses of {whose}").into();
                return self.note([Obstacle { rule: None, because }].into_iter());
            }
            let found = self.follow(protocol, destination, port, note.as_ref());
            self.leads.entry((protocol, port)).or_default().extend(found);
        }
    }

    /// The ports of an address that some packets from outside are translated on.
    fn translated_ports(&mut self, protocol: Protocol, destination: &Destination) -> BTreeMap<u16, Option<Untrusted>> {
        let mut found = BTreeMap::new();
        let carry = |interface: &&Interface| interface.kind != InterfaceKind::Loopback && destination.is_on(interface);
        let is_alike = destination.stands_for.is_some() && self.alike.contains(&IpVersion::of(destination.address));
        let entrances = self.entrances(protocol);
        let most = if is_alike { 1 } else { entrances.len() };
        for interface in entrances.iter().map(|entrance| entrance.interface).filter(carry).take(most) {
            let question = question(interface, protocol_number(protocol), destination.address, 0);
            let ports = match destination.stands_for {
                None => self.answers.ports(&question),
                // How it would be routed is nobody's question.
                Some(_) => Rc::new(self.answers.evaluator().translated_ports(&question)),
            };
            self.note(ports.obstacles().iter().cloned());
            for range in ports.translated().iter().flat_map(PortSet::ranges) {
                let (first, last) = (*range.start(), *range.end());
                let mut ports = range.clone().filter(|port| *port != 0).take(destination.most_of(&range)).peekable();
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
    fn follow(
        &mut self,
        protocol: Protocol,
        destination: &Destination,
        port: u16,
        note: Option<&Untrusted>,
    ) -> Vec<Lead<'i>> {
        let entrances = self.entrances(protocol);
        let evaluator = self.answers.evaluator();
        let answers: Vec<_> = entrances
            .into_iter()
            .filter(|entrance| destination.is_on(entrance.interface))
            .map(|entrance| {
                (entrance, question(entrance.interface, protocol_number(protocol), destination.address, port))
            })
            .map(|(entrance, question)| (entrance, evaluator.ask(&question), question))
            .collect();
        let ends = || answers.iter().flat_map(|(_, answer, _)| answer.ends());
        let targets: BTreeSet<Endpoint> = ends().filter_map(|end| end.translated).collect();
        let mut found = Vec::new();
        for target in targets.iter().copied() {
            let mut outcomes = Vec::new();
            for (entrance, answer, question) in answers.iter().filter(|(_, answer, _)| leads(answer, target)) {
                let outcome = self.outcome((entrance, protocol), question, answer, (target, &targets));
                let outcome = entrance.exception().iter().fold(noted(outcome, note), doubted);
                outcomes.push((*entrance, outcome));
            }
            found.push(Lead {
                destination: destination.clone(),
                target: SocketAddr::new(target.address, target.port),
                interface: answers.iter().find_map(|(_, answer, _)| leaves_by(answer, target)),
                rule: answers.iter().find_map(|(_, answer, _)| translator(answer, target)),
                outcomes,
            });
        }
        for (_, answer, _) in &answers {
            self.note(answer.obstacles());
        }
        found
    }

    /// What becomes of packets that are translated to a target. Where that is of this machine, a socket has to take and
    /// to answer them.
    fn outcome(
        &mut self,
        (entrance, protocol): (&Entrance<'i>, Protocol),
        question: &Question,
        answer: &Answer,
        (target, targets): (Endpoint, &BTreeSet<Endpoint>),
    ) -> Outcome {
        const DIFFER: &str = "which of several sockets behind it answers";
        let comes_here = |end: &WayEnd| end.arrived && !end.forwarded || matches!(end.fate, Fate::Delivered(_));
        let is_here = answer.ends().iter().any(|end| end.translated == Some(target) && comes_here(end));
        let responders = if is_here { self.responders(entrance, protocol, target) } else { vec![Responder::default()] };
        let evaluator = self.answers.evaluator();
        let ruleset = evaluator.machine().ruleset;
        let mut outcomes = responders.into_iter().map(|responder| -> Outcome {
            let judged = if responder == question.responder {
                judge(answer, target, targets)
            } else {
                judge(&evaluator.ask(&Question { responder, ..question.clone() }), target, targets)
            };
            outcome(ruleset, question, judged).into()
        });
        let Some(first) = outcomes.next() else {
            return nobody_listens(outcome(ruleset, question, judge(answer, target, targets)).into());
        };
        if outcomes.all(|other| other == first) { first } else { doubted(first, &DIFFER.into()) }
    }

    /// How the sockets answer that take packets to an endpoint of this machine.
    fn responders(&self, entrance: &Entrance<'i>, protocol: Protocol, target: Endpoint) -> Vec<Responder> {
        let gets = |listener: &&Listener| {
            listener.protocol == protocol && takes(listener, target) && takes_from(listener, target.address, entrance)
        };
        let mut found = Vec::new();
        for responder in self.listeners.iter().filter(gets).map(|listener| responder(listener, self.interfaces)) {
            if !found.contains(&responder) {
                found.push(responder);
            }
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

/// What arrives and is answered by no socket.
fn nobody_listens(outcome: Outcome) -> Outcome {
    where_reachable(outcome, |region| Reachability {
        verdict: ReachVerdict::Blocked,
        reason: Some(BlockReason::Elsewhere),
        notes: vec!["nothing listens where it leads".into()],
        ..region
    })
}

/// The networks of interfaces, which routing tells apart.
fn networks(interfaces: &[Interface]) -> Vec<AddressSet> {
    let entries = interfaces.iter().flat_map(|interface| &interface.addresses);
    entries.filter_map(|entry| Prefix::new(entry.address, entry.prefix_length).ok()).map(AddressSet::prefix).collect()
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
    let is_ipv4 = leads.first().is_some_and(|lead| lead.destination.address.is_ipv4());
    let (own, foreign): (Vec<_>, Vec<_>) = leads.into_iter().partition(|lead| lead.destination.stands_for.is_none());
    let leads_from: BTreeSet<_> = own.iter().map(|lead| lead.destination.address).collect();
    let mut of_version = addresses.own().filter(|address| address.is_ipv4() == is_ipv4 && is_usual(*address));
    let is_everywhere = own.len() > 1 && of_version.all(|address| leads_from.contains(&address));
    let leads: Vec<_> = own.into_iter().chain(joined(foreign)).collect();
    if is_everywhere {
        let any = if is_ipv4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        return draft(protocol, port, any, leads, listeners).into_iter().collect();
    }
    leads
        .into_iter()
        .filter_map(|lead| draft(protocol, port, lead.destination.address, vec![lead], listeners))
        .collect()
}

/// Where a piece of more than one address leads as others do, one address stands for all of them.
fn joined(leads: Vec<Lead<'_>>) -> Vec<Lead<'_>> {
    let mut groups: Vec<Vec<Lead<'_>>> = Vec::new();
    for lead in leads {
        match groups.iter_mut().find(|group| group.first().is_some_and(|known| known.is_same(&lead))) {
            Some(group) => group.push(lead),
            None => groups.push(vec![lead]),
        }
    }
    groups.into_iter().flat_map(one_for_all).collect()
}

fn one_for_all(mut group: Vec<Lead<'_>>) -> Vec<Lead<'_>> {
    let Some(widest) = group.iter().position(|lead| lead.destination.is_wide()) else { return group };
    let mut lead = group.swap_remove(widest);
    let sets = group.iter().filter_map(|other| other.destination.stands_for.as_ref());
    let all = lead.destination.stands_for.iter().chain(sets).cloned().reduce(|sum, set| sum.union(&set));
    let address = all.as_ref().and_then(representative).unwrap_or(lead.destination.address);
    lead.destination = Destination { address, stands_for: all };
    vec![lead]
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
        let note = destination.note();
        for (entrance, outcome) in outcomes {
            ways.add(entrance.interface, destination.address, noted(outcome, note.as_ref()));
        }
    }
    ways.regions(port)
}

fn noted(outcome: Outcome, note: Option<&Untrusted>) -> Outcome {
    let Some(note) = note else { return outcome };
    let with = |region: &Reachability| Reachability {
        notes: region.notes.iter().chain([note]).cloned().collect(),
        ..region.clone()
    };
    outcome.iter().map(with).collect()
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
