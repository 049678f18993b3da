//! One rule.

use std::collections::BTreeSet;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::routing::{FibAnswer, FibQuestion};
use crate::rule::{
    Combination, Comparison, Direction, Effect, End as PacketEnd, Fib, FibResult, LookupResult, Op, Rate, Register,
    SetUpdate, Unknown, Verdict,
};
use crate::ruleset::{ChainId, Data, Rule, RuleId, SetId};

use super::compute::{combine, shift, swap};
use super::condition::Condition;
use super::flow::{Flow, Flows};
use super::index::Indexes;
use super::ip_set::changed;
use super::journal::{Acceptance, Decider, Doubt, Fate, Journal, Limited, Narrowing, Step};
use super::learned::Learned;
use super::load::{Loaded, load, name};
use super::lookup::Lookups;
use super::machine::Machine;
use super::packet::{Place, State, Tracking};
use super::registers::Registers;
use super::symbol::{Symbol, Variable, between, compare, known, values};
use super::test::{self, View};
use super::translate::{end_at, translate};

/// Where packets go behind a rule.
#[derive(Debug, Default)]
pub(super) struct Exits {
    /// To the next rule.
    pub(super) next: Flows,
    /// Out of the base chain, accepted.
    pub(super) accepted: Flows,
    /// Back to the calling chain.
    pub(super) returned: Flows,
    /// Into other chains; whether they come back behind this rule.
    pub(super) calls: Vec<(ChainId, bool, Flow)>,
}

/// Executes rules.
pub(super) struct Runner<'a, 'm> {
    pub(super) machine: &'a Machine<'m>,
    pub(super) place: Place<'m>,
    pub(super) lookups: &'a mut Lookups,
    pub(super) indexes: &'a mut Indexes,
    pub(super) journal: &'a mut Journal,
    /// Sets that rules change.
    pub(super) learned: &'a Learned,
    /// Rules that are passed over.
    pub(super) without: Option<&'a BTreeSet<RuleId>>,
}

/// Packets within a rule.
struct Thread {
    op: usize,
    flow: Flow,
    registers: Registers,
    /// What was loaded last of that which is not known.
    opaque: Option<Untrusted>,
}

impl Thread {
    fn begin(flow: Flow) -> Self {
        Self { op: 0, flow, registers: Registers::new(), opaque: None }
    }

    fn version(&self) -> IpVersion {
        self.flow.state.version
    }

    /// The same place in the rule, for other packets.
    fn fork(&self, flow: Flow) -> Self {
        Self { op: self.op, flow, registers: self.registers.clone(), opaque: self.opaque.clone() }
    }

    fn change(&mut self, how: impl FnOnce(&mut State)) {
        let mut state = (*self.flow.state).clone();
        how(&mut state);
        self.flow = self.flow.clone().with_state(state);
    }
}

/// A rule that is being run.
struct Run<'r, 'a, 'm> {
    runner: &'r mut Runner<'a, 'm>,
    id: RuleId,
    threads: Vec<Thread>,
    exits: Exits,
}

impl Runner<'_, '_> {
    /// Runs a rule for packets of one state.
    pub(super) fn run(&mut self, id: RuleId, rule: &Rule, flow: Flow) -> Exits {
        if self.without.is_some_and(|rules| rules.contains(&id)) {
            return Exits { next: Flows::one(flow), ..Exits::default() };
        }
        let ends = self.journal.ends.len();
        let is_decided = flow.is_decided();
        let mut run = Run { runner: self, id, threads: vec![Thread::begin(flow)], exits: Exits::default() };
        while let Some(mut thread) = run.threads.pop() {
            match rule.ops.get(thread.op) {
                Some(op) => {
                    thread.op += 1;
                    run.step(op, thread);
                }
                None => run.exits.next.add(thread.flow),
            }
        }
        let exits = run.exits;
        if !is_decided {
            self.note(id, ends, &exits);
        }
        exits
    }

