//! What address translation publishes, and what is said where that is not known.

use loopgate_facts::ReachVerdict;
use loopgate_firewall::reach::{Publications, Unfollowed};
use loopgate_firewall::ruleset::Family;
use loopgate_firewall::{Ruleset, iptables_save, nft_json};
use serde_json::{Value, json};

use super::machine::{DEVICES, publications};

/// Rules of `nat` and `filter` as `iptables-save` writes them.
fn iptables(nat: &[&str], forward: &[&str]) -> Ruleset {
    let lines = |rules: &[&str]| rules.iter().map(|rule| format!("-A {rule}")).collect::<Vec<_>>().join("\n");
    let save = format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OTHER - [0:0]\n{}\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n{}\nCOMMIT\n",
        lines(nat),
        lines(forward)
    );
    iptables_save::parse(save.as_bytes(), Some(Family::Ip)).unwrap().ruleset
}

/// A map of ports to addresses, and the rule that translates by it.
fn mapped(elements: &[(u16, String)], before: &[Value]) -> Ruleset {
    let rule = |expr: Value| json!({ "rule": { "family": "ip", "table": "nat", "chain": "pre", "expr": expr } });
    let elements: Vec<_> = elements.iter().map(|(port, address)| json!([port, address])).collect();
    let port = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    let mut items = vec![
        json!({ "table": { "family": "ip", "name": "nat" } }),
        json!({ "chain": {
            "family": "ip", "table": "nat", "name": "pre",
            "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept",
        } }),
        json!({ "map": {
            "family": "ip", "table": "nat", "name": "published",
            "type": "inet_service", "map": "ipv4_addr", "elem": elements,
        } }),
    ];
    items.extend(before.iter().cloned().map(rule));
    items.push(rule(json!([{ "dnat": { "addr": { "map": { "key": port, "data": "@published" } } } }])));
    nft_json::parse(json!({ "nftables": items }).to_string().as_bytes()).unwrap().ruleset
}

/// Port and target of what is published, in order.
fn targets(found: &Publications) -> Vec<(u16, String)> {
    let target = |listener: &loopgate_facts::Listener| listener.published.as_ref().unwrap().target.to_string();
    found.listeners.iter().map(|listener| (listener.port, target(listener))).collect()
}

fn verdicts(found: &Publications) -> Vec<ReachVerdict> {
    found.listeners.iter().flat_map(|listener| &listener.reachability).map(|region| region.verdict).collect()
}

#[test]
fn every_port_of_a_large_map_is_published() {
    let elements: Vec<_> = (1000..5200).map(|port| (port, format!("10.77.0.{}", port % 250 + 2))).collect();
    let found = publications(&mapped(&elements, &[]), &DEVICES);
    let wanted: Vec<_> = elements.iter().map(|(port, address)| (*port, format!("{address}:{port}"))).collect();
    assert_eq!(targets(&found), wanted);
    assert_eq!(found.obstacles, []);
}

#[test]
fn a_statement_that_is_not_understood_may_hide_a_port() {
    let unknown = json!([{ "frobnicate": { "by": 3 } }]);
    let found = publications(&mapped(&[(80, "10.77.0.9".to_owned())], &[unknown]), &DEVICES);
    assert!(matches!(found.obstacles.as_slice(), [Unfollowed { rule: Some(_), .. }]), "{:?}", found.obstacles);
}

#[test]
fn what_comes_behind_translation_hides_no_port() {
    let nat = ["PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.0.9:8080"];
    let found = publications(&iptables(&nat, &["FORWARD -j NFQUEUE --queue-num 0"]), &DEVICES);
    assert_eq!(targets(&found), [(80, "10.77.0.9:8080".to_owned())]);
    assert_eq!(found.obstacles, []);
}

#[test]
fn a_target_that_is_not_known_is_said() {
    let nat = ["PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.0.2-10.77.0.200"];
    let found = publications(&iptables(&nat, &[]), &DEVICES);
    assert_eq!(targets(&found), []);
    let [Unfollowed { rule: Some(rule), because }] = found.obstacles.as_slice() else {
        panic!("{:?}", found.obstacles);
    };
    assert!(rule.as_str().contains("10.77.0.2-10.77.0.200"), "{rule:?}");
    assert_eq!(because.as_str(), "which of many addresses it is translated to");
}

const BY_CHANCE: [&str; 2] = [
    "PREROUTING -p tcp --dport 80 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.77.0.8:80",
    "PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.77.0.9:80",
];

#[test]
fn targets_chosen_by_chance_are_reached_by_who_reaches_each() {
    let found = publications(&iptables(&BY_CHANCE, &[]), &DEVICES);
    assert_eq!(targets(&found), [(80, "10.77.0.8:80".to_owned()), (80, "10.77.0.9:80".to_owned())]);
    let ids: Vec<_> = found.listeners.iter().map(|listener| listener.id.text().as_str()).collect();
    assert_eq!(ids, ["tcp/0.0.0.0:80/published/10.77.0.8:80", "tcp/0.0.0.0:80/published/10.77.0.9:80"]);
    assert!(verdicts(&found).contains(&ReachVerdict::Reachable));
    assert!(!verdicts(&found).contains(&ReachVerdict::Unknown), "{:?}", found.listeners);
}

#[test]
fn a_target_of_several_that_is_blocked_leaves_it_open_who_gets_through() {
    let found = publications(&iptables(&BY_CHANCE, &["FORWARD -d 10.77.0.9/32 -j DROP"]), &DEVICES);
    let reachable = |listener: &loopgate_facts::Listener| {
        listener.reachability.iter().any(|region| region.verdict == ReachVerdict::Reachable)
    };
    assert!(!found.listeners.iter().any(reachable), "{:?}", found.listeners);
    assert!(verdicts(&found).contains(&ReachVerdict::Unknown));
}

/// No translation, and yet another port leads to what listens.
#[test]
fn a_port_that_is_written_may_publish_another() {
    let port = json!({ "payload": { "protocol": "tcp", "field": "dport" } });
    let is_6000 = json!({ "match": { "op": "==", "left": port, "right": 6000 } });
    let items = json!([
        { "table": { "family": "ip", "name": "raw" } },
        { "chain": { "family": "ip", "table": "raw", "name": "pre", "type": "filter", "hook": "prerouting", "prio": -300 } },
        { "rule": { "family": "ip", "table": "raw", "chain": "pre", "expr": [
            is_6000, { "notrack": null }, { "mangle": { "key": port, "value": 80 } },
        ] } },
    ]);
    let ruleset = nft_json::parse(json!({ "nftables": items }).to_string().as_bytes()).unwrap().ruleset;
    let found = publications(&ruleset, &DEVICES);
    assert!(matches!(found.obstacles.as_slice(), [Unfollowed { rule: Some(_), .. }]), "{:?}", found.obstacles);
}
