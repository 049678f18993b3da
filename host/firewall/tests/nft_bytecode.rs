//! What a document is lowered to is what `nft` itself compiles: its rules are loaded in a namespace, listed as JSON and
//! as bytecode, and compared operation by operation.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use loopgate_firewall::nft_json;
use loopgate_firewall::rule::{
    Comparison, ConntrackKey, Direction, Effect, End, FibResult, Load, LookupResult, Meta, Op, PayloadBase, Register,
    Verdict,
};
use loopgate_firewall::ruleset::{Key, Ruleset, Set};
use loopgate_test_support::{command, in_namespace, run};

const RULES: &str = include_str!("data/native.nft");

/// Rules whose bytecode differs from what its own listing says, each with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("icmp code port-unreachable", "the listing leaves a test of the protocol out that stands for more than it does"),
    ("meta time", "depends on the time zone of whoever lists it"),
    ("meta hour", "depends on the time zone of whoever lists it"),
    ("ct expiration", "not followed"),
    ("ct label", "its bits have names in a file"),
    ("oif \"lo\"", "by name, because the listing has no index"),
    ("iif ", "by name, because the listing has no index"),
    ("fib daddr oif \"lo\"", "by name, because the listing has no index"),
    ("icmpv6 type echo-request icmpv6 code no-route", "two fields at once"),
    ("tcp sport 22 tcp dport 33", "two fields at once"),
    ("jhash", "not followed"),
    ("vlan id", "not followed"),
    ("meta priority set", "written, not followed"),
    ("meta nftrace set", "without effect"),
    ("ct zone set", "written, not followed"),
    ("ct helper set", "written, not followed"),
    ("ip dscp set", "written in another width"),
    ("ip ttl set", "written in another width"),
    ("tcp dport set", "written, not followed"),
    ("ip saddr set", "written, not followed"),
    ("tcp option maxseg size set", "written, not followed"),
    ("tcp dport 80 synproxy", "not followed"),
    ("tcp dport 22 meter", "its set is not listed"),
    ("ip saddr 1.2.3.4 tcp dport 22 accept", "the same tests in another order"),
    ("udp dport 53 accept", "in a table of one protocol: another form of the same test"),
    ("icmp type echo-request accept", "in a bridge: another form of the same test"),
];

/// Rules of the families of one protocol, where `ip protocol tcp tcp dport 22` is listed without its first half.
const OTHER_TEST: &str = "tcp dport 22 accept";

/// Demand 20: native rules, with sets in braces, are understood.
#[test]
fn native_rules_are_lowered_to_what_nft_compiles() {
    in_namespace("native_rules_are_lowered_to_what_nft_compiles", || {
        load(RULES);
        let parsed = nft_json::parse(run("nft", &["-j", "list", "ruleset"]).as_bytes()).expect("a listing is read");
        let listing = run("nft", &["-a", "list", "ruleset"]);
        let debug = run("nft", &["--debug=netlink", "list", "ruleset"]);
        let (rules, sets) = (debugged_rules(&debug), debugged_sets(&debug));
        let mut wrong = Vec::new();
        let mut compared = 0;
        for chain in &parsed.ruleset.chains {
            let table = parsed.ruleset.table(chain.table).expect("a table");
            // What stands for something that the listing leaves out has no handle.
            for (rule, handle) in chain.rules.iter().filter_map(|rule| Some((rule, rule.handle?))) {
                let family = format!("{:?}", table.family).to_lowercase();
                let key = (family.clone(), table.name.as_str().to_owned(), handle);
                let wanted = &rules[&key];
                let ours: Vec<String> =
                    rule.ops.iter().flat_map(|op| shown(op, &parsed.ruleset, &sets, &family, wanted)).collect();
                let wanted: Vec<String> = wanted.iter().filter_map(|line| canonical(line)).collect();
                let (ours, wanted) = (without_operands(ours), without_operands(wanted));
                compared += 1;
                if ours != wanted {
                    wrong.push(format!("{}\n  nft:  {wanted:?}\n  ours: {ours:?}", text(&listing, &key)));
                }
            }
        }
        let unexpected = wrong.into_iter().filter(|rule| !DIFFERENT.iter().any(|(text, _)| rule.starts_with(text)));
        let (other_test, unexpected): (Vec<_>, Vec<_>) = unexpected.partition(|rule| rule.starts_with(OTHER_TEST));
        assert_eq!(other_test.len(), 2, "{other_test:?}");
        assert!(compared > 200, "only {compared} rules were compared");
        assert!(unexpected.is_empty(), "{} of {compared}:\n{}", unexpected.len(), unexpected.join("\n"));
    });
}

