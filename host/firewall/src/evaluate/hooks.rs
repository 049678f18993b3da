//! What the kernel does at each hook, in order.

use std::collections::HashMap;

use super::load::network_family;
use crate::address_set::IpVersion;
use crate::rule::{Comparison, Effect, Load, Meta, Op, Predicate, Target, Test, Translation, Verdict};
use crate::ruleset::{Backend, Base, Chain, ChainId, ChainKind, Family, Hook, Policy, Ruleset};

/// One thing that happens at a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A base chain.
    Chain(ChainId),
    /// Conntrack looks for the connection of the packet.
    Track,
    /// The chains that translate addresses, in order. Whatever their own priorities are, they run together at one
    /// (`nf_nat_register_fn`, `net/netfilter/nf_nat_core.c`).
    Translate(Vec<ChainId>),
    /// One of these orders, and it is not known which.
    Either(Vec<Vec<Stop>>),
    /// So many orders are possible that they are not tried.
    Unclear,
}

/// The most orders of things with one priority that are tried.
const MAX_ORDERS: usize = 8;

// Priorities, `include/uapi/linux/netfilter_ipv4.h`.
const CONNTRACK: i32 = -200;
const NAT_DESTINATION: i32 = -100;
const NAT_SOURCE: i32 = 100;

/// The order of things at every hook.
#[derive(Debug)]
pub(super) struct Hooks {
    stops: HashMap<(IpVersion, Hook), Vec<Stop>>,
    tracks: [bool; 2],
}

impl Hooks {
    pub(super) fn of(ruleset: &Ruleset) -> Self {
        let tracks = [IpVersion::V4, IpVersion::V6].map(|version| tracks(ruleset, version));
        let mut hooks = Self { stops: HashMap::new(), tracks };
        for version in [IpVersion::V4, IpVersion::V6] {
            for hook in HOOKS {
                let stops = stops(ruleset, version, hook, hooks.tracks(version));
                hooks.stops.insert((version, hook), stops);
            }
        }
        hooks
    }

    pub(super) fn at(&self, version: IpVersion, hook: Hook) -> &[Stop] {
        self.stops.get(&(version, hook)).map_or(&[], Vec::as_slice)
    }

    /// Whether connections are tracked: only where a rule asks for it (`nf_ct_netns_get`).
    pub(super) fn tracks(&self, version: IpVersion) -> bool {
        let [v4, v6] = self.tracks;
        if version == IpVersion::V4 { v4 } else { v6 }
    }
}

const HOOKS: [Hook; 7] =
    [Hook::Ingress, Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Egress];

fn sees(family: Family, version: IpVersion, hook: Hook) -> bool {
    match family {
        Family::Netdev => matches!(hook, Hook::Ingress | Hook::Egress),
        family => family.routes(version),
    }
}

/// The base chains at a hook, lowest priority first, and of those with equal priority the last registered first.
pub(super) fn chains(ruleset: &Ruleset, version: IpVersion, hook: Hook) -> Vec<(&Base, ChainId)> {
    let at_hook = |chain: &Chain| {
        let table = ruleset.table(chain.table)?;
        let active = !table.dormant && sees(table.family, version, hook);
        chain.base.as_ref().filter(|base| active && base.hook == hook).map(|_| ())
    };
    let numbered = (0..).map(ChainId).zip(&ruleset.chains);
    let mut found: Vec<_> = numbered
        .filter(|(_, chain)| at_hook(chain).is_some())
        .filter_map(|(id, chain)| Some((chain.base.as_ref()?, id)))
        .collect();
    found.sort_by_key(|(base, _)| (base.priority, std::cmp::Reverse(base.registered)));
    found
}

fn stops(ruleset: &Ruleset, version: IpVersion, hook: Hook, tracks: bool) -> Vec<Stop> {
    let chains = chains(ruleset, version, hook);
    let (nat, others): (Vec<_>, Vec<_>) = chains.into_iter().partition(|(base, _)| base.kind == ChainKind::Nat);
    let mut stops: Vec<_> = others.into_iter().map(|(base, id)| (base.priority, Stop::Chain(id))).collect();
    if tracks && matches!(hook, Hook::Prerouting | Hook::Output) {
        stops.push((CONNTRACK, Stop::Track));
    }
    if tracks && translates(ruleset, version) {
        let translate = translate(ruleset, &nat);
        match hook {
            Hook::Prerouting | Hook::Output => stops.push((NAT_DESTINATION, translate)),
            Hook::Input | Hook::Postrouting => stops.push((NAT_SOURCE, translate)),
            Hook::Ingress | Hook::Forward | Hook::Egress => {}
        }
    }
    stops.sort_by_key(|(priority, _)| *priority);
    let same_priority = stops.chunk_by(|(one, _), (other, _)| one == other);
    same_priority.flat_map(|group| in_order(ruleset, group.iter().map(|(_, stop)| stop.clone()).collect())).collect()
}

