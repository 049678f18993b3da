//! Rules in the notation of the tool that wrote them.
//!
//! An administrator knows a rule as `nft list ruleset` or `iptables-save` prints it. What cannot be put so is shown in
//! brackets, never as something else.

pub mod iptables;
pub(crate) mod names;
pub mod nft;

use loopgate_facts::{RuleReference, Untrusted};

use crate::ruleset::{Backend, ChainId, Family, Notation, Policy, RuleId, Ruleset, Table};

/// A rule as an administrator finds it.
pub fn reference(ruleset: &Ruleset, id: RuleId) -> RuleReference {
    let rule = ruleset.rule(id);
    let notation = ruleset.table_of(id.chain).map(|table| table.notation);
    let text = match (rule.and_then(|rule| rule.text.clone()), notation) {
        (Some(text), _) => text,
        (None, Some(Notation::Iptables)) => iptables::rule(ruleset, id),
        (None, _) => nft::rule(ruleset, id),
    };
    let line = rule.and_then(|rule| rule.line).or_else(|| id.position.checked_add(1));
    RuleReference { handle: rule.and_then(|rule| rule.handle), line, text, ..chain_reference(ruleset, id.chain) }
}

/// The policy of a base chain as an administrator finds it.
pub fn policy_reference(ruleset: &Ruleset, chain: ChainId) -> RuleReference {
    let text = policy(ruleset, chain);
    RuleReference { text, ..chain_reference(ruleset, chain) }
}

/// What happens at the end of a chain: `policy drop`, or in the notation of iptables `-P INPUT DROP`.
///
/// A chain that is not a base chain has no policy: then it is `return`.
pub fn policy(ruleset: &Ruleset, chain: ChainId) -> Untrusted {
    let Some((found, table)) = ruleset.chain(chain).zip(ruleset.table_of(chain)) else { return Untrusted::default() };
    match (found.base.as_ref().map(|base| base.policy), table.notation) {
        (None, Notation::Nft) => "return".into(),
        (None, Notation::Iptables) => "-j RETURN".into(),
        (Some(Policy::Accept), Notation::Nft) => "policy accept".into(),
        (Some(Policy::Drop), Notation::Nft) => "policy drop".into(),
        (Some(policy), Notation::Iptables) => {
            let word = if policy == Policy::Drop { "DROP" } else { "ACCEPT" };
            format!("-P {} {word}", found.name.as_str()).into()
        }
    }
}

fn chain_reference(ruleset: &Ruleset, chain: ChainId) -> RuleReference {
    let table = ruleset.table_of(chain);
    RuleReference {
        backend: table.map(backend).unwrap_or_default().to_owned(),
        family: table.map(|table| family(table.family)).unwrap_or_default().to_owned(),
        table: table.map(|table| table.name.clone()).unwrap_or_default(),
        chain: ruleset.chain(chain).map(|chain| chain.name.clone()).unwrap_or_default(),
        handle: None,
        line: None,
        text: Untrusted::default(),
    }
}

fn backend(table: &Table) -> &'static str {
    match (table.backend, table.family) {
        (Backend::NfTables, _) => "nf-tables",
        (Backend::Legacy, Family::Ip6) => "ip6-tables",
        (Backend::Legacy, _) => "ip-tables",
        (Backend::Beside, _) => "beside-netfilter",
    }
}

/// The word for a family.
pub(crate) fn family(family: Family) -> &'static str {
    match family {
        Family::Ip => "ip",
        Family::Ip6 => "ip6",
        Family::Inet => "inet",
        Family::Arp => "arp",
        Family::Bridge => "bridge",
        Family::Netdev => "netdev",
    }
}
