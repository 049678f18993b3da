//! Which destination addresses the rules tell apart.
//!
//! A neighbour can send packets to any address through this machine, and a prefix can be delivered locally, so that
//! there are more destinations than can be asked about. Every test that looks at the destination cuts them; those that
//! lie within the same tests are one piece, and one address of it stands for all. The tests are found without following
//! packets: of all rules that these can come to. One that no packet meets cuts in vain, which costs a question and
//! changes no answer.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash};
use std::ops::RangeInclusive;

use loopgate_facts::Untrusted;

use crate::address_set::{AddressSet, IpVersion};
use crate::rule::{End, Load, Meta, Op, Predicate, Target, Verdict};
use crate::ruleset::{ChainId, ChainKind, Hook, Ruleset};

use super::hooks::chains;
use super::machine::Machine;
use scan::Scan;

mod scan;

/// How packets are followed whose destinations are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Until their destination is translated before routing, and from there on.
    Translated,
    /// To a socket of this machine, without being translated.
    Delivered,
}

/// The destinations within some addresses, in pieces that no rule tells apart.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// The pieces, in the order of their first addresses.
    pub each: Vec<AddressSet>,
    /// Addresses that were not cut, because there would be too many pieces.
    pub rest: AddressSet,
    /// Why it is not known of each piece that its addresses have one answer.
    pub doubt: Option<Untrusted>,
}

/// Cuts addresses where rules tell destinations apart, and where `also` does.
pub fn pieces(
    machine: &Machine<'_>,
    purpose: Purpose,
    within: &AddressSet,
    also: &[AddressSet],
    most: usize,
) -> Pieces {
    let version = within.version();
    let mut cuts = Cuts::new(version);
    for (index, set) in also.iter().enumerate() {
        cuts.add_set(&(Kind::Given, index), set);
    }
    let ruleset = machine.ruleset;
    // The answer comes from where the packet was sent to. Connections are translated once, and the answer is no first
    // packet of one that was.
    let (to, from, nat): (&[Hook], &[Hook], bool) = match purpose {
        Purpose::Translated => (&[Hook::Ingress, Hook::Prerouting], &[Hook::Postrouting, Hook::Egress], false),
        Purpose::Delivered => {
            (&[Hook::Ingress, Hook::Prerouting, Hook::Input], &[Hook::Output, Hook::Postrouting, Hook::Egress], true)
        }
    };
    let requests = reached(ruleset, version, to, true);
    let answers = reached(ruleset, version, from, nat);
    let mut scan = Scan::new(*machine, &mut cuts);
    scan.chains(&requests, Some(End::Destination));
    scan.chains(&answers, Some(End::Source));
    // What a connection was sent to can be asked for at every hook.
    let others = reached(ruleset, version, &EVERYWHERE, true);
    let others = others.into_iter().filter(|chain| !requests.contains(chain) && !answers.contains(chain)).collect();
    scan.chains(&others, None);
    cuts.pieces(within, most)
}

const EVERYWHERE: [Hook; 7] =
    [Hook::Ingress, Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Egress];

/// Whether a rule translates the destination of packets from outside.
pub fn translates_from_outside(ruleset: &Ruleset, version: IpVersion) -> bool {
    translations(ruleset, version).next().is_some()
}

/// Whether a translation leaves the address or a part of it, so that routing tells destinations apart behind it.
pub fn keeps_addresses(ruleset: &Ruleset, version: IpVersion) -> bool {
    translations(ruleset, version).any(|target| matches!(target, Target::Addresses(None) | Target::Prefix(..)))
}

/// Whether a rule before routing may tell interfaces apart.
pub fn looks_at_interfaces(machine: &Machine<'_>, version: IpVersion) -> bool {
    let ruleset = machine.ruleset;
    let chains = reached(ruleset, version, &[Hook::Ingress, Hook::Prerouting], true);
    let is_at_device = !super::hooks::chains(ruleset, version, Hook::Ingress).is_empty();
    let chains = chains.into_iter().filter_map(|chain| ruleset.chain(chain));
    let mut ops = chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    is_at_device || machine.devices.iter().any(|device| !device.bypasses.is_empty()) || ops.any(may_depend)
}

/// Whether something may depend on the interface that a packet came in by: all but what is known not to.
fn may_depend(op: &Op) -> bool {
    match op {
        Op::Load { what, .. } => match what {
            Load::Payload { .. } | Load::Conntrack { .. } | Load::Number { .. } | Load::HeaderPresent(_) => false,
            Load::Meta(key) => !matches!(
                key,
                Meta::Length | Meta::Protocol | Meta::Mark | Meta::NetworkFamily | Meta::TransportProtocol
            ),
            Load::Fib(fib) => fib.input_interface || fib.output_interface,
            Load::Opaque { .. } => true,
        },
        Op::Match { all, .. } => !all.iter().all(|test| is_of_packet(&test.predicate)),
        // It is the address of the interface.
        Op::Verdict(Verdict::Translate(to)) => matches!(to.target, Target::Redirect),
        Op::Unknown(_) => true,
        _ => false,
    }
}