    /// Notes what the rule took, and from whom it did not.
    fn note(&mut self, rule: RuleId, ends: usize, exits: &Exits) {
        let ended = self.journal.ends.get(ends..).unwrap_or_default().iter().map(|end| &end.region);
        let left = [&exits.accepted, &exits.returned].into_iter().flat_map(Flows::iter).map(|flow| &flow.region);
        let called = exits.calls.iter().map(|(_, _, flow)| &flow.region);
        let taken = ended.chain(left).chain(called).cloned().reduce(|sum, region| sum.union(&region));
        let Some(taken) = taken else { return };
        self.journal.step(|| Step::Rule { rule, region: taken.clone() });
        let next = || exits.next.iter().filter(|flow| !flow.is_decided());
        if next().next().is_some() {
            let rest = next().map(|flow| flow.region.clone()).reduce(|sum, region| sum.union(&region));
            if let Some(rest) = rest {
                self.journal.narrow(Narrowing { taken, rest, rule });
            }
        }
    }
}

impl Run<'_, '_, '_> {
    fn step(&mut self, op: &Op, thread: Thread) {
        match op {
            Op::Load { what, to } => {
                let ipsec = self.runner.machine.ruleset.ipsec;
                let loaded = load(what, &thread.flow.state, &thread.flow.headers, &self.runner.place, ipsec);
                self.loaded(loaded, *to, thread, || Untrusted::from(super::describe::load(what)));
            }
            Op::Immediate { to, data } => {
                let symbols: Vec<_> = known(data).collect();
                self.write(*to, &symbols, thread);
            }
            Op::Mask { from, to, mask, xor } => self.compute(*from, *to, mask.len(), thread, |symbols| {
                let masks = mask.iter().zip(xor.iter());
                symbols.iter().zip(masks).map(|(symbol, (&mask, &xor))| symbol.masked(mask, xor)).collect()
            }),
            Op::Shift { from, to, length, left, by } => {
                self.note_blurred(&thread, &[*from], *length);
                self.compute(*from, *to, *length as usize, thread, |symbols| shift(symbols, *left, *by));
            }
            Op::SwapBytes { from, to, length, size } => {
                self.compute(*from, *to, *length as usize, thread, |symbols| swap(symbols, *size as usize));
            }
            Op::Combine { from, other, to, length, how } => self.combine((*from, *other, *to), *length, *how, thread),
            Op::Compare { register, how, value } => self.compare(*register, *how, value, thread),
            Op::Range { register, inverted, from, to } => {
                let version = thread.version();
                let condition = thread
                    .registers
                    .read(*register, from.len())
                    .map(|symbols| between(version, symbols, from, to).not_if(*inverted));
                self.require(condition, thread);
            }
            Op::Lookup { set, key, inverted, result } => self.lookup(*set, *key, *inverted, *result, thread),
            Op::Update { set, how, inverted, rates, .. } => self.update(*set, *how, *inverted, rates, thread),
            Op::Match { inverted, all } => {
                let view = View {
                    machine: self.runner.machine,
                    state: &thread.flow.state,
                    headers: &thread.flow.headers,
                    place: &self.runner.place,
                    learned: self.runner.learned,
                };
                let condition = test::all(all, &view, self.runner.lookups).not_if(*inverted);
                let machine = self.runner.machine;
                self.split(&condition, thread, || super::describe::tests(all, machine));
            }
            Op::Rate(rate) => self.rate(rate, thread),
            Op::Effect(effect) => self.effect(effect, thread),
            Op::Verdict(verdict) => self.verdict(verdict, thread),
            Op::Note(_) => self.threads.push(thread),
            Op::Unknown(unknown) => self.unknown(unknown, thread),
        }
    }

    /// Goes on where a condition holds, and to the next rule where it does not.
    fn split(&mut self, condition: &Condition, thread: Thread, because: impl FnOnce() -> Untrusted) {
        match condition {
            Condition::Known(true) => self.threads.push(thread),
            Condition::Known(false) => self.exits.next.add(thread.flow),
            Condition::Exact(_) | Condition::Vague(_) => {
                let (holding, failing) = self.cut(condition, &thread.flow, because);
                for flow in failing {
                    self.exits.next.add(flow);
                }
                self.threads.extend(holding.into_iter().map(|flow| thread.fork(flow)));
            }
        }
    }

    /// The packets for which a condition holds, and those for which it does not; with doubt they are among both.
    fn cut(
        &mut self,
        condition: &Condition,
        flow: &Flow,
        because: impl FnOnce() -> Untrusted,
    ) -> (Vec<Flow>, Vec<Flow>) {
        let split = condition.split(&flow.region);
        if flow.is_decided() {
            let flows = |region| Some(flow.with_region(region)).filter(|flow| !flow.region.is_empty());
            // Where it is not known, they are not followed.
            let (yes, no) = match condition {
                Condition::Vague(_) => (split.yes.difference(&split.no), split.no.difference(&split.yes)),
                Condition::Known(_) | Condition::Exact(_) => (split.yes, split.no),
            };
            return (flows(yes).into_iter().collect(), flows(no).into_iter().collect());
        }
        if !split.doubt.is_empty() {
            let because = because();
            self.runner.journal.doubts.push(Doubt { region: split.doubt, rule: self.id, because });
        }
        let flows = |usual, rare| {
            let both = [flow.with_region(usual), flow.rare(rare)];
            both.into_iter().filter(|flow| !flow.region.is_empty()).collect()
        };
        (flows(split.yes, split.rare_yes), flows(split.no, split.rare_no))
    }

    /// The same, for a condition that reads registers; one that reads beyond them is a defect of the ruleset.
    fn require(&mut self, condition: Option<Condition>, thread: Thread) {
        let Some(condition) = condition else { return self.broken(thread) };
        let because = thread.opaque.clone();
        self.split(&condition, thread, || because.unwrap_or_else(|| "something that is not known".into()));
    }

    fn broken(&mut self, thread: Thread) {
        self.end(thread.flow, Fate::Unknown("a rule that reads or writes beyond the registers".into()));
    }

    fn end(&mut self, flow: Flow, fate: Fate) {
        self.runner.end(flow, fate, Some(Decider::Rule(self.id)));
    }

    fn write(&mut self, to: Register, symbols: &[Symbol], mut thread: Thread) {
        if thread.registers.write(to, symbols) { self.threads.push(thread) } else { self.broken(thread) }
    }

    fn compute(
        &mut self,
        from: Register,
        to: Register,
        length: usize,
        thread: Thread,
        how: impl FnOnce(&[Symbol]) -> Vec<Symbol>,
    ) {
        match thread.registers.read(from, length).map(how) {
            Some(symbols) => self.write(to, &symbols, thread),
            None => self.broken(thread),
        }
    }

    fn loaded(&mut self, loaded: Loaded, to: Register, mut thread: Thread, what: impl Fn() -> Untrusted) {
        match loaded {
            Loaded::Bytes(symbols) => {
                if symbols.contains(&Symbol::OPAQUE) {
                    thread.opaque = Some(what());
                }
                self.write(to, &symbols, thread);
            }
            Loaded::Nothing => self.exits.next.add(thread.flow),
            Loaded::Fib(fib) => self.fib(fib, to, &thread),
            Loaded::OneOf(numbers) => {
                for number in numbers {
                    let symbols: Vec<_> = known(&number.to_ne_bytes()).collect();
                    self.write(to, &symbols, thread.fork(thread.flow.clone()));
                }
            }
        }
    }

    fn compare(&mut self, register: Register, how: Comparison, value: &[u8], thread: Thread) {
        let version = thread.version();
        let read = thread.registers.read(register, value.len());
        let condition = read.map(|symbols| compare(version, symbols, how, value));
        self.require(condition, thread);
    }

    fn combine(
        &mut self,
        (from, other, to): (Register, Register, Register),
        length: u32,
        how: Combination,
        thread: Thread,
    ) {
        let operands = thread.registers.read(from, length as usize).zip(thread.registers.read(other, length as usize));
        let Some((a, b)) = operands else { return self.broken(thread) };
        self.note_blurred(&thread, &[from, other], length);
        let combined: Vec<_> = a.iter().zip(b).map(|(a, b)| combine(*a, *b, how)).collect();
        self.write(to, &combined, thread);
    }

    /// Arithmetic on a port that is not known makes it unknown what could be said of each port.
    fn note_blurred(&mut self, thread: &Thread, operands: &[Register], length: u32) {
        let is_port = |symbol: &Symbol| symbol.variable == Variable::Port && symbol.value().is_none();
        let read = |register: &Register| thread.registers.read(*register, length as usize);
        if operands.iter().filter_map(read).flatten().any(is_port) {
            self.runner.lookups.give_up();
        }
    }

    /// A question to the routing table: for the sender's address the answer cuts the region.
    fn fib(&mut self, fib: Fib, to: Register, thread: &Thread) {
        let state = &thread.flow.state;
        let sender = state.is_sender(fib.end);
        if sender && state.sender_hidden {
            let answer = FibAnswer::Unknown("an address that was translated".into());
            let symbols = self.runner.fib_symbols(fib.result, &answer);
            let mut piece = thread.fork(thread.flow.clone());
            piece.opaque = Some("an address that was translated".into());
            return self.write(to, &symbols, piece);
        }
        let asked =
            if sender { thread.flow.region.addresses() } else { AddressSet::single(state.shown_endpoint().address) };
        let device = match (fib.input_interface, fib.output_interface) {
            (true, _) => self.runner.place.input,
            (false, true) => self.runner.place.output,
            (false, false) => None,
        };
        let mark = if fib.mark { state.mark } else { Some(0) };
        let interface = device.map(|device| device.index);
        let question = FibQuestion { addresses: &asked, interface, mark, result: fib.result };
        for (addresses, answer) in self.runner.fib(fib, &question) {
            let region = if sender { thread.flow.region.within(&addresses) } else { thread.flow.region.clone() };
            if region.is_empty() {
                continue;
            }
            let mut piece = thread.fork(thread.flow.with_region(region));
            if let FibAnswer::Unknown(why) = &answer {
                piece.opaque = Some(why.clone());
            }
            let symbols = self.runner.fib_symbols(fib.result, &answer);
            self.write(to, &symbols, piece);
        }
    }

    fn lookup(&mut self, id: SetId, key: Register, inverted: bool, result: LookupResult, thread: Thread) {
        let version = thread.version();
        let Some(set) = self.runner.machine.ruleset.set(id) else { return self.broken(thread) };
        let length = set.fields.iter().map(|&length| (length as usize).next_multiple_of(4)).sum();
        let length = if let [only] = set.fields.as_slice() { *only as usize } else { length };
        let Some(symbols) = thread.registers.read(key, length) else { return self.broken(thread) };
        let symbols = symbols.to_vec();
        let found = if thread.flow.state.touched.contains(&id) {
            None
        } else {
            self.runner.lookups.find(&super::lookup::Place::Table(id), set, version, &symbols)
        };
        let Some(found) = found else { return self.lookup_unknown(&set.name, result, thread) };
        let opaque = thread.opaque.clone();
        let because = || opaque.unwrap_or_else(|| "something that is not known".into());
        let learned = self.runner.learned;
        if result == LookupResult::Nothing {
            let condition = learned.in_set(id, found.anything.clone(), version);
            self.chance(learned.adds_to(id), &thread.flow, || {
                format!("what packets add to the set {}", set.name.as_str())
            });
            return self.split(&condition.not_if(inverted), thread, because);
        }
        for flow in self.cut(&found.anything, &thread.flow, because).1 {
            if learned.adds_to(id) {
                let why = format!("what packets add to the map {}", set.name.as_str());
                self.end(flow.rare(flow.region.clone()), Fate::Unknown(why.into()));
            }
            self.exits.next.add(flow);
        }
        for hit in &found.hits {
            for flow in self.cut(&hit.condition, &thread.flow, || set.name.clone()).0 {
                self.found(hit.data.as_ref(), result, thread.fork(flow));
            }
        }
    }

    /// Goes on with what a map gave.
    fn found(&mut self, data: Option<&Data>, result: LookupResult, thread: Thread) {
        match (result, data) {
            (LookupResult::Register(to), Some(Data::Value(bytes))) => {
                let symbols: Vec<_> = known(bytes).collect();
                self.write(to, &symbols, thread);
            }
            (LookupResult::Verdict, Some(Data::Verdict(verdict))) => self.verdict(verdict, thread),
            _ => self.broken(thread),
        }
    }

    /// A lookup in a set of which the elements are not known, or not any more.
    fn lookup_unknown(&mut self, name: &Untrusted, result: LookupResult, thread: Thread) {
        let because = Untrusted::from(format!("what is in the set {}", name.as_str()));
        if result == LookupResult::Nothing {
            let unknown = Condition::unknown(thread.version());
            return self.split(&unknown, thread, || because);
        }
        self.end(thread.flow, Fate::Unknown(because));
    }

    /// `dynset`: the element is added, unless an expression of its own, such as a limit for each source, does not
    /// match.
    fn update(&mut self, set: SetId, how: SetUpdate, inverted: bool, rates: &[Rate], mut thread: Thread) {
        thread.change(|state| {
            if !state.touched.contains(&set) {
                state.touched.push(set);
            }
        });
        let version = thread.version();
        // Whether there is room for another element, and whether one was there to delete, is not known beforehand.
        let usually = how != SetUpdate::Delete;
        let condition = rates.iter().fold(Condition::usually(version, usually), |condition, rate| {
            condition.and(Condition::usually(version, rate.usually))
        });
        self.limited(&thread.flow, rates);
        self.split(&condition.not_if(inverted), thread, || "what is in a set".into());
    }

    fn rate(&mut self, rate: &Rate, thread: Thread) {
        self.limited(&thread.flow, std::slice::from_ref(rate));
        let condition = Condition::usually(thread.version(), rate.usually);
        self.split(&condition, thread, || rate.text.clone());
    }

    /// Notes what an extraordinary packet may have brought about.
    fn chance(&mut self, is_there: bool, flow: &Flow, because: impl FnOnce() -> String) {
        if is_there && !flow.is_decided() {
            let because = because().into();
            self.runner.journal.chances.push(Doubt { region: flow.region.clone(), rule: self.id, because });
        }
    }

    fn limited(&mut self, flow: &Flow, rates: &[Rate]) {
        let rule = self.id;
        if flow.is_decided() {
            return;
        }
        let limits = rates.iter().map(|rate| Limited { region: flow.region.clone(), rule, text: rate.text.clone() });
        self.runner.journal.limits.extend(limits);
    }

    fn unknown(&mut self, unknown: &Unknown, thread: Thread) {
        let because = unknown.construct.clone();
        if unknown.only_matches {
            let condition = Condition::unknown(thread.version());
            return self.split(&condition, thread, || because);
        }
        self.end(thread.flow, Fate::Unknown(because));
    }

    fn effect(&mut self, effect: &Effect, mut thread: Thread) {
        if let Effect::Write { name, .. } = effect
            && effect.decides_delivery(thread.version())
        {
            return self.end(thread.flow, Fate::Unknown(Untrusted::from(format!("{} is written", name.as_str()))));
        }
        let value = |register| {
            let symbols = thread.registers.read(register, 4).and_then(values)?;
            Some(u32::from_ne_bytes(*symbols.first_chunk()?))
        };
        let state = &*thread.flow.state;
        let changed = match effect {
            Effect::SetMark { keep, xor } => State { mark: blend(state.mark, *keep, Some(*xor)), ..state.clone() },
            Effect::SetMarkFrom(register) => State { mark: value(*register), ..state.clone() },
            Effect::SetConntrackMark { keep, xor } => of_connection(state, blend(state.ct_mark, *keep, Some(*xor))),
            Effect::SetConntrackMarkFrom(register) => of_connection(state, value(*register)),
            Effect::SaveMark { keep, mask } => {
                of_connection(state, blend(state.ct_mark, *keep, state.mark.map(|mark| mark & mask)))
            }
            Effect::RestoreMark { keep, mask } if is_tracked(state) => {
                State { mark: blend(state.mark, *keep, state.ct_mark.map(|mark| mark & mask)), ..state.clone() }
            }
            // What has a template has a connection by then (`nft_notrack_eval`, `xt_ct_target`).
            Effect::NoTrack if state.tracking == Tracking::None && !state.template => {
                State { tracking: Tracking::Untracked, ..state.clone() }
            }
            Effect::RestoreMark { .. } | Effect::NoTrack => state.clone(),
            Effect::ChangeIpSets(changes) => {
                let mut state = state.clone();
                let ruleset = self.runner.machine.ruleset;
                state.changed_ip_sets.extend(changes.iter().flat_map(|change| changed(change, ruleset)));
                state.changed_ip_sets.sort_unstable();
                state.changed_ip_sets.dedup();
                state
            }
            Effect::Write { payload: None, name } if is_zone(name) && state.tracking == Tracking::Untracked => {
                return self.end(thread.flow, Fate::Unknown("a zone for what is not tracked".into()));
            }
            Effect::Write { payload: None, name } if is_zone(name) && state.tracking == Tracking::None => {
                State { zone: Some(name.clone()), template: true, written: true, ..state.clone() }
            }
            Effect::Write { payload: None, name } if is_helper(name) && state.tracking == Tracking::None => {
                State { template: true, ..state.clone() }
            }
            Effect::Write { payload: None, name } if is_seen_by_no_rule(name) => state.clone(),
            Effect::Write { payload: None, .. } => State { written: true, ..state.clone() },
            Effect::Write { payload: Some(bytes), .. } => {
                let mut state = state.clone();
                if !state.overwritten.contains(bytes) {
                    state.overwritten.push(*bytes);
                }
                state
            }
        };
        thread.flow = thread.flow.clone().with_state(changed);
        self.threads.push(thread);
    }

    fn verdict(&mut self, verdict: &Verdict, thread: Thread) {
        let flow = thread.flow;
        if self.is_past(verdict, &flow) {
            return;
        }
        match verdict {
            Verdict::Accept => self.accept(flow),
            Verdict::Drop => self.end(flow, Fate::Blocked(BlockReason::Dropped)),
            Verdict::Reject(_) => self.end(flow, Fate::Blocked(BlockReason::Rejected)),
            Verdict::Stolen(_) => self.end(flow, Fate::Blocked(BlockReason::Elsewhere)),
            Verdict::Continue => self.exits.next.add(flow),
            Verdict::Return => self.exits.returned.add(flow),
            Verdict::Jump(chain) => self.exits.calls.push((*chain, true, flow)),
            Verdict::Goto(chain) => self.exits.calls.push((*chain, false, flow)),
            Verdict::Queue { .. } => self.end(flow, Fate::Unknown("a program decides (queue)".into())),
            Verdict::TransparentProxy { .. } => {
                self.end(flow, Fate::Unknown("a transparent proxy takes it (tproxy)".into()));
            }
            Verdict::Translate(translation)
                if flow.state.every_port && end_at(translation, self.runner.place.hook) == PacketEnd::Destination =>
            {
                self.end(flow, Fate::Translated);
            }
            Verdict::Translate(translation) => {
                let (machine, place) = (self.runner.machine, &self.runner.place);
                match translate(translation, &flow, &thread.registers, machine, place) {
                    Ok(flows) => flows.into_iter().for_each(|flow| self.accept(flow)),
                    Err(fate) => self.end(flow, fate),
                }
            }
        }
    }

    /// Notes what the rule decides, where shadows were asked for. Whether the packets were decided about before, so
    /// that the verdict is none for them; they go on to the next rule.
    fn is_past(&mut self, verdict: &Verdict, flow: &Flow) -> bool {
        let Some(shadows) = &mut self.runner.journal.shadows else { return false };
        if !flow.is_decided() {
            let follow = shadows.rules(self.id, verdict, flow, self.runner.place.hook);
            if let Some(flow) = follow {
                self.exits.next.add(flow);
            }
            return false;
        }
        match verdict {
            Verdict::Continue | Verdict::Return | Verdict::Jump(_) | Verdict::Goto(_) => return false,
            verdict if shadows.would_decide(self.id, verdict, flow) => self.exits.next.add(flow.clone()),
            _ => {}
        }
        true
    }

    fn accept(&mut self, flow: Flow) {
        self.runner.accepted(&flow, Decider::Rule(self.id));
        self.exits.accepted.add(flow);
    }
}

