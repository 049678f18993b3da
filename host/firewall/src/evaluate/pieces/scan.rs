//! Finds the tests that look at the destination.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use crate::address_set::{AddressSet, IpVersion};
use crate::ip_set::{IpSet, IpSetId, Members, Part};
use crate::routing::{FibAnswer, FibQuestion};
use crate::rule::{
    Comparison, ConntrackKey, Direction, Effect, End, Fib, FibResult, IpSetQuestion, Load, LookupResult, Meta, Op,
    PayloadBase, Predicate, REGISTERS, Register,
};
use crate::ruleset::{ChainId, Element, Family, Key, Rule, Set, SetId};

use super::super::compute::{combine, shift, swap};
use super::super::condition::Condition;
use super::super::load::{NAME_LENGTH, ethertype, network_family};
use super::super::lookup::{Place, fields, is_whole, number};
use super::super::machine::Machine;
use super::super::packet::address_bytes;
use super::super::registers::Registers;
use super::super::symbol::{Order, Symbol, Variable, between, equal, known, order, values, whole_address};
use super::{Cuts, Kind};

const SCATTERED: &str = "a rule that computes with the destination address, or looks at scattered bits of it";

/// The registers hold no more bytes.
const LONGEST: usize = REGISTERS as usize * 4;

/// Walks rules for packets of which nothing is known but their IP version. The destination is the variable.
pub(super) struct Scan<'c, 'm> {
    machine: Machine<'m>,
    cuts: &'c mut Cuts,
    version: IpVersion,
    /// The end of the packet where the destination of the request stands; `None` where it is another by now.
    end: Option<End>,
    tests: usize,
    seen: HashSet<(Place, usize)>,
    asked: HashSet<(Option<u32>, FibResult)>,
}

impl<'c, 'm> Scan<'c, 'm> {
    pub(super) fn new(machine: Machine<'m>, cuts: &'c mut Cuts) -> Self {
        let version = cuts.version;
        Self { machine, cuts, version, end: None, tests: 0, seen: HashSet::new(), asked: HashSet::new() }
    }

    /// The rules of some chains. `end`: where the destination of the request stands in the packets that come to them.
    pub(super) fn chains(&mut self, chains: &BTreeSet<ChainId>, end: Option<End>) {
        self.end = end;
        let ruleset = self.machine.ruleset;
        let chains = chains.iter().filter_map(|chain| ruleset.chain(*chain));
        for rule in chains.flat_map(|chain| &chain.rules) {
            if self.may_look(rule) {
                self.rule(rule);
            }
        }
    }

    /// Whether something of a rule can look at the destination: most rules of most rulesets have nothing of the kind.
    fn may_look(&self, rule: &Rule) -> bool {
        rule.ops.iter().any(|op| match op {
            Op::Load { what, .. } => self.loads_address(what) || matches!(what, Load::Fib(_)),
            Op::Match { .. } => true,
            _ => false,
        })
    }