fn load(rules: &str) {
    let mut nft = command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft runs");
    nft.stdin.take().expect("a pipe").write_all(rules.as_bytes()).expect("nft reads");
    assert!(nft.wait().expect("nft ends").success());
}

type RuleKey = (String, String, u64);

/// The line of a rule in the listing.
fn text(listing: &str, key: &RuleKey) -> String {
    let mut inside = false;
    let table = format!("table {} {} ", key.0, key.1);
    for line in listing.lines() {
        if line.starts_with("table") {
            inside = line.starts_with(&table);
        }
        if inside && line.ends_with(&format!("# handle {}", key.2)) && line.starts_with("\t\t") {
            return line.trim().split(" # handle").next().unwrap_or_default().to_owned();
        }
    }
    format!("{key:?}")
}

fn debugged_rules(debug: &str) -> BTreeMap<RuleKey, Vec<String>> {
    let mut rules = BTreeMap::new();
    let mut current = None;
    for line in debug.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(line) = line.strip_prefix("  [ ") {
            if let Some(key) = &current {
                let lines: &mut Vec<String> = rules.entry(Clone::clone(key)).or_default();
                lines.push(line.trim_end().trim_end_matches(']').trim_end().to_owned());
            }
        } else if !line.starts_with([' ', '\t']) {
            current = match words.as_slice() {
                [family, table, _, handle, ..] => {
                    handle.parse().ok().map(|handle| ((*family).to_owned(), (*table).to_owned(), handle))
                }
                _ => None,
            };
        }
    }
    rules
}

/// The elements of every set as nft prints them: first key, last key, whether it ends an interval.
type Elements = Vec<(Vec<u8>, Option<Vec<u8>>, bool)>;

fn debugged_sets(debug: &str) -> BTreeMap<(String, String, String), Elements> {
    let mut sets = BTreeMap::new();
    let mut current = None;
    for line in debug.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["element", rest @ ..] => {
                if let Some(key) = &current {
                    let elements: &mut Elements = sets.entry(Clone::clone(key)).or_default();
                    elements.push(element(rest));
                }
            }
            [family, table, set] if set.starts_with('@') => {
                let key = ((*family).to_owned(), (*table).to_owned(), set.trim_start_matches('@').to_owned());
                sets.insert(key.clone(), Vec::new());
                current = Some(key);
            }
            _ => {}
        }
    }
    sets
}

fn element(words: &[&str]) -> (Vec<u8>, Option<Vec<u8>>, bool) {
    let colon = words.iter().position(|word| *word == ":").expect("a colon");
    let keys = &words[..colon];
    let flags = words.iter().rev().find_map(|word| word.parse::<u32>().ok()).unwrap_or_default();
    match keys.iter().position(|word| *word == "-") {
        Some(dash) => (words_to_bytes(&keys[..dash]), Some(words_to_bytes(&keys[dash + 1..])), flags & 1 == 1),
        None => (words_to_bytes(keys), None, flags & 1 == 1),
    }
}

/// Registers are printed as 32-bit numbers of this machine.
fn words_to_bytes(words: &[&str]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| u32::from_str_radix(word.trim_start_matches("0x"), 16).expect("hexadecimal").to_ne_bytes())
        .collect()
}

/// A line of nft in the form that the two are compared in; `None` for what is not compared.
fn canonical(line: &str) -> Option<String> {
    let line = line.trim();
    let skipped = ["log", "limit", "quota", "objref", "connlimit", "synproxy", "dup ", "fwd", "exthdr write"];
    if skipped.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(match words.as_slice() {
        ["nat" | "masq" | "redir" | "tproxy", ..] => "translate".to_owned(),
        ["numgen", "reg", register, .., "mod", modulus] => format!("numgen {modulus} 0 => reg {register}"),
        ["numgen", "reg", register, .., "mod", modulus, "offset", offset] => {
            format!("numgen {modulus} {offset} => reg {register}")
        }
        ["reject", ..] => "reject".to_owned(),
        ["counter", ..] => "counter".to_owned(),
        ["dynset", how, "reg_key", key, "set", set, ..] => format!("dynset {how} {key} {set}"),
        // Opaque on our side: what is loaded is compared by its place only.
        ["exthdr" | "socket" | "rt" | "osf" | "hash", rest @ ..] => {
            let register = rest.iter().rposition(|word| *word == "reg" || *word == "dreg").expect("a register");
            let register = if words[0] == "hash" { "1" } else { rest[register + 1] };
            format!("opaque => reg {register}")
        }
        _ => line.to_owned(),
    })
}

