//! A thousand approvals of every kind meet ten thousand listeners within the fuel of a call.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "the bans are for the product")]

use loopgate_engine::{Engine, Outcome, Plugin, PreparedFacts};
use loopgate_facts::{Facts, Listener, Owner, Protocol};
use serde_json::json;

fn machine() -> Facts {
    let mut facts = Facts::from_json(include_bytes!("../../../tests/facts/quiet.json")).unwrap();
    facts.listeners = (0..10_000).map(listener).collect();
    facts
}

fn listener(number: u16) -> Listener {
    let owner = Owner {
        pid: 100 + u32::from(number),
        name: "x".into(),
        executable: Some(format!("/opt/app{number}/1.2/bin/x").as_str().into()),
        executable_elsewhere: false,
        command_line: Vec::new(),
        uid: Some(1000),
        user: Some("app".into()),
        cgroup: Some("/system.slice/x.service".into()),
        unit: Some(format!("app{number}.service").as_str().into()),
        container: None,
    };
    let address = std::net::IpAddr::from([0, 0, 0, 0]);
    Listener { owners: vec![owner], ..Listener::at(Protocol::Tcp, address, 1024 + number) }
}

/// The value of a field in the entry of a number.
type Value = fn(u16) -> serde_json::Value;

#[test]
fn a_thousand_approvals_of_every_kind_are_judged_within_the_limits() {
    let facts = PreparedFacts::new(&machine());
    let engine = Engine::new().unwrap();
    let kinds: [(&str, Value); 4] = [
        ("executable", |number| json!(format!("/opt/app{number}/*/bin/x"))),
        ("unit", |number| json!(format!("app{number}.service"))),
        ("container", |number| json!(format!("app{number}"))),
        ("port", |number| json!(format!("{}-{}", 1024 + number, 1025 + number))),
    ];
    for (field, value) in kinds {
        let entry = |number| json!({ field: value(number), "reach": "public", "owner": "o", "reason": "r" });
        let entries: Vec<_> = (0..1000).map(entry).collect();
        let plugin = Plugin::from_builtin(&engine, loopgate_builtins::find("approved").unwrap()).unwrap();
        let plugin = plugin.configure(json!({ "listeners": entries }).to_string()).unwrap();
        let results = plugin.evaluate(&facts).unwrap_or_else(|failure| panic!("{field}: {failure}"));
        let first = results.first().unwrap().as_ref().unwrap();
        assert!(matches!(first.outcome, Outcome::Fail { .. }), "{field}");
    }
}
