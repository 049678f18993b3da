//! What the kernel does at each hook, in order.

use std::collections::HashMap;

use super::load::network_family;
use crate::address_set::IpVersion;
use crate::rule::{Comparison, Effect, Load, Meta, Op, Predicate, Target, Translation, Verdict};
use crate::ruleset::{Base, Chain, ChainId, ChainKind, Family, Hook, Ruleset};

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
}

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
        Family::Ip => version == IpVersion::V4,
        Family::Ip6 => version == IpVersion::V6,
        Family::Inet => true,
        Family::Netdev => matches!(hook, Hook::Ingress | Hook::Egress),
        Family::Arp | Family::Bridge => false,
    }
}

/// The base chains at a hook, lowest priority first, and of those with equal priority the last registered first.
fn chains(ruleset: &Ruleset, version: IpVersion, hook: Hook) -> Vec<(&Base, ChainId)> {
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
        let chains = Stop::Translate(nat.into_iter().map(|(_, id)| id).collect());
        match hook {
            Hook::Prerouting | Hook::Output => stops.push((NAT_DESTINATION, chains)),
            Hook::Input | Hook::Postrouting => stops.push((NAT_SOURCE, chains)),
            Hook::Ingress | Hook::Forward | Hook::Egress => {}
        }
    }
    stops.sort_by_key(|(priority, _)| *priority);
    stops.into_iter().map(|(_, stop)| stop).collect()
}

/// Whether some chain translates addresses: with the first one the kernel enters all hooks where that is done, and whatever
/// passes one of them without a rule is settled as not translated (`nf_nat_alloc_null_binding`).
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
        && rule.windows(2).any(|pair| match pair {
            [Op::Load { what: Load::Meta(Meta::NetworkFamily), to }, Op::Compare { register, how, value }] => {
                to == register && *how == Comparison::Equal && **value != [network_family(version)]
            }
            _ => false,
        })
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
