//! The notation of `iptables-save(8)`.

use loopgate_facts::Untrusted;

use crate::ruleset::{RuleId, Ruleset};

/// A rule as its operations.
pub fn rule(ruleset: &Ruleset, id: RuleId) -> Untrusted {
    ruleset.rule(id).map(|rule| Untrusted::from(format!("{:?}", rule.ops))).unwrap_or_default()
}
