//! The rules of `nf_tables`, compared with the bytecode that `nft(8)` shows of them.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::fmt::Write as _;
use std::fs;

use loopgate_collect::linux::firewall::nf_tables::{self, Reading, Unreadable};
use loopgate_firewall::Ruleset;
use loopgate_firewall::nf_tables::decode_stream;
use loopgate_firewall::rule::{
    Comparison, ConntrackKey, Effect, Load, LookupResult, Meta, Op, PayloadBase, Register, Verdict,
};
use loopgate_firewall::ruleset::{ChainKind, Data, DeviceName, Element, Hook, Key, Notation, Policy, Set};
use loopgate_test_support::{in_namespace, run};
use proptest::test_runner::{Config, TestRunner};

fn load(ruleset: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), ruleset).unwrap();
    run("nft", &["-f", file.path().to_str().unwrap()]);
}

fn read() -> Ruleset {
    match nf_tables::read() {
        Ok(Reading::Read(ruleset)) => ruleset,
        other => panic!("{other:?}"),
    }
}

/// What nft calls a register: 1 to 4 where it can.
fn register(register: Register) -> u8 {
    if register.0.is_multiple_of(4) { register.0 / 4 + 1 } else { register.0 + 8 }
}

/// Bytes as nft shows them: words in the order of the machine.
fn words(bytes: &[u8]) -> String {
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        format!("0x{:08x}", u32::from_ne_bytes(word))
    };
    bytes.chunks(4).map(word).collect::<Vec<_>>().join(" ")
}

fn show(op: &Op, ruleset: &Ruleset) -> String {
    match op {
        Op::Load { what, to } => show_load(what, register(*to)),
        Op::Immediate { to, data } => format!("immediate reg {} {}", register(*to), words(data)),
        Op::Mask { from, to, mask, xor } => {
            let (from, to) = (register(*from), register(*to));
            format!("bitwise reg {to} = ( reg {from} & {} ) ^ {}", words(mask), words(xor))
        }
        Op::SwapBytes { from, to, length, size } => {
            format!("byteorder reg {} = hton(reg {}, {size}, {length})", register(*to), register(*from))
        }
        Op::Compare { register: from, how, value } => {
            format!("cmp {} reg {} {}", show_comparison(*how), register(*from), words(value))
        }
        Op::Range { register: from, inverted, from: first, to } => {
            let how = if *inverted { "neq" } else { "eq" };
            format!("range {how} reg {} {} {}", register(*from), words(first), words(to))
        }
        Op::Lookup { set, key, inverted, result } => {
            let result = match result {
                LookupResult::Nothing => String::new(),
                LookupResult::Register(to) => format!(" dreg {}", register(*to)),
                LookupResult::Verdict => " dreg 0".to_owned(),
            };
            let set = ruleset.set(*set).unwrap().name.as_str();
            format!("lookup reg {} set {set}{result} 0x{}", register(*key), u8::from(*inverted))
        }
        Op::Effect(Effect::SetMarkFrom(from)) => format!("meta set mark with reg {}", register(*from)),
        Op::Verdict(verdict) => show_verdict(verdict, ruleset),
        other => format!("{other:?}"),
    }
}

fn show_load(what: &Load, to: u8) -> String {
    match what {
        Load::Payload { base, offset, length } => {
            let base = match base {
                PayloadBase::Link => "link",
                PayloadBase::Network => "network",
                PayloadBase::Transport => "transport",
                PayloadBase::Inner => "inner",
            };
            format!("payload load {length}b @ {base} header + {offset} => reg {to}")
        }
        Load::Meta(key) => {
            let key = match key {
                Meta::NetworkFamily => "nfproto",
                Meta::TransportProtocol => "l4proto",
                Meta::InputInterface => "iif",
                Meta::InputInterfaceName => "iifname",
                Meta::InputInterfaceType => "iiftype",
                Meta::Mark => "mark",
                Meta::PacketType => "pkttype",
                Meta::SocketUser => "skuid",
                other => panic!("{other:?}"),
            };
            format!("meta load {key} => reg {to}")
        }
        Load::Conntrack { key: ConntrackKey::State, .. } => format!("ct load state => reg {to}"),
        Load::Conntrack { key: ConntrackKey::Status, .. } => format!("ct load status => reg {to}"),
        other => format!("{other:?}"),
    }
}