/// The chains that translate, in the order of their own priorities, and of registration where these are equal.
fn translate(ruleset: &Ruleset, chains: &[(&Base, ChainId)]) -> Stop {
    let same_priority = chains.chunk_by(|(one, _), (other, _)| one.priority == other.priority);
    let mut orders = vec![Vec::new()];
    for group in same_priority {
        let ids: Vec<ChainId> = group.iter().map(|(_, id)| *id).collect();
        let Some(of_group) = orders_of_backends(ruleset, &ids) else { return Stop::Unclear };
        orders = orders.iter().flat_map(|order| of_group.iter().map(move |more| [&order[..], more].concat())).collect();
        if orders.len() > MAX_ORDERS {
            return Stop::Unclear;
        }
    }
    match orders.as_slice() {
        [only] => Stop::Translate(only.clone()),
        orders => Stop::Either(orders.iter().map(|order| vec![Stop::Translate(order.clone())]).collect()),
    }
}

/// Nothing tells when the chains of one backend were registered relative to those of the other. The older backend has
/// but one chain of a table at a hook: what files give more of is of both.
fn orders_of_backends(ruleset: &Ruleset, chains: &[ChainId]) -> Option<Vec<Vec<ChainId>>> {
    let (legacy, others): (Vec<_>, Vec<_>) = chains.iter().copied().partition(|chain| is_legacy(ruleset, *chain));
    if legacy.is_empty() || legacy.len() == 1 && others.is_empty() {
        return Some(vec![chains.to_vec()]);
    }
    if number_of_orders(others.len(), legacy.len()) > MAX_ORDERS {
        return None;
    }
    Some(legacy.iter().fold(vec![others], |orders, chain| everywhere(&orders, chain)))
}

fn is_legacy(ruleset: &Ruleset, chain: ChainId) -> bool {
    ruleset.table_of(chain).is_some_and(|table| table.backend == Backend::Legacy)
}

/// In how many orders things can be, of which some have one.
fn number_of_orders(fixed: usize, free: usize) -> usize {
    (fixed.saturating_add(1)..=fixed.saturating_add(free)).fold(1, usize::saturating_mul)
}

/// One thing more, at every place of every order.
fn everywhere<T: Clone>(orders: &[Vec<T>], one: &T) -> Vec<Vec<T>> {
    orders.iter().flat_map(|order| (0..=order.len()).map(move |at| with(order, one, at))).collect()
}

/// What has one priority runs in the order of registration, the last first. For conntrack, for address translation, and
/// between the two backends nothing tells when that was.
fn in_order(ruleset: &Ruleset, group: Vec<Stop>) -> Vec<Stop> {
    let of_legacy = |stop: &Stop| match stop {
        Stop::Chain(chain) => is_legacy(ruleset, *chain) && !does_nothing(ruleset, *chain),
        _ => false,
    };
    let moves = |stop: &Stop| of_legacy(stop) || !matches!(stop, Stop::Chain(_));
    let (free, fixed): (Vec<_>, Vec<_>) = group.iter().cloned().partition(moves);
    let matters = |stop: &Stop| match stop {
        Stop::Chain(chain) => has_effects(ruleset, *chain),
        _ => true,
    };
    let is_settled = fixed.is_empty() && free.iter().filter(|stop| of_legacy(stop)).count() < 2;
    if free.is_empty() || is_settled || !group.iter().any(matters) {
        return group;
    }
    if number_of_orders(fixed.len(), free.len()) > MAX_ORDERS {
        return vec![Stop::Unclear];
    }
    vec![Stop::Either(free.iter().fold(vec![fixed], |orders, stop| everywhere(&orders, stop)))]
}

fn with<T: Clone>(order: &[T], one: &T, at: usize) -> Vec<T> {
    let (before, after) = order.split_at_checked(at).unwrap_or((order, &[]));
    [before, std::slice::from_ref(one), after].concat()
}