impl Runner<'_, '_> {
    /// Notes that something let packets go on.
    pub(super) fn accepted(&mut self, flow: &Flow, decider: Decider) {
        self.journal.acceptances.push(Acceptance {
            region: flow.region.clone(),
            decider,
            hook: self.place.hook,
            answer: flow.state.direction == Direction::Reply,
            translated: flow.state.is_translated().then_some(flow.state.endpoint),
        });
    }

    /// Packets that come in by the loopback device always have their way back there (`nft_fib_is_loopback`,
    /// `include/net/netfilter/nft_fib.h`).
    fn fib(&self, fib: Fib, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        match self.place.input {
            Some(input) if input.is_loopback() && fib.result != FibResult::AddressType => {
                vec![(question.addresses.clone(), FibAnswer::Interface(Some(input.index)))]
            }
            _ => self.machine.routing.fib(question),
        }
    }

    fn fib_symbols(&self, result: FibResult, answer: &FibAnswer) -> Vec<Symbol> {
        let length = match result {
            FibResult::Interface | FibResult::AddressType => 4,
            FibResult::InterfaceName => 16,
            FibResult::Present => 1,
        };
        let bytes = match (result, answer) {
            (FibResult::AddressType, FibAnswer::AddressType(kind)) => u32::from(*kind).to_ne_bytes().to_vec(),
            (FibResult::Interface, FibAnswer::Interface(index)) => index.unwrap_or(0).to_ne_bytes().to_vec(),
            (FibResult::InterfaceName, FibAnswer::Interface(index)) => {
                name(index.and_then(|index| self.machine.device(index))).to_vec()
            }
            (FibResult::Present, FibAnswer::Interface(index)) => vec![u8::from(index.is_some())],
            _ => return vec![Symbol::OPAQUE; length],
        };
        known(&bytes).collect()
    }
}

