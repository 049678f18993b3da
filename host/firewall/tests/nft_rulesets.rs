//! Rulesets of other tools, where `LOOPGATE_RULESETS` names a folder of them: every document is read, and only what the
//! listing leaves out is not understood.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]

use std::path::{Path, PathBuf};

use loopgate_firewall::nft_json::{self, Parsed};
use loopgate_test_support::{in_namespace, rulesets, run};

#[test]
fn kept_listings_are_understood() {
    let Some(folder) = rulesets("kept_listings_are_understood") else { return };
    for file in files(&folder.join("generated"), "json") {
        let parsed = nft_json::parse(&std::fs::read(&file).expect("a file")).expect("a listing");
        report(&file, &parsed);
    }
}

#[test]
fn loaded_rulesets_are_understood() {
    let Some(folder) = rulesets("loaded_rulesets_are_understood") else { return };
    in_namespace("loaded_rulesets_are_understood", || {
        for file in files(&folder.join("moby"), "nft") {
            run("nft", &["flush", "ruleset"]);
            // nft 1.0.6 does not take the name of this priority at this hook.
            let rules = std::fs::read_to_string(&file).expect("a file");
            let rules = rules.replace("hook output priority dstnat", "hook output priority -100");
            run("nft", &[rules.as_str()]);
            let parsed = nft_json::parse(run("nft", &["-j", "list", "ruleset"]).as_bytes()).expect("a listing");
            report(&file, &parsed);
        }
    });
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn report(file: &Path, parsed: &Parsed) {
    let rules: usize = parsed.ruleset.chains.iter().map(|chain| chain.rules.len()).sum();
    eprintln!("{}: {rules} rules, {} not understood", file.display(), parsed.not_understood.len());
    for item in &parsed.not_understood {
        eprintln!("  {} {:?} {:?}", item.pointer, item.handle, item.construct);
        let is_left_out = item.construct.as_str().starts_with("xt ") || item.construct.as_str().contains("as text");
        assert!(is_left_out, "{item:?}");
    }
}