/// Tables of the older backend stay when their rules go.
fn does_nothing(ruleset: &Ruleset, chain: ChainId) -> bool {
    let accepts = |chain: &Chain| chain.base.as_ref().is_none_or(|base| base.policy == Policy::Accept);
    ruleset.chain(chain).is_some_and(|chain| chain.rules.is_empty() && accepts(chain))
}

/// Whether a rule of the chain's table does something that a rule elsewhere can see.
fn has_effects(ruleset: &Ruleset, chain: ChainId) -> bool {
    let table = ruleset.chain(chain).map(|chain| chain.table);
    let chains = ruleset.chains.iter().filter(|chain| Some(chain.table) == table);
    chains
        .flat_map(|chain| &chain.rules)
        .flat_map(|rule| &rule.ops)
        .any(|op| matches!(op, Op::Effect(_) | Op::Unknown(_)))
}

/// Whether some chain translates addresses: with the first one the kernel enters all hooks where that is done, and
/// whatever passes one of them without a rule is settled as not translated (`nf_nat_alloc_null_binding`).
fn translates(ruleset: &Ruleset, version: IpVersion) -> bool {
    HOOKS.iter().any(|hook| chains(ruleset, version, *hook).iter().any(|(base, _)| base.kind == ChainKind::Nat))
}

/// Whether some rule makes the kernel track the connections of an IP version.
fn tracks(ruleset: &Ruleset, version: IpVersion) -> bool {
    let of_version = |chain: &&Chain| {
        ruleset
            .table(chain.table)
            .is_some_and(|table| sees(table.family, version, Hook::Prerouting) || table.family == Family::Bridge)
    };
    ruleset
        .chains
        .iter()
        .filter(of_version)
        .flat_map(|chain| &chain.rules)
        .any(|rule| rule.ops.iter().any(|op| needs_tracking(op) && !is_of_other_version(op, &rule.ops, version)))
}

/// A translation to addresses makes the kernel track the version of these addresses only (`nft_nat_init`), which the
/// rule asks for before.
fn is_of_other_version(op: &Op, rule: &[Op], version: IpVersion) -> bool {
    let to_addresses =
        |translation: &Translation| matches!(translation.target, Target::Addresses(_) | Target::Prefix(..));
    matches!(op, Op::Verdict(Verdict::Translate(translation)) if to_addresses(translation))
        && (rule.windows(2).any(|pair| compares_family(pair, version)) || rule.iter().any(|op| is_guard(op, version)))
}

fn compares_family(pair: &[Op], version: IpVersion) -> bool {
    match pair {
        [Op::Load { what: Load::Meta(Meta::NetworkFamily), to }, Op::Compare { register, how, value }] => {
            to == register && *how == Comparison::Equal && **value != [network_family(version)]
        }
        _ => false,
    }
}

/// The range of all addresses of the other version.
fn is_guard(op: &Op, version: IpVersion) -> bool {
    let Op::Match { inverted: false, all } = op else { return false };
    matches!(all.as_slice(), [Test { inverted: false, predicate: Predicate::AddressRange { range, .. } }]
        if IpVersion::of(*range.start()) != version)
}

fn needs_tracking(op: &Op) -> bool {
    match op {
        // What is not understood may do so, and chains that translate are not even entered where nothing does.
        Op::Load { what: Load::Conntrack { .. }, .. } | Op::Verdict(Verdict::Translate(_)) | Op::Unknown(_) => true,
        Op::Effect(effect) => matches!(
            effect,
            Effect::SetConntrackMark { .. }
                | Effect::SetConntrackMarkFrom(_)
                | Effect::SaveMark { .. }
                | Effect::RestoreMark { .. }
        ),
        Op::Match { all, .. } => all.iter().any(|test| {
            matches!(
                test.predicate,
                Predicate::ConntrackState(_)
                    | Predicate::ConntrackStatus(_)
                    | Predicate::ConntrackDirection(_)
                    | Predicate::ConntrackProtocol(_)
                    | Predicate::ConntrackAddress { .. }
                    | Predicate::ConntrackPort { .. }
                    | Predicate::ConntrackMark { .. }
            )
        }),
        Op::Rate(rate) => rate.text.as_str().contains("ct count") || rate.text.as_str().contains("connlimit"),
        _ => false,
    }
}
