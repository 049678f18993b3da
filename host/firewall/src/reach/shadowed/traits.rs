//! What a rule asks of a packet, and how it ends: as much as tells for what it was written.

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion, number};
use crate::ip_set::{Members, Part};
use crate::rule::{
    Comparison, ConntrackKey, End, InterfaceEnd, IpSetQuestion, Load, Meta, Op, PayloadBase, Predicate, Verdict,
};
use crate::ruleset::{Family, RuleId, SetId};

/// What a rule asks of a packet.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the rule")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) source: bool,
    pub(super) destination: bool,
    pub(super) port: bool,
    pub(super) interface: bool,
    /// The state of the connection or the flags of TCP: packets that begin no connection may be treated otherwise.
    pub(super) state: bool,
    /// A set that packets add to, or whose elements expire.
    pub(super) changing_set: bool,
    /// It matches packets of one IP version only.
    pub(super) one_version: bool,
    /// It does something that is not only matching, or that is not understood.
    pub(super) complex: bool,
    /// It ends with the verdict to accept or to drop, and nothing else.
    pub(super) decides: bool,
}

impl Traits {
    pub(super) fn of(ruleset: &Ruleset, id: RuleId) -> Self {
        let mut found = Self::default();
        let (Some(rule), Some(table)) = (ruleset.rule(id), ruleset.table_of(id.chain)) else { return found };
        let version = version(table.family, &rule.ops);
        found.one_version = version.is_some() && !matches!(table.family, Family::Ip | Family::Ip6);
        for op in &rule.ops {
            found.add(ruleset, version, op);
        }
        let verdicts = rule.ops.iter().filter(|op| matches!(op, Op::Verdict(_))).count();
        let decisive = |op: &Op| matches!(op, Op::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Reject(_)));
        found.decides = verdicts == 1 && rule.ops.last().is_some_and(decisive);
        found
    }

    /// Whether it was written about something, and is not for everything that gets there.
    pub(super) fn names_something(&self) -> bool {
        self.source || self.destination || self.port || self.interface
    }

    fn add(&mut self, ruleset: &Ruleset, version: Option<IpVersion>, op: &Op) {
        match op {
            Op::Load { what, .. } => self.load(version, what),
            Op::Lookup { set, .. } => self.set(ruleset, *set),
            Op::Match { all, .. } => all.iter().for_each(|test| self.test(ruleset, &test.predicate)),
            Op::Rate(_) | Op::Update { .. } | Op::Effect(_) | Op::Unknown(_) => self.complex = true,
            _ => {}
        }
    }

    fn set(&mut self, ruleset: &Ruleset, id: SetId) {
        let set = ruleset.set(id);
        self.changing_set |= set.is_none_or(|set| set.changes);
        self.complex |= set.is_none_or(|set| set.incomplete.is_some());
    }

    fn load(&mut self, version: Option<IpVersion>, what: &Load) {
        match what {
            Load::Payload { base: PayloadBase::Network, offset, length } => self.network(version, *offset, *length),
            Load::Payload { base: PayloadBase::Transport, offset, length } => {
                self.port |= *offset < 4 && offset.saturating_add(*length) > 2;
                self.state |= *offset < 14 && offset.saturating_add(*length) > 13;
            }
            Load::Meta(
                Meta::InputInterface
                | Meta::InputInterfaceName
                | Meta::InputInterfaceGroup
                | Meta::InputInterfaceKind
                | Meta::InputInterfaceType,
            ) => self.interface = true,
            Load::Conntrack { key, .. } => self.conntrack(*key),
            Load::Number { .. } | Load::Opaque { .. } => self.complex = true,
            _ => {}
        }
    }

    fn network(&mut self, version: Option<IpVersion>, offset: u32, length: u32) {
        let (source, destination) = match version {
            Some(IpVersion::V4) => (12..16, 16..20),
            Some(IpVersion::V6) => (8..24, 24..40),
            None => return,
        };
        let end = offset.saturating_add(length);
        self.source |= offset < source.end && end > source.start;
        self.destination |= offset < destination.end && end > destination.start;
    }

    fn conntrack(&mut self, key: ConntrackKey) {
        match key {
            ConntrackKey::Source | ConntrackKey::SourceIpv4 | ConntrackKey::SourceIpv6 => self.source = true,
            ConntrackKey::Destination | ConntrackKey::DestinationIpv4 | ConntrackKey::DestinationIpv6 => {
                self.destination = true;
            }
            ConntrackKey::DestinationPort => self.port = true,
            ConntrackKey::SourcePort | ConntrackKey::TransportProtocol | ConntrackKey::NetworkFamily => {}
            _ => self.state = true,
        }
    }

    fn end(&mut self, end: End) {
        match end {
            End::Source => self.source = true,
            End::Destination => self.destination = true,
        }
    }

    fn test(&mut self, ruleset: &Ruleset, predicate: &Predicate) {
        match predicate {
            Predicate::AddressRange { end, range } => {
                self.one_version = true;
                // The range of all addresses only asks for the IP version.
                let version = IpVersion::of(*range.start());
                let numbers = number(*range.start())..=number(*range.end());
                if !AddressSet::from_range(version, numbers).is_all() {
                    self.end(*end);
                }
            }
            Predicate::AddressMask { end, .. } | Predicate::ConntrackAddress { end, .. } => self.end(*end),
            Predicate::Ports { ends, .. } => self.port |= ends.contains(&End::Destination),
            Predicate::ConntrackPort { end, .. } => self.port |= *end == End::Destination,
            Predicate::Interface { end: InterfaceEnd::Input, .. } => self.interface = true,
            Predicate::InIpSet(question) => self.ip_set(ruleset, question),
            Predicate::ConntrackState(_)
            | Predicate::ConntrackStatus(_)
            | Predicate::ConntrackDirection(_)
            | Predicate::ConntrackMark { .. }
            | Predicate::TcpFlags { .. } => self.state = true,
            Predicate::Unknown(_) => self.complex = true,
            _ => {}
        }
    }

    /// Programs add to these sets and delete from them.
    fn ip_set(&mut self, ruleset: &Ruleset, question: &IpSetQuestion) {
        self.changing_set = true;
        match ruleset.ip_sets.get(&question.set.id).map(|set| &set.members) {
            Some(Members::Values { parts, .. }) => {
                for (part, end) in parts.iter().zip(&question.set.ends) {
                    self.part(*part, *end);
                }
            }
            Some(Members::Sets(_) | Members::Unknown(_)) | None => self.complex = true,
        }
    }

    fn part(&mut self, part: Part, end: End) {
        match part {
            Part::Address => self.end(end),
            Part::ProtocolAndPort | Part::Port => self.port |= end == End::Destination,
            Part::Interface => self.interface |= end == End::Source,
            Part::HardwareAddress => self.complex = true,
        }
    }
}

/// The IP version of the packets that a rule can match, by its table or by what it asks for.
fn version(family: Family, ops: &[Op]) -> Option<IpVersion> {
    match family {
        Family::Ip => return Some(IpVersion::V4),
        Family::Ip6 => return Some(IpVersion::V6),
        _ => {}
    }
    ops.windows(2).find_map(|pair| match pair {
        [Op::Load { what: Load::Meta(key), .. }, Op::Compare { how: Comparison::Equal, value, .. }] => {
            match (key, &**value) {
                (Meta::NetworkFamily, [2]) | (Meta::Protocol, [0x08, 0x00]) => Some(IpVersion::V4),
                (Meta::NetworkFamily, [10]) | (Meta::Protocol, [0x86, 0xdd]) => Some(IpVersion::V6),
                _ => None,
            }
        }
        _ => None,
    })
}
