//! No document, however strange, makes the reader or the renderer panic, and what is read names only what is there.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::LazyLock;

use loopgate_firewall::nft_json::{self, Parsed};
use loopgate_firewall::notation;
use loopgate_firewall::rule::{Op, Verdict};
use loopgate_firewall::ruleset::{ChainId, Data, RuleId, Ruleset};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;

const NATIVE: &str = include_str!("data/native.json");

/// A listing, and the places of all that is in it.
static LISTING: LazyLock<(Value, Vec<String>)> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(NATIVE).unwrap();
    let places = pointers(&document);
    (document, places)
});

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = nft_json::parse(&bytes);
    }

    #[test]
    fn any_value_in_the_place_of_the_objects_is_read_or_refused(objects in vec(value(), 0..8)) {
        check(&serde_json::json!({ "nftables": objects }));
    }

    #[test]
    fn any_statements_become_a_rule(statements in vec(statement(), 0..6)) {
        let document = serde_json::json!({ "nftables": [
            { "table": { "family": "inet", "name": "t" } },
            { "set": { "family": "inet", "name": "s", "table": "t", "type": "ipv4_addr" } },
            { "chain": { "family": "inet", "table": "t", "name": "c" } },
            { "rule": { "family": "inet", "table": "t", "chain": "c", "handle": 1, "expr": statements } },
        ] });
        check(&document);
    }

    #[test]
    fn a_listing_with_parts_exchanged_is_read_or_refused(
        exchanges in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        strange in value(),
        with_strange in any::<bool>(),
    ) {
        let mut document = LISTING.0.clone();
        let places = &LISTING.1;
        for (to, from) in exchanges {
            let from = from.get::<String>(places);
            let part = if with_strange { strange.clone() } else { document.pointer(from).cloned().unwrap_or_default() };
            if let Some(place) = document.pointer_mut(to.get::<String>(places)) {
                *place = part;
            }
        }
        check(&document);
    }

    #[test]
    fn a_listing_with_a_part_left_out_is_read_or_refused(left_out in any::<prop::sample::Index>()) {
        let mut document = LISTING.0.clone();
        let places = &LISTING.1;
        let (parent, last) = left_out.get::<String>(places).rsplit_once('/').unwrap_or(("", ""));
        match document.pointer_mut(parent) {
            Some(Value::Object(members)) => { members.remove(&last.replace("~1", "/").replace("~0", "~")); }
            Some(Value::Array(items)) => {
                if let Some(index) = last.parse().ok().filter(|index: &usize| *index < items.len()) {
                    items.remove(index);
                }
            }
            _ => {}
        }
        check(&document);
    }

    #[test]
    fn a_listing_with_bytes_changed_is_read_or_refused(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = NATIVE.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Ok(parsed) = nft_json::parse(&bytes) {
            sound(&parsed);
        }
    }
}

fn check(document: &Value) {
    if let Ok(parsed) = nft_json::parse(document.to_string().as_bytes()) {
        sound(&parsed);
    }
}

/// Every rule has a text, and every name leads to something.
fn sound(parsed: &Parsed) {
    let ruleset = &parsed.ruleset;
    for (index, chain) in ruleset.chains.iter().enumerate() {
        let id = ChainId(u32::try_from(index).unwrap());
        notation::policy_reference(ruleset, id);
        for (position, rule) in chain.rules.iter().enumerate() {
            notation::reference(ruleset, RuleId { chain: id, position: u32::try_from(position).unwrap() });
            rule.ops.iter().for_each(|op| names_what_is_there(op, ruleset));
        }
    }
    for set in &ruleset.sets {
        let length = set.fields.iter().sum::<u32>();
        for element in &set.elements {
            if let Some(Data::Verdict(verdict)) = &element.data {
                leads_somewhere(verdict, ruleset);
            }
            if let loopgate_firewall::ruleset::Key::Range(from, to) = &element.key {
                assert_eq!(from.len(), to.len());
                assert!(from.len() >= length as usize);
            }
        }
    }
}

