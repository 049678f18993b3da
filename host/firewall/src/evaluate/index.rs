//! Which rules of a long chain can match at all, found without trying each.
//!
//! Rulesets of thousands of services are long lists of rules that each ask for another destination. A rule is listed
//! under the value that it asks for; packets whose destination is known meet only the rules under their own value, and
//! those that ask for nothing of the kind.

use std::collections::HashMap;
use std::sync::Arc;

use crate::rule::{Comparison, End, Load, Op, PayloadBase, Predicate, Test};
use crate::ruleset::{ChainId, Rule};

use super::flow::{Flow, Flows};
use super::packet::address_bytes;

/// Chains with fewer rules are walked rule by rule.
const WORTH_INDEXING: usize = 8;

/// The indexes of the chains that were walked so far.
#[derive(Debug, Default)]
pub(super) struct Indexes(HashMap<ChainId, Arc<Index>>);

impl Indexes {
    /// The index of a chain, where it is long enough for one.
    pub(super) fn of(&mut self, chain: ChainId, rules: &[Rule]) -> Option<Arc<Index>> {
        let worth = rules.len() >= WORTH_INDEXING;
        worth.then(|| self.0.entry(chain).or_insert_with(|| Arc::new(Index::of(rules))).clone())
    }
}

/// The positions of the rules of one chain, by what they ask for.
#[derive(Debug, Default)]
pub(super) struct Index {
    asking: HashMap<Field, Positions>,
    /// Rules that ask for none of the fields.
    others: Vec<usize>,
}

/// The positions of rules that ask for one field, in order.
#[derive(Debug, Default)]
struct Positions {
    by_value: HashMap<Vec<u8>, Vec<usize>>,
    all: Vec<usize>,
}

impl Index {
    fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (position, rule) in rules.iter().enumerate() {
            match demand(rule) {
                Some((field, value)) => {
                    let asking = index.asking.entry(field).or_default();
                    asking.by_value.entry(value).or_default().push(position);
                    asking.all.push(position);
                }
                None => index.others.push(position),
            }
        }
        index
    }

    /// The first rule from a position on that may match some of the packets.
    pub(super) fn next(&self, from: usize, flows: &Flows) -> Option<usize> {
        let asking = flows.iter().flat_map(|flow| self.asking.iter().map(move |(field, at)| at.met_by(*field, flow)));
        asking.chain([self.others.as_slice()]).filter_map(|positions| first_from(positions, from)).min()
    }
}

impl Positions {
    /// The rules that ask for the value that packets have, or all of them where that is not known.
    fn met_by(&self, field: Field, flow: &Flow) -> &[usize] {
        let (base, offset, length) = field.place();
        match flow.headers.known(base, offset, length) {
            Some(value) => self.by_value.get(&value).map_or(&[], Vec::as_slice),
            None => &self.all,
        }
    }
}

fn first_from(positions: &[usize], from: usize) -> Option<usize> {
    positions.get(positions.partition_point(|position| *position < from)).copied()
}

/// A part of a packet that rules ask for one value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Field {
    Ipv4Destination,
    Ipv6Destination,
    DestinationPort,
}

impl Field {
    const ALL: [Self; 3] = [Self::Ipv4Destination, Self::Ipv6Destination, Self::DestinationPort];

    /// Its header, offset and length (RFC 791, 3.1; RFC 8200, 3; RFC 9293, 3.1).
    fn place(self) -> (PayloadBase, u32, u32) {
        match self {
            Self::Ipv4Destination => (PayloadBase::Network, 16, 4),
            Self::Ipv6Destination => (PayloadBase::Network, 24, 16),
            Self::DestinationPort => (PayloadBase::Transport, 2, 2),
        }
    }

    fn at(place: (PayloadBase, u32, u32)) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.place() == place)
    }
}

/// The value that a rule asks for before it does anything, an address rather than a port.
fn demand(rule: &Rule) -> Option<(Field, Vec<u8>)> {
    let changes_nothing = |pair: &&[Op]| {
        matches!(pair.first(), Some(Op::Load { .. } | Op::Compare { .. } | Op::Note(_) | Op::Match { .. }))
    };
    let pairs = (0..rule.ops.len()).filter_map(|at| rule.ops.get(at..));
    let demands = pairs.take_while(changes_nothing).filter_map(demand_of);
    demands.min_by_key(|(field, _)| *field == Field::DestinationPort)
}

fn demand_of(ops: &[Op]) -> Option<(Field, Vec<u8>)> {
    match ops {
        [
            Op::Load { what: Load::Payload { base, offset, length }, to },
            Op::Compare { register, how: Comparison::Equal, value },
            ..,
        ] if to == register && value.len() == *length as usize => {
            Some((Field::at((*base, *offset, *length))?, value.to_vec()))
        }
        [Op::Match { inverted: false, all }, ..] => all.iter().find_map(demand_of_test),
        _ => None,
    }
}

/// A single destination address.
fn demand_of_test(test: &Test) -> Option<(Field, Vec<u8>)> {
    match &test.predicate {
        Predicate::AddressRange { end: End::Destination, range } if !test.inverted && range.start() == range.end() => {
            let field = if range.start().is_ipv4() { Field::Ipv4Destination } else { Field::Ipv6Destination };
            Some((field, address_bytes(*range.start())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::address_set::IpVersion;
    use crate::evaluate::Endpoint;
    use crate::evaluate::packet::State;
    use crate::region::Region;
    use crate::rule::{Register, Verdict};

    fn asks_for(address: [u8; 4]) -> Rule {
        let what = Load::Payload { base: PayloadBase::Network, offset: 16, length: 4 };
        let register = Register(0);
        let ops = [
            Op::Load { what, to: register },
            Op::Compare { register, how: Comparison::Equal, value: address.into() },
            Op::Verdict(Verdict::Drop),
        ];
        Rule { ops: ops.into(), ..Rule::default() }
    }

    fn asks_for_nothing() -> Rule {
        Rule { ops: [Op::Verdict(Verdict::Accept)].into(), ..Rule::default() }
    }

    fn to(address: [u8; 4]) -> Flows {
        let endpoint = Endpoint { address: Ipv4Addr::from(address).into(), port: 80 };
        Flows::one(Flow::new(State::request(IpVersion::V4, 6, endpoint), Region::all(IpVersion::V4)))
    }

    #[test]
    fn packets_meet_the_rules_that_ask_for_their_destination_and_those_that_do_not_ask() {
        let rules = [asks_for([10, 0, 0, 1]), asks_for([10, 0, 0, 2]), asks_for_nothing(), asks_for([10, 0, 0, 1])];
        let index = Index::of(&rules);
        let met = |flows: &Flows| {
            let mut met = vec![];
            while let Some(next) = index.next(met.last().map_or(0, |last| last + 1), flows) {
                met.push(next);
            }
            met
        };
        assert_eq!(met(&to([10, 0, 0, 1])), [0, 2, 3]);
        assert_eq!(met(&to([10, 0, 0, 2])), [1, 2]);
        assert_eq!(met(&to([10, 0, 0, 3])), [2]);
        let mut both = to([10, 0, 0, 1]);
        both.extend(to([10, 0, 0, 2]));
        assert_eq!(met(&both), [0, 1, 2, 3]);
    }
}