    fn loads_address(&self, what: &Load) -> bool {
        match what {
            Load::Payload { base: PayloadBase::Network, offset, length } => {
                self.payload(*offset, *length).iter().copied().any(is_address)
            }
            Load::Conntrack { key, direction } => is_destination(*key, *direction),
            _ => false,
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let mut registers = Registers::new();
        for op in &rule.ops {
            if !self.step(op, &mut registers) {
                return;
            }
        }
    }

    /// Whether packets of the version can go on behind an operation.
    fn step(&mut self, op: &Op, registers: &mut Registers) -> bool {
        match op {
            Op::Load { what, to } => return self.load(what, *to, registers),
            Op::Immediate { to, data } => {
                registers.write(*to, &known(data).collect::<Vec<_>>());
            }
            Op::Mask { from, to, mask, xor } => self.compute((*from, *to), mask.len(), registers, |symbols| {
                let masks = mask.iter().zip(xor.iter());
                symbols.iter().zip(masks).map(|(symbol, (&mask, &xor))| symbol.masked(mask, xor)).collect()
            }),
            Op::Shift { from, to, length, left, by } => {
                self.compute((*from, *to), *length as usize, registers, |symbols| shift(symbols, *left, *by));
            }
            Op::SwapBytes { from, to, length, size } => {
                self.compute((*from, *to), *length as usize, registers, |symbols| swap(symbols, *size as usize));
            }
            Op::Combine { from, other, to, length, how } => {
                let other = registers.read(*other, *length as usize).map(<[Symbol]>::to_vec).unwrap_or_default();
                self.compute((*from, *to), *length as usize, registers, |symbols| {
                    symbols.iter().zip(&other).map(|(a, b)| combine(*a, *b, *how)).collect()
                });
                if other.iter().copied().any(is_address) {
                    self.cuts.doubt(SCATTERED);
                }
            }
            Op::Compare { register, how, value } => {
                return registers.read(*register, value.len()).is_none_or(|symbols| self.compare(symbols, *how, value));
            }
            Op::Range { register, from, to, .. } => {
                if let Some(symbols) = registers.read(*register, from.len()) {
                    self.ordered(symbols, |version, symbols| between(version, symbols, from, to));
                }
            }
            Op::Lookup { set, key, result, .. } => self.lookup(*set, *key, *result, registers),
            Op::Match { inverted, all } => {
                let foreign = |predicate: &Predicate| {
                    matches!(predicate, Predicate::AddressRange { range, .. }
                        if IpVersion::of(*range.start()) != self.version)
                };
                if !inverted && all.iter().any(|test| !test.inverted && foreign(&test.predicate)) {
                    return false;
                }
                for test in all {
                    self.test(&test.predicate);
                }
            }
            Op::Effect(Effect::SetMarkFrom(register) | Effect::SetConntrackMarkFrom(register)) => {
                if registers.read(*register, 4).is_some_and(|symbols| symbols.iter().copied().any(is_address)) {
                    self.cuts.doubt(SCATTERED);
                }
            }
            Op::Update { .. } | Op::Rate(_) | Op::Effect(_) | Op::Verdict(_) | Op::Note(_) | Op::Unknown(_) => {}
        }
        true
    }

    fn load(&mut self, what: &Load, to: Register, registers: &mut Registers) -> bool {
        let symbols = match what {
            Load::Payload { base: PayloadBase::Network, offset, length } => self.payload(*offset, *length),
            Load::Conntrack { key, direction } if is_destination(*key, *direction) => {
                if !is_of_version(*key, self.version) {
                    return false;
                }
                whole_address(self.version)
            }
            Load::Meta(Meta::NetworkFamily) => known(&[network_family(self.version)]).collect(),
            Load::Meta(Meta::Protocol) => known(&ethertype(self.version).to_be_bytes()).collect(),
            Load::Fib(fib) => {
                self.fib(*fib);
                vec![Symbol::OPAQUE; length(what)]
            }
            _ => vec![Symbol::OPAQUE; length(what)],
        };
        registers.write(to, &symbols);
        true
    }

    /// Bytes of the network header: those of the destination are the variable.
    fn payload(&self, offset: u32, length: u32) -> Vec<Symbol> {
        let width = self.version.address_length();
        let source = if self.version == IpVersion::V4 { 12 } else { 8 };
        let start = match self.end {
            Some(End::Source) => source,
            Some(End::Destination) => source + width,
            None => usize::MAX,
        };
        let at = |position: usize| match position.checked_sub(start) {
            Some(index) if index < width => Symbol::variable(Variable::Address, u8::try_from(index).unwrap_or(0)),
            _ => Symbol::OPAQUE,
        };
        (offset as usize..).take((length as usize).min(LONGEST)).map(at).collect()
    }

    fn compute(
        &mut self,
        (from, to): (Register, Register),
        length: usize,
        registers: &mut Registers,
        how: impl FnOnce(&[Symbol]) -> Vec<Symbol>,
    ) {
        let Some(symbols) = registers.read(from, length) else { return };
        let count = |symbols: &[Symbol]| symbols.iter().filter(|symbol| is_address(**symbol)).count();
        let (had, made) = (count(symbols), how(symbols));
        if count(&made) < had && made.contains(&Symbol::OPAQUE) {
            self.cuts.doubt(SCATTERED);
        }
        registers.write(to, &made);
    }

    /// Whether packets can pass.
    fn compare(&mut self, symbols: &[Symbol], how: Comparison, value: &[u8]) -> bool {
        if let Some(known) = values(symbols) {
            return how != Comparison::Equal || known == value;
        }
        match how {
            Comparison::Equal | Comparison::NotEqual => self.equal(symbols, value),
            _ => self.ordered(symbols, |version, symbols| {
                let order = order(version, symbols, value);
                match how {
                    Comparison::Less => order.less,
                    Comparison::LessOrEqual => Order::not_greater(order),
                    Comparison::GreaterOrEqual => Order::not_less(order),
                    _ => order.greater,
                }
            }),
        }
        true
    }

    /// What an equality asks of the address, whatever else it asks for.
    fn equal(&mut self, symbols: &[Symbol], value: &[u8]) {
        let token = self.next_test();
        self.add(&token, &asked_of_address(self.version, symbols, value));
    }

    fn ordered(&mut self, symbols: &[Symbol], how: impl FnOnce(IpVersion, &[Symbol]) -> Condition) {
        if !symbols.iter().copied().any(is_address) {
            return;
        }
        if symbols.iter().any(|symbol| !is_address(*symbol) && symbol.value().is_none()) {
            return self.cuts.doubt(SCATTERED);
        }
        let token = self.next_test();
        self.add(&token, &how(self.version, symbols));
    }

    fn next_test(&mut self) -> (Kind, usize) {
        self.tests += 1;
        (Kind::Test, self.tests)
    }

    fn add(&mut self, of: &impl std::hash::Hash, condition: &Condition) {
        match condition {
            Condition::Known(_) => {}
            Condition::Exact(region) => self.cuts.add_set(of, &region.addresses()),
            Condition::Vague(_) => self.cuts.doubt(SCATTERED),
        }
    }

    fn lookup(&mut self, id: SetId, key: Register, result: LookupResult, registers: &mut Registers) {
        let Some(set) = self.machine.ruleset.set(id) else { return };
        for (position, field) in fields(set).enumerate() {
            let from = Register(key.0.saturating_add(u8::try_from(field.start / 4).unwrap_or(u8::MAX)));
            if let Some(symbols) = registers.read(from, field.len()).map(<[Symbol]>::to_vec) {
                self.field(&Place::Table(id), set, position, &symbols);
            }
        }
        if let LookupResult::Register(to) = result {
            // Whatever it gives, the elements were told apart by it.
            registers.write(to, &vec![Symbol::OPAQUE; (set.data_length.unwrap_or(4) as usize).min(LONGEST)]);
        }
    }

    /// One field of the elements of a set: those that have the rest in common are not told apart.
    fn field(&mut self, place: &Place, set: &Set, position: usize, symbols: &[Symbol]) {
        let whole = is_whole(symbols, Variable::Address, self.version.address_length());
        if set.incomplete.is_some() || !symbols.iter().copied().any(is_address) {
            return;
        }
        if whole && !self.seen.insert((place.clone(), position)) {
            return;
        }
        let Some(field) = fields(set).nth(position) else { return };
        for element in &set.elements {
            let (from, to) = match &element.key {
                Key::Exact(key) => (key, key),
                Key::Range(from, to) => (from, to),
                Key::CatchAll => continue,
            };
            let Some((low, high)) = from.get(field.clone()).zip(to.get(field.clone())) else { continue };
            let token = (Kind::Set, place, position, rest(element, from, to, &field));
            if whole {
                self.cuts.add(&token, &(number(low)..=number(high)));
            } else if low == high {
                self.add(&token, &asked_of_address(self.version, symbols, low));
            } else if symbols.iter().all(|symbol| is_address(*symbol) || symbol.value().is_some()) {
                self.add(&token, &between(self.version, symbols, low, high));
            } else {
                self.cuts.doubt(SCATTERED);
            }
        }
    }

    fn test(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::AddressRange { end, range } if Some(*end) == self.end => {
                let token = self.next_test();
                let range = AddressSet::from_range(
                    IpVersion::of(*range.start()),
                    crate::address_set::number(*range.start())..=crate::address_set::number(*range.end()),
                );
                self.cuts.add_set(&token, &range);
            }
            Predicate::AddressMask { end, address, mask } if Some(*end) == self.end => self.masked(*address, *mask),
            Predicate::ConntrackAddress { direction, end, address, mask }
                if matches!(
                    (direction, end),
                    (Direction::Original, End::Destination) | (Direction::Reply, End::Source)
                ) =>
            {
                self.masked(*address, *mask);
            }
            Predicate::AddressType { end, input_interface, output_interface, .. } if Some(*end) == self.end => {
                let result = FibResult::AddressType;
                let (input_interface, output_interface) = (*input_interface, *output_interface);
                self.fib(Fib { end: *end, mark: false, input_interface, output_interface, result });
            }
            Predicate::InIpSet(question) => self.ip_set(question),
            _ => {}
        }
    }