fn is_of_packet(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::AddressType { input_interface, output_interface, .. } => !input_interface && !output_interface,
        Predicate::AddressRange { .. }
        | Predicate::AddressMask { .. }
        | Predicate::Protocol(_)
        | Predicate::Ports { .. }
        | Predicate::TcpFlags { .. }
        | Predicate::ConntrackState(_)
        | Predicate::ConntrackAddress { .. }
        | Predicate::ConntrackPort { .. }
        | Predicate::Mark { .. }
        | Predicate::ConntrackMark { .. } => true,
        _ => false,
    }
}

fn translations(ruleset: &Ruleset, version: IpVersion) -> impl Iterator<Item = &Target> {
    let chains = reached(ruleset, version, &[Hook::Prerouting], true);
    let chains = chains.into_iter().filter_map(|chain| ruleset.chain(chain));
    chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops).filter_map(|op| match op {
        Op::Verdict(Verdict::Translate(to)) if super::translate::end_at(to, Hook::Prerouting) == End::Destination => {
            Some(&to.target)
        }
        _ => None,
    })
}

/// The chains that packets can come to from some hooks; `nat`: those that translate too.
fn reached(ruleset: &Ruleset, version: IpVersion, hooks: &[Hook], nat: bool) -> BTreeSet<ChainId> {
    let bases = hooks.iter().flat_map(|hook| chains(ruleset, version, *hook));
    let bases = bases.filter(|(base, _)| nat || base.kind != ChainKind::Nat).map(|(_, chain)| chain);
    ruleset.reached(bases)
}

/// What a cut comes from, so that no two cuts are taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Given,
    Test,
    Set,
    Routing,
}

/// Where addresses are cut.
///
/// Each cut is a range with a number drawn for what it stands for, and addresses whose numbers have one sum lie within
/// the same cuts. The numbers are drawn anew each time, so that nobody can write rules whose sums meet by design.
#[derive(Debug)]
struct Cuts {
    version: IpVersion,
    /// From which address on the sum changes, and by what.
    changes: Vec<(u128, u128)>,
    numbers: RandomState,
    doubt: Option<Untrusted>,
}

impl Cuts {
    fn new(version: IpVersion) -> Self {
        Self { version, changes: Vec::new(), numbers: RandomState::new(), doubt: None }
    }

    fn number(&self, of: &impl Hash) -> u128 {
        let half = |which: u8| u128::from(self.numbers.hash_one((which, of)));
        half(0) << 64 | half(1)
    }

    fn add(&mut self, of: &impl Hash, range: &RangeInclusive<u128>) {
        let number = self.number(of);
        self.changes.push((*range.start(), number));
        if let Some(next) = range.end().checked_add(1) {
            self.changes.push((next, number.wrapping_neg()));
        }
    }

    fn add_set(&mut self, of: &impl Hash, set: &AddressSet) {
        if set.version() == self.version {
            set.ranges().for_each(|range| self.add(of, &range));
        }
    }

    fn doubt(&mut self, why: &str) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// The addresses from which on the sum is another, with the sum.
    fn steps(&mut self) -> Vec<(u128, u128)> {
        self.changes.sort_unstable_by_key(|(at, _)| *at);
        let mut sum = 0_u128;
        let mut steps = BTreeMap::from([(0, 0)]);
        for (at, change) in &self.changes {
            sum = sum.wrapping_add(*change);
            steps.insert(*at, sum);
        }
        steps.into_iter().collect()
    }

    fn pieces(mut self, within: &AddressSet, most: usize) -> Pieces {
        let steps = self.steps();
        let mut known: HashMap<u128, usize> = HashMap::new();
        let mut found: Vec<Vec<RangeInclusive<u128>>> = Vec::new();
        let mut rest = Vec::new();
        for range in within.ranges() {
            let first = steps.partition_point(|(at, _)| at <= range.start()).saturating_sub(1);
            let ends = steps.iter().skip(first + 1).map(|(next, _)| next.saturating_sub(1)).chain([u128::MAX]);
            let runs = steps.iter().skip(first).zip(ends).take_while(|((at, _), _)| at <= range.end());
            for ((at, sum), end) in runs {
                let run = *at.max(range.start())..=end.min(*range.end());
                let piece = known.get(sum).copied().or_else(|| {
                    (found.len() < most).then(|| {
                        found.push(Vec::new());
                        known.insert(*sum, found.len() - 1);
                        found.len() - 1
                    })
                });
                match piece.and_then(|piece| found.get_mut(piece)) {
                    Some(piece) => piece.push(run),
                    None => rest.push(run),
                }
            }
        }
        let set = |ranges| AddressSet::from_ranges(self.version, ranges);
        Pieces { each: found.into_iter().map(set).collect(), rest: set(rest), doubt: self.doubt }
    }
}
