//! What is read from `iptables-save` and shown again is what the tools themselves load and save.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use loopgate_firewall::iptables_save::parse;
use loopgate_firewall::notation::iptables;
use loopgate_firewall::rule::{Comparison, Load, Meta, Note, Op, PayloadBase, Rate, Register, Unknown, Verdict};
use loopgate_firewall::ruleset::{ChainId, Family, Policy, RuleId, Ruleset};
use loopgate_test_support::{command, in_namespace, rulesets, run};

const IP: &str = include_str!("data/filter.iptables");
const IP6: &str = include_str!("data/filter.ip6tables");

#[test]
fn what_legacy_saves_is_shown_as_it_was() {
    in_namespace("what_legacy_saves_is_shown_as_it_was", || {
        comes_back("iptables-legacy", Family::Ip, IP);
        comes_back("ip6tables-legacy", Family::Ip6, IP6);
    });
}

#[test]
fn what_nf_tables_saves_is_shown_as_it_was() {
    in_namespace("what_nf_tables_saves_is_shown_as_it_was", || {
        comes_back("iptables-nft", Family::Ip, IP);
        comes_back("ip6tables-nft", Family::Ip6, IP6);
    });
}

/// Rulesets of real hosts, where there is a folder of them, as far as the tools load them.
#[test]
fn rulesets_of_real_hosts_are_shown_as_they_were() {
    in_namespace("rulesets_of_real_hosts_are_shown_as_they_were", || {
        for path in real_files() {
            let rules = std::fs::read_to_string(&path).unwrap();
            let is_ip6 = path.to_string_lossy().contains("ip6tables");
            let (tool, family) = if is_ip6 { ("ip6tables", Family::Ip6) } else { ("iptables", Family::Ip) };
            for backend in ["legacy", "nft"] {
                let tool = format!("{tool}-{backend}");
                match try_feed(&format!("{tool}-restore"), &rules) {
                    Some(_) => comes_back(&tool, family, &rules),
                    None => println!("{tool} refuses {}", path.display()),
                }
            }
        }
    });
}

fn real_files() -> Vec<std::path::PathBuf> {
    let Some(folder) = rulesets("rulesets_of_real_hosts_are_shown_as_they_were") else { return Vec::new() };
    let folders = ["iptables-semantics", "misc", "generated", "moby"].map(|name| folder.join(name));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_save = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name.contains("tables-save") || name.ends_with("tables-S")) && !name.contains(".Ln.")
    };
    paths.filter(is_save).collect()
}

/// Loads rules, saves them, reads and shows them, loads that, and saves again.
fn comes_back(tool: &str, family: Family, rules: &str) {
    feed(&format!("{tool}-restore"), rules);
    let saved = feed(&format!("{tool}-save"), "");
    let mut parsed = parse(saved.as_bytes(), None).unwrap_or_else(|error| panic!("{tool}: {error}\n{saved}"));
    assert_eq!(parsed.ruleset.tables[0].family, family);
    assert_eq!(parsed.notes, []);
    for rule in parsed.ruleset.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        assert!(!rule.ops.iter().any(|op| matches!(op, Op::Unknown(_))), "{rule:?}");
        rule.text = None;
    }
    let shown = show(&parsed.ruleset);
    feed(&format!("{tool}-restore"), &shown);
    let again = feed(&format!("{tool}-save"), "");
    let (again, saved) = (normal(&again), normal(&saved));
    let different: Vec<_> = again.iter().zip(&saved).filter(|(again, saved)| again != saved).collect();
    assert!(again.len() == saved.len() && different.is_empty(), "{tool}: {different:#?}");
}

