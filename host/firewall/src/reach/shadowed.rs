//! Rules that no packet to a listener comes to, because something before them decides otherwise.
//!
//! An administrator who wrote `deny from 198.51.100.0/25` behind `allow 443` believes that the rule protects. Whether
//! that was meant is told by these signs:
//!
//! - the rule names a port, an address, sources or an interface; what closes a chain for everything is no such rule;
//! - it decides by what the packet is alone: not by rates, marks or connections that are there already;
//! - no packet at all comes to it, in no chain, over no interface and to no port; or it names some sources and no port,
//!   what lets packets in before it does not ask for these sources, and what it still drops is dropped without it too.
//!
//! A rule that takes other packets and makes a difference for them stands behind an exception that was meant.

mod traits;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use loopgate_facts::{
    BlockReason, Interface, InterfaceKind, Listener, ListenerId, MAX_SHADOWED_LISTENERS, MAX_SHADOWED_RULES, Protocol,
    ReachVerdict, RuleEffect, ShadowedRule, Sources,
};

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Answer, Decider, Earlier, End, Endpoint, Evaluator, Fate, Judged, Ruling, Shadows};
use crate::region::{PortSet, Region};
use crate::ruleset::{Backend, ChainId, ChainKind, Family, Hook, RuleId};

use super::summary::{Sweep, Way, question};
use super::{protocol_number, reference, takes, takes_from};
use traits::Traits;

// Protocols as IP numbers them (IANA, "Assigned Internet Protocol Numbers").
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The most questions that are asked to confirm that a rule is not reached in another way.
const MAX_CONFIRMING: usize = 1024;

/// The most times that the ports are asked about again as if a rule were not there.
const MAX_WITHOUT: usize = 64;

/// The most rules that are looked at more closely.
const MAX_CANDIDATES: usize = 4 * MAX_SHADOWED_RULES;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rules: Vec<ShadowedRule>,
    pub(super) unlisted: u64,
    pub(super) is_complete: bool,
}

/// A rule that would have decided about packets to listeners.
struct Candidate {
    rule: RuleId,
    traits: Traits,
    effect: RuleEffect,
    decided_by: Decider,
    /// What decides takes more senders than the rule is about.
    is_narrower: bool,
    /// What decides asks for the state of the connection.
    by_state: bool,
    region: Region,
    destinations: BTreeSet<(IpAddr, Protocol)>,
    listeners: BTreeSet<ListenerId>,
    ports: BTreeSet<(Protocol, u16)>,
}