/// `(value & keep) ^ xor`, as far as it is known.
fn blend(value: Option<u32>, keep: u32, xor: Option<u32>) -> Option<u32> {
    match value {
        None if keep == 0 => xor,
        value => Some((value? & keep) ^ xor?),
    }
}

fn is_tracked(state: &State) -> bool {
    matches!(state.tracking, Tracking::New | Tracking::Established)
}

/// Only a connection has a mark.
fn of_connection(state: &State, ct_mark: Option<u32>) -> State {
    if is_tracked(state) { State { ct_mark, ..state.clone() } } else { state.clone() }
}

/// `ct zone 3` or `CT --zone 3`, as it is shown.
fn is_zone(name: &Untrusted) -> bool {
    let name = name.as_str().to_ascii_lowercase();
    name.starts_with("ct ") && name.contains("zone")
}

/// `ct helper ftp` or `CT --helper ftp`.
fn is_helper(name: &Untrusted) -> bool {
    let name = name.as_str().to_ascii_lowercase();
    name.starts_with("ct ") && name.contains("helper")
}

/// Nothing that is modelled depends on it.
fn is_seen_by_no_rule(name: &Untrusted) -> bool {
    const HARMLESS: [&str; 5] = ["meta priority", "meta nftrace", "ct event", "ct helper", "classify"];
    let name = name.as_str().to_ascii_lowercase();
    HARMLESS.iter().any(|harmless| name.starts_with(harmless))
}