/// Without what a translation reads from registers there and holds itself here, and without the test of the family
/// that is the expression's own there.
fn without_operands(mut lines: Vec<String>) -> Vec<String> {
    let translates = lines.iter().any(|line| line == "translate");
    let operands = |line: &String| line.starts_with("immediate reg") && line.contains(" 0x");
    if translates || lines.last().is_some_and(operands) {
        lines.retain(|line| !operands(line));
    }
    if translates && let Some(at) = lines.iter().position(|line| line == "meta load nfproto => reg 1") {
        lines.drain(at..at + 2);
    }
    lines
}

/// The number that nft gives a register.
fn reg(register: Register) -> String {
    let number = u32::from(register.0);
    if number.is_multiple_of(4) { (number / 4 + 1).to_string() } else { (number + 8).to_string() }
}

fn hex(bytes: &[u8]) -> String {
    let words = bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        format!("0x{:08x}", u32::from_ne_bytes(word))
    });
    words.collect::<Vec<_>>().join(" ")
}

fn shown(
    op: &Op,
    ruleset: &Ruleset,
    sets: &BTreeMap<(String, String, String), Elements>,
    family: &str,
    wanted: &[String],
) -> Vec<String> {
    vec![match op {
        Op::Load { what, to } => load_line(what, &reg(*to)),
        Op::Immediate { to, data } => format!("immediate reg {} {}", reg(*to), hex(data)),
        Op::Mask { from, to, mask, xor } => {
            format!("bitwise reg {} = ( reg {} & {} ) ^ {}", reg(*to), reg(*from), hex(mask), hex(xor))
        }
        Op::SwapBytes { from, to, length, size } => {
            format!("byteorder reg {} = hton(reg {}, {length}, {size})", reg(*to), reg(*from))
        }
        Op::Compare { register, how, value } => {
            format!("cmp {} reg {} {}", comparison(*how), reg(*register), hex(value))
        }
        Op::Range { register, inverted, from, to } => {
            let how = if *inverted { "neq" } else { "eq" };
            format!("range {how} reg {} {} {}", reg(*register), hex(from), hex(to))
        }
        Op::Lookup { set, key, inverted, result } => {
            let set = ruleset.set(*set).expect("a set");
            let table = ruleset.table(set.table).expect("a table").name.as_str();
            let name = set_name(set, wanted);
            let theirs = &sets[&(family.to_owned(), table.to_owned(), name.clone())];
            if !set.changes {
                assert_eq!(
                    intervals(set),
                    joined(theirs.clone(), set.fields[0] as usize),
                    "elements of {name} in {wanted:?}"
                );
            }
            let flag = u8::from(*inverted);
            match result {
                LookupResult::Nothing => format!("lookup reg {} set {name} 0x{flag}", reg(*key)),
                LookupResult::Register(to) => format!("lookup reg {} set {name} dreg {} 0x{flag}", reg(*key), reg(*to)),
                LookupResult::Verdict => format!("lookup reg {} set {name} dreg 0 0x{flag}", reg(*key)),
            }
        }
        Op::Update { set, key, how, .. } => {
            let how = format!("{how:?}").to_lowercase();
            format!("dynset {how} {} {}", reg(*key), ruleset.set(*set).expect("a set").name.as_str())
        }
        Op::Effect(Effect::SetMarkFrom(register)) => format!("meta set mark with reg {}", reg(*register)),
        Op::Effect(Effect::SetConntrackMarkFrom(register)) => format!("ct set mark with reg {}", reg(*register)),
        Op::Effect(Effect::NoTrack) => "notrack".to_owned(),
        Op::Verdict(verdict) => match verdict {
            Verdict::Translate(_) | Verdict::TransparentProxy { .. } => "translate".to_owned(),
            Verdict::Reject(_) => "reject".to_owned(),
            Verdict::Stolen(_) => return Vec::new(),
            Verdict::Jump(to) | Verdict::Goto(to) => {
                let word = if matches!(verdict, Verdict::Jump(_)) { "jump" } else { "goto" };
                format!("immediate reg 0 {word} -> {}", ruleset.chain(*to).expect("a chain").name.as_str())
            }
            verdict => format!("immediate reg 0 {}", format!("{verdict:?}").to_lowercase()),
        },
        Op::Note(loopgate_firewall::rule::Note::Counter { .. }) => "counter".to_owned(),
        Op::Note(_) | Op::Rate(_) => return Vec::new(),
        other => format!("{other:?}"),
    }]
}

/// An anonymous set is the one that the bytecode names.
fn set_name(set: &Set, wanted: &[String]) -> String {
    if !set.anonymous {
        return set.name.as_str().to_owned();
    }
    let line = wanted.iter().find(|line| line.starts_with("lookup")).expect("a lookup");
    line.split_whitespace().nth(4).expect("a name").to_owned()
}

