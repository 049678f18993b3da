//! One base chain, with the chains that it jumps to.
//!
//! The stack of chains is a list on the heap: a ruleset from a file can be as deep as it likes. A ruleset that would
//! take forever ends with packets whose fate is unknown.

use crate::rule::{Comparison, Load, Meta, Op};
use crate::ruleset::{ChainId, Policy, Rule, RuleId};

use super::flow::{Flow, Flows};
use super::journal::{Decider, End, Fate, Step};
use super::run::Runner;
use super::shadow::Earlier;

/// The most rules that are run for one question. A ruleset whose chains call each other in every way that is allowed
/// can ask for more than the kernel itself would finish.
const MAX_RULES_RUN: u64 = 50_000_000;

/// The most kinds of packets that are followed beside each other: rules that mark packets by chance can double them
/// with each rule.
const MAX_STATES: usize = 512;

/// The deepest that chains call each other: a file can hold a loop, which the kernel refuses.
const MAX_DEPTH: usize = 1 << 16;

/// A chain that is being walked.
struct Frame {
    chain: ChainId,
    /// The next rule.
    position: usize,
    /// Packets before that rule.
    flows: Flows,
    /// Packets that left it for whoever called it.
    returned: Flows,
    /// The frame that gets them back, and whether behind the calling rule (a jump) or at its end (a goto).
    caller: Option<(usize, bool)>,
}

impl Frame {
    fn new(chain: ChainId, flows: Flows, caller: Option<(usize, bool)>) -> Self {
        Self { chain, position: 0, flows, returned: Flows::default(), caller }
    }
}

/// How much work a rule is, in simple rules: each kind of packets is held against the others, and senders who are told
/// apart into many parts are held against each part.
fn effort(flows: &Flows) -> u64 {
    let states = flows.len();
    let parts: usize = flows.iter().map(|flow| flow.region.parts().len().saturating_sub(USUAL_PARTS)).sum();
    ((states * states / 8).max(1) + 32 * parts) as u64
}

/// So many parts of senders are no effort worth counting.
const USUAL_PARTS: usize = 256;

/// Whether one of the comparisons that a rule begins with fails whoever the sender is. What comes before it changes
/// nothing, so the rule does not match.
fn fails_at_once(rule: &Rule, flow: &Flow) -> bool {
    let harmless = |pair: &&[Op]| matches!(pair.first(), Some(Op::Load { .. } | Op::Compare { .. } | Op::Note(_)));
    rule.ops.windows(2).take_while(harmless).any(|pair| fails(pair, flow))
}

/// Whether a load with the comparison behind it fails.
fn fails(pair: &[Op], flow: &Flow) -> bool {
    let [Op::Load { what, to }, Op::Compare { register, how: Comparison::Equal, value }] = pair else { return false };
    match what {
        _ if to != register => false,
        Load::Payload { base, offset, length } => {
            *length as usize == value.len() && flow.headers.differ(*base, *offset, value)
        }
        Load::Meta(Meta::TransportProtocol) => **value != [flow.state.protocol],
        _ => false,
    }
}

impl Runner<'_, '_> {
    /// Walks a base chain, and gives the packets that it accepts. The others have come to their end.
    pub(super) fn walk(&mut self, base: ChainId, flows: Flows, run: &mut u64) -> Flows {
        let mut accepted = Flows::default();
        let mut stack = vec![Frame::new(base, flows, None)];
        while let Some(mut frame) = stack.pop() {
            *run += self.skip(&mut frame);
            let rule = self.rules(frame.chain).get(frame.position);
            match rule {
                Some(rule) if !frame.flows.is_empty() => {
                    *run += effort(&frame.flows);
                    if *run > MAX_RULES_RUN || stack.len() > MAX_DEPTH || frame.flows.len() > MAX_STATES {
                        self.give_up(frame, stack);
                        return accepted;
                    }
                    let id = RuleId { chain: frame.chain, position: u32::try_from(frame.position).unwrap_or(u32::MAX) };
                    let flows = frame.flows.take();
                    frame.position += 1;
                    self.run_for_all(id, rule, flows, frame, &mut stack, &mut accepted);
                }
                _ => self.leave(frame, &mut stack, &mut accepted),
            }
        }
        accepted
    }

