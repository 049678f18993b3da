//! Rules as an administrator finds them: where they stand, and what they say in the notation of the tool that wrote them.

pub(crate) mod names;
use loopgate_facts::{RuleReference, Untrusted};

use crate::Ruleset;
use crate::ruleset::{Backend, ChainId, Family, Policy, RuleId, Table};

/// Where a rule stands and what it says.
pub fn reference(ruleset: &Ruleset, id: RuleId) -> RuleReference {
    let rule = ruleset.rule(id);
    let text = rule.and_then(|rule| rule.text.clone()).unwrap_or_else(|| rule_text(ruleset, id));
    RuleReference {
        handle: rule.and_then(|rule| rule.handle),
        line: rule.and_then(|rule| rule.line),
        text,
        ..place(ruleset, id.chain)
    }
}

/// The policy of a base chain.
pub fn policy_reference(ruleset: &Ruleset, chain: ChainId) -> RuleReference {
    let base = ruleset.chain(chain).and_then(|chain| chain.base.as_ref());
    let text = match base.map(|base| base.policy) {
        Some(Policy::Drop) => "policy drop",
        _ => "policy accept",
    };
    RuleReference { text: text.into(), ..place(ruleset, chain) }
}

fn rule_text(ruleset: &Ruleset, id: RuleId) -> Untrusted {
    format!("{:?}", ruleset.rule(id).map(|rule| &rule.ops)).into()
}

fn place(ruleset: &Ruleset, chain: ChainId) -> RuleReference {
    let table = ruleset.table_of(chain);
    RuleReference {
        backend: table.map_or("nf-tables", backend).to_owned(),
        family: table.map_or("inet", |table| family(table.family)).to_owned(),
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

fn family(family: Family) -> &'static str {
    match family {
        Family::Ip => "ip",
        Family::Ip6 => "ip6",
        Family::Inet => "inet",
        Family::Arp => "arp",
        Family::Bridge => "bridge",
        Family::Netdev => "netdev",
    }
}
