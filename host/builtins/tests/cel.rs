//! Rules that a policy writes as expressions, judged by the embedded component: how fast, and how hostile they may be.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

mod machine;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use loopgate_engine::{ConfiguredPlugin, Engine, Outcome, Plugin, PreparedFacts};
use loopgate_facts::{Facts, Listener, Protocol};
use serde_json::{Value, json};

fn configure(parameters: &Value) -> ConfiguredPlugin {
    let plugin = Plugin::from_builtin(&Engine::new().unwrap(), loopgate_builtins::find("cel").unwrap()).unwrap();
    plugin.configure(&parameters.to_string()).unwrap_or_else(|error| panic!("{parameters}: {error:?}"))
}

fn outcomes(plugin: &ConfiguredPlugin, facts: &PreparedFacts) -> Vec<Outcome> {
    let results = plugin.evaluate(facts).unwrap();
    results.into_iter().map(|result| result.expect("an answer for every rule").outcome).collect()
}

fn rule(number: usize, check: &str) -> Value {
    json!({ "id": format!("r-{number}"), "title": "t", "check": check, "message": "{listener.id} is wrong" })
}

/// A machine with this many listeners, each with an owner.
fn large_machine(listeners: u16) -> Facts {
    let owned: Value = json!({ "listeners": [{
        "id": "tcp/127.0.0.1:1", "protocol": "tcp", "address": "127.0.0.1", "port": 1, "scope": "loopback",
        "multipath": false, "origin": "socket", "sockets": [],
        "owners": [{ "pid": 7, "name": "served", "executable": "/usr/sbin/served", "user": "served", "uid": 990,
            "command_line": ["/usr/sbin/served", "--listen"], "cgroup": "/system.slice/served.service",
            "unit": "served.service", "container": null }],
    }] });
    let mut facts = machine::patched(&owned.to_string()).unwrap();
    let model = facts.listeners[0].clone();
    let at = |port| Listener {
        owners: model.owners.clone(),
        reachability: model.reachability.clone(),
        ..Listener::at(Protocol::Tcp, IpAddr::from([127, 0, 0, 1]), port)
    };
    facts.listeners = (1..=listeners).map(|port| at(10_000 + port)).collect();
    facts.normalise();
    facts
}

/// Ten expressions as people write them, none of which is decided by its first word.
const USUAL: [&str; 10] = [
    "listener.port >= 1024 || listener.owners.all(o, o.uid < 1000)",
    "!(listener.port in [3306, 5432, 6379, 27017]) || reach_at_most(listener, \"private\")",
    "listener.owners.all(o, !glob(o.executable, [\"/tmp/*\", \"/home/*\", \"/var/tmp/*\"]))",
    "listener.owners.all(o, !o.executable_deleted)",
    "is_loopback(listener.address) || in_cidr(listener.address, \"10.0.0.0/8\")",
    "listener.origin != \"published-port\" || listener.scope == \"loopback\"",
    "listener.owners.all(o, o.user in [\"root\", \"www-data\", \"served\", \"postgres\"])",
    "!listener.owners.exists(o, o.command_line.exists(a, a.startsWith(\"--inspect\")))",
    "in_range(listener.port, 32768, 60999) ? listener.scope == \"loopback\" : true",
    "!reach_at_least(listener, \"public\") || listener.port == 443",
];

#[test]
fn ten_thousand_listeners_and_a_hundred_rules_are_judged_within_a_second() {
    let facts = large_machine(10_000);
    let rules: Vec<_> = (0..100).map(|number| rule(number, USUAL[number % USUAL.len()])).collect();
    let start = Instant::now();
    let plugin = configure(&json!({ "rules": rules }));
    eprintln!("configured after {:?}", start.elapsed());
    let prepared = PreparedFacts::new(&facts);
    let start = Instant::now();
    let outcomes = outcomes(&plugin, &prepared);
    let took = start.elapsed();
    eprintln!("judged after {took:?}");
    for (outcome, expression) in outcomes.iter().zip(USUAL.iter().cycle()) {
        assert!(matches!(outcome, Outcome::Pass), "{expression}: {outcome:?}");
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
}
