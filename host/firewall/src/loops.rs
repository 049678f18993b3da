//! Chains that lead back to themselves.
//!
//! The kernel takes none that a packet can come to (`mark_source_chains`, `net/ipv4/netfilter/ip_tables.c`;
//! `nft_chain_validate`, `net/netfilter/nf_tables_api.c`), but those that no rule of a hook leads to it need not look
//! at.

use crate::Ruleset;
use crate::rule::{Op, Verdict};
use crate::ruleset::{Chain, ChainId, Data, Element};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Begun,
    Done,
}

/// A chain of a loop that a packet can go round in.
pub(crate) fn find(ruleset: &Ruleset) -> Option<ChainId> {
    let targets: Vec<Vec<ChainId>> = ruleset.chains.iter().map(|chain| targets(ruleset, chain)).collect();
    let mut visits = vec![Visit::Not; targets.len()];
    let bases = (0..).map(ChainId).zip(&ruleset.chains).filter(|(_, chain)| chain.base.is_some());
    bases.map(|(id, _)| id).find_map(|base| visit(base, &targets, &mut visits))
}

/// The chains that the rules of a chain lead to, by themselves or by a map of verdicts.
fn targets(ruleset: &Ruleset, chain: &Chain) -> Vec<ChainId> {
    let ops = || chain.rules.iter().flat_map(|rule| &rule.ops);
    let direct = ops().filter_map(|op| match op {
        Op::Verdict(verdict) => target(verdict),
        _ => None,
    });
    let mut maps: Vec<_> = ops()
        .filter_map(|op| match op {
            Op::Lookup { set, .. } => Some(*set),
            _ => None,
        })
        .collect();
    maps.sort_unstable();
    maps.dedup();
    let elements = maps.into_iter().filter_map(|map| ruleset.set(map)).flat_map(|map| &map.elements);
    direct.chain(elements.filter_map(target_of_element)).collect()
}

fn target(verdict: &Verdict) -> Option<ChainId> {
    match verdict {
        Verdict::Jump(to) | Verdict::Goto(to) => Some(*to),
        _ => None,
    }
}

fn target_of_element(element: &Element) -> Option<ChainId> {
    match &element.data {
        Some(Data::Verdict(verdict)) => target(verdict),
        _ => None,
    }
}

/// Walks everything that a chain leads to, without recursion.
fn visit(from: ChainId, targets: &[Vec<ChainId>], visits: &mut [Visit]) -> Option<ChainId> {
    let mut path = vec![(from, 0)];
    while let Some((chain, next)) = path.pop() {
        let target = targets.get(chain.0 as usize).and_then(|targets| targets.get(next)).copied();
        if let Some(visit) = visits.get_mut(chain.0 as usize) {
            *visit = if target.is_some() { Visit::Begun } else { Visit::Done };
        }
        let Some(target) = target else { continue };
        path.push((chain, next + 1));
        match visits.get(target.0 as usize) {
            Some(Visit::Begun) => return Some(target),
            Some(Visit::Not) => path.push((target, 0)),
            _ => {}
        }
    }
    None
}
