//! Rules.

use loopgate_facts::Untrusted;

use super::fields::{Fields, Flaw, list, message, until_nul};
use super::{Builder, dangling, expression};
use crate::rule::{LookupResult, Op};
use crate::ruleset::{Family, Rule};

/// `enum nft_rule_attributes`.
pub(super) fn add(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    const NFTA_RULE_TABLE: u16 = 1;
    const NFTA_RULE_CHAIN: u16 = 2;
    const NFTA_RULE_HANDLE: u16 = 3;
    const NFTA_RULE_EXPRESSIONS: u16 = 4;
    const NFTA_RULE_USERDATA: u16 = 7;
    let (family, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let table = builder.find_table(family, fields.text(NFTA_RULE_TABLE)?)?;
    let name = fields.text(NFTA_RULE_CHAIN)?;
    let chain = builder.names(table)?.chain(name)?;
    let family = builder.ruleset.table(table).map_or(Family::Inet, |table| table.family);
    let expressions = fields.get(NFTA_RULE_EXPRESSIONS).unwrap_or_default();
    let ops = lower(builder, table.0, family, expressions)?;
    note_changes(builder, &ops);
    let rule = Rule {
        handle: fields.has(NFTA_RULE_HANDLE).then(|| fields.u64(NFTA_RULE_HANDLE)).transpose()?,
        comment: fields.get(NFTA_RULE_USERDATA).and_then(comment),
        ops,
        ..Rule::default()
    };
    let chain = builder.ruleset.chains.get_mut(chain.0 as usize).ok_or_else(|| dangling("chain", name))?;
    chain.rules.push(rule);
    Ok(())
}

fn lower(builder: &Builder, table: u32, family: Family, expressions: &[u8]) -> Result<Vec<Op>, Flaw> {
    let names = builder.names.get(table as usize).ok_or(Flaw::Unknown)?;
    let mut context = expression::Context { names, sets: &builder.sets, family, ops: Vec::with_capacity(8) };
    for item in list(expressions) {
        expression::lower(&mut context, item?);
    }
    let mut ops = context.ops;
    keep_going_is_not_the_end(&mut ops);
    ops.shrink_to_fit();
    Ok(ops)
}

/// After a verdict map that says `continue`, the kernel goes on with the next expression of the same rule
/// (`nft_do_chain`, `net/netfilter/nf_tables_core.c`), while [`crate::rule::Verdict::Continue`] goes on with the next
/// rule. The two are the same at the end of a rule, where `nft` has every verdict map.
fn keep_going_is_not_the_end(ops: &mut Vec<Op>) {
    let Some(last) = ops.iter().rposition(|op| !matches!(op, Op::Note(_))) else { return };
    let is_verdict_map = |op: &Op| matches!(op, Op::Lookup { result: LookupResult::Verdict, .. });
    if let Some(position) = ops.iter().take(last).position(is_verdict_map) {
        ops.insert(position + 1, expression::unknown("expressions behind a verdict map"));
    }
}

/// A set that a rule adds to is not the same for long, whether or not it is flagged `dynamic`.
fn note_changes(builder: &mut Builder, ops: &[Op]) {
    for op in ops {
        if let Op::Update { set, .. } = op
            && let Some(set) = builder.ruleset.sets.get_mut(set.0 as usize)
        {
            set.changes = true;
        }
    }
}

/// A comment is what has type 0 among values with a byte each of type and length (libnftnl `include/libnftnl/udata.h`).
fn comment(mut user_data: &[u8]) -> Option<Untrusted> {
    const NFTNL_UDATA_RULE_COMMENT: u8 = 0;
    while let [kind, length, rest @ ..] = user_data {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == NFTNL_UDATA_RULE_COMMENT {
            return Some(Untrusted::from_bytes(until_nul(value)));
        }
        user_data = rest;
    }
    None
}
