//! The JSON form: what is written is read again, and what contradicts itself is refused by name.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

use loopgate_facts::{DocumentError, Facts, MAX_DOCUMENT_BYTES};
use proptest::prelude::*;
use serde_json::{Value, json};

const QUIET: &str = include_str!("../../../tests/facts/quiet.json");

fn quiet() -> Value {
    serde_json::from_str(QUIET).unwrap()
}

fn listener(id: &str, address: &str, port: u16, scope: &str) -> Value {
    json!({
        "id": id, "protocol": "tcp", "address": address, "port": port, "scope": scope, "ipv6_only": null, "zone": null,
        "bound_interface": null, "multipath": false, "origin": "socket", "sockets": [], "owners": []
    })
}

fn with_listeners(listeners: Value) -> Vec<u8> {
    let mut facts = quiet();
    facts["listeners"] = listeners;
    facts.to_string().into_bytes()
}

/// The message of the error that reading gives.
fn refusal(document: &[u8]) -> String {
    Facts::from_json(document).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_again() {
    let facts = Facts::from_json(QUIET.as_bytes()).unwrap();
    let written = serde_json::to_vec(&facts).unwrap();
    assert_eq!(Facts::from_json(&written).unwrap(), facts);
}

#[test]
fn lists_are_brought_into_order() {
    let one = listener("tcp/10.0.0.5:80", "10.0.0.5", 80, "private");
    let two = listener("tcp/127.0.0.1:22", "127.0.0.1", 22, "loopback");
    let sorted = Facts::from_json(&with_listeners(json!([two, one]))).unwrap();
    assert_eq!(Facts::from_json(&with_listeners(json!([one, two]))).unwrap(), sorted);
    assert_eq!(sorted.listeners[0].port, 22);
}

#[test]
fn another_version_is_named_as_such_whatever_else_is_in_it() {
    let document = br#"{ "schema": 7, "quantum_sockets": [] }"#;
    assert!(matches!(Facts::from_json(document), Err(DocumentError::Schema { found: 7 })));
}

#[test]
fn contradictions_are_refused_with_their_place() {
    let id = listener("tcp/127.0.0.1:80", "0.0.0.0", 80, "unspecified");
    assert!(refusal(&with_listeners(json!([id]))).contains("listeners[0]: the id is `tcp/127.0.0.1:80`"));
    let scope = listener("tcp/0.0.0.0:80", "0.0.0.0", 80, "loopback");
    assert!(refusal(&with_listeners(json!([scope]))).contains("scope of 0.0.0.0 is `unspecified`"));
    let port = listener("tcp/0.0.0.0:0", "0.0.0.0", 0, "unspecified");
    assert!(refusal(&with_listeners(json!([port]))).contains("port 0"));
    let fine = listener("tcp/0.0.0.0:80", "0.0.0.0", 80, "unspecified");
    assert!(refusal(&with_listeners(json!([fine, fine]))).contains("occurs twice"));
    let mut family = fine.clone();
    family["ipv6_only"] = json!(true);
    assert!(refusal(&with_listeners(json!([family]))).contains("`ipv6_only` on the IPv4 address"));
}

/// Fail closed: a rule cannot tell "not there" from "left out of the file".
#[test]
fn what_every_collector_gives_is_there_or_explained() {
    for (place, value, area) in [
        ("/interfaces/1/settings", json!({}), "interface-settings"),
        ("/interfaces/1/settings/rp_filter", json!(null), "interface-settings"),
        ("/sysctls", json!([]), "sysctls"),
        ("/probes", json!([]), "probes"),
        ("/names/localhost", json!(null), "resolver"),
    ] {
        let mut facts = quiet();
        *facts.pointer_mut(place).unwrap() = value;
        let message = refusal(facts.to_string().as_bytes());
        assert!(message.contains(&format!("no gap in `{area}` says why")), "{place}: {message}");
        let gap = json!({ "area": area, "subject": null, "reason": "denied", "leaves_unknown": "all of it" });
        facts["gaps"] = json!([gap]);
        assert!(Facts::from_json(facts.to_string().as_bytes()).is_ok(), "{place}: explained");
    }
}

#[test]
fn settings_that_are_no_numbers_and_systems_that_do_not_exist_are_refused() {
    let mut facts = quiet();
    let sysctls = facts["sysctls"].as_array_mut().unwrap();
    let setting = sysctls.iter_mut().find(|sysctl| sysctl["name"] == "net.ipv4.ip_nonlocal_bind").unwrap();
    setting["value"] = json!("banana");
    assert!(refusal(facts.to_string().as_bytes()).contains("`net.ipv4.ip_nonlocal_bind` is not a number"));
    let mut facts = quiet();
    facts["host"]["os"] = json!("linuxx");
    assert!(refusal(facts.to_string().as_bytes()).contains("host.os: `linuxx`"));
}

#[test]
fn a_probe_of_another_machine_is_refused() {
    let mut facts = quiet();
    facts["probes"][0]["address"] = json!("192.0.2.1");
    assert!(refusal(facts.to_string().as_bytes()).contains("probes[0]: 192.0.2.1 is not a loopback address"));
}

#[test]
fn a_document_that_is_too_large_is_not_parsed() {
    let document = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    assert!(matches!(Facts::from_json(&document), Err(DocumentError::TooLarge { .. })));
}

#[test]
fn hostile_ids_are_escaped_in_errors() {
    let id = listener("tcp/\u{1b}[2J\u{202e}", "0.0.0.0", 80, "unspecified");
    let message = refusal(&with_listeners(json!([id])));
    assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message:?}");
}

/// Replaces the value at a random place of a document with something else.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let garbage = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!(-1)),
        Just(json!(1e300)),
        any::<u64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(|text| json!(text)),
    ];
    (any::<prop::sample::Index>(), garbage).prop_map(|(at, garbage)| {
        let mut facts = quiet();
        let mut places = Vec::new();
        collect_places(&facts, String::new(), &mut places);
        *facts.pointer_mut(&places[at.index(places.len())]).unwrap() = garbage;
        facts.to_string().into_bytes()
    })
}

fn collect_places(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_places(item, format!("{at}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                collect_places(field, format!("{at}/{name}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

proptest! {
    #[test]
    fn damaged_documents_are_errors_or_consistent_facts(document in damaged()) {
        if let Ok(facts) = Facts::from_json(&document) {
            prop_assert_eq!(facts.inconsistencies(), []);
        }
    }

    #[test]
    fn cut_documents_are_errors(length in 0..QUIET.trim_end().len()) {
        let cut = QUIET.as_bytes().get(..length).unwrap();
        prop_assert!(Facts::from_json(cut).is_err());
    }
}