    /// Passes over rules that cannot match any of the packets, and counts them.
    fn skip(&mut self, frame: &mut Frame) -> u64 {
        let before = frame.position;
        let rules = self.rules(frame.chain);
        let index = self.indexes.of(frame.chain, rules);
        while !frame.flows.is_empty() {
            if let Some(index) = &index {
                frame.position = index.next(frame.position, &frame.flows).unwrap_or(rules.len());
            }
            match rules.get(frame.position) {
                Some(rule) if frame.flows.iter().all(|flow| fails_at_once(rule, flow)) => frame.position += 1,
                _ => break,
            }
        }
        (frame.position - before) as u64
    }

    fn rules<'r>(&self, chain: ChainId) -> &'r [Rule]
    where
        Self: 'r,
    {
        self.machine.ruleset.chain(chain).map_or(&[], |chain| &chain.rules)
    }

    fn run_for_all(
        &mut self,
        id: RuleId,
        rule: &Rule,
        flows: Flows,
        mut frame: Frame,
        stack: &mut Vec<Frame>,
        accepted: &mut Flows,
    ) {
        let own = stack.len();
        let mut calls = Vec::new();
        for flow in flows {
            if flow.is_decided() && !self.journal.shadows.as_mut().is_some_and(|it| it.spend(&flow.region)) {
                continue;
            }
            let exits = self.run(id, rule, flow);
            frame.flows.extend(exits.next);
            frame.returned.extend(exits.returned);
            accepted.extend(exits.accepted);
            calls.extend(exits.calls);
        }
        stack.push(frame);
        for (chain, comes_back, flow) in calls {
            let same = |frame: &&mut Frame| frame.chain == chain && frame.caller == Some((own, comes_back));
            match stack.iter_mut().skip(own + 1).find(same) {
                Some(frame) => frame.flows.add(flow),
                None => stack.push(Frame::new(chain, Flows::one(flow), Some((own, comes_back)))),
            }
        }
    }

    /// The end of a chain: back to whoever called it, or the policy.
    fn leave(&mut self, frame: Frame, stack: &mut [Frame], accepted: &mut Flows) {
        let mut flows = frame.returned;
        flows.extend(frame.flows);
        match frame.caller {
            None => self.policy(frame.chain, flows, accepted),
            Some((caller, comes_back)) => {
                let Some(caller) = stack.get_mut(caller) else { return };
                if comes_back { caller.flows.extend(flows) } else { caller.returned.extend(flows) }
            }
        }
    }

    fn policy(&mut self, chain: ChainId, flows: Flows, accepted: &mut Flows) {
        let base = self.machine.ruleset.chain(chain).and_then(|chain| chain.base.as_ref());
        let drops = base.is_some_and(|base| base.policy == Policy::Drop);
        for flow in flows {
            if flow.is_decided() {
                if flow.state.earlier == Some(Earlier::Denied) {
                    accepted.add(flow);
                }
                continue;
            }
            self.journal.step(|| Step::Policy { chain, region: flow.region.clone() });
            let decider = Decider::Policy(chain);
            self.follow(decider, if drops { Earlier::Denied } else { Earlier::Accepted }, &flow, accepted);
            if drops {
                self.end(flow, Fate::Blocked(loopgate_facts::BlockReason::Dropped), Some(decider));
            } else {
                self.accepted(&flow, decider);
                accepted.add(flow);
            }
        }
    }

    /// What a policy drops is followed into the chains behind, where that was asked for.
    fn follow(&mut self, policy: Decider, outcome: Earlier, flow: &Flow, next: &mut Flows) {
        let Some(shadows) = &mut self.journal.shadows else { return };
        let follow = shadows.decides(policy, outcome, flow, self.place.hook);
        follow.into_iter().filter(|_| outcome == Earlier::Denied).for_each(|flow| next.add(flow));
    }

    /// Packets that are still on their way when it takes too long: what becomes of them is not known.
    fn give_up(&mut self, frame: Frame, stack: Vec<Frame>) {
        for frame in stack.into_iter().chain([frame]) {
            for flow in frame.flows.into_iter().chain(frame.returned) {
                self.end(flow, Fate::Unknown("the ruleset takes too long to follow".into()), None);
            }
        }
    }

    /// The end of the way.
    pub(super) fn end(&mut self, flow: Flow, fate: Fate, decider: Option<Decider>) {
        let forwarded = self.place.hook == crate::ruleset::Hook::Forward;
        if flow.is_decided() {
            return;
        }
        self.journal.ends.push(End::new(flow, fate, decider, forwarded));
    }
}
