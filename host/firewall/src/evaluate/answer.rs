//! What a question comes to: a partition of the senders.

use loopgate_facts::{BlockReason, MAX_NARROWED_BY, ReachVerdict, Untrusted};

use crate::region::Region;
use crate::ruleset::{Hook, RuleId};

use super::journal::{Acceptance, Decider, Doubt, End, Fate, Journal, Limited, Step};
use super::packet::Endpoint;
use super::shadow::Shadows;

/// What becomes of the packets that were asked about.
#[derive(Clone, Debug)]
pub struct Answer {
    asked: Region,
    journal: Journal,
}

/// What keeps something from being known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The rule, where it is one.
    pub rule: Option<Decider>,
    /// What about it is not known.
    pub because: Untrusted,
}

/// A part of the senders, and what becomes of their packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The senders.
    pub region: Region,
    /// Whether their packets arrive.
    pub verdict: ReachVerdict,
    /// Why not, where they do not.
    pub reason: Option<BlockReason>,
    /// Why it is not known, where it is not.
    pub unknown_because: Vec<Untrusted>,
    /// What decides.
    pub decider: Option<Decider>,
    /// The rules that sent other senders elsewhere, in the order they were met: the first [`MAX_NARROWED_BY`], and one
    /// more where there are more.
    pub narrowed_by: Vec<RuleId>,
    /// Where address translation sends them.
    pub translated: Option<Endpoint>,
    /// Whether they go on to another machine or a container.
    pub forwarded: bool,
    /// Conditions on the amount of traffic that were taken to be kept.
    pub limits: Vec<Untrusted>,
}

impl Answer {
    pub(super) fn new(asked: Region, journal: Journal) -> Self {
        Self { asked, journal }
    }

    /// Every end that packets can come to. Senders of whom something is not known are in several.
    pub fn ends(&self) -> &[End] {
        &self.journal.ends
    }

    /// What let packets go on, in the order it was met.
    pub fn acceptances(&self) -> &[Acceptance] {
        &self.journal.acceptances
    }

    /// The steps of the way, where they were asked for.
    pub fn steps(&self) -> &[Step] {
        self.journal.steps.as_deref().unwrap_or_default()
    }

    /// What rules would have decided behind those that did, where that was asked for.
    pub fn shadows(&self) -> Option<&Shadows> {
        self.journal.shadows.as_ref()
    }

    /// The regions of which not everything is known for sure.
    pub(super) fn vague(&self) -> impl Iterator<Item = &Region> {
        let is_vague = |end: &&End| end.rare || matches!(end.fate, Fate::Unknown(_));
        let ends = self.journal.ends.iter().filter(is_vague).map(|end| &end.region);
        ends.chain(self.journal.doubts.iter().map(|doubt| &doubt.region))
    }

    /// The regions of what is translated, in an answer about every port.
    pub(super) fn translated(&self) -> impl Iterator<Item = &Region> {
        self.journal.ends.iter().filter(|end| end.fate == Fate::Translated).map(|end| &end.region)
    }