fn show_comparison(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "eq",
        Comparison::NotEqual => "neq",
        Comparison::Less => "lt",
        Comparison::LessOrEqual => "lte",
        Comparison::Greater => "gt",
        Comparison::GreaterOrEqual => "gte",
    }
}

fn show_verdict(verdict: &Verdict, ruleset: &Ruleset) -> String {
    let verdict = match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump -> {}", ruleset.chain(*chain).unwrap().name.as_str()),
        Verdict::Goto(chain) => format!("goto -> {}", ruleset.chain(*chain).unwrap().name.as_str()),
        other => format!("{other:?}"),
    };
    format!("immediate reg 0 {verdict}")
}

const BYTECODE: &str = r#"
table inet t {
  set concatenated { type ipv4_addr . inet_service . ifname; elements = { 1.2.3.4 . 80 . "eth0" }; }
  set intervals { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 1-5 }; }
  map values { type inet_service : mark; elements = { 80 : 1 }; }
  chain sub { 
    counter
    return
  }
  chain i {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state { established, related } accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    ct status != dnat drop
    iif "lo" accept
    iifname "eth*" accept
    iifname { "eth0", "wlan*" } tcp dport { 22, 80-90 } accept
    ip saddr . tcp dport . iifname @concatenated drop
    ip saddr . tcp dport @intervals drop
    ip saddr & 255.255.0.0 == 10.1.0.0 jump sub
    ip saddr != 10.0.0.5-10.0.0.9 goto sub
    ip saddr 10.0.0.0/12 drop
    ip6 saddr fe80::/10 udp dport 546 accept
    tcp flags syn / syn,ack accept
    tcp dport >= 1000 accept
    tcp dport 1000-2000 accept
    tcp dport != { 1, 2 } drop
    meta mark & 0xff == 0x1 accept
    meta mark > 5 accept
    meta pkttype broadcast drop
    meta skuid 0 accept
    ether saddr 00:11:22:33:44:55 ip dscp cs1 drop
    @th,16,16 443 accept
    meta mark set tcp dport map @values
  }
}
"#;

/// The lines of bytecode, without counters, which the model shows as it likes.
fn bytecode() -> Vec<String> {
    let shown = run("nft", &["--debug=netlink", "list", "ruleset"]);
    let lines = shown.lines().filter_map(|line| line.trim().strip_prefix("[ ")?.strip_suffix(" ]"));
    lines.filter(|line| !line.starts_with("counter")).map(str::to_owned).collect()
}

/// Demand 1: rules of nf_tables are read as they are, not through iptables.
#[test]
fn the_operations_are_the_bytecode_that_nft_shows() {
    in_namespace("the_operations_are_the_bytecode_that_nft_shows", || {
        load(BYTECODE);
        let ruleset = read();
        let ops = ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
        let ops = ops.filter(|op| !matches!(op, Op::Note(_)));
        let shown: Vec<_> = ops.map(|op| show(op, &ruleset)).collect();
        assert_eq!(shown, bytecode());
    });
}

fn set<'a>(ruleset: &'a Ruleset, name: &str) -> &'a Set {
    ruleset.sets.iter().find(|set| set.name.as_str() == name).unwrap()
}

/// The keys as text, in order.
fn keys(set: &Set) -> Vec<String> {
    let hex = |key: &[u8]| {
        key.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let show = |element: &Element| match &element.key {
        Key::Exact(key) => hex(key),
        Key::Range(first, last) => format!("{}-{}", hex(first), hex(last)),
        Key::CatchAll => "*".to_owned(),
    };
    let mut keys: Vec<_> = set.elements.iter().map(show).collect();
    keys.sort();
    keys
}

const SETS: &str = r#"
table inet t {
  set prefixes { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.1.1, 224.0.0.0-255.255.255.255 }; }
  set everything { type ipv4_addr; flags interval; elements = { 0.0.0.0/0 }; }
  set names { type ifname; flags interval; elements = { "wg*" }; }
  set pairs { type ipv4_addr . inet_service; elements = { 1.2.3.4 . 80 }; }
  set ranges { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80-90, 1.1.1.1 . 22 }; }
  set passing { type ipv4_addr; flags timeout; elements = { 1.1.1.1 timeout 1h }; }
  set filled { type ipv4_addr; flags dynamic; size 10; }
  set limited { type ipv4_addr; limit rate 1/second; elements = { 1.1.1.1 limit rate 1/second }; }
  set counted { type ipv4_addr; counter; elements = { 1.1.1.1 counter packets 1 bytes 2 }; }
  map adjacent { type inet_service : mark; flags interval; elements = { 10-20 : 5, 21-30 : 6, * : 7 }; }
  map verdicts { type inet_service : verdict; elements = { 1 : jump sub, 2 : goto sub, 3 : drop, * : accept }; }
  chain sub { }
  chain i { type filter hook input priority filter + 3; policy drop; tcp dport { 1-5, 6-9 } drop
  }
}
"#;

