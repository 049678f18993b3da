//! Documents, and what they are lowered to.

use serde_json::json;

use super::*;
use crate::rule::{Comparison, Load, Meta, Op, Register, Unknown, Verdict};
use crate::ruleset::{ChainKind, DeviceName, Hook, Key, Policy};

fn read(objects: &Value) -> Result<Parsed, ParseError> {
    parse(json!({ "nftables": objects }).to_string().as_bytes())
}

/// The objects of one table with one chain, before others.
fn table(flags: &Value, more: &[Value]) -> Value {
    let mut objects = vec![
        json!({ "metainfo": { "json_schema_version": 1 } }),
        json!({ "table": { "family": "inet", "name": "t", "handle": 3, "flags": flags } }),
        json!({ "chain": { "family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter", "hook": "input",
            "prio": 0, "policy": "drop" } }),
    ];
    objects.extend_from_slice(more);
    objects.into()
}

fn rule(statements: &Value) -> Value {
    json!({ "rule": { "family": "inet", "table": "t", "chain": "c", "handle": 9, "expr": statements } })
}

fn ops(statements: &Value) -> Vec<Op> {
    let parsed = read(&table(&json!([]), &[rule(statements)])).expect("a listing");
    parsed.ruleset.chains[0].rules[0].ops.clone()
}

#[test]
fn what_is_not_json_is_refused_with_its_position() {
    let error = parse(b"{\n  \"nftables\": [}").expect_err("not JSON");
    assert!(matches!(error, ParseError::NotJson { line: 2, column: 16, .. }), "{error:?}");
    assert_eq!(error.to_string(), "line 2, column 16: not JSON: expected value");
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(1_000_000);
    assert!(matches!(parse(deep.as_bytes()), Err(ParseError::NotJson { .. })));
}

#[test]
fn what_is_not_a_listing_is_refused() {
    assert_eq!(parse(b"{}"), Err(ParseError::NotARuleset));
    assert_eq!(parse(b"[]"), Err(ParseError::NotARuleset));
    let command = read(&json!([{ "add": { "table": { "family": "ip", "name": "x" } } }]));
    assert_eq!(command, Err(ParseError::Command { pointer: "/nftables/0/add".into() }));
}

#[test]
fn names_that_are_missing_or_there_twice_are_errors() {
    let chain = json!({ "chain": { "family": "inet", "table": "u", "name": "c" } });
    assert!(matches!(read(&json!([chain])), Err(ParseError::Missing { kind: "table", .. })));
    let jump = rule(&json!([{ "jump": { "target": "nowhere" } }]));
    let error = read(&table(&json!([]), &[jump])).expect_err("a chain is missing");
    assert_eq!(error.to_string(), "/nftables/3/rule/expr/0: there is no chain \"nowhere\"");
    let lookup = json!([{ "match": { "op": "==", "left": { "meta": { "key": "mark" } }, "right": "@none" } }]);
    assert!(matches!(read(&table(&json!([]), &[rule(&lookup)])), Err(ParseError::Missing { kind: "set", .. })));
    let again = json!({ "chain": { "family": "inet", "table": "t", "name": "c" } });
    assert!(matches!(read(&table(&json!([]), &[again])), Err(ParseError::Duplicate { kind: "chain", .. })));
}

#[test]
fn a_base_chain_has_hook_priority_policy_and_devices() {
    let chain = |priority: Value, family: &str| {
        let document = json!([
            { "table": { "family": family, "name": "t" } },
            { "chain": { "family": family, "table": "t", "name": "c", "type": "filter", "hook": "ingress", "prio": priority,
                "policy": "drop", "dev": ["eth0", "eth1"] } },
        ]);
        read(&document).map(|parsed| parsed.ruleset.chains[0].base.clone().expect("a base chain"))
    };
    let base = chain(json!(-5), "netdev").expect("a chain");
    assert_eq!((base.hook, base.priority, base.kind), (Hook::Ingress, -5, ChainKind::Filter));
    assert_eq!(
        (base.policy, base.devices),
        (Policy::Drop, ["eth0", "eth1"].map(|name| DeviceName::Is(name.into())).to_vec())
    );
    assert_eq!(chain(json!("dstnat - 5"), "inet").map(|base| base.priority), Ok(-105));
    assert_eq!(chain(json!("filter"), "bridge").map(|base| base.priority), Ok(-200));
    assert!(matches!(chain(json!("often"), "inet"), Err(ParseError::Form { .. })));
}

#[test]
fn a_dormant_table_is_so_in_the_words_of_every_version() {
    let dormant = |flags: Value| read(&table(&flags, &[])).expect("a listing").ruleset.tables[0].dormant;
    assert!(dormant(json!("dormant")));
    assert!(dormant(json!(["owner", "dormant"])));
    assert!(dormant(json!("t")), "nft 1.0.6 prints the name of the table");
    assert!(!dormant(json!("owner")));
}