    /// What keeps it from being known whether a rule translates the destination of ordinary packets.
    pub fn obstacles(&self) -> impl Iterator<Item = Obstacle> + '_ {
        let ends = self.journal.ends.iter().filter(|end| end.translatable && !end.rare);
        ends.filter_map(|end| match &end.fate {
            Fate::Unknown(because) => Some(Obstacle { rule: end.decider, because: because.clone() }),
            _ => None,
        })
    }

    /// Every region that something was noted about.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        let Journal { ends, acceptances, doubts, chances, limits, narrowings, .. } = &self.journal;
        let ends = ends.iter().map(|end| &end.region);
        let acceptances = acceptances.iter().map(|acceptance| &acceptance.region);
        let doubts = doubts.iter().chain(chances).map(|doubt| &doubt.region);
        let limits = limits.iter().map(|limit| &limit.region);
        let narrowings = narrowings.iter().flat_map(|narrowing| [&narrowing.taken, &narrowing.rest]);
        ends.chain(acceptances).chain(doubts).chain(limits).chain(narrowings)
    }

    /// Parts the senders by whether their packets come to an end that `arrives` names.
    ///
    /// Reachable is what arrives for sure; blocked is what cannot arrive, not even with an extraordinary packet; all
    /// else is unknown. The parts are disjoint, and none of those asked about is missing.
    pub fn judge(&self, arrives: impl Fn(&Fate) -> bool) -> Vec<Judged> {
        let none = || Region::empty(self.asked.version());
        let union = |wanted: &dyn Fn(&End) -> bool| {
            let wanted = self.journal.ends.iter().filter(|end| wanted(end));
            wanted.fold(none(), |sum, end| sum.union(&end.region))
        };
        let is_unknown = |end: &End| matches!(end.fate, Fate::Unknown(_));
        let unknown = union(&|end| !end.rare && is_unknown(end));
        let ever_unknown = union(&|end| is_unknown(end));
        let arriving = union(&|end| !end.rare && arrives(&end.fate));
        let failing = union(&|end| !end.rare && !is_unknown(end) && !arrives(&end.fate));
        let ever_arriving = union(&|end| arrives(&end.fate));
        let reachable = arriving.difference(&failing).difference(&unknown);
        let blocked = failing.difference(&ever_arriving).difference(&ever_unknown);

        let mut judged = self.parts(&reachable, |end| !end.rare && arrives(&end.fate), ReachVerdict::Reachable);
        judged.extend(self.parts(&blocked, |end| !end.rare && !arrives(&end.fate), ReachVerdict::Blocked));
        let rest = self.asked.difference(&reachable).difference(&blocked);
        judged.extend(self.unknown(&rest));
        judged
    }

    /// Cuts a region by what decides.
    fn parts(&self, region: &Region, of: impl Fn(&End) -> bool, verdict: ReachVerdict) -> Vec<Judged> {
        let mut left = region.clone();
        let mut parts = Vec::new();
        for end in self.journal.ends.iter().filter(|end| of(end)) {
            let here = left.intersection(&end.region);
            if here.is_empty() {
                continue;
            }
            left = left.difference(&here);
            match verdict {
                ReachVerdict::Reachable => parts.extend(self.accepted(here, end)),
                ReachVerdict::Blocked | ReachVerdict::Unknown => {
                    parts.push(self.judged(here, end, verdict, end.decider));
                }
            }
        }
        parts
    }

    /// Cuts what arrives by the rule that let it in: the last one at the hook where that is decided, and a rule rather
    /// than a policy.
    fn accepted(&self, region: Region, end: &End) -> Vec<Judged> {
        let hook = if end.forwarded { Hook::Forward } else { Hook::Input };
        let decisive = |acceptance: &&Acceptance| acceptance.hook == hook && !acceptance.answer;
        let acceptances = self.journal.acceptances.iter().rev().filter(decisive);
        let (rules, policies): (Vec<_>, Vec<_>) =
            acceptances.partition(|acceptance| matches!(acceptance.decider, Decider::Rule(_)));
        let mut left = region;
        let mut parts = Vec::new();
        for acceptance in rules.into_iter().chain(policies) {
            let here = left.intersection(&acceptance.region);
            if !here.is_empty() {
                left = left.difference(&here);
                parts.push(self.judged(here, end, ReachVerdict::Reachable, Some(acceptance.decider)));
            }
        }
        if !left.is_empty() {
            parts.push(self.judged(left, end, ReachVerdict::Reachable, None));
        }
        parts
    }

    fn judged(&self, region: Region, end: &End, verdict: ReachVerdict, decider: Option<Decider>) -> Judged {
        let reason = match &end.fate {
            _ if verdict != ReachVerdict::Blocked => None,
            Fate::Blocked(reason) => Some(*reason),
            _ => Some(BlockReason::Elsewhere),
        };
        Judged {
            narrowed_by: self.narrowed_by(&region, decider),
            limits: if verdict == ReachVerdict::Reachable { self.limits(&region, decider) } else { Vec::new() },
            unknown_because: Vec::new(),
            translated: end.translated,
            forwarded: end.forwarded,
            region,
            verdict,
            reason,
            decider,
        }
    }

    /// What is not certain, by the first thing that keeps it from being so.
    fn unknown(&self, rest: &Region) -> Vec<Judged> {
        if rest.is_empty() {
            return Vec::new();
        }
        let end = self.journal.ends.iter().find(|end| end.region.overlaps(rest));
        let mut because: Vec<Untrusted> = Vec::new();
        let ends = self.journal.ends.iter().filter_map(|end| match &end.fate {
            Fate::Unknown(why) => Some((&end.region, why)),
            _ => None,
        });
        let doubts = self.journal.doubts.iter().map(|doubt| (&doubt.region, &doubt.because));
        let limits = self.journal.limits.iter().map(|limit| (&limit.region, &limit.text));
        let chances = self.journal.chances.iter().map(|chance| (&chance.region, &chance.because));
        for (region, why) in ends.chain(doubts).chain(limits).chain(chances) {
            if !because.contains(why) && region.overlaps(rest) {
                because.push(why.clone());
            }
        }
        if because.is_empty() {
            because.push("what an extraordinary packet would do".into());
        }
        let decider = self.journal.doubts.iter().find(|doubt| doubt.region.overlaps(rest));
        let decider = end
            .and_then(|end| match end.fate {
                Fate::Unknown(_) => end.decider,
                _ => None,
            })
            .or(decider.map(|doubt: &Doubt| Decider::Rule(doubt.rule)));
        vec![Judged {
            region: rest.clone(),
            verdict: ReachVerdict::Unknown,
            reason: None,
            unknown_because: because,
            decider,
            narrowed_by: self.narrowed_by(rest, decider),
            translated: end.and_then(|end| end.translated),
            forwarded: end.is_some_and(|end| end.forwarded),
            limits: Vec::new(),
        }]
    }

    fn narrowed_by(&self, region: &Region, decider: Option<Decider>) -> Vec<RuleId> {
        let others = self.journal.narrowings.iter().filter(|narrowing| Some(Decider::Rule(narrowing.rule)) != decider);
        let mut rules: Vec<RuleId> = Vec::new();
        for narrowing in others {
            if rules.len() > MAX_NARROWED_BY {
                break;
            }
            if !rules.contains(&narrowing.rule) && narrowing.rest.overlaps(region) {
                rules.push(narrowing.rule);
            }
        }
        rules
    }

    /// The limits that the deciding rule was taken to keep.
    fn limits(&self, region: &Region, decider: Option<Decider>) -> Vec<Untrusted> {
        let mut texts = Vec::new();
        for Limited { region: limited, text, rule } in &self.journal.limits {
            if decider == Some(Decider::Rule(*rule)) && !texts.contains(text) && limited.overlaps(region) {
                texts.push(text.clone());
            }
        }
        texts
    }
}
