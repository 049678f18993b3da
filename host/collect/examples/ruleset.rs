//! Reads the rules of this network namespace and prints the model of them, a line for each element and operation.
//!
//! With `--legacy` those of legacy iptables; with `--time` only how long it took and how much there is; with `--record`
//! the messages, for tests and fuzzing.

use std::io::{self, Write};
use std::time::Instant;

use loopgate_collect::linux::firewall::legacy;
use loopgate_collect::linux::firewall::nf_tables::{self, Reading};
use loopgate_firewall::Ruleset;
use loopgate_firewall::ruleset::{Family, Set};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let choice = std::env::args().nth(1);
    if choice.as_deref() == Some("--record") {
        return out.write_all(&nf_tables::record().map_err(io::Error::other)?);
    }
    if choice.as_deref() == Some("--legacy") {
        return print_legacy(&mut out);
    }
    let begin = Instant::now();
    let reading = nf_tables::read().map_err(io::Error::other)?;
    let time = begin.elapsed();
    match reading {
        Reading::Read(ruleset) if choice.as_deref() == Some("--time") => {
            let rules: usize = ruleset.chains.iter().map(|chain| chain.rules.len()).sum();
            let elements: usize = ruleset.sets.iter().map(|set| set.elements.len()).sum();
            let (chains, sets) = (ruleset.chains.len(), ruleset.sets.len());
            writeln!(out, "{time:?}: {chains} chains, {rules} rules, {sets} sets, {elements} elements")?;
        }
        Reading::Read(ruleset) => print(&mut out, &ruleset)?,
        Reading::Absent => writeln!(out, "the kernel has no nf_tables")?,
    }
    out.flush()
}

fn print_legacy(out: &mut impl Write) -> io::Result<()> {
    for family in [Family::Ip, Family::Ip6] {
        match legacy::read_here(family).map_err(io::Error::other)? {
            legacy::Reading::Read(ruleset) => print(out, &ruleset)?,
            legacy::Reading::Absent => writeln!(out, "no legacy tables of {family:?}")?,
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, ruleset: &Ruleset) -> io::Result<()> {
    for (position, table) in ruleset.tables.iter().enumerate() {
        writeln!(out, "table {position} {table:?}")?;
    }
    for (position, set) in ruleset.sets.iter().enumerate() {
        writeln!(out, "set {position} {:?}", Set { elements: Vec::new(), ..set.clone() })?;
        set.elements.iter().try_for_each(|element| writeln!(out, "  {element:?}"))?;
    }
    for (position, chain) in ruleset.chains.iter().enumerate() {
        writeln!(out, "chain {position} {:?} of table {} {:?}", chain.name, chain.table.0, chain.base)?;
        for rule in &chain.rules {
            writeln!(out, "  rule {:?} {:?}", rule.handle, rule.comment)?;
            rule.ops.iter().try_for_each(|op| writeln!(out, "    {op:?}"))?;
        }
    }
    Ok(())
}