#[test]
fn a_flag_of_a_table_that_is_not_known_makes_its_base_chains_unknown() {
    let parsed = read(&table(&json!("asleep"), &[])).expect("a listing");
    assert!(matches!(parsed.ruleset.chains[0].rules[0].ops.as_slice(), [Op::Unknown(_)]));
}

#[test]
fn one_statement_that_is_not_understood_is_one_unknown_in_its_place() {
    let statements = json!([
        { "match": { "op": "==", "left": { "payload": { "protocol": "quic", "field": "version" } }, "right": 1 } },
        { "xt": { "type": "match", "name": "bpf" } },
        { "xt": { "type": "target", "name": "DNAT" } },
        "jump {\n\t\tdrop\n\t}",
        { "drop": null },
    ]);
    let parsed = read(&table(&json!([]), &[rule(&statements)])).expect("a listing");
    let unknown = |construct: &str, only_matches| Op::Unknown(Unknown { construct: construct.into(), only_matches });
    assert_eq!(
        parsed.ruleset.chains[0].rules[0].ops,
        [
            unknown("quic version", true),
            unknown("xt match \"bpf\"", true),
            unknown("xt target \"DNAT\"", false),
            unknown("statement that is printed as text", false),
            Op::Verdict(Verdict::Drop),
        ]
    );
    let places: Vec<_> = parsed.not_understood.iter().map(|item| (item.pointer.as_str(), item.handle)).collect();
    assert_eq!(places[3], ("/nftables/3/rule/expr/3", Some(9)));
    assert_eq!(places.len(), 4);
}

#[test]
fn an_interface_that_is_known_by_index_is_compared_by_the_name_that_is_printed() {
    let compared = ops(&json!([{ "match": { "op": "!=", "left": { "meta": { "key": "iif" } }, "right": "eth*" } }]));
    let mut name = b"eth*".to_vec();
    name.resize(16, 0);
    assert_eq!(
        compared,
        [
            Op::Load { what: Load::Meta(Meta::InputInterfaceName), to: Register(0) },
            Op::Compare { register: Register(0), how: Comparison::NotEqual, value: name.into() },
        ]
    );
    let gone = ops(&json!([{ "match": { "op": "==", "left": { "meta": { "key": "iif" } }, "right": 7 } }]));
    assert_eq!(gone[0], Op::Load { what: Load::Meta(Meta::InputInterface), to: Register(0) });
}

fn set(kind: &Value, flags: &Value, elements: &Value) -> crate::ruleset::Set {
    let object = json!({ "set": { "family": "inet", "name": "s", "table": "t", "type": kind, "flags": flags,
        "elem": elements } });
    read(&table(&json!([]), &[object])).expect("a listing").ruleset.sets[0].clone()
}

#[test]
fn a_star_stands_for_any_rest_only_among_ranges() {
    let plain = set(&json!("ifname"), &json!([]), &json!(["eth*"]));
    assert!(matches!(&plain.elements[0].key, Key::Exact(key) if key.starts_with(b"eth*\0")));
    let ranges = set(&json!("ifname"), &json!(["interval"]), &json!(["eth*", "lo"]));
    assert!(
        matches!(&ranges.elements[0].key, Key::Range(from, to) if from.starts_with(b"eth\0") && to.ends_with(&[0xff]))
    );
    assert!(matches!(&ranges.elements[1].key, Key::Exact(key) if key.starts_with(b"lo\0")));
}

#[test]
fn numbers_of_the_machine_stand_most_significant_first_among_ranges() {
    let key = |flags: Value| set(&json!("mark"), &flags, &json!([1])).elements[0].key.clone();
    assert_eq!(key(json!([])), Key::Exact(1_u32.to_ne_bytes().into()));
    assert_eq!(key(json!(["interval"])), Key::Exact(1_u32.to_be_bytes().into()));
}

#[test]
fn elements_have_timeouts_and_limits() {
    let elements = json!([
        { "elem": { "val": "10.0.0.1", "timeout": 60, "expires": 40, "counter": { "packets": 0, "bytes": 0 } } },
        { "elem": { "val": "10.0.0.2", "limit": { "rate": 1, "per": "second" } } },
    ]);
    let found = set(&json!("ipv4_addr"), &json!(["timeout"]), &elements);
    assert!(found.changes);
    assert_eq!((found.elements[0].expires, found.elements[0].limited), (Some(40), false));
    assert_eq!((found.elements[1].expires, found.elements[1].limited), (None, true));
}

