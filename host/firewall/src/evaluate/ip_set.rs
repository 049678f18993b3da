//! Questions to sets of `ipset(8)` (`ip_set_test`, `net/netfilter/ipset/ip_set_core.c`).

use loopgate_facts::Untrusted;

use crate::Ruleset;
use crate::address_set::IpVersion;
use crate::ip_set::{Effect, IpSet, IpSetId, Layer, Members, Part};
use crate::rule::{End, InterfaceEnd, IpSetChange, IpSetQuestion};
use crate::ruleset::Family;

use super::condition::Condition;
use super::load::name;
use super::lookup::{Lookups, Place};
use super::machine::Machine;
use super::packet::{MESSAGES, TCP, UDP, WITH_PORTS};
use super::symbol::{Symbol, known};
use super::test::View;

impl View<'_, '_> {
    /// For which senders the packet is in a set.
    pub(super) fn in_ip_set(&self, question: &IpSetQuestion, lookups: &mut Lookups) -> Condition {
        let sets = &self.machine.ruleset.ip_sets;
        let id = &question.set.id;
        let unknown = || Condition::unknown(self.state.version);
        if question.counters || self.was_changed(id) {
            return unknown();
        }
        match sets.get(id) {
            None => unknown(),
            Some(IpSet { members: Members::Sets(members), .. }) => {
                members.iter().fold(Condition::Known(false), |sum, member| {
                    let known = sets.get(member).filter(|_| !self.was_changed(member));
                    sum.or(known.map_or_else(unknown, |set| self.in_values(member, set, question, lookups)))
                })
            }
            Some(set) => self.in_values(id, set, question, lookups),
        }
    }

    fn was_changed(&self, id: &IpSetId) -> bool {
        self.state.changed_ip_sets.iter().any(|changed| changed.as_ref().is_none_or(|changed| changed == id))
    }

    fn in_values(&self, id: &IpSetId, set: &IpSet, question: &IpSetQuestion, lookups: &mut Lookups) -> Condition {
        let version = self.state.version;
        if set.family.is_some_and(|family| (family == Family::Ip6) != (version == IpVersion::V6)) {
            return Condition::Known(false);
        }
        let Members::Values { parts, layers, exceptions } = &set.members else { return Condition::unknown(version) };
        if parts.len() > question.set.ends.len() {
            return Condition::Known(false);
        }
        let Some(key) = self.key(parts, &question.set.ends) else { return Condition::Known(false) };
        let wanted = if question.return_nomatch && *exceptions { Effect::Except } else { Effect::Match };
        // From the last layer to the first, each overrules those behind it.
        let overrule = |below: Condition, (layer, position): (&Layer, u16)| {
            let here = match lookups.find(&Place::IpSet(id.clone(), position), &layer.values, version, &key) {
                None => Condition::unknown(version),
                Some(found) => found.anything.clone(),
            };
            if layer.effect == wanted { below.or(here) } else { below.and(here.not()) }
        };
        let numbered: Vec<_> = layers.iter().zip(0..).collect();
        let found = numbered.into_iter().rev().fold(Condition::Known(false), overrule);
        self.learned.in_ip_set(id, found, version)
    }

    /// The packet as members of a set are; `None` where it lacks something that they have, and is in no such set.
    fn key(&self, parts: &[Part], ends: &[End]) -> Option<Vec<Symbol>> {
        let mut key = Vec::new();
        for (part, end) in parts.iter().zip(ends) {
            key.resize(key.len().next_multiple_of(4), Symbol::known(0));
            match part {
                Part::Address => key.extend_from_slice(self.headers.address(self.state.version, *end)),
                Part::ProtocolAndPort => {
                    key.push(Symbol::known(self.state.protocol));
                    key.extend(self.port(*end));
                }
                Part::Port if [TCP, UDP].contains(&self.state.protocol) => key.extend(self.port(*end)),
                Part::Port => return None,
                Part::HardwareAddress => key.extend([Symbol::OPAQUE; 6]),
                Part::Interface => key.extend(known(&name(Some(self.device(interface(*end))?)))),
            }
        }
        if parts.len() > 1 {
            key.resize(key.len().next_multiple_of(4), Symbol::known(0));
        }
        Some(key)
    }

    /// `get_port` (`net/netfilter/ipset/ip_set_getport.c`).
    fn port(&self, end: End) -> [Symbol; 2] {
        let protocol = self.state.protocol;
        // For them the type and the code of the message are in its place.
        if MESSAGES.contains(&protocol) {
            return [Symbol::OPAQUE; 2];
        }
        if WITH_PORTS.contains(&protocol) { self.headers.port(end) } else { [Symbol::known(0); 2] }
    }
}

/// The interface that goes with an end of the packet.
fn interface(end: End) -> InterfaceEnd {
    match end {
        End::Source => InterfaceEnd::Input,
        End::Destination => InterfaceEnd::Output,
    }
}

/// The sets that a change can concern, with those that are in a set of sets. `None` stands for all there are.
pub(super) fn changed(change: &IpSetChange, ruleset: &Ruleset) -> Vec<Option<IpSetId>> {
    let id = || Some(change.set.id.clone());
    match ruleset.ip_sets.get(&change.set.id).map(|set| &set.members) {
        Some(Members::Sets(members)) => std::iter::once(id()).chain(members.iter().cloned().map(Some)).collect(),
        Some(Members::Values { .. }) => vec![id()],
        Some(Members::Unknown(_)) | None => vec![None],
    }
}

/// What is not known where the answer depends on a set.
pub(super) fn describe(question: &IpSetQuestion, machine: &Machine<'_>) -> Untrusted {
    let Some(set) = machine.ruleset.ip_sets.get(&question.set.id) else {
        return match &question.set.id {
            IpSetId::Number(number) => format!("what is in the ipset with the number {number}").into(),
            IpSetId::Name(name) => format!("what is in the ipset {}", name.as_str()).into(),
        };
    };
    let set_name = format!("the ipset {} ({})", set.name.as_str(), set.kind.as_str());
    if question.counters {
        return format!("what {set_name} has counted").into();
    }
    match unknown_within(set, machine) {
        Some((inner, why)) if *inner == set.name => format!("what is in {set_name}: {}", why.as_str()).into(),
        Some((inner, why)) => format!("what is in {set_name}: {}: {}", inner.as_str(), why.as_str()).into(),
        None => format!("what is in {set_name}").into(),
    }
}

/// The set of which it is not known what is in it: it, or one that is in it.
fn unknown_within<'m>(set: &'m IpSet, machine: &Machine<'m>) -> Option<(&'m Untrusted, &'m Untrusted)> {
    match &set.members {
        Members::Unknown(why) => Some((&set.name, why)),
        Members::Sets(members) => {
            let sets = members.iter().filter_map(|id| machine.ruleset.ip_sets.get(id));
            sets.into_iter().find_map(|inner| match &inner.members {
                Members::Unknown(why) => Some((&inner.name, why)),
                _ => None,
            })
        }
        Members::Values { .. } => None,
    }
}
