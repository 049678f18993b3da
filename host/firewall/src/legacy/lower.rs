//! Entries as rules.

use loopgate_facts::Untrusted;

use super::chains::{ACCEPT, Chains, DROP, Entries, QUEUE, RETURN};
use super::entry::Entry;
use super::{Flaw, LegacyError};
use crate::rule::{Note, Op, Verdict};
use crate::ruleset::{Base, Chain, Rule, TableId};
use crate::xt::{comment, match_op, target_ops};

/// All chains, each with the offset of its first rule.
pub(super) fn chains(found: &Chains<'_, '_>) -> Result<Vec<(Chain, usize)>, LegacyError> {
    found.chains.iter().map(|entries| Ok((chain(entries, found)?, offset(entries)))).collect()
}

fn offset(entries: &Entries<'_, '_>) -> usize {
    entries.rules.first().map_or(0, |entry| entry.offset)
}

fn chain(entries: &Entries<'_, '_>, chains: &Chains<'_, '_>) -> Result<Chain, LegacyError> {
    let base = entries.base.map(|(hook, policy)| Base {
        hook: hook.hook,
        priority: hook.priority,
        kind: hook.kind,
        policy,
        devices: Vec::new(),
        // No two tables have the same priority at a hook.
        registered: 0,
    });
    let rules =
        entries.rules.iter().zip(1..).map(|(entry, line)| rule(entry, line, chains)).collect::<Result<_, _>>()?;
    Ok(Chain { table: TableId(0), name: Untrusted::from_bytes(entries.name), base, rules })
}

fn rule(entry: &Entry<'_>, line: u32, chains: &Chains<'_, '_>) -> Result<Rule, LegacyError> {
    let mut rule = Rule { line: Some(line), ..Rule::default() };
    if !entry.header.tests.is_empty() {
        rule.ops.push(Op::Match { inverted: false, all: entry.header.tests.clone() });
    }
    for extension in &entry.matches {
        match comment(extension) {
            Some(text) if rule.comment.is_none() => rule.comment = Some(text),
            _ => rule.ops.push(match_op(extension)),
        }
    }
    rule.ops.push(Op::Note(Note::Counter { packets: entry.header.packets, bytes: entry.header.bytes }));
    match entry.standard_verdict() {
        Some(number) => rule.ops.extend(verdict(number, entry, chains)?.map(Op::Verdict)),
        None if entry.target.name.is_empty() => return Err(Flaw::Size("target").at(entry.offset)),
        None => rule.ops.extend(target_ops(&entry.target)),
    }
    Ok(rule)
}

/// A number that is not negative is the offset of the next entry, which is that behind the rule where it has no target
/// (`ipt_do_table`, `net/ipv4/netfilter/ip_tables.c`).
fn verdict(number: i32, entry: &Entry<'_>, chains: &Chains<'_, '_>) -> Result<Option<Verdict>, LegacyError> {
    let verdict = match number {
        ACCEPT => Verdict::Accept,
        DROP => Verdict::Drop,
        QUEUE => Verdict::Queue { bypass: false },
        RETURN => Verdict::Return,
        number => {
            let to = usize::try_from(number).map_err(|_| Flaw::Verdict(number).at(entry.offset))?;
            if to == entry.next {
                return Ok(None);
            }
            let chain = *chains.by_offset.get(&to).ok_or(Flaw::Jump(to).at(entry.offset))?;
            if entry.header.goto { Verdict::Goto(chain) } else { Verdict::Jump(chain) }
        }
    };
    Ok(Some(verdict))
}
