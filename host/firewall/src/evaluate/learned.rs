//! Sets that rules change: what a sender sent before decides what is in them.
//!
//! Port knocking lets in who sent something else first, and a ban keeps out who sent too much. An ordinary client has
//! done neither, so that a key is in such a set as it was read. A sender can bring about the other.

use std::collections::HashSet;

use crate::Ruleset;
use crate::address_set::IpVersion;
use crate::ip_set::IpSetId;
use crate::rule::{Effect, IpSetChange, Op, SetUpdate};
use crate::ruleset::{Rule, SetId};

use super::condition::Condition;
use super::ip_set::changed;

/// A set of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Changed {
    Set(SetId),
    /// `None` stands for every set of `ipset(8)`.
    IpSet(Option<IpSetId>),
}

/// What rules add to, and what they delete from.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    added: HashSet<Changed>,
    deleted: HashSet<Changed>,
}

impl Learned {
    /// Those of a ruleset.
    pub(super) fn of(ruleset: &Ruleset) -> Self {
        let mut learned = Self::default();
        for rule in ruleset.chains.iter().flat_map(|chain| &chain.rules) {
            learned.add(rule, ruleset);
        }
        learned
    }

    fn add(&mut self, rule: &Rule, ruleset: &Ruleset) {
        for op in &rule.ops {
            match op {
                Op::Update { set, how, .. } => self.note(Changed::Set(*set), *how == SetUpdate::Delete),
                Op::Effect(Effect::ChangeIpSets(changes)) => {
                    for change in changes {
                        self.add_ip_sets(change, ruleset);
                    }
                }
                _ => {}
            }
        }
    }

    fn add_ip_sets(&mut self, change: &IpSetChange, ruleset: &Ruleset) {
        for set in changed(change, ruleset) {
            self.note(Changed::IpSet(set), change.deletes);
        }
    }

    fn note(&mut self, set: Changed, deletes: bool) {
        if deletes { &mut self.deleted } else { &mut self.added }.insert(set);
    }

    /// Whether a sender can bring it about that something is in a set.
    pub(super) fn adds_to(&self, set: SetId) -> bool {
        self.added.contains(&Changed::Set(set))
    }

    /// For whom a key is in a set, as it was read, and as a sender can make it.
    pub(super) fn in_set(&self, set: SetId, condition: Condition, version: IpVersion) -> Condition {
        let set = Changed::Set(set);
        blur(condition, version, self.added.contains(&set), self.deleted.contains(&set))
    }

    /// The same for a set of `ipset(8)`.
    pub(super) fn in_ip_set(&self, set: &IpSetId, condition: Condition, version: IpVersion) -> Condition {
        let is_among = |sets: &HashSet<Changed>| {
            !sets.is_empty()
                && (sets.contains(&Changed::IpSet(Some(set.clone()))) || sets.contains(&Changed::IpSet(None)))
        };
        blur(condition, version, is_among(&self.added), is_among(&self.deleted))
    }
}

fn blur(condition: Condition, version: IpVersion, added: bool, deleted: bool) -> Condition {
    let condition = if added { condition.or(Condition::usually(version, false)) } else { condition };
    if deleted { condition.and(Condition::usually(version, true)) } else { condition }
}
