//! Rules are shown as `nft list ruleset` prints them: rules are loaded in a namespace, read from the listing as JSON,
//! and their text compared with the line of the other listing.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::io::Write;

use std::process::Stdio;

use loopgate_firewall::ruleset::{ChainId, RuleId};
use loopgate_firewall::{nft_json, notation};
use loopgate_test_support::{command, in_namespace, rulesets, run};

const RULES: &str = include_str!("data/native.nft");

/// Rules that are shown differently, each with how.
///
/// The listing as JSON has no index of an interface and no timeout of an update; the model has no flags of a
/// translation, and neither follows the others.
const DIFFERENT: &[(&str, &str)] = &[
    (r#"meta time < "2030-01-01 00:00:00" accept"#, "[match of meta time] accept"),
    (r#"meta hour "10:00"-"12:00" accept"#, "[match of meta hour] accept"),
    (r#"oif "lo" accept"#, r#"oifname "lo" accept"#),
    ("ct expiration < 10s accept", "[match of ct expiration] accept"),
    ("ct label 5 accept", "[match of ct label] accept"),
    (r#"fib daddr oif "lo" accept"#, r#"fib daddr oifname "lo" accept"#),
    ("numgen inc mod 2 0 accept", "[numgen mod 2 offset 0 == 0x00000000] accept"),
    ("numgen random mod 4 offset 1 2 accept", "[numgen mod 4 offset 1 == 0x02000000] accept"),
    ("jhash ip saddr mod 2 seed 0x1 1 accept", "[jhash == 0x01000000] accept"),
    ("symhash mod 2 1 accept", "[symhash == 0x01000000] accept"),
    (r#"osf name "Linux" accept"#, "[osf == 0x4c696e75780000000000000000000000] accept"),
    ("vlan id 5 accept", "[vlan id] accept"),
    (r#"ct helper set "ftp-std""#, "[writes ct helper]"),
    (
        "update @dyn { ip saddr timeout 5s limit rate 5/second } accept",
        "update @dyn { ip saddr limit rate 5/second } accept",
    ),
    ("add @dyn { ip saddr counter } drop", "add @dyn { ip saddr } drop"),
    ("tcp dport 80 synproxy mss 1460 wscale 7 timestamp sack-perm", "tcp dport 80 [synproxy]"),
    (
        "tcp dport 22 meter mm size 65535 { ip saddr limit rate 3/minute } accept",
        "tcp dport 22 add @__set19 { ip saddr limit rate 3/minute } accept",
    ),
    (
        "tcp dport 80 dnat ip to 10.0.0.1-10.0.0.5:8080-8090 persistent",
        "tcp dport 80 dnat ip to 10.0.0.1-10.0.0.5:8080-8090",
    ),
    ("tcp dport 80 redirect to :8080-8090 random", "tcp dport 80 redirect to :8080-8090"),
    (
        "dnat ip prefix to ip daddr map { 10.0.0.0/8 : 11.0.0.0/8 }",
        "dnat ip to [translation of prefixes by a map: ip daddr map { 10.0.0.0/8 : [0x0b0000000bffffff] }]",
    ),
    ("tcp dport 80 masquerade to :1024-65535 fully-random", "tcp dport 80 masquerade to :1024-65535"),
    (r#"oifname "e0" snat ip to 10.0.0.1-10.0.0.9 random"#, r#"oifname "e0" snat ip to 10.0.0.1-10.0.0.9"#),
    (
        "snat ip prefix to ip saddr map { 10.0.0.0/8 : 11.0.0.0/8 }",
        "snat ip to [translation of prefixes by a map: ip saddr map { 10.0.0.0/8 : [0x0b0000000bffffff] }]",
    ),
    ("vlan id 5 ip saddr 1.2.3.4 accept", "[vlan id] ip saddr 1.2.3.4 accept"),
];

/// Demand 26: a rule is shown with its ports and sets.
#[test]
fn native_rules_are_shown_as_nft_lists_them() {
    in_namespace("native_rules_are_shown_as_nft_lists_them", || {
        load(RULES);
        let (compared, wrong) = differences();
        let unexpected = unexpected(wrong, DIFFERENT);
        assert!(compared > 200, "only {compared} rules were compared");
        assert!(unexpected.is_empty(), "{} of {compared}:\n{}", unexpected.len(), unexpected.join("\n"));
    });
}

/// Rulesets of other tools, where `LOOPGATE_RULESETS` names a folder of them.
#[test]
fn kept_rulesets_are_shown_as_nft_lists_them() {
    let Some(folder) = rulesets("kept_rulesets_are_shown_as_nft_lists_them") else { return };
    in_namespace("kept_rulesets_are_shown_as_nft_lists_them", || {
        let mut unexpected_in_all = Vec::new();
        for name in ["generated", "moby"] {
            for entry in std::fs::read_dir(folder.join(name)).expect("a folder") {
                let path = entry.expect("an entry").path();
                // The listing of what iptables-nft wrote cannot be loaded.
                if path.extension().is_none_or(|extension| extension != "nft") || path.to_string_lossy().contains("ufw")
                {
                    continue;
                }
                let rules = std::fs::read_to_string(&path).expect("a file");
                // nft 1.0.6 does not take the name of this priority at this hook.
                let rules = rules.replace("hook output priority dstnat", "hook output priority -100");
                run("nft", &["flush", "ruleset"]);
                load(&rules);
                let (compared, wrong) = differences();
                eprintln!("{}: {compared} rules compared", path.display());
                unexpected_in_all.extend(unexpected(wrong, DIFFERENT_IN_KEPT));
            }
        }
        assert!(unexpected_in_all.is_empty(), "{}", unexpected_in_all.join("\n"));
    });
}

/// Rules of kept rulesets that are shown differently.
const DIFFERENT_IN_KEPT: &[(&str, &str)] = &[
    (r#"iif "lo" accept"#, r#"iifname "lo" accept"#),
    (r#"iif != "lo" ip daddr 127.0.0.0/8 drop"#, r#"iifname != "lo" ip daddr 127.0.0.0/8 drop"#),
    // A chain without a name, over several lines.
    ("}", "tcp dport != { 1, 2 } [statement that is printed as text]"),
    (
        "ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24, 2002:a00::/24, 2002:7f00::/24, 2002:a9fe::/32, 2002:ac10::/28, \
         2002:c0a8::/32, 2002:e000::/19 } reject with icmpv6 addr-unreachable",
        "ip6 daddr { ::/96, ::ffff:0.0.0.0/96, 2002::/24, 2002:a00::/24, 2002:7f00::/24, 2002:a9fe::/32, 2002:ac10::/28, \
         2002:c0a8::/32, ... (9 elements) } reject with icmpv6 addr-unreachable",
    ),
];

fn unexpected(wrong: Vec<(String, String)>, known: &[(&str, &str)]) -> Vec<String> {
    let is_known = |(nft, ours): &(String, String)| known.iter().any(|(a, b)| nft == a && ours == b);
    let unexpected = wrong.into_iter().filter(|pair| !is_known(pair));
    unexpected.map(|(wanted, ours)| format!("    (r#\"{wanted}\"#,\n     r#\"{ours}\"#),")).collect()
}

/// How many rules were compared, and those that are shown differently: as nft has them, and as we do.
fn differences() -> (usize, Vec<(String, String)>) {
    let parsed = nft_json::parse(run("nft", &["-j", "list", "ruleset"]).as_bytes()).expect("a listing is read");
    let listing = listing(&run("nft", &["-a", "list", "ruleset"]));
    let (mut compared, mut wrong) = (0, Vec::new());
    for (index, chain) in parsed.ruleset.chains.iter().enumerate() {
        for (position, rule) in chain.rules.iter().enumerate() {
            let id =
                RuleId { chain: ChainId(u32::try_from(index).unwrap()), position: u32::try_from(position).unwrap() };
            let reference = notation::reference(&parsed.ruleset, id);
            // What stands for something that the listing leaves out has no handle.
            let Some(handle) = rule.handle else { continue };
            let key = (reference.family, reference.table.as_str().to_owned(), handle);
            let ours = reference.text.as_str().to_owned();
            let wanted = listing.get(&key).cloned().unwrap_or_default();
            compared += 1;
            if ours != wanted {
                wrong.push((wanted, ours));
            }
        }
    }
    (compared, wrong)
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