    fn masked(&mut self, address: IpAddr, mask: IpAddr) {
        if IpVersion::of(address) != self.version || IpVersion::of(mask) != self.version {
            return;
        }
        let mask = address_bytes(mask);
        let symbols: Vec<_> =
            whole_address(self.version).iter().zip(&mask).map(|(symbol, &mask)| symbol.masked(mask, 0)).collect();
        self.equal(&symbols, &address_bytes(address));
    }

    /// What the routing table says of each address, over each interface that may be meant.
    fn fib(&mut self, fib: Fib) {
        if Some(fib.end) != self.end {
            return;
        }
        let by_interface = fib.input_interface || fib.output_interface;
        let devices = self.machine.devices.iter().map(|device| Some(device.index));
        let interfaces: Vec<_> = if by_interface { devices.chain([None]).collect() } else { vec![None] };
        for interface in interfaces {
            if !self.asked.insert((interface, fib.result)) {
                continue;
            }
            let all = AddressSet::all(self.version);
            let question = FibQuestion { addresses: &all, interface, mark: Some(0), result: fib.result };
            for (index, (addresses, answer)) in self.machine.routing.fib(&question).into_iter().enumerate() {
                // What is not known is so for each address alike.
                if !matches!(answer, FibAnswer::Unknown(_)) {
                    self.cuts.add_set(&(Kind::Routing, interface, fib.result as u8, index), &addresses);
                }
            }
        }
    }

