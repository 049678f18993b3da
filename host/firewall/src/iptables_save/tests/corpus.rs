//! Rulesets of real hosts, where there is a folder of them: `LOOPGATE_RULESETS`.

#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::path::{Path, PathBuf};

use super::*;

/// Every file that holds what `iptables-save` printed.
fn files() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("LOOPGATE_RULESETS").map(PathBuf::from) else { return Vec::new() };
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
    for path in files() {
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