/// The whole ruleset as a file.
fn show(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    for (table, position) in ruleset.tables.iter().zip(0..) {
        let chains = || (0..).zip(&ruleset.chains).filter(|(_, chain)| chain.table.0 == position);
        writeln!(text, "*{}", table.name.as_str()).unwrap();
        for (_, chain) in chains() {
            let policy = match chain.base.as_ref().map(|base| base.policy) {
                Some(Policy::Accept) => "ACCEPT",
                Some(Policy::Drop) => "DROP",
                None => "-",
            };
            writeln!(text, ":{} {policy} [0:0]", chain.name.as_str()).unwrap();
        }
        for (id, chain) in chains() {
            for (position, _) in (0..).zip(&chain.rules) {
                let id = RuleId { chain: ChainId(id), position };
                writeln!(text, "{}", iptables::rule(ruleset, id).as_str()).unwrap();
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// Without comments, and with one name for what has two.
fn normal(saved: &str) -> Vec<String> {
    saved.lines().filter(|line| !line.starts_with('#')).map(normal_line).collect()
}

fn normal_line(line: &str) -> String {
    let line = line.replace("-m state --state", "-m conntrack --ctstate").replace("-j NOTRACK", "-j CT --notrack");
    let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
    let protocol = words.windows(2).find(|pair| pair[0] == "-p").map(|pair| pair[1].clone());
    for at in 0..words.len().saturating_sub(2) {
        let is_one = words[at] == "multiport" && !words[at + 2].contains(',') && words[at + 1] != "!";
        if let (Some(protocol), true) = (&protocol, is_one) {
            words[at].clone_from(protocol);
            words[at + 1].truncate("--dport".len());
        }
    }
    words.join(" ")
}

/// Runs a program of iptables with an input, and gives its output.
fn feed(program: &str, input: &str) -> String {
    try_feed(program, input).unwrap_or_else(|| panic!("{program} failed for\n{input}"))
}

/// The same, `None` if the program refuses the input.
fn try_feed(program: &str, input: &str) -> Option<String> {
    let mut process = command(program);
    process.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = process.spawn().expect("iptables is installed");
    // A program that refuses a line does not read the rest.
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.success() && written.is_ok()).then(|| String::from_utf8(output.stdout).unwrap())
}

/// What `iptables-nft` compiles is shown as it shows it itself, but for matches and targets that are no bytecode.
#[test]
fn bytecode_of_iptables_is_shown_as_iptables_shows_it() {
    in_namespace("bytecode_of_iptables_is_shown_as_iptables_shows_it", || {
        bytecode_is_shown("iptables-nft", Family::Ip, include_str!("data/native.iptables"));
        bytecode_is_shown("ip6tables-nft", Family::Ip6, include_str!("data/native.ip6tables"));
    });
}

fn bytecode_is_shown(tool: &str, family: Family, rules: &str) {
    feed(&format!("{tool}-restore"), rules);
    let saved = feed(&format!("{tool}-save"), "");
    let wanted: Vec<_> = saved.lines().filter(|line| line.starts_with("-A ")).collect();
    let debug = run("nft", &["--debug=netlink", "list", "ruleset"]);
    // The model of the chains is that of the saved text; the rules are replaced by their bytecode.
    let mut ruleset = parse(saved.as_bytes(), Some(family)).unwrap().ruleset;
    let ids: BTreeMap<String, ChainId> =
        (0..).zip(&ruleset.chains).map(|(id, chain)| (chain.name.as_str().to_owned(), ChainId(id))).collect();
    ruleset.chains.iter_mut().for_each(|chain| chain.rules.clear());
    let prefix = if family == Family::Ip { "ip filter " } else { "ip6 filter " };
    for block in debug.split("\n\n").filter(|block| block.starts_with(prefix)) {
        let mut lines = block.lines();
        let chain = lines.next().unwrap().split(' ').nth(2).unwrap();
        let ops = lines.map(|line| op(line, &ids)).collect();
        let chain = &mut ruleset.chains[ids[chain].0 as usize];
        chain.rules.push(loopgate_firewall::ruleset::Rule { ops, ..Default::default() });
    }
    let text = show(&ruleset);
    let shown: Vec<_> = text.lines().filter(|line| line.starts_with("-A ")).collect();
    assert_eq!(shown, wanted);
}

/// An expression as `nft --debug=netlink` writes it.
fn op(line: &str, chains: &BTreeMap<String, ChainId>) -> Op {
    let words: Vec<_> = line.split(|letter: char| " []()".contains(letter)).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        ["meta", "load", key, "=>", ..] => Op::Load { what: Load::Meta(meta(key)), to: Register(0) },
        ["payload", "load", length, "@", base, "header", "+", offset, "=>", ..] => {
            let base = if *base == "network" { PayloadBase::Network } else { PayloadBase::Transport };
            let length = length.strip_suffix('b').unwrap().parse().unwrap();
            LENGTH.set(length);
            Op::Load {
                what: Load::Payload { base, offset: offset.parse().unwrap(), length: u32::try_from(length).unwrap() },
                to: Register(0),
            }
        }
        ["bitwise", "reg", "1", "=", "reg", "1", "&", rest @ ..] => {
            let (mask, xor) = rest.split_at(rest.iter().position(|word| *word == "^").unwrap());
            Op::Mask { from: Register(0), to: Register(0), mask: bytes(mask), xor: bytes(&xor[1..]) }
        }
        ["cmp", how, "reg", "1", value @ ..] => {
            Op::Compare { register: Register(0), how: comparison(how), value: bytes(value) }
        }
        ["range", how, "reg", "1", from, to] => {
            Op::Range { register: Register(0), inverted: *how == "neq", from: bytes(&[from]), to: bytes(&[to]) }
        }
        ["counter", ..] => Op::Note(Note::Counter { packets: 0, bytes: 0 }),
        ["limit", "rate", rate, "burst", burst, ..] => {
            Op::Rate(Rate { text: format!("limit rate {rate} burst {burst} packets").into(), usually: true })
        }
        ["immediate", "reg", "0", "accept"] => Op::Verdict(Verdict::Accept),
        ["immediate", "reg", "0", "drop"] => Op::Verdict(Verdict::Drop),
        ["immediate", "reg", "0", "return"] => Op::Verdict(Verdict::Return),
        ["immediate", "reg", "0", "jump", "->", chain] => Op::Verdict(Verdict::Jump(chains[*chain])),
        ["immediate", "reg", "0", "goto", "->", chain] => Op::Verdict(Verdict::Goto(chains[*chain])),
        _ => Op::Unknown(Unknown { construct: line.into(), only_matches: false }),
    }
}

fn comparison(how: &str) -> Comparison {
    match how {
        "eq" => Comparison::Equal,
        "neq" => Comparison::NotEqual,
        "lt" => Comparison::Less,
        "lte" => Comparison::LessOrEqual,
        "gt" => Comparison::Greater,
        "gte" => Comparison::GreaterOrEqual,
        other => panic!("{other}"),
    }
}

thread_local! {
    /// The length of the last value that was loaded, which a listing does not repeat.
    static LENGTH: std::cell::Cell<usize> = const { std::cell::Cell::new(4) };
}

fn meta(key: &str) -> Meta {
    let (meta, length) = match key {
        "iifname" => (Meta::InputInterfaceName, 16),
        "oifname" => (Meta::OutputInterfaceName, 16),
        "l4proto" => (Meta::TransportProtocol, 1),
        "mark" => (Meta::Mark, 4),
        other => panic!("{other}"),
    };
    LENGTH.set(length);
    meta
}

/// Words of four bytes in the order of the machine. The names of interfaces are compared as far as they are given.
fn bytes(words: &[&str]) -> Box<[u8]> {
    let word = |word: &&str| u32::from_str_radix(word.strip_prefix("0x").unwrap(), 16).unwrap().to_ne_bytes();
    let mut bytes: Vec<u8> = words.iter().flat_map(word).collect();
    bytes.truncate(LENGTH.get());
    bytes.into()
}
