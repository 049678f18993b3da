//! What was decided on the way, by what, and for whom: the evidence.

use loopgate_facts::{BlockReason, Untrusted};

use crate::region::Region;
use crate::rule::Direction;
use crate::ruleset::{ChainId, Hook, RuleId};

use super::flow::Flow;
use super::packet::Endpoint;
use super::shadow::Shadows;

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decider {
    /// A rule.
    Rule(RuleId),
    /// The policy of a base chain.
    Policy(ChainId),
}

/// What becomes of a packet in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It comes to a socket of this machine, and its answer leaves.
    Delivered(Endpoint),
    /// It leaves for another machine or a container, and the answer gets back.
    Forwarded {
        /// Where to.
        endpoint: Endpoint,
        /// By which interface, by index.
        interface: u32,
    },
    /// A rule translates where it goes. Only for questions about every port, which end there.
    Translated,
    /// It does not come to anything, or nothing comes back.
    Blocked(BlockReason),
    /// It cannot be said, and why.
    Unknown(Untrusted),
}

/// The end of the way for packets from some senders.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the packets")]
#[derive(Clone, Debug)]
pub struct End {
    /// From whom.
    pub region: Region,
    /// What becomes of them.
    pub fate: Fate,
    /// What decides, where a rule or policy does.
    pub decider: Option<Decider>,
    /// Only extraordinary packets come here.
    pub rare: bool,
    /// Where address translation sent it.
    pub translated: Option<Endpoint>,
    /// A rule could still have translated where it goes.
    pub translatable: bool,
    /// It arrived, and this is what became of its answer.
    pub arrived: bool,
    /// It was on its way to another machine.
    pub forwarded: bool,
}

impl End {
    pub(super) fn new(flow: Flow, fate: Fate, decider: Option<Decider>, forwarded: bool) -> Self {
        let state = &flow.state;
        let translated = state.is_translated().then_some(state.endpoint);
        let translatable = !state.mapped && state.direction == Direction::Original;
        Self {
            rare: state.rare,
            translated,
            translatable,
            arrived: false,
            region: flow.region,
            fate,
            decider,
            forwarded,
        }
    }
}

/// A rule or policy that let packets go on.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// From whom.
    pub region: Region,
    /// What let them.
    pub decider: Decider,
    /// At which hook.
    pub hook: Hook,
    /// It was the answer that was let through.
    pub answer: bool,
    /// Where it translated the destination to.
    pub translated: Option<Endpoint>,
}

/// A rule of which it is not known whether it matched.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// For whom.
    pub region: Region,
    /// The rule.
    pub rule: RuleId,
    /// What about it is not known.
    pub because: Untrusted,
}

/// A condition on the amount of traffic that was taken to be kept.
#[derive(Clone, Debug)]
pub struct Limited {
    /// For whom.
    pub region: Region,
    /// The rule.
    pub rule: RuleId,
    /// The condition.
    pub text: Untrusted,
}

/// A rule that sent some senders elsewhere than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// Those that it took, or may have.
    pub taken: Region,
    /// Those that it did not take, or may not have.
    pub rest: Region,
    /// The rule.
    pub rule: RuleId,
}

/// A step of the way, for people who want to follow it.
#[derive(Clone, Debug)]
pub enum Step {
    /// A base chain is entered.
    Chain {
        /// The chain.
        chain: ChainId,
        /// At which hook.
        hook: Hook,
        /// From whom.
        region: Region,
        /// It is the answer.
        answer: bool,
    },
    /// A rule matches.
    Rule {
        /// The rule.
        rule: RuleId,
        /// For whom, as far as it may.
        region: Region,
    },
    /// A policy decides.
    Policy {
        /// The chain.
        chain: ChainId,
        /// For whom.
        region: Region,
    },
    /// The routing table decides.
    Routed {
        /// For whom.
        region: Region,
        /// What, in words.
        outcome: String,
    },
}

/// Everything that was noted while one question was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    pub(super) ends: Vec<End>,
    pub(super) acceptances: Vec<Acceptance>,
    pub(super) doubts: Vec<Doubt>,
    /// Rules that would match if the sender had brought that about.
    pub(super) chances: Vec<Doubt>,
    pub(super) limits: Vec<Limited>,
    pub(super) narrowings: Vec<Narrowing>,
    /// `None` where nobody asked for it.
    pub(super) steps: Option<Vec<Step>>,
    /// The same. What was noted stays, whichever order of chains turns out to stand for the others.
    pub(super) shadows: Option<Shadows>,
}

impl Journal {
    pub(super) fn step(&mut self, step: impl FnOnce() -> Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step());
        }
    }

    /// Notes that a rule sent some senders elsewhere. A chain that is called again and again says it once.
    pub(super) fn narrow(&mut self, narrowing: Narrowing) {
        if self.narrowings.last() != Some(&narrowing) {
            self.narrowings.push(narrowing);
        }
    }

    /// How much was noted so far.
    pub(super) fn length(&self) -> Length {
        Length {
            ends: self.ends.len(),
            acceptances: self.acceptances.len(),
            doubts: self.doubts.len(),
            chances: self.chances.len(),
            limits: self.limits.len(),
            narrowings: self.narrowings.len(),
            steps: self.steps.as_ref().map_or(0, Vec::len),
        }
    }

    /// Takes out what was noted since.
    pub(super) fn split_off(&mut self, since: &Length) -> Self {
        Self {
            ends: self.ends.split_off(since.ends),
            acceptances: self.acceptances.split_off(since.acceptances),
            doubts: self.doubts.split_off(since.doubts),
            chances: self.chances.split_off(since.chances),
            limits: self.limits.split_off(since.limits),
            narrowings: self.narrowings.split_off(since.narrowings),
            steps: self.steps.as_mut().map(|steps| steps.split_off(since.steps)),
            shadows: None,
        }
    }

    /// Adds what was taken out.
    pub(super) fn append(&mut self, other: Self) {
        self.ends.extend(other.ends);
        self.acceptances.extend(other.acceptances);
        self.doubts.extend(other.doubts);
        self.chances.extend(other.chances);
        self.limits.extend(other.limits);
        self.narrowings.extend(other.narrowings);
        if let (Some(steps), Some(others)) = (&mut self.steps, other.steps) {
            steps.extend(others);
        }
    }

    /// Whether the same packets end in the same way, whatever decides it.
    pub(super) fn ends_as(&self, other: &Self) -> bool {
        let who = |journal: &Self, wanted: &End| {
            let same = journal.ends.iter().filter(|end| (&end.fate, end.rare) == (&wanted.fate, wanted.rare));
            same.fold(Region::empty(wanted.region.version()), |sum, end| sum.union(&end.region))
        };
        let agree = |end: &End| who(self, end) == who(other, end);
        self.ends.iter().chain(&other.ends).all(agree)
    }
}

/// How much was noted in a journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    ends: usize,
    acceptances: usize,
    doubts: usize,
    chances: usize,
    limits: usize,
    narrowings: usize,
    steps: usize,
}