#[test]
fn a_set_with_an_element_that_is_not_understood_is_incomplete_and_named() {
    let object =
        json!({ "set": { "family": "inet", "name": "s", "table": "t", "type": "ipv4_addr", "elem": ["nowhere"] } });
    let parsed = read(&table(&json!([]), &[object])).expect("a listing");
    assert!(parsed.ruleset.sets[0].incomplete.is_some());
    assert_eq!(parsed.not_understood[0].pointer, "/nftables/3/set");
    assert!(set(&json!("mystery"), &json!([]), &json!([])).incomplete.is_some());
}

#[test]
fn a_set_that_rules_add_to_changes_although_the_listing_does_not_say_so() {
    let object = json!({ "set": { "family": "inet", "name": "s", "table": "t", "type": "ipv4_addr" } });
    let add =
        json!([{ "set": { "op": "add", "elem": { "payload": { "protocol": "ip", "field": "saddr" } }, "set": "@s" } }]);
    assert!(read(&table(&json!([]), &[object, rule(&add)])).expect("a listing").ruleset.sets[0].changes);
}

#[test]
fn a_map_without_an_answer_ends_the_rule_so_it_is_never_passed_over() {
    let map = json!({ "map": { "key": { "meta": { "key": "skuid" } }, "data": { "set": [["?", "?"]] } } });
    let statement = json!([{ "counter": map }, { "drop": null }]);
    assert!(matches!(ops(&statement).as_slice(), [Op::Unknown(_), Op::Verdict(Verdict::Drop)]));
}

#[test]
fn chains_that_lead_back_to_themselves_by_a_map_are_refused() {
    let document = serde_json::json!({ "nftables": [
        { "table": { "family": "ip", "name": "t", "handle": 1 } },
        { "chain": { "family": "ip", "table": "t", "name": "in", "handle": 1, "type": "filter", "hook": "input",
                     "prio": 0, "policy": "accept" } },
        { "chain": { "family": "ip", "table": "t", "name": "a", "handle": 2 } },
        { "map": { "family": "ip", "table": "t", "name": "m", "handle": 3, "type": "inet_service", "map": "verdict",
                   "elem": [[22, { "jump": { "target": "a" } }]] } },
        { "rule": { "family": "ip", "table": "t", "chain": "in", "handle": 4, "expr": [{ "jump": { "target": "a" } }] } },
        { "rule": { "family": "ip", "table": "t", "chain": "a", "handle": 5, "expr": [
            { "vmap": { "key": { "payload": { "protocol": "tcp", "field": "dport" } }, "data": "@m" } }] } },
    ] });
    let error = parse(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(error, ParseError::Loop { pointer: "/nftables/2/chain".into(), name: "a".into() });
}

#[test]
fn no_interface_is_number_0() {
    let fib = json!({ "fib": { "result": "oif", "flags": ["saddr", "iif"] } });
    let compared = |right: &str| ops(&json!([{ "match": { "op": "!=", "left": fib, "right": right } }])).pop();
    let value =
        |bytes: Vec<u8>| Some(Op::Compare { register: Register(0), how: Comparison::NotEqual, value: bytes.into() });
    assert_eq!(compared("0"), value(vec![0; 4]));
    assert_eq!(compared("eth0"), value(b"eth0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()));
}

#[test]
fn what_is_reported_of_connections_decides_nothing() {
    for value in [json!("new"), json!(["new", "destroy"])] {
        let set = json!([{ "mangle": { "key": { "ct": { "key": "event" } }, "value": value } }]);
        assert!(matches!(ops(&set).as_slice(), [Op::Effect(crate::rule::Effect::Write { payload: None, .. })]));
    }
    let map = json!({ "map": { "key": { "meta": { "key": "mark" } }, "data": "@m" } });
    let set = json!([{ "mangle": { "key": { "ct": { "key": "event" } }, "value": map } }]);
    assert!(matches!(ops(&set).as_slice(), [Op::Unknown(_)]));
}

#[test]
fn a_member_that_is_there_twice_is_refused_where_it_stands() {
    let rule = r#"{"rule":{"family":"ip","table":"t","chain":"c","expr":[{"drop":null}],"expr":[]}}"#;
    let set = r#"{"set":{"family":"ip","table":"t","name":"s","type":"ipv4_addr","elem":["10.0.0.1"],"elem":[]}}"#;
    for (document, member) in [
        (r#"{"nftables":[{}],"nftables":[]}"#.to_owned(), r#""nftables""#),
        (format!("{{\"nftables\":[{rule}]}}"), r#""expr""#),
        (format!("{{\"nftables\":[{set}]}}"), r#""elem""#),
    ] {
        let column = document.rfind(member).unwrap() + member.len();
        let problem = format!("the member {member} is there twice");
        assert_eq!(parse(document.as_bytes()), Err(ParseError::Twice { line: 1, column, problem }), "{document}");
    }
}