    fn ip_set(&mut self, question: &IpSetQuestion) {
        let sets = &self.machine.ruleset.ip_sets;
        let id = &question.set.id;
        match sets.get(id) {
            Some(IpSet { members: Members::Sets(members), .. }) => {
                for member in members {
                    if let Some(set) = sets.get(member) {
                        self.members(member, set, &question.set.ends);
                    }
                }
            }
            Some(set) => self.members(id, set, &question.set.ends),
            None => {}
        }
    }

    fn members(&mut self, id: &IpSetId, set: &IpSet, ends: &[End]) {
        let is_other = |family: Family| (family == Family::Ip6) != (self.version == IpVersion::V6);
        let Members::Values { parts, layers, .. } = &set.members else { return };
        if set.family.is_some_and(is_other) {
            return;
        }
        for (position, (part, end)) in parts.iter().zip(ends).enumerate() {
            if *part == Part::Address && Some(*end) == self.end {
                for (layer, number) in layers.iter().zip(0..) {
                    let place = Place::IpSet(id.clone(), number);
                    self.field(&place, &layer.values, position, &whole_address(self.version));
                }
            }
        }
    }
}

fn is_address(symbol: Symbol) -> bool {
    symbol.variable == Variable::Address && symbol.value().is_none()
}

fn asked_of_address(version: IpVersion, symbols: &[Symbol], value: &[u8]) -> Condition {
    let asked = symbols.iter().zip(value).filter(|(symbol, _)| is_address(**symbol));
    let (symbols, value): (Vec<Symbol>, Vec<u8>) = asked.map(|(symbol, byte)| (*symbol, *byte)).unzip();
    equal(version, &symbols, &value)
}

/// All of an element but one field.
fn rest<'e>(
    element: &'e Element,
    from: &[u8],
    to: &[u8],
    field: &std::ops::Range<usize>,
) -> (Vec<u8>, Option<&'e crate::ruleset::Data>, bool) {
    let without = |key: &[u8]| {
        let before = key.get(..field.start).unwrap_or_default().to_vec();
        [before, key.get(field.end..).unwrap_or_default().to_vec()].concat()
    };
    let others = if from.len() == field.len() { Vec::new() } else { [without(from), without(to)].concat() };
    (others, element.data.as_ref(), element.limited)
}

/// Whether it is what the first packet of a connection was sent to: until that is translated, answers come from there.
fn is_destination(key: ConntrackKey, direction: Option<Direction>) -> bool {
    match key {
        ConntrackKey::Destination | ConntrackKey::DestinationIpv4 | ConntrackKey::DestinationIpv6 => {
            direction != Some(Direction::Reply)
        }
        ConntrackKey::Source | ConntrackKey::SourceIpv4 | ConntrackKey::SourceIpv6 => {
            direction == Some(Direction::Reply)
        }
        _ => false,
    }
}

fn is_of_version(key: ConntrackKey, version: IpVersion) -> bool {
    match key {
        ConntrackKey::SourceIpv4 | ConntrackKey::DestinationIpv4 => version == IpVersion::V4,
        ConntrackKey::SourceIpv6 | ConntrackKey::DestinationIpv6 => version == IpVersion::V6,
        _ => true,
    }
}

/// How many bytes a load writes, or fewer: what stays of an older value cuts in vain.
fn length(what: &Load) -> usize {
    match what {
        Load::Payload { length, .. } | Load::Opaque { length, .. } => (*length as usize).min(LONGEST),
        Load::Meta(key) if key.is_name() => NAME_LENGTH,
        Load::Fib(Fib { result: FibResult::InterfaceName, .. }) => NAME_LENGTH,
        _ => 4,
    }
}
