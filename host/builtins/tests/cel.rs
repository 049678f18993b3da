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

use loopgate_engine::{ConfigureError, ConfiguredPlugin, Engine, Outcome, Plugin, PreparedFacts};
use loopgate_facts::{Facts, Listener, Protocol};
use serde_json::{Value, json};

fn configure(parameters: &Value) -> ConfiguredPlugin {
    let plugin = Plugin::from_builtin(&Engine::new().unwrap(), loopgate_builtins::find("cel").unwrap()).unwrap();
    plugin.configure(parameters.to_string()).unwrap_or_else(|error| panic!("{parameters}: {error:?}"))
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
    "listener.owners.all(o, !glob(o.executable, [\"/tmp/**\", \"/home/**\", \"/var/tmp/**\"]))",
    "listener.owners.all(o, !o.executable_deleted)",
    "is_loopback(listener.address) || in_cidr(listener.address, \"10.0.0.0/8\")",
    "listener.origin != \"published-port\" || listener.scope == \"loopback\"",
    "listener.owners.all(o, o.user in [\"root\", \"www-data\", \"served\", \"postgres\"])",
    "!listener.owners.exists(o, o.command_line.exists(a, a.startsWith(\"--inspect\")))",
    "in_range(listener.port, 32768, 60999) ? listener.scope == \"loopback\" : true",
    "!reach_at_least(listener, \"public\") || listener.port == 443",
];

/// A listener on a port, held by one process.
fn listener(address: &str, port: u16, owner: &Value) -> Value {
    let scope = if address == "127.0.0.1" { "loopback" } else { "unspecified" };
    let mut held = json!({ "pid": 7, "name": "served", "executable": "/usr/sbin/served", "user": "root", "uid": 0,
        "command_line": ["/usr/sbin/served"], "cgroup": "/system.slice/served.service", "unit": "served.service",
        "container": null });
    held.as_object_mut().unwrap().extend(owner.as_object().unwrap().clone());
    json!({ "id": format!("tcp/{address}:{port}"), "protocol": "tcp", "address": address, "port": port, "scope": scope,
        "multipath": false, "origin": "socket", "sockets": [], "owners": [held] })
}

fn listeners(address: &str, port: u16, owner: &Value) -> Value {
    json!({ "listeners": [listener(address, port, owner)] })
}

fn published(address: &str) -> Value {
    let mut port = listener(address, 8080, &json!({}));
    port["id"] = format!("tcp/{address}:8080/published").into();
    port["origin"] = "published-port".into();
    port["owners"] = json!([]);
    port["published"] = json!({ "target": "172.17.0.2:80", "interface": null, "container": null, "listener": null,
        "rule": { "backend": "nf-tables", "family": "ip", "table": "nat", "chain": "DOCKER", "handle": 9, "line": 2,
                  "text": "tcp dport 8080 dnat to 172.17.0.2:80" } });
    json!({ "listeners": [port] })
}

/// The quiet machine with IPv6 as given on its interface to the outside.
fn with_ipv6(disabled: bool) -> Value {
    let quiet: Value = serde_json::from_str(include_str!("../../../tests/facts/quiet.json")).unwrap();
    let mut interfaces = quiet["interfaces"].clone();
    interfaces[1]["settings"]["disable_ipv6"] = disabled.into();
    json!({ "interfaces": interfaces })
}

