//! Rulesets of real hosts and tools, where there is a folder of them: `LOOPGATE_RULESETS`.

#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loopgate_facts::{Listener, Protocol};
use loopgate_firewall::rule::{Op, Predicate};
use loopgate_firewall::{Ruleset, iptables_save, nft_json};

use super::machine::{DeviceOf, listener, summary};

/// How many rules are found in the rulesets where some are. In the first, every form of a mask stands behind a rule
/// that accepts all first packets, and one of them drops. In the second, what is spoofed on the interfaces that lead to
/// a chain is dropped before, and the chain has rules that let it in.
const FOUND: [(&str, usize); 2] =
    [("bitmask-forms.json", 1), ("IPPartEval__TUM_Net__iptables-save-2015-09-03_15-56-50", 2)];

fn files() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("LOOPGATE_RULESETS").map(PathBuf::from) else { return Vec::new() };
    let folders = ["iptables-semantics", "misc", "generated", "moby"].map(|name| folder.join(name));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| is_ruleset(path)).collect();
    paths.sort();
    paths
}

fn is_ruleset(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let is_save = name.contains("tables-save") || name.ends_with("tables-S");
    (is_save && !name.contains(".Ln.")) || name.ends_with(".json")
}

fn ruleset(path: &Path) -> Ruleset {
    let text = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "json") {
        nft_json::parse(&text).unwrap().ruleset
    } else {
        iptables_save::parse(&text, None).unwrap().ruleset
    }
}

/// The interfaces that rules name, and the ports.
fn named(ruleset: &Ruleset) -> (BTreeSet<String>, BTreeSet<u16>) {
    let mut names = BTreeSet::from(["eth0".to_owned()]);
    let mut ports = BTreeSet::from([22, 53, 80, 137, 443, 5353, 5432, 8080]);
    let tests = ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    for test in tests.filter_map(|op| if let Op::Match { all, .. } = op { Some(all) } else { None }).flatten() {
        match &test.predicate {
            Predicate::Interface { name, prefix, .. } if name != b"lo" => {
                names.insert(format!("{}{}", String::from_utf8_lossy(name), if *prefix { "0" } else { "" }));
            }
            Predicate::Ports { ranges, .. } => ports.extend(ranges.iter().map(|range| *range.start())),
            _ => {}
        }
    }
    (names, ports)
}

#[test]
fn what_is_found_in_them_is_so() {
    for path in files() {
        let ruleset = ruleset(&path);
        let (names, ports) = named(&ruleset);
        let addresses: Vec<_> =
            (0..64).map(|number| [format!("10.9.{number}.1/24"), format!("fd09:{number}::1/64")]).collect();
        let addresses: Vec<Vec<&str>> =
            addresses.iter().map(|pair| pair.iter().map(String::as_str).collect()).collect();
        let mut devices: Vec<DeviceOf<'_>> = vec![(1, "lo", 772, &["127.0.0.1/8", "::1/128"])];
        for ((name, addresses), index) in names.iter().zip(&addresses).zip(2..) {
            devices.push((index, name, 1, addresses));
        }
        let ports = ports.into_iter().filter(|port| *port > 0).take(200);
        let listeners: Vec<Listener> = ports
            .flat_map(|port| [Protocol::Tcp, Protocol::Udp].map(|protocol| (protocol, port)))
            .flat_map(|(protocol, port)| ["0.0.0.0", "::"].map(|address| listener(protocol, address, port)))
            .collect();
        let firewall = summary(&ruleset, &devices, &listeners);
        let name = path.file_name().unwrap().to_string_lossy();
        let expected = FOUND.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
        assert!(firewall.shadowed_complete, "{name}");
        assert_eq!(firewall.shadowed.len(), expected, "{name}: {:#?}", firewall.shadowed);
    }
}
