//! The machine that an example of a page is about: the quiet one with the example's patch, and what the patch leaves
//! out of reach and firewall.
//!
//! A listener without `reachability` is one that a rule lets everybody reach, except where the kernel keeps packets
//! away: loopback addresses from outside unless `route_localnet` is on, and interfaces that it is not bound to. So this
//! machine itself reaches one of which nothing is said over loopback.

use loopgate_facts::Facts;
use serde_json::{Value, json};

const QUIET: &str = include_str!("../../../../tests/facts/quiet.json");

/// The facts of an example. A merge patch replaces lists; settings are merged by name.
pub(crate) fn patched(patch: &str) -> Result<Facts, String> {
    let quiet: Value = serde_json::from_str(QUIET).unwrap();
    let mut document = quiet.clone();
    let patch: Value = serde_json::from_str(patch).map_err(|error| error.to_string())?;
    json_patch::merge(&mut document, &patch);
    add_sysctls(&mut document, &quiet);
    if !has_firewall_gap(&document) {
        add_firewall(&mut document, &quiet, &patch["firewall"]);
        add_reachability(&mut document);
    }
    Facts::from_json(document.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn add_sysctls(document: &mut Value, quiet: &Value) {
    let sysctls = document["sysctls"].as_array_mut().unwrap();
    for sysctl in quiet["sysctls"].as_array().unwrap() {
        if !sysctls.iter().any(|patched| patched["name"] == sysctl["name"]) {
            sysctls.push(sysctl.clone());
        }
    }
}

fn has_firewall_gap(document: &Value) -> bool {
    document["gaps"].as_array().unwrap().iter().any(|gap| gap["area"] == "firewall")
}

/// The interfaces that packets come in by, with their addresses.
fn ways(document: &Value) -> Vec<(Value, Vec<String>)> {
    let interfaces = document["interfaces"].as_array().unwrap().iter();
    let ways = interfaces.filter(|interface| interface["up"] == true && interface["master"].is_null());
    let address = |entry: &Value| entry["address"].as_str().unwrap().to_owned();
    ways.map(|way| (way.clone(), way["addresses"].as_array().unwrap().iter().map(address).collect())).collect()
}

/// What the patch does not say of the firewall, for the interfaces that it has: the kernel drops spoofed packets, and
/// the policy what goes to an unused port.
fn add_firewall(document: &mut Value, quiet: &Value, patch: &Value) {
    let outside: Vec<_> = ways(document).into_iter().filter(|(way, _)| way["kind"] != "loopback").collect();
    let by_kernel = outside.iter().flat_map(|(way, of)| spoofed(way, of)).collect();
    let said = &patch["spoofed_loopback"];
    document["firewall"]["spoofed_loopback"] = with_rest(said, by_kernel, &["interface", "prefix", "end"]);
    let own = quiet["firewall"]["loopback"].as_array().unwrap().clone();
    document["firewall"]["loopback"] = with_rest(&patch["loopback"], own, &["address", "protocol"]);
    if patch["default_input"].is_null() {
        let regions: Vec<Value> = outside.iter().flat_map(|(way, addresses)| dropped(way, addresses)).collect();
        let unused = ["tcp", "udp"].map(|it| json!({ "protocol": it, "port": 49151, "reachability": regions }));
        document["firewall"]["default_input"] = json!(unused);
    }
}

/// What a patch says, with what it does not say of other things.
fn with_rest(said: &Value, rest: Vec<Value>, keys: &[&str]) -> Value {
    let mut entries = said.as_array().cloned().unwrap_or_default();
    for entry in rest {
        if !entries.iter().any(|known| keys.iter().all(|key| known[key] == entry[key])) {
            entries.push(entry);
        }
    }
    entries.into()
}

fn spoofed(way: &Value, addresses: &[String]) -> Vec<Value> {
    let prefixes = [("127.0.0.0/8", false), ("::1/128", true)].into_iter();
    let carried = prefixes.filter(|(_, is_ipv6)| addresses.iter().any(|address| address.contains(':') == *is_ipv6));
    let entry = |(prefix, is_ipv6): (&str, bool), end: &str| {
        let is_let_in = !is_ipv6 && way["settings"]["route_localnet"] == true;
        let (verdict, reason) = if is_let_in { ("reachable", json!(null)) } else { ("blocked", json!("martian")) };
        let by_rules = json!({
            "verdict": "blocked", "reason": "dropped", "unknown_because": [], "decided_by": rule("policy drop", false)
        });
        json!({
            "interface": way["name"], "prefix": prefix, "end": end,
            "decision": { "verdict": verdict, "reason": reason, "unknown_because": [], "decided_by": null },
            "by_rules": if end == "source" { by_rules } else { json!(null) }
        })
    };
    carried.flat_map(|of| ["source", "destination"].map(|end| entry(of, end))).collect()
}

fn dropped(way: &Value, addresses: &[String]) -> Vec<Value> {
    let policy = rule("policy drop", false);
    addresses.iter().map(|address| region(way, address, 49151, Some("dropped"), &policy)).collect()
}

fn rule(text: &str, is_rule: bool) -> Value {
    let (handle, line) = if is_rule { (json!(7), json!(4)) } else { (json!(null), json!(null)) };
    json!({
        "backend": "nf-tables", "family": "inet", "table": "filter", "chain": "input", "handle": handle, "line": line,
        "text": text
    })
}

fn region(way: &Value, destination: &str, port: u64, blocked: Option<&str>, decided_by: &Value) -> Value {
    json!({
        "interfaces": [way["name"]], "destinations": [destination], "port": port,
        "sources": [if destination.contains(':') { "::/0" } else { "0.0.0.0/0" }], "unlisted_sources": 0,
        "verdict": if blocked.is_some() { "blocked" } else { "reachable" }, "reason": blocked, "unknown_because": [],
        "path": "input", "translated_to": null, "decided_by": decided_by, "narrowed_by": [], "notes": []
    })
}

fn add_reachability(document: &mut Value) {
    let ways = ways(document);
    for listener in document["listeners"].as_array_mut().unwrap() {
        let is_said = |way: &Value| {
            let regions = listener["reachability"].as_array().into_iter().flatten();
            regions.flat_map(|region| region["interfaces"].as_array().unwrap()).any(|name| *name == way["name"])
        };
        let (lo, others): (Vec<_>, Vec<_>) = ways.iter().cloned().partition(|(way, _)| way["kind"] == "loopback");
        let mut regions = listener["reachability"].as_array().cloned();
        if !lo.iter().any(|(way, _)| is_said(way)) {
            regions.get_or_insert_with(|| reachability(listener, &others)).extend(reachability(listener, &lo));
        }
        listener["reachability"] = regions.unwrap_or_default().into();
    }
}

fn reachability(listener: &Value, ways: &[(Value, Vec<String>)]) -> Vec<Value> {
    let address = listener["address"].as_str().unwrap();
    let bound = address.strip_prefix("::ffff:").unwrap_or(address);
    let port = listener["port"].as_u64().unwrap();
    let decides = rule(&format!("{} dport {port} accept", listener["protocol"].as_str().unwrap()), true);
    let mut regions = Vec::new();
    for (way, addresses) in ways {
        let destinations = match bound {
            "0.0.0.0" => addresses.iter().filter(|address| !address.contains(':')).cloned().collect(),
            "::" if listener["ipv6_only"] == true => {
                addresses.iter().filter(|address| address.contains(':')).cloned().collect()
            }
            "::" => addresses.clone(),
            _ => vec![bound.to_owned()],
        };
        for destination in destinations {
            let blocked = blocked(listener, way, &destination);
            let decided_by = if blocked.is_some() { json!(null) } else { decides.clone() };
            let mut region = region(way, &destination, port, blocked, &decided_by);
            if let Some(target) = listener["published"]["target"].as_str() {
                region["translated_to"] = json!(target);
                region["path"] = json!("forward");
            }
            regions.push(region);
        }
    }
    regions
}

/// What the kernel does with packets that a rule would let in.
fn blocked(listener: &Value, way: &Value, destination: &str) -> Option<&'static str> {
    let is_loopback = way["kind"] == "loopback";
    let is_local = destination.starts_with("127.") || destination == "::1";
    let only = [&listener["bound_interface"], &listener["zone"]].into_iter().find(|name| !name.is_null());
    if only.is_some_and(|only| *only != way["name"]) {
        Some("other-interface")
    } else if is_local && !is_loopback && (destination == "::1" || way["settings"]["route_localnet"] != true) {
        Some("martian")
    } else {
        None
    }
}
