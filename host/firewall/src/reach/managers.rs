//! Who wrote the rules that packets for this machine come to, by the names that tools give their tables and chains.

use std::collections::BTreeSet;

use loopgate_facts::FirewallManager;

use crate::rule::Op;
use crate::ruleset::{Backend, Base, Chain, ChainId, ChainKind, Family, Hook, Notation, Policy, Rule, Ruleset, Table};

/// What manages the rules at the hook `input`, each once.
pub(super) fn managers(ruleset: &Ruleset) -> Vec<FirewallManager> {
    let found: BTreeSet<_> =
        (0..).map(ChainId).zip(&ruleset.chains).flat_map(|(id, _)| of_chain(ruleset, id)).collect();
    found.into_iter().collect()
}

/// Who made what packets for this machine come to in a chain.
fn of_chain(ruleset: &Ruleset, id: ChainId) -> Vec<FirewallManager> {
    let Some((chain, table)) = ruleset.chain(id).zip(ruleset.table_of(id)) else { return Vec::new() };
    let filters = |base: &&Base| base.hook == Hook::Input && base.kind == ChainKind::Filter && !table.dormant;
    let Some(base) = chain.base.as_ref().filter(filters) else { return Vec::new() };
    match (table.backend, table.notation) {
        (Backend::Beside, _) => Vec::new(),
        (_, Notation::Iptables) => of_iptables(ruleset, id, chain, base, table),
        (_, Notation::Nft) => of_nftables(chain, base, table),
    }
}

fn of_nftables(chain: &Chain, base: &Base, table: &Table) -> Vec<FirewallManager> {
    let routes = matches!(table.family, Family::Ip | Family::Ip6 | Family::Inet);
    match (routes && is_used(chain, base), table.name.as_str()) {
        (false, _) => Vec::new(),
        (true, "firewalld") => vec![FirewallManager::Firewalld],
        (true, _) => vec![FirewallManager::Nftables],
    }
}

/// firewalld fills the chains of iptables itself, so that all that is there with its own chains is taken for its. ufw
/// adds jumps to its chains alone, and sets the policy.
fn of_iptables(ruleset: &Ruleset, id: ChainId, chain: &Chain, base: &Base, table: &Table) -> Vec<FirewallManager> {
    let leads_to = |from: ChainId, is_theirs: &dyn Fn(&str) -> bool| {
        let reached = ruleset.reached([from]).into_iter().filter_map(|id| ruleset.chain(id));
        reached.into_iter().any(|chain| is_theirs(chain.name.as_str()))
    };
    if leads_to(id, &|name| name == "INPUT_direct") {
        return vec![FirewallManager::Firewalld];
    }
    let is_of_ufw = |name: &str| name.starts_with("ufw-") || name.starts_with("ufw6-");
    let is_jump_to_ufw = |rule: &Rule| called(rule).any(|called| leads_to(called, &is_of_ufw));
    let has_ufw = chain.rules.iter().any(is_jump_to_ufw);
    let has_others = if has_ufw { !chain.rules.iter().all(is_jump_to_ufw) } else { is_used(chain, base) };
    let own = if table.family == Family::Ip6 { FirewallManager::Ip6tables } else { FirewallManager::Iptables };
    [(has_ufw, FirewallManager::Ufw), (has_others, own)].into_iter().filter_map(|(is, it)| is.then_some(it)).collect()
}

fn called(rule: &Rule) -> impl Iterator<Item = ChainId> + '_ {
    rule.ops.iter().filter_map(|op| match op {
        Op::Verdict(verdict) => verdict.called(),
        _ => None,
    })
}

fn is_used(chain: &Chain, base: &Base) -> bool {
    base.policy == Policy::Drop || !chain.rules.is_empty()
}
