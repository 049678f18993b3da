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
        "bound_interface": null, "multipath": false, "origin": "socket", "sockets": [], "owners": [],
        "reachability": [region("lo", address, port), region("eth0", address, port)]
    })
}

/// Everybody reaches an address; a wildcard by one of the machine's own.
fn region(interface: &str, address: &str, port: u16) -> Value {
    let destination = if address == "0.0.0.0" { "10.0.0.5" } else { address };
    json!({
        "interfaces": [interface], "destinations": [destination], "port": port, "sources": ["0.0.0.0/0"],
        "unlisted_sources": 0, "verdict": "reachable", "reason": null, "unknown_because": [], "path": "input",
        "translated_to": null, "decided_by": null, "narrowed_by": [], "notes": []
    })
}

fn without_reachability() -> Value {
    let mut one = listener("tcp/0.0.0.0:80", "0.0.0.0", 80, "unspecified");
    one.as_object_mut().unwrap().remove("reachability");
    one
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
fn facts_that_were_recorded_before_something_was_asked_are_read() {
    let mut facts = quiet();
    facts["host"].as_object_mut().unwrap().remove("distribution");
    facts["firewall"].as_object_mut().unwrap().remove("managers");
    facts["firewall"]["spoofed_loopback"][0].as_object_mut().unwrap().remove("by_rules");
    let read = Facts::from_json(facts.to_string().as_bytes()).unwrap();
    assert_eq!((read.host.distribution, read.firewall.managers), (None, None));
    assert_eq!(read.firewall.spoofed_loopback.iter().filter(|spoofed| spoofed.by_rules.is_some()).count(), 1);
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

/// What is said when the fields of the first region of a listener are changed.
fn refusal_of_region(changes: &Value) -> String {
    let mut one = listener("tcp/0.0.0.0:80", "0.0.0.0", 80, "unspecified");
    for (name, value) in changes.as_object().unwrap() {
        one["reachability"][0][name] = value.clone();
    }
    refusal(&with_listeners(json!([one])))
}

#[test]
fn regions_that_cannot_be_true_are_refused() {
    let rule = json!({ "backend": "netfilter", "family": "ip7", "table": "t", "chain": "c", "handle": 1, "line": null,
                       "text": "drop" });
    let many = json!({ "sources": vec!["10.0.0.1/32"; 129] });
    for (changes, message) in [
        (json!({ "interfaces": ["eth7"] }), "listeners[0].reachability[0]: there is no interface `eth7`"),
        (json!({ "interfaces": ["\u{202e}0hte"] }), "there is no interface `\\u{202e}0hte`"),
        (json!({ "interfaces": ["eth0"] }), "0.0.0.0/0 is in two entries"),
        (json!({ "sources": ["0.0.0.0/1"] }), "128.0.0.0 is in no entry"),
        (json!({ "sources": [] }), "an entry has no sources"),
        (json!({ "sources": ["::/0"] }), "::/0 is not of the IP version of the destination"),
        (json!({ "verdict": "blocked" }), "it is blocked without a reason"),
        (json!({ "verdict": "unknown" }), "it is unknown without a reason"),
        (json!({ "reason": "dropped" }), "it is reachable, with a reason why not"),
        (json!({ "unknown_because": ["x"] }), "it is known, with a reason why not"),
        (json!({ "port": 81 }), "the destination is none of the listener"),
        (json!({ "destinations": ["::1"], "sources": ["::/0"] }), "the destination is none of the listener"),
        (json!({ "destinations": ["0.0.0.0"] }), "no packet is sent to this address and port"),
        (json!({ "destinations": [] }), "it holds for no interface or no destination"),
        (json!({ "decided_by": rule }), "the rule is of no backend"),
        (many, "129 entries are more than the 128"),
    ] {
        let said = refusal_of_region(&changes);
        assert!(said.contains(message), "{changes}: {said}");
    }
}

#[test]
fn a_translated_packet_can_be_sent_anywhere() {
    let mut one = listener("tcp/127.0.0.1:80", "127.0.0.1", 80, "loopback");
    one["reachability"].as_array_mut().unwrap().push(region("eth0", "10.0.0.5", 8080));
    assert!(refusal(&with_listeners(json!([one]))).contains("listeners[0].reachability[2]: the destination"));
    one["reachability"][2]["translated_to"] = json!("127.0.0.1:80");
    assert!(Facts::from_json(&with_listeners(json!([one]))).is_ok());
}

#[test]
fn a_published_port_says_where_it_leads_and_has_a_name_of_its_own() {
    let socket = listener("tcp/0.0.0.0:80", "0.0.0.0", 80, "unspecified");
    let mut published = listener("tcp/0.0.0.0:80/published", "0.0.0.0", 80, "unspecified");
    published["origin"] = json!("published-port");
    assert!(refusal(&with_listeners(json!([published]))).contains("`published` belongs to the origin"));
    published["published"] = json!({
        "target": "172.17.0.2:80", "interface": null, "container": null, "listener": null,
        "rule": { "backend": "ip-tables", "family": "ip", "table": "nat", "chain": "DOCKER", "handle": null, "line": 2,
                  "text": "-A DOCKER -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80" }
    });
    let facts = Facts::from_json(&with_listeners(json!([socket, published]))).unwrap();
    assert_eq!(facts.listeners.len(), 2);
    published["published"]["rule"]["family"] = json!("ip7");
    assert!(
        refusal(&with_listeners(json!([published]))).contains("listeners[0].published.rule: the rule is of no family")
    );
    published["id"] = json!("tcp/0.0.0.0:80");
    assert!(refusal(&with_listeners(json!([published]))).contains("`tcp/0.0.0.0:80/published`"));
}

#[test]
fn a_firewall_that_contradicts_itself_is_refused() {
    let twice = |place: &'static str| {
        let mut facts = quiet();
        let list = facts.pointer_mut(place).unwrap().as_array_mut().unwrap();
        let first = list[0].clone();
        list.push(first);
        refusal(facts.to_string().as_bytes())
    };
    assert!(twice("/firewall/backends").contains("a kind occurs twice"));
    assert!(twice("/firewall/loopback").contains("the address and protocol occur twice"));
    assert!(twice("/firewall/default_input/0/reachability").contains("is in two entries"));
    assert!(twice("/firewall/managers").contains("a manager occurs twice"));
    for (place, value, message) in [
        ("/firewall/loopback/0/address", json!("10.0.0.5"), "the address is no loopback address"),
        ("/firewall/loopback/0/decision/verdict", json!("blocked"), "it is blocked without a reason"),
        ("/firewall/spoofed_loopback/0/interface", json!("lo"), "these addresses are not spoofed"),
        ("/firewall/spoofed_loopback/0/prefix", json!("10.0.0.0/8"), "the prefix is none of loopback"),
        ("/firewall/spoofed_loopback/0/interface", json!("eth1"), "there is no interface `eth1`"),
        ("/firewall/spoofed_loopback/0/end", json!("destination"), "is said of packets to there"),
        ("/firewall/spoofed_loopback/0/by_rules/reason", json!(null), "it is blocked without a reason"),
        ("/firewall/default_input/0/reachability/0/sources", json!(["0.0.0.0/2"]), "64.0.0.0 is in no entry"),
        (
            "/firewall/opened",
            json!([{ "protocol": "tcp", "first_port": 9, "last_port": 8, "interface": "eth9", "sources": [],
                     "rule": { "backend": "nf-tables", "family": "ip", "table": "t", "chain": "c", "handle": 1,
                               "line": null, "text": "accept" } }]),
            "the last port is below the first (and 2 more)",
        ),
        (
            "/routing",
            json!([{ "interfaces": ["eth0"], "destinations": ["10.0.0.5"], "mark": 0, "sources": ["0.0.0.0/1"],
                     "excluded_sources": [], "outcome": "local" }]),
            "routing[0]: 128.0.0.0 is in no entry",
        ),
        ("/bypasses", json!([{ "interface": "eth9", "kind": "xdp", "detail": "" }]), "there is no interface `eth9`"),
    ] {
        let mut facts = quiet();
        *facts.pointer_mut(place).unwrap() = value;
        let said = refusal(facts.to_string().as_bytes());
        assert!(said.contains(message), "{place}: {said}");
    }
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
        ("/firewall/backends", json!([]), "firewall"),
        ("/firewall/backends/0/state", json!({ "unreadable": "operation not permitted" }), "firewall"),
        ("/firewall/loopback", json!([]), "firewall"),
        ("/firewall/spoofed_loopback", json!([]), "firewall"),
        ("/firewall/default_input", json!([]), "firewall"),
        ("/firewall/default_input/1/reachability", json!([]), "firewall"),
        ("/listeners", json!([without_reachability()]), "firewall"),
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
