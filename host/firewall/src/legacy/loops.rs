//! Chains that lead back to themselves.
//!
//! The kernel takes none that a packet can come to (`mark_source_chains`, `net/ipv4/netfilter/ip_tables.c`), but those
//! that no rule of a hook leads to it does not look at.

use super::{Flaw, LegacyError};
use crate::rule::{Op, Verdict};
use crate::ruleset::Chain;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Begun,
    Done,
}

/// Fails if a packet can go round in a loop. Each chain comes with its offset.
pub(super) fn check(chains: &[(Chain, usize)]) -> Result<(), LegacyError> {
    let targets: Vec<Vec<usize>> = chains.iter().map(|(chain, _)| targets(chain)).collect();
    let mut visits = vec![Visit::Not; chains.len()];
    let bases = chains.iter().enumerate().filter(|(_, (chain, _))| chain.base.is_some());
    for (position, _) in bases {
        visit(position, &targets, &mut visits)
            .map_err(|chain| Flaw::Loop.at(chains.get(chain).map_or(0, |(_, offset)| *offset)))?;
    }
    Ok(())
}

fn targets(chain: &Chain) -> Vec<usize> {
    let ops = chain.rules.iter().flat_map(|rule| &rule.ops);
    let targets = ops.filter_map(|op| match op {
        Op::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) => Some(to.0 as usize),
        _ => None,
    });
    targets.collect()
}

/// Walks everything that a chain leads to, without recursion. The error is a chain of a loop.
fn visit(from: usize, targets: &[Vec<usize>], visits: &mut [Visit]) -> Result<(), usize> {
    let mut path = vec![(from, 0)];
    while let Some((chain, next)) = path.pop() {
        let target = targets.get(chain).and_then(|targets| targets.get(next)).copied();
        mark(visits, chain, if target.is_some() { Visit::Begun } else { Visit::Done });
        let Some(target) = target else { continue };
        path.push((chain, next + 1));
        match visits.get(target) {
            Some(Visit::Begun) => return Err(target),
            Some(Visit::Not) => path.push((target, 0)),
            _ => {}
        }
    }
    Ok(())
}

fn mark(visits: &mut [Visit], chain: usize, visit: Visit) {
    if let Some(entry) = visits.get_mut(chain) {
        *entry = visit;
    }
}