/// The keys of a set as ranges, sorted.
fn intervals(set: &Set) -> Vec<(Vec<u8>, Vec<u8>)> {
    let padded = |key: &[u8]| {
        let mut key = key.to_vec();
        key.resize(key.len().next_multiple_of(4), 0);
        key
    };
    let ranges = set.elements.iter().map(|element| match &element.key {
        Key::Exact(key) => (padded(key), padded(key)),
        Key::Range(from, to) => (padded(from), padded(to)),
        Key::CatchAll => (Vec::new(), Vec::new()),
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort();
    ranges
}

/// Where intervals begin and end becomes ranges.
fn joined(mut elements: Elements, width: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    elements.sort();
    let mut ranges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let is_interval = elements.iter().any(|element| element.2);
    for (index, (first, last, ends)) in elements.iter().enumerate() {
        if *ends {
            continue;
        }
        let last = match (last, is_interval) {
            (Some(last), _) => last.clone(),
            (None, false) => first.clone(),
            (None, true) => {
                elements.get(index + 1).map_or_else(|| vec![0xff; first.len()], |next| before(&next.0, width))
            }
        };
        ranges.push((first.clone(), last));
    }
    ranges.sort();
    ranges
}

/// The key before, of as many bytes as are used.
fn before(key: &[u8], width: usize) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key[..width].iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            break;
        }
    }
    key
}

fn comparison(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "eq",
        Comparison::NotEqual => "neq",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "lte",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "gte",
    }
}

fn load_line(load: &Load, register: &str) -> String {
    match load {
        Load::Payload { base, offset, length } => {
            let base = match base {
                PayloadBase::Link => "link",
                PayloadBase::Network => "network",
                PayloadBase::Transport => "transport",
                PayloadBase::Inner => "inner",
            };
            format!("payload load {length}b @ {base} header + {offset} => reg {register}")
        }
        Load::Meta(meta) => format!("meta load {} => reg {register}", meta_name(*meta)),
        Load::Conntrack { key, direction } => {
            let direction = match direction {
                None => "",
                Some(Direction::Original) => " , dir original",
                Some(Direction::Reply) => " , dir reply",
            };
            format!("ct load {} => reg {register}{direction}", conntrack_name(*key))
        }
        Load::Fib(fib) => {
            let end = if fib.end == End::Source { "saddr" } else { "daddr" };
            let mark = if fib.mark { " . mark" } else { "" };
            let iif = if fib.input_interface { " . iif" } else { "" };
            let result = match fib.result {
                FibResult::Interface => "oif",
                FibResult::InterfaceName => "oifname",
                FibResult::AddressType => "type",
                FibResult::Present => "oif present",
            };
            format!("fib {end}{mark}{iif} {result} => reg {register}")
        }
        Load::Number { modulus, offset } => format!("numgen {modulus} {offset} => reg {register}"),
        Load::HeaderPresent(_) | Load::Opaque { .. } => format!("opaque => reg {register}"),
    }
}

fn meta_name(meta: Meta) -> &'static str {
    match meta {
        Meta::Length => "len",
        Meta::Protocol => "protocol",
        Meta::Priority => "priority",
        Meta::Mark => "mark",
        Meta::InputInterfaceName => "iifname",
        Meta::OutputInterfaceName => "oifname",
        Meta::InputInterfaceType => "iiftype",
        Meta::InputInterfaceGroup => "iifgroup",
        Meta::InputInterfaceKind => "iifkind",
        Meta::SocketUser => "skuid",
        Meta::SocketGroup => "skgid",
        Meta::RouteClass => "rtclassid",
        Meta::NetworkFamily => "nfproto",
        Meta::TransportProtocol => "l4proto",
        Meta::PacketType => "pkttype",
        Meta::Cpu => "cpu",
        Meta::ControlGroup => "cgroup",
        Meta::Random => "prandom",
        Meta::SecurityPath => "secpath",
        Meta::Day => "day",
        _ => "?",
    }
}

fn conntrack_name(key: ConntrackKey) -> &'static str {
    match key {
        ConntrackKey::State => "state",
        ConntrackKey::Direction => "direction",
        ConntrackKey::Status => "status",
        ConntrackKey::Mark => "mark",
        ConntrackKey::Helper => "helper",
        ConntrackKey::NetworkFamily => "l3protocol",
        ConntrackKey::TransportProtocol => "protocol",
        ConntrackKey::DestinationPort => "proto_dst",
        ConntrackKey::SourceIpv4 => "src_ip",
        ConntrackKey::SourceIpv6 => "src_ip6",
        ConntrackKey::DestinationIpv4 => "dst_ip",
        ConntrackKey::Zone => "zone",
        ConntrackKey::Packets => "packets",
        ConntrackKey::Bytes => "bytes",
        _ => "?",
    }
}