/// Finds them among what the sweeps of all ports say.
pub(super) fn find(
    evaluator: &mut Evaluator<'_>,
    interfaces: &[Interface],
    listeners: &[Listener],
    sweeps: &[Sweep<'_>],
) -> Found {
    let ruleset = evaluator.machine().ruleset;
    let mut candidates = candidates(ruleset, listeners, sweeps);
    let mut is_complete = candidates.len() < MAX_CANDIDATES;
    if !candidates.is_empty() {
        let elsewhere = called_elsewhere(ruleset);
        candidates.retain(|candidate| !elsewhere.contains(&candidate.rule.chain));
    }
    let mut confirmation = Confirmation::new(sweeps, listeners);
    if !confirmation.ask(evaluator, interfaces, &candidates) {
        // What was not asked about may come to any of them.
        return Found { rules: Vec::new(), unlisted: 0, is_complete: false };
    }
    let found = candidates.len();
    candidates.retain(|candidate| !confirmation.is_clouded(&candidate.region));
    is_complete &= candidates.len() == found;
    confirmation.find_useless(evaluator, interfaces, &candidates);
    let mut rules = Vec::new();
    for candidate in candidates {
        if let Some(never_matches) = confirmation.confirms(evaluator, interfaces, &candidate) {
            rules.push(candidate.finish(ruleset, never_matches));
        }
    }
    let unlisted = rules.len().saturating_sub(MAX_SHADOWED_RULES) as u64;
    rules.truncate(MAX_SHADOWED_RULES);
    Found { rules, unlisted, is_complete: is_complete && confirmation.room > 0 }
}

/// The ports to which packets are followed on: those that sockets listen on, and one on which none does, which stands
/// for what rules do besides.
pub(super) fn followed(protocol: u8, listeners: &[Listener]) -> PortSet {
    let of_protocol = |listener: &&Listener| protocol_number(listener.protocol) == protocol;
    let listened = listeners.iter().filter(of_protocol).filter(|listener| !listener.sockets.is_empty());
    let listened: BTreeSet<u16> = listened.map(|listener| listener.port).collect();
    let unused = (1..=u16::MAX).rev().find(|port| !listened.contains(port));
    PortSet::from_ranges(listened.into_iter().chain(unused).map(|port| port..=port))
}

impl Candidate {
    /// The destinations and protocols of packets that may come to the rule: where it asks for no port, also such as
    /// have none or as nothing listens for.
    fn packets(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        let others = self.destinations.iter().filter(|_| !self.traits.port).flat_map(|(destination, _)| {
            let messages = if destination.is_ipv4() { ICMP } else { ICMPV6 };
            [messages, protocol_number(Protocol::Sctp)].map(|protocol| (*destination, protocol))
        });
        let own = self.destinations.iter().map(|(destination, protocol)| (*destination, protocol_number(*protocol)));
        own.chain(others)
    }

    fn outcome(&self) -> Earlier {
        match self.effect {
            RuleEffect::LetsIn => Earlier::Accepted,
            RuleEffect::KeepsOut => Earlier::Denied,
        }
    }

    /// The ports of the listeners of a protocol.
    fn ports_of(&self, protocol: u8) -> PortSet {
        let ports = self.ports.iter().filter(|(of, _)| protocol_number(*of) == protocol);
        PortSet::from_ranges(ports.map(|(_, port)| *port..=*port))
    }

    fn finish(self, ruleset: &Ruleset, never_matches: bool) -> ShadowedRule {
        let Sources { listed, excluded, unlisted } = self.region.addresses().listed().clone();
        let unlisted_listeners = self.listeners.len().saturating_sub(MAX_SHADOWED_LISTENERS) as u64;
        ShadowedRule {
            rule: reference(ruleset, Decider::Rule(self.rule)),
            decided_by: reference(ruleset, self.decided_by),
            effect: self.effect,
            never_matches,
            sources: listed,
            excluded_sources: excluded,
            unlisted_sources: unlisted,
            listeners: self.listeners.into_iter().take(MAX_SHADOWED_LISTENERS).collect(),
            unlisted_listeners,
        }
    }
}

fn candidates(ruleset: &Ruleset, listeners: &[Listener], sweeps: &[Sweep<'_>]) -> Vec<Candidate> {
    let mut found: BTreeMap<RuleId, Candidate> = BTreeMap::new();
    let has_both_versions = sweeps.iter().any(|sweep| sweep.destination.is_ipv4())
        && sweeps.iter().any(|sweep| sweep.destination.is_ipv6());
    let alive = alive(sweeps);
    for sweep in sweeps {
        let Some(shadows) = sweep.answer.shadows() else { continue };
        let ends = Ends::of(sweep);
        for ruling in shadows.overruled() {
            let Decider::Rule(rule) = ruling.decider else { continue };
            let is_full = found.len() >= MAX_CANDIDATES && !found.contains_key(&rule);
            let Some(traits) = worth_asking(ruleset, rule).filter(|_| !is_full) else { continue };
            if alive.contains(&rule) && !is_ban(ruling.outcome, traits) {
                continue;
            }
            let concerned = ends.concerned(sweep, ruling, listeners);
            if concerned.is_empty() {
                continue;
            }
            let before = decided_before(ruleset, shadows, ruling, traits, has_both_versions);
            let Some(before) = before else { continue };
            let candidate = found.entry(rule).or_insert_with(|| Candidate::new(ruling, rule, traits, before.decider));
            candidate.is_narrower &= before.is_wider;
            candidate.by_state |= before.by_state;
            candidate.add(sweep, ruling, &concerned);
        }
    }
    found.into_values().collect()
}

/// Rules that packets come to.
fn alive(sweeps: &[Sweep<'_>]) -> BTreeSet<RuleId> {
    let shadows = sweeps.iter().filter_map(|sweep| sweep.answer.shadows());
    let rule = |ruling: &Ruling| match ruling.decider {
        Decider::Rule(rule) => Some(rule),
        Decider::Policy(_) => None,
    };
    shadows.flat_map(|shadows| shadows.decided().iter().filter_map(rule)).collect()
}

/// What a rule asks for, where it was written about something and decides by the packet alone.
fn worth_asking(ruleset: &Ruleset, rule: RuleId) -> Option<Traits> {
    let traits = Traits::of(ruleset, rule);
    (traits.decides && !traits.complex && traits.names_something()).then_some(traits)
}

impl Candidate {
    fn new(ruling: &Ruling, rule: RuleId, traits: Traits, decided_by: Decider) -> Self {
        Self {
            rule,
            traits,
            effect: match ruling.outcome {
                Earlier::Accepted => RuleEffect::LetsIn,
                Earlier::Denied => RuleEffect::KeepsOut,
            },
            decided_by,
            is_narrower: true,
            by_state: false,
            region: Region::empty(ruling.region.version()),
            destinations: BTreeSet::new(),
            listeners: BTreeSet::new(),
            ports: BTreeSet::new(),
        }
    }

    fn add(&mut self, sweep: &Sweep<'_>, ruling: &Ruling, listeners: &[&Listener]) {
        self.destinations.insert((sweep.destination, sweep.protocol));
        for listener in listeners {
            self.listeners.insert(listener.id.clone());
            self.ports.insert((listener.protocol, listener.port));
        }
        // One rule can name sources of both IP versions; those of the first are shown.
        if self.region.version() == ruling.region.version() {
            let ports = PortSet::from_ranges(listeners.iter().map(|listener| listener.port..=listener.port));
            self.region = self.region.union(&at_ports(&ruling.region, &ports));
        }
    }
}

/// The part of a region of all ports that is sent to some of them.
fn at_ports(region: &Region, ports: &PortSet) -> Region {
    region.intersection(&Region::of_ports(region.version(), ports.clone()))
}

fn ports_of(region: &Region) -> PortSet {
    PortSet::from_ranges(region.parts().iter().flat_map(|(_, ports)| ports.ranges()))
}

/// What becomes of packets that come in by one way.
struct Ends {
    arriving: Region,
    dropped: Region,
}

impl Ends {
    fn of(sweep: &Sweep<'_>) -> Self {
        let none = || Region::empty(IpVersion::of(sweep.destination));
        let union = |wanted: fn(&Judged) -> bool| {
            let parts = sweep.judged.iter().filter(|part| wanted(part));
            parts.fold(none(), |sum, part| sum.union(&part.region))
        };
        Self {
            arriving: union(|part| part.verdict == ReachVerdict::Reachable),
            dropped: union(|part| matches!(part.reason, Some(BlockReason::Dropped | BlockReason::Rejected))),
        }
    }

    /// The listeners with packets that a rule would have decided about, and that became something else.
    fn concerned<'l>(&self, sweep: &Sweep<'_>, ruling: &Ruling, listeners: &'l [Listener]) -> Vec<&'l Listener> {
        let otherwise = match ruling.outcome {
            Earlier::Denied => &self.arriving,
            Earlier::Accepted => &self.dropped,
        };
        let ports = ports_of(&otherwise.intersection(&ruling.region));
        let is_there = |listener: &&Listener| {
            let endpoint = Endpoint { address: sweep.destination, port: listener.port };
            listener.protocol == sweep.protocol
                && ports.contains(listener.port)
                && !listener.sockets.is_empty()
                && takes(listener, endpoint)
                && takes_from(listener, sweep.destination, &sweep.entrance)
        };
        listeners.iter().filter(is_there).collect()
    }
}

/// What decided before a rule.
struct Before {
    decider: Decider,
    /// It takes more senders than the rule is about.
    is_wider: bool,
    /// It asks for the state of the connection.
    by_state: bool,
}

/// What decided about the packets of a rule before it. `None` where that could change without anybody changing a rule,
/// or where packets that were not asked about can get past it.
fn decided_before(
    ruleset: &Ruleset,
    shadows: &Shadows,
    ruling: &Ruling,
    traits: Traits,
    both_versions: bool,
) -> Option<Before> {
    let before = shadows.decided().iter().filter(|other| other.outcome != ruling.outcome);
    let before: Vec<_> = before.filter(|other| other.region.overlaps(&ruling.region)).collect();
    let ports = ports_of(&ruling.region);
    let taken = before.iter().fold(Region::empty(ruling.region.version()), |sum, other| sum.union(&other.region));
    let taken = at_ports(&taken, &ports);
    let whole = Region::of_ports(ruling.region.version(), ports);
    let is_narrower = !taken.difference(&ruling.region).is_empty();
    // Elements that a set gets later are covered only by what takes every sender.
    if traits.changing_set && taken != whole {
        return None;
    }
    let is_firm = |decider: Decider| {
        let Decider::Rule(rule) = decider else { return true };
        let before = Traits::of(ruleset, rule);
        let versions = both_versions || !before.one_version || traits.one_version;
        !before.changing_set && versions && (!before.state || is_narrower)
    };
    before.iter().all(|other| is_firm(other.decider)).then_some(())?;
    let by_state = before.iter().any(|other| match other.decider {
        Decider::Rule(rule) => Traits::of(ruleset, rule).state,
        Decider::Policy(_) => false,
    });
    before.first().map(|other| Before { decider: other.decider, is_wider: is_narrower, by_state })
}

/// Chains that packets come to at other hooks than input, or that something beside netfilter stands for.
fn called_elsewhere(ruleset: &Ruleset) -> BTreeSet<ChainId> {
    let numbered = || (0..).map(ChainId).zip(&ruleset.chains);
    let is_elsewhere = |chain: &crate::ruleset::Chain| {
        let beside = ruleset.table(chain.table).is_none_or(|table| {
            table.backend == Backend::Beside || !matches!(table.family, Family::Ip | Family::Ip6 | Family::Inet)
        });
        chain.base.as_ref().is_some_and(|base| beside || base.hook != Hook::Input || base.kind != ChainKind::Filter)
    };
    ruleset.reached(numbered().filter(|(_, chain)| is_elsewhere(chain)).map(|(id, _)| id))
}

/// What is known of rules that packets do come to.
struct Confirmation<'s> {
    sweeps: &'s [Sweep<'s>],
    listeners: &'s [Listener],
    more: Vec<(Way, Answer)>,
    /// Bans that are known to make no difference.
    useless: BTreeSet<RuleId>,
    /// How often the ports may be asked about again.
    room: usize,
}

impl<'s> Confirmation<'s> {
    fn new(sweeps: &'s [Sweep<'s>], listeners: &'s [Listener]) -> Self {
        Self { sweeps, listeners, more: Vec::new(), useless: BTreeSet::new(), room: MAX_WITHOUT }
    }

    /// Asks about the destinations of the candidates over every interface, the loopback device among them. Whether
    /// there was room for all of it.
    fn ask(&mut self, evaluator: &mut Evaluator<'_>, interfaces: &[Interface], candidates: &[Candidate]) -> bool {
        let mut asked: BTreeSet<Way> = self.sweeps.iter().map(Sweep::way).collect();
        for (destination, protocol) in candidates.iter().flat_map(Candidate::packets) {
            for interface in interfaces {
                let way = (interface.index, destination, protocol);
                if !asked.insert(way) {
                    continue;
                }
                if self.more.len() >= MAX_CONFIRMING {
                    return false;
                }
                let answer = evaluator.sweep_with_shadows(
                    &question(interface, protocol, destination, 0),
                    &followed(protocol, self.listeners),
                );
                self.more.push((way, answer));
            }
        }
        self.shadows().all(|(_, shadows)| shadows.is_complete())
    }

    fn answers(&self) -> impl Iterator<Item = (Way, &Answer)> {
        let first = self.sweeps.iter().map(|sweep| (sweep.way(), &sweep.answer));
        first.chain(self.more.iter().map(|(way, answer)| (*way, answer)))
    }

    /// Whether it is not known what becomes of some packets by some way: they may come to any rule.
    fn is_clouded(&self, region: &Region) -> bool {
        let mut ends = self.answers().flat_map(|(_, answer)| answer.ends());
        let is_same_version = |end: &End| end.region.version() == region.version();
        let is_unknown = |end: &End| matches!(end.fate, Fate::Unknown(_)) && !end.arrived;
        ends.any(|end| is_unknown(end) && is_same_version(end) && end.region.overlaps(region))
    }

    fn shadows(&self) -> impl Iterator<Item = (Way, &Shadows)> {
        self.answers().filter_map(|(way, answer)| Some((way, answer.shadows()?)))
    }

    /// Looks whether all bans together make a difference, which is quicker than to ask for each of many.
    fn find_useless(&mut self, evaluator: &mut Evaluator<'_>, interfaces: &[Interface], candidates: &[Candidate]) {
        let bans = candidates.iter().filter(|candidate| is_ban(candidate.outcome(), candidate.traits));
        let bans: BTreeSet<RuleId> = bans.map(|candidate| candidate.rule).collect();
        let is_of_ban = |ruling: &Ruling| matches!(ruling.decider, Decider::Rule(rule) if bans.contains(&rule));
        let met = self.shadows().filter(|(_, shadows)| shadows.decided().iter().any(is_of_ban));
        let ways: BTreeSet<Way> = met.map(|(way, _)| way).collect();
        if bans.len() > 1 && !self.make_a_difference(evaluator, interfaces, &bans, &ways) {
            self.useless = bans;
        }
    }

    /// Whether a rule is in the shadow of others; if so, whether no packet at all comes to it.
    fn confirms(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        interfaces: &[Interface],
        candidate: &Candidate,
    ) -> Option<bool> {
        if self.shadows().any(|(_, shadows)| shadows.reached().contains(&candidate.rule)) {
            return None;
        }
        let mut ways = BTreeSet::new();
        for (way, shadows) in self.shadows() {
            let is_own = |ruling: &&Ruling| ruling.decider == Decider::Rule(candidate.rule);
            for ruling in shadows.decided().iter().filter(is_own) {
                if !at_ports(&ruling.region, &candidate.ports_of(way.2)).is_empty() {
                    return None;
                }
                ways.insert(way);
            }
        }
        if candidate.by_state && self.is_met_by_connections(evaluator, interfaces, candidate.rule) {
            return None;
        }
        if ways.is_empty() {
            return self.is_no_exception(interfaces, candidate).then_some(true);
        }
        let is_useless = is_ban(candidate.outcome(), candidate.traits)
            && candidate.is_narrower
            && is_narrow(&candidate.region.addresses())
            && (self.useless.contains(&candidate.rule)
                || !self.make_a_difference(evaluator, interfaces, &BTreeSet::from([candidate.rule]), &ways));
        is_useless.then_some(false)
    }

    /// Whether what decides before a rule that nothing comes to is not one of the exceptions to what a rule beside it
    /// does already. What this machine sends to itself does not count: it is let in before everything else.
    fn is_no_exception(&self, interfaces: &[Interface], candidate: &Candidate) -> bool {
        let is_outside = |index: u32| {
            interfaces.iter().any(|interface| interface.index == index && interface.kind != InterfaceKind::Loopback)
        };
        let is_done = |(way, shadows): (Way, &Shadows)| is_outside(way.0) && shadows.agreed().contains(&candidate.rule);
        let is_done_already = self.shadows().any(is_done);
        !is_done_already || candidate.is_narrower && candidate.effect == RuleEffect::KeepsOut
    }

    /// Whether packets of connections that are there already come to a rule, where first packets do not.
    fn is_met_by_connections(&mut self, evaluator: &mut Evaluator<'_>, interfaces: &[Interface], rule: RuleId) -> bool {
        let is_of_rule = |ruling: &Ruling| ruling.decider == Decider::Rule(rule);
        let over = self.shadows().filter(|(_, shadows)| shadows.overruled().iter().any(is_of_rule));
        let ways: Vec<Way> = over.map(|(way, _)| way).collect();
        ways.into_iter().any(|(index, destination, protocol)| {
            let Some(interface) = interfaces.iter().find(|interface| interface.index == index) else { return true };
            let Some(left) = self.room.checked_sub(1) else { return true };
            self.room = left;
            let answer = evaluator.sweep_of_connections(&question(interface, protocol, destination, 0));
            answer.shadows().is_none_or(|shadows| shadows.decided().iter().any(is_of_rule))
        })
    }

    /// Whether some packets that come in by these ways are dropped only because of some rules. If not, none of the
    /// rules makes a difference alone: what is dropped less lets more in.
    fn make_a_difference(
        &mut self,
        evaluator: &mut Evaluator<'_>,
        interfaces: &[Interface],
        rules: &BTreeSet<RuleId>,
        ways: &BTreeSet<Way>,
    ) -> bool {
        for (index, destination, protocol) in ways {
            let Some(interface) = interfaces.iter().find(|interface| interface.index == *index) else { return true };
            let Some(left) = self.room.checked_sub(1) else { return true };
            self.room = left;
            let question = question(interface, *protocol, *destination, 0);
            let without = outcomes(&evaluator.sweep_without(&question, rules));
            let with = self.answers().find(|(way, _)| *way == (*index, *destination, *protocol));
            if with.is_none_or(|(_, with)| outcomes(with) != without) {
                return true;
            }
        }
        false
    }
}

/// Whose packets may arrive, and whose may not.
fn outcomes(answer: &Answer) -> [Region; 2] {
    let version = answer.ends().first().map_or(IpVersion::V4, |end| end.region.version());
    let of = |is_blocked: bool| {
        let ends = answer.ends().iter().filter(|end| matches!(end.fate, Fate::Blocked(_)) == is_blocked);
        ends.fold(Region::empty(version), |sum, end| sum.union(&end.region))
    };
    [of(false), of(true)]
}

/// Whether a rule is there to keep some sources out of everything.
fn is_ban(outcome: Earlier, traits: Traits) -> bool {
    outcome == Earlier::Denied && traits.source && !traits.destination && !traits.port
}

/// Whether a set holds less than half of all addresses: the others are not an exception from it.
fn is_narrow(addresses: &AddressSet) -> bool {
    let half = addresses.version().last() / 2;
    let size = addresses.ranges().fold(0_u128, |sum, range| sum.saturating_add(range.end() - range.start()));
    size < half
}