/// Of every example a machine that keeps it and one that breaks it.
fn examples() -> [(&'static str, Value, Value); 10] {
    let root = json!({});
    let node = json!({ "command_line": ["node", "--inspect=0.0.0.0:9229"] });
    let forwarding = json!({ "sysctls": [{ "name": "net.ipv4.ip_forward", "value": "1", "source": "/proc" }] });
    [
        ("databases-stay-in-their-subnet", listeners("127.0.0.1", 5432, &root), listeners("0.0.0.0", 5432, &root)),
        ("only-https-is-public", listeners("127.0.0.1", 80, &root), listeners("0.0.0.0", 80, &root)),
        (
            "low-ports-are-for-the-system",
            listeners("0.0.0.0", 80, &root),
            listeners("0.0.0.0", 80, &json!({ "uid": 1000 })),
        ),
        ("debuggers-stay-on-loopback", listeners("127.0.0.1", 9229, &node), listeners("0.0.0.0", 9229, &node)),
        ("no-ipv6", with_ipv6(true), with_ipv6(false)),
        (
            "only-known-users-listen",
            listeners("0.0.0.0", 80, &root),
            listeners("0.0.0.0", 80, &json!({ "user": "eve" })),
        ),
        (
            "listeners-are-installed",
            listeners("0.0.0.0", 80, &root),
            listeners("0.0.0.0", 80, &json!({ "executable": "/usr/sbin/served (deleted)" })),
        ),
        ("containers-publish-on-loopback", published("127.0.0.1"), published("0.0.0.0")),
        ("no-forwarding", json!({}), forwarding),
        ("ephemeral-ports-stay-on-loopback", listeners("127.0.0.1", 40000, &root), listeners("0.0.0.0", 40000, &root)),
    ]
}

#[test]
fn every_example_passes_where_it_is_kept_and_fails_where_it_is_broken() {
    let policy: toml::Table = include_str!("../../../policies/examples/cel.toml").parse().unwrap();
    let plugin = configure(&json!({ "rules": policy["cel"] }));
    let names: Vec<_> = plugin.rules().iter().map(|rule| rule.name.to_string()).collect();
    assert_eq!(names, examples().each_ref().map(|(name, ..)| (*name).to_owned()));
    for (index, (name, good, bad)) in examples().into_iter().enumerate() {
        let outcome = |patch: &Value| {
            let facts = machine::patched(&patch.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
            outcomes(&plugin, &PreparedFacts::new(&facts)).swap_remove(index)
        };
        assert!(matches!(outcome(&good), Outcome::Pass), "{name}: {:?}", outcome(&good));
        let Outcome::Fail { findings, unjudged } = outcome(&bad) else { panic!("{name}: {:?}", outcome(&bad)) };
        assert!(findings.len() == 1 && unjudged.is_empty(), "{name}: {findings:?} {unjudged:?}");
        assert_eq!(
            findings[0].parameter.as_ref().map(|pointer| pointer.escaped().to_string()),
            Some(format!("/rules/{index}/check"))
        );
    }
}

/// Expressions that cost most for a step of the budget, each over every pair of ten thousand listeners.
const BOMBS: [&str; 10] = [
    "listeners.all(a, listeners.all(b, true))",
    "listeners.all(a, [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, [1,2,3,4,5,6,7,8].all(d, \
     [1,2,3,4,5,6,7,8].all(e, a.port + b + c + d + e + b + c + d + e + b + c + d > 0)))))",
    "listeners.all(a, listeners.all(b, [a.port, b.port].all(p, -(-(-(-p))) + (p > 0 ? p : -p) < 0 || !!!(p == 0))))",
    "listeners.all(a, listeners.all(b, listeners.all(c, a.port + b.port + c.port > 0)))",
    "listeners.all(a, listeners.all(b, a.port > 0 && b.owners.all(o, o.uid != 5)))",
    "listeners.all(a, listeners.all(b, a.port / (b.port - b.port) == 1))",
    "listeners.all(a, listeners.all(b, !b.id.contains('9' + 'x')))",
    "listeners.all(a, listeners.all(b, b.id + a.id != '' && string(b.address) != ''))",
    "listeners.all(a, listeners.all(b, sysctl_value('none') == ''))",
    "size(listeners.map(a, size(listeners.map(b, b.id + a.id)))) > 0",
];

#[test]
fn a_bomb_leaves_its_own_rule_unknown_and_the_rest_judged() {
    let facts = PreparedFacts::new(&large_machine(10_000));
    for bomb in BOMBS {
        let plugin = configure(&json!({ "rules": [rule(0, USUAL[0]), rule(1, bomb), rule(2, USUAL[1])] }));
        let outcomes = outcomes(&plugin, &facts);
        assert!(
            matches!(outcomes.as_slice(), [Outcome::Pass, Outcome::Unknown(_), Outcome::Pass]),
            "{bomb}: {outcomes:?}"
        );
    }
}

#[test]
fn a_policy_of_bombs_is_judged_to_its_last_rule() {
    let bombs = (0..99).map(|number| rule(number, BOMBS[number % BOMBS.len()]));
    let rules: Vec<_> = bombs.chain([rule(99, "listener.port > 0")]).collect();
    let outcomes = outcomes(&configure(&json!({ "rules": rules })), &PreparedFacts::new(&large_machine(1_000)));
    assert!(matches!(outcomes.last(), Some(Outcome::Pass)), "{:?}", outcomes.last());
}

#[test]
fn more_findings_than_an_answer_can_hold_are_counted() {
    let rules: Vec<_> = (0..100).map(|number| rule(number, "listener.reach != listener.reach")).collect();
    let outcomes = outcomes(&configure(&json!({ "rules": rules })), &PreparedFacts::new(&large_machine(10_000)));
    for outcome in outcomes {
        let Outcome::Fail { findings, unjudged } = outcome else { panic!("{outcome:?}") };
        assert!(findings.len() > 10 && !unjudged.is_empty(), "{} {unjudged:?}", findings.len());
    }
}

/// The stack of a guest is small: what is nested as deep as it may be is read and evaluated on it.
#[test]
fn the_deepest_expressions_are_judged() {
    let facts = PreparedFacts::new(&large_machine(3));
    let parenthesised = format!("{}true{}", "!(".repeat(24), ")".repeat(24));
    let loops = (0..20).fold("true".to_owned(), |body, level| format!("[1].all(v{level}, {body})"));
    let conditions = format!("{}true", "false ? false : ".repeat(24));
    let sum = format!("0{} > 0", " + listener.port".repeat(60));
    let selection = format!("{}true", "true && ".repeat(400));
    for deep in [parenthesised, loops, conditions, sum, selection] {
        let outcomes = outcomes(&configure(&json!({ "rules": [rule(0, &deep)] })), &facts);
        assert!(matches!(outcomes.as_slice(), [Outcome::Pass]), "{deep}: {outcomes:?}");
    }
}

/// What is refused because it is too large does not end the plugin.
#[test]
fn giants_are_refused() {
    let engine = Engine::new().unwrap();
    for giant in [
        "(".repeat(4000),
        "[".repeat(4000),
        "!".repeat(4000) + "true",
        "-".repeat(4000) + "1",
        "a.".repeat(240) + "b",
        "a.f()".to_owned() + &".f()".repeat(480),
        "1+".repeat(490) + "1",
        "true?".repeat(24),
        "x in ".repeat(490) + "y",
        "listeners.all(a,".repeat(24),
        "f(".repeat(24) + "1",
        "a[".repeat(24),
        "{1:".repeat(24),
        "has(".repeat(24) + "a.b",
    ] {
        let parameters = json!({ "rules": [rule(0, &giant)] }).to_string();
        let plugin = Plugin::from_builtin(&engine, loopgate_builtins::find("cel").unwrap()).unwrap();
        assert!(matches!(plugin.configure(&*parameters), Err(ConfigureError::Problems(_))), "{giant}");
    }
}

#[test]
fn ten_thousand_listeners_and_a_hundred_rules_are_judged_in_time() {
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
    // It takes half a second where nothing else runs; the other tests run beside it.
    assert!(took < Duration::from_secs(5), "{took:?}");
}