fn names_what_is_there(op: &Op, ruleset: &Ruleset) {
    match op {
        Op::Verdict(verdict) => leads_somewhere(verdict, ruleset),
        Op::Lookup { set, .. } | Op::Update { set, .. } => assert!(ruleset.set(*set).is_some()),
        _ => {}
    }
}

fn leads_somewhere(verdict: &Verdict, ruleset: &Ruleset) {
    if let Verdict::Jump(chain) | Verdict::Goto(chain) = verdict {
        assert!(ruleset.chain(*chain).is_some());
    }
}

/// The places of all values of a document, as pointers.
fn pointers(document: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(pointer) = found.get(next).cloned() {
        next += 1;
        match document.pointer(&pointer) {
            Some(Value::Object(members)) => {
                found.extend(
                    members.keys().map(|key| format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))),
                );
            }
            Some(Value::Array(items)) => found.extend((0..items.len()).map(|index| format!("{pointer}/{index}"))),
            _ => {}
        }
    }
    found
}

/// The words of the documents.
const WORDS: &[&str] = &[
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "family",
    "name",
    "expr",
    "match",
    "op",
    "left",
    "right",
    "payload",
    "protocol",
    "field",
    "meta",
    "key",
    "ct",
    "dir",
    "fib",
    "result",
    "flags",
    "concat",
    "prefix",
    "addr",
    "len",
    "range",
    "elem",
    "val",
    "vmap",
    "data",
    "jump",
    "goto",
    "target",
    "accept",
    "drop",
    "dnat",
    "snat",
    "redirect",
    "masquerade",
    "port",
    "tproxy",
    "mangle",
    "value",
    "&",
    "|",
    "^",
    "<<",
    "limit",
    "rate",
    "per",
    "quota",
    "ct count",
    "log",
    "reject",
    "type",
    "numgen",
    "mod",
    "offset",
    "base",
    "exthdr",
    "socket",
    "rt",
    "queue",
    "counter",
    "stmt",
    "meter",
    "xt",
    "hook",
    "prio",
    "policy",
    "handle",
    "tcp",
    "ip",
    "ip6",
    "inet",
    "saddr",
    "daddr",
    "dport",
    "dscp",
    "mark",
    "state",
    "iifname",
    "iif",
    "l4proto",
    "@s",
    "s",
    "c",
    "t",
    "==",
    "!=",
    "in",
    "!",
    "<",
    "10.0.0.1",
    "::1",
    "eth*",
    "established",
    "syn",
    "*",
    "ipv4_addr",
    "th",
    "nh",
    "netmap",
    "original",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![0_u64..300, any::<u64>()].prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(word(), inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Something that begins like a statement.
fn statement() -> impl Strategy<Value = Value> {
    let kinds = [
        "match",
        "vmap",
        "mangle",
        "dnat",
        "snat",
        "redirect",
        "masquerade",
        "tproxy",
        "set",
        "meter",
        "limit",
        "quota",
        "reject",
        "log",
        "queue",
        "xt",
        "jump",
    ];
    let left = prop::sample::select(vec![
        serde_json::json!({ "payload": { "protocol": "ip", "field": "saddr" } }),
        serde_json::json!({ "payload": { "protocol": "ip", "field": "dscp" } }),
        serde_json::json!({ "payload": { "protocol": "tcp", "field": "dport" } }),
        serde_json::json!({ "payload": { "base": "th", "offset": 8, "len": 512 } }),
        serde_json::json!({ "meta": { "key": "mark" } }),
        serde_json::json!({ "meta": { "key": "iifname" } }),
        serde_json::json!({ "ct": { "key": "state" } }),
        serde_json::json!({ "&": [{ "meta": { "key": "mark" } }, 255] }),
        serde_json::json!({ "concat": [{ "meta": { "key": "iifname" } }, { "ct": { "key": "mark" } }] }),
    ]);
    let matching = (left, value())
        .prop_map(|(left, right)| serde_json::json!({ "match": { "op": "==", "left": left, "right": right } }));
    let any =
        (prop::sample::select(kinds.to_vec()), value()).prop_map(|(kind, value)| serde_json::json!({ kind: value }));
    prop_oneof![matching, any]
}