#[test]
fn sets_and_maps_hold_what_was_put_in() {
    in_namespace("sets_and_maps_hold_what_was_put_in", || {
        load(SETS);
        let ruleset = read();
        for (name, expected) in [
            ("prefixes", &["0a000000-0affffff", "c0a80101", "e0000000-ffffffff"][..]),
            ("everything", &["00000000-ffffffff"]),
            ("names", &["77670000000000000000000000000000-7767ffffffffffffffffffffffffffff"]),
            ("pairs", &["0102030400500000"]),
            ("ranges", &["0101010100160000", "0a00000000500000-0affffff005a0000"]),
            ("passing", &["01010101"]),
            ("filled", &[]),
            ("adjacent", &["*", "000a-0014", "0015-001e"]),
            ("verdicts", &["*", "0001", "0002", "0003"]),
            ("__set0", &["0001-0009"]),
        ] {
            assert_eq!((keys(set(&ruleset, name)), &set(&ruleset, name).incomplete), (own(expected), &None), "{name}");
        }
        assert_eq!(set(&ruleset, "ranges").fields, [4, 2]);
        assert_eq!(set(&ruleset, "pairs").field_types, [7, 13]);
        assert!(set(&ruleset, "__set0").anonymous && !set(&ruleset, "pairs").anonymous);
        assert!(set(&ruleset, "filled").changes && set(&ruleset, "passing").changes && !set(&ruleset, "pairs").changes);
        assert!(set(&ruleset, "passing").elements[0].expires.is_some_and(|seconds| (3590..=3600).contains(&seconds)));
        assert!(set(&ruleset, "limited").elements[0].limited && !set(&ruleset, "counted").elements[0].limited);
        assert_eq!(set(&ruleset, "adjacent").data_length, Some(4));
        let jumps = set(&ruleset, "verdicts").elements.iter().filter_map(|element| match &element.data {
            Some(Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain))) => {
                Some(ruleset.chain(*chain)?.name.as_str())
            }
            _ => None,
        });
        assert_eq!(jumps.collect::<Vec<_>>(), ["sub", "sub"]);
    });
}

