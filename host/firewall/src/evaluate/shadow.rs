//! Rules that packets would come to, had nothing before them decided.
//!
//! For a question that asks for it, what was decided about at the input hook is followed on, beside the packets that
//! are still on their way, as packets of a state of their own ([`Earlier`]). They have no part in the answer: the rules
//! that they come to are noted, and nothing else. Where something about them is not known, they are not followed.

use std::collections::BTreeSet;

use crate::region::{PortSet, Region};
use crate::ruleset::{Hook, RuleId};

use super::flow::{Flow, Flows};
use super::journal::Decider;
use super::packet::State;
use crate::rule::{Direction, Verdict};

/// What was decided about packets before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Earlier {
    /// They were let in, and left the base chain.
    Accepted,
    /// They were dropped or rejected.
    Denied,
}

impl Earlier {
    /// What a rule decides; `None` for what does not end the way of a packet through a base chain, and for what is not
    /// followed.
    fn of(verdict: &Verdict) -> Option<Self> {
        match verdict {
            Verdict::Accept => Some(Self::Accepted),
            Verdict::Drop | Verdict::Reject(_) => Some(Self::Denied),
            _ => None,
        }
    }
}

/// A decision about packets.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// Whose.
    pub region: Region,
    /// What decides.
    pub decider: Decider,
    /// What it decides.
    pub outcome: Earlier,
}

/// What was decided at the input hook, and what would have been.
#[derive(Clone, Debug)]
pub struct Shadows {
    /// Packets to these ports are followed on.
    ports: PortSet,
    decided: Vec<Ruling>,
    overruled: Vec<Ruling>,
    agreed: BTreeSet<RuleId>,
    reached: BTreeSet<RuleId>,
    room: u64,
}

/// How much is done for one question: a rule counts as many times as the regions that it is run for have ranges, and as
/// the square of their parts. That is enough for some thousand rules that each name a source of their own.
const ROOM: u64 = 1 << 24;

impl Shadows {
    pub(super) fn of(ports: PortSet) -> Self {
        Self {
            ports,
            decided: Vec::new(),
            overruled: Vec::new(),
            agreed: BTreeSet::new(),
            reached: BTreeSet::new(),
            room: ROOM,
        }
    }

    /// What was decided about ordinary packets, in the order it was.
    pub fn decided(&self) -> &[Ruling] {
        &self.decided
    }

    /// What rules would have decided the other way about packets that something before them had decided about.
    pub fn overruled(&self) -> &[Ruling] {
        &self.overruled
    }

    /// Rules that would have decided the same way about such packets.
    pub fn agreed(&self) -> &BTreeSet<RuleId> {
        &self.agreed
    }

    /// Rules that decided about extraordinary packets.
    pub fn reached(&self) -> &BTreeSet<RuleId> {
        &self.reached
    }

    /// Whether everything was followed to its end.
    pub fn is_complete(&self) -> bool {
        self.room > 0
    }

    /// Whether there is room to run a rule for some packets.
    pub(super) fn spend(&mut self, region: &Region) -> bool {
        let parts = region.parts().len();
        let ranges = region.parts().iter().map(|(addresses, ports)| addresses.ranges_len() + ports.ranges_len());
        self.room = self.room.saturating_sub((parts * parts + ranges.sum::<usize>()) as u64);
        self.room > 0
    }

    /// Notes a decision about packets on their way. What is to be followed on.
    pub(super) fn decides(&mut self, decider: Decider, outcome: Earlier, flow: &Flow, hook: Hook) -> Option<Flow> {
        let state = &flow.state;
        if hook != Hook::Input || state.direction != Direction::Original {
            return None;
        }
        if state.rare {
            self.reached.extend(match decider {
                Decider::Rule(rule) => Some(rule),
                Decider::Policy(_) => None,
            });
            return None;
        }
        self.decided.push(Ruling { region: flow.region.clone(), decider, outcome });
        let region = flow.region.intersection(&Region::of_ports(state.version, self.ports.clone()));
        let state = State { earlier: Some(outcome), ..(**state).clone() };
        Some(Flow { state: state.into(), headers: flow.headers.clone(), region })
    }

    /// The same for a rule.
    pub(super) fn rules(&mut self, rule: RuleId, verdict: &Verdict, flow: &Flow, hook: Hook) -> Option<Flow> {
        self.decides(Decider::Rule(rule), Earlier::of(verdict)?, flow, hook)
    }

    /// Notes what a rule would have decided about packets that were decided about before. Whether they are followed on.
    pub(super) fn would_decide(&mut self, rule: RuleId, verdict: &Verdict, flow: &Flow) -> bool {
        let (Some(outcome), Some(earlier)) = (Earlier::of(verdict), flow.state.earlier) else { return false };
        if outcome == earlier {
            self.agreed.insert(rule);
        } else {
            self.overruled.push(Ruling { region: flow.region.clone(), decider: Decider::Rule(rule), outcome });
        }
        true
    }
}

impl Flow {
    /// Whether it was decided about before, and is followed only to see what comes behind.
    pub(super) fn is_decided(&self) -> bool {
        self.state.earlier.is_some()
    }
}

impl Flows {
    /// Without those that were decided about before.
    pub(super) fn on_their_way(self) -> Self {
        if self.iter().any(Flow::is_decided) { self.partition(|state| state.earlier.is_none()).0 } else { self }
    }
}
