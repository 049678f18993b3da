mod corpus;
mod files;
mod hostile;
mod rules;

use super::*;
use crate::rule::Op;

/// The operations of one rule of IPv4 in a table with a chain `X`.
fn ops_in(table: &str, family: Family, rule: &str) -> Vec<Op> {
    let text = format!("*{table}\n:X - [0:0]\n-A {rule}\nCOMMIT\n");
    let parsed = parse(text.as_bytes(), Some(family)).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut rules = parsed.ruleset.chains.into_iter().flat_map(|chain| chain.rules);
    rules.next().unwrap().ops
}

/// The operations of one rule of `filter` for IPv4.
fn ops(rule: &str) -> Vec<Op> {
    ops_in("filter", Family::Ip, &format!("INPUT {rule}"))
}