fn own(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

const TABLES: &str = "
table inet sleeping { flags dormant
  chain i { type nat hook prerouting priority dstnat; policy drop; redirect comment \"bell \x07 \x1b[31m\"
  }
}
table netdev ports { chain d { type filter hook ingress device lo priority -5; accept
  }
}
table ip own { chain INPUT { type filter hook input priority 0
  }
}
";

#[test]
fn tables_chains_and_comments_are_those_that_were_made() {
    in_namespace("tables_chains_and_comments_are_those_that_were_made", || {
        load(TABLES);
        run("iptables-nft", &["-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]);
        let ruleset = read();
        let find = |table: &str| ruleset.tables.iter().find(|found| found.name.as_str() == table).unwrap();
        assert!(find("sleeping").dormant && !find("ports").dormant);
        assert_eq!((find("filter").notation, find("own").notation), (Notation::Iptables, Notation::Nft));
        let chain = ruleset.chains.iter().find(|chain| chain.name.as_str() == "i").unwrap();
        let base = chain.base.as_ref().unwrap();
        assert_eq!((base.hook, base.priority, base.kind), (Hook::Prerouting, -100, ChainKind::Nat));
        assert_eq!(base.policy, Policy::Drop);
        assert_eq!(chain.rules[0].comment.as_ref().unwrap().as_str(), "bell \u{7} \u{1b}[31m");
        let device = ruleset.chains.iter().find(|chain| chain.name.as_str() == "d").unwrap();
        assert_eq!(device.base.as_ref().unwrap().devices, [DeviceName::Is(b"lo".to_vec())]);
    });
}

#[test]
fn many_sets_are_read_as_few_are() {
    in_namespace("many_sets_are_read_as_few_are", || {
        load("add table ip t");
        for chunk in 0..10_u8 {
            let sets = (0..200_u8).map(|set| {
                format!("add set ip t s{chunk}_{set} {{ type ipv4_addr; elements = {{ 10.0.{chunk}.{set} }}; }}\n")
            });
            load(&sets.collect::<String>());
        }
        let ruleset = read();
        assert_eq!(ruleset.sets.len(), 2000);
        for set in &ruleset.sets {
            let [Element { key: Key::Exact(key), .. }] = &set.elements[..] else { panic!("{set:?}") };
            assert_eq!(set.name.as_str(), format!("s{}_{}", key[2], key[3]));
        }
    });
}

/// A ruleset of which every part says which version it is.
fn version(number: u8) -> String {
    let sets = (0..50).map(|set| format!("set s{set} {{ type ipv4_addr; elements = {{ {number}.0.0.{set} }}; }}\n"));
    let rules = (0..50).map(|rule| format!("ip saddr {number}.0.0.{rule} drop\n"));
    let (sets, rules) = (sets.collect::<String>(), rules.collect::<String>());
    format!("flush ruleset\ntable ip t {{\n{sets} chain c {{\n{rules} }}\n}}\n")
}

/// The versions that the parts of a ruleset say.
fn versions(ruleset: &Ruleset) -> Vec<u8> {
    let elements = ruleset.sets.iter().flat_map(|set| &set.elements).filter_map(|element| match &element.key {
        Key::Exact(key) => key.first().copied(),
        _ => None,
    });
    let ops = ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    let values = ops.filter_map(|op| match op {
        Op::Compare { value, .. } => value.first().copied(),
        _ => None,
    });
    elements.chain(values).collect()
}

#[test]
fn rules_that_change_while_they_are_read_are_never_mixed() {
    in_namespace("rules_that_change_while_they_are_read_are_never_mixed", || {
        load(&version(1));
        let changing = std::thread::spawn(|| (0..60).for_each(|round| load(&version(1 + round % 2))));
        while !changing.is_finished() {
            match nf_tables::read() {
                Ok(Reading::Read(ruleset)) => {
                    let found = versions(&ruleset);
                    assert_eq!(found.len(), 100);
                    assert!(found.iter().all(|version| *version == found[0]), "{found:?}");
                }
                Err(Unreadable::Changing) => {}
                other => panic!("{other:?}"),
            }
        }
        changing.join().unwrap();
    });
}

/// Demand 1: a refusal of the kernel is not an empty ruleset.
#[test]
fn without_privileges_nothing_is_read_and_that_is_said() {
    in_namespace("without_privileges_nothing_is_read_and_that_is_said", || {
        // Not the root of the namespace any more.
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        assert_eq!(nf_tables::read(), Err(Unreadable::NotPermitted));
    });
}

#[test]
fn damaged_messages_never_panic() {
    in_namespace("damaged_messages_never_panic", || {
        load(BYTECODE);
        load(&SETS.replace("table inet t", "table inet u"));
        run("iptables-nft", &["-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-m", "comment", "--comment", "x"]);
        let stream = nf_tables::record().unwrap();
        assert_eq!(decode_stream(&stream).unwrap(), strip_time(read(), &stream));
        let damage = proptest::collection::vec((0..stream.len(), proptest::num::u8::ANY), 1..8);
        TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() })
            .run(&(damage, 0..stream.len()), |(damage, cut)| {
                let mut damaged = stream.clone();
                for (position, byte) in damage {
                    damaged[position] = byte;
                }
                let _ = decode_stream(&damaged);
                let _ = decode_stream(&damaged[..cut]);
                Ok(())
            })
            .unwrap();
    });
}

/// A second may have passed between two readings.
fn strip_time(mut ruleset: Ruleset, stream: &[u8]) -> Ruleset {
    let recorded = decode_stream(stream).unwrap();
    for (set, recorded) in ruleset.sets.iter_mut().zip(&recorded.sets) {
        for (element, recorded) in set.elements.iter_mut().zip(&recorded.elements) {
            element.expires = recorded.expires;
        }
    }
    ruleset
}
