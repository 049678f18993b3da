//! Rulesets of real hosts, where there is a folder of them: `LOOPGATE_RULESETS`.

#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use loopgate_test_support::rulesets;

use super::*;

/// Every file that holds what `iptables-save` printed.
fn files(test: &str) -> Vec<PathBuf> {
    let Some(folder) = rulesets(test) else { return Vec::new() };
    let folders = ["iptables-semantics", "misc", "generated", "moby"].map(|name| folder.join(name));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_save(path)).collect();
    paths.sort();
    paths
}

fn is_save(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    (name.contains("tables-save") || name.ends_with("tables-S")) && !name.contains(".Ln.")
}

#[test]
fn nothing_in_them_is_unknown() {
    for path in files("nothing_in_them_is_unknown") {
        let text = std::fs::read(&path).unwrap();
        let parsed = parse(&text, None).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let rules: Vec<_> = parsed.ruleset.chains.iter().flat_map(|chain| &chain.rules).collect();
        let unknown: Vec<_> =
            rules.iter().filter(|rule| rule.ops.iter().any(|op| matches!(op, Op::Unknown(_)))).collect();
        let lines = text.split(|byte| *byte == b'\n').count();
        println!("{}: {lines} lines, {} rules, notes {:?}", path.display(), rules.len(), parsed.notes);
        assert!(unknown.is_empty(), "{}: {unknown:#?}", path.display());
    }
}

/// The blocks of `iptables -S` in the documents of Docker: first of `filter`, then of `nat`.
#[test]
fn nothing_in_the_listings_of_documents_is_unknown() {
    let Some(folder) = rulesets("nothing_in_the_listings_of_documents_is_unknown") else { return };
    for name in ["swarm-portmap.iptables.md", "usernet-portmap-lo.iptables.md"] {
        let document = std::fs::read_to_string(folder.join("moby").join(name)).unwrap();
        let blocks = document.split("\n\n").filter(|block| block.contains("    -P "));
        for (block, table) in blocks.zip(["filter", "nat"]) {
            let listing = block.lines().filter_map(|line| line.strip_prefix("    ")).collect::<Vec<_>>().join("\n");
            let parsed = parse_table(listing.as_bytes(), None, table).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut rules = parsed.ruleset.chains.iter().flat_map(|chain| &chain.rules);
            assert!(rules.all(|rule| !rule.ops.iter().any(|op| matches!(op, Op::Unknown(_)))), "{name} {table}");
            println!("{name} {table}: {} lines, notes {:?}", listing.lines().count(), parsed.notes);
        }
    }
}

/// What is shown of a rule without its text is read as the same rule.
#[test]
fn they_come_back_as_they_were() {
    for path in files("they_come_back_as_they_were") {
        let text = std::fs::read(&path).unwrap();
        let mut parsed = parse(&text, None).unwrap();
        let family = parsed.ruleset.tables.first().unwrap().family;
        for rule in parsed.ruleset.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            rule.text = None;
            rule.ops.retain(|op| !matches!(op, Op::Note(crate::rule::Note::Counter { .. })));
        }
        let mut again = parse(shown(&parsed.ruleset).as_bytes(), Some(family)).unwrap();
        for (chain, other) in parsed.ruleset.chains.iter().zip(&mut again.ruleset.chains) {
            for (rule, other) in chain.rules.iter().zip(&mut other.rules) {
                other.text = None;
                other.line = rule.line;
                assert_eq!(rule, other, "{}", path.display());
            }
        }
        assert_eq!(parsed.ruleset, again.ruleset);
    }
}

fn shown(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    for (table, position) in ruleset.tables.iter().zip(0..) {
        writeln!(text, "*{}", table.name.as_str()).unwrap();
        let chains = || ruleset.chains.iter().zip(0..).filter(|(chain, _)| chain.table.0 == position);
        for (chain, _) in chains() {
            let policy = match chain.base.as_ref().map(|base| base.policy) {
                Some(crate::ruleset::Policy::Accept) => "ACCEPT",
                Some(crate::ruleset::Policy::Drop) => "DROP",
                None => "-",
            };
            writeln!(text, ":{} {policy}", chain.name.as_str()).unwrap();
        }
        for (chain, id) in chains() {
            for (_, position) in chain.rules.iter().zip(0..) {
                let id = crate::ruleset::RuleId { chain: crate::ruleset::ChainId(id), position };
                text.push_str(crate::notation::iptables::rule(ruleset, id).as_str());
                text.push('\n');
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}
