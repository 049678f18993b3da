//! Rules are shown as `nft list ruleset` prints them: rules are loaded in a namespace, read from the listing as JSON, and
//! their text compared with the line of the other listing.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use loopgate_firewall::ruleset::{ChainId, RuleId};
use loopgate_firewall::{nft_json, notation};
use loopgate_test_support::{command, in_namespace, run};

const RULES: &str = include_str!("data/native.nft");

/// Rules that are shown differently, each with how.
const DIFFERENT: &[(&str, &str)] = &[];

#[test]
fn native_rules_are_shown_as_nft_lists_them() {
    in_namespace("native_rules_are_shown_as_nft_lists_them", || {
        load(RULES);
        let parsed = nft_json::parse(run("nft", &["-j", "list", "ruleset"]).as_bytes()).expect("a listing is read");
        let listing = listing(&run("nft", &["-a", "list", "ruleset"]));
        let (mut compared, mut wrong) = (0, Vec::new());
        for (index, chain) in parsed.ruleset.chains.iter().enumerate() {
            for (position, rule) in chain.rules.iter().enumerate() {
                let id = RuleId {
                    chain: ChainId(u32::try_from(index).unwrap()),
                    position: u32::try_from(position).unwrap(),
                };
                let reference = notation::reference(&parsed.ruleset, id);
                let key = (reference.family, reference.table.as_str().to_owned(), rule.handle.expect("a handle"));
                let (ours, wanted) = (reference.text.as_str().to_owned(), listing[&key].clone());
                compared += 1;
                let known = DIFFERENT.iter().any(|(nft, shown)| wanted == *nft && ours == *shown);
                if ours != wanted && !known {
                    wrong.push(format!("    (r#\"{wanted}\"#,\n     r#\"{ours}\"#),"));
                }
            }
        }
        assert!(compared > 200, "only {compared} rules were compared");
        assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    });
}

fn load(rules: &str) {
    let mut nft = command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft runs");
    nft.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("nft reads");
    assert!(nft.wait().expect("nft ends").success());
}

/// The lines of the rules by family, table and handle.
fn listing(text: &str) -> BTreeMap<(String, String, u64), String> {
    let mut table = (String::new(), String::new());
    let mut rules = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("table ") {
            let mut words = rest.split_whitespace().map(ToOwned::to_owned);
            table = (words.next().expect("a family"), words.next().expect("a name"));
        }
        let rule = line.strip_prefix("\t\t").and_then(|line| line.rsplit_once(" # handle "));
        if let Some((text, handle)) = rule {
            let handle = handle.parse().expect("a handle");
            rules.insert((table.0.clone(), table.1.clone(), handle), text.to_owned());
        }
    }
    rules
}
