//! Without the right to read the rules nothing is said to be open, and nothing to be unfiltered.

use std::net::TcpListener;

use loopgate_facts::{Facts, Listener, ReachVerdict};
use loopgate_test_support::{command, in_namespace};

use super::machine::{listen_at, peer};
use super::ufw::ufw;
use crate::support::{Run, outcome};

/// Runs the binary as nobody of a user namespace below this one: with no capability over this network namespace.
fn as_nobody(arguments: &[&str]) -> Run {
    let mut unshare = command("unshare");
    unshare.args(["--user", "--map-user=65534", "--", env!("CARGO_BIN_EXE_loopgate")]).args(arguments);
    unshare.output().unwrap().into()
}

fn machine() -> TcpListener {
    ufw("allow 22\n");
    listen_at("0.0.0.0:5432".parse().unwrap())
}

fn said(listener: &Listener) -> impl Iterator<Item = (ReachVerdict, String)> {
    let from_outside = listener.reachability.iter().filter(|region| region.interfaces.contains(&"wan".into()));
    from_outside.map(|region| (region.verdict, format!("{:?}", region.unknown_because)))
}

#[test]
fn nobody_is_told_that_a_port_is_open() {
    in_namespace("managers::unprivileged::nobody_is_told_that_a_port_is_open", || {
        let _peer = peer();
        let _listener = machine();
        let facts: Facts = serde_json::from_str(&as_nobody(&["facts"]).stdout).unwrap();
        let listener = facts.listeners.iter().find(|listener| listener.port == 5432).unwrap();
        let said: Vec<_> = said(listener).collect();
        assert!(said.iter().any(|(verdict, _)| *verdict == ReachVerdict::Unknown), "{said:?}");
        assert!(said.iter().all(|(verdict, _)| *verdict != ReachVerdict::Reachable), "{said:?}");
        assert!(said.iter().any(|(_, why)| why.contains("CAP_NET_ADMIN")), "the reason is said: {said:?}");
    });
}

/// Demand 21: who may not read the rules is not told that there are none.
#[test]
fn nobody_sees_no_trace_that_ends_at_an_open_port() {
    in_namespace("managers::unprivileged::nobody_sees_no_trace_that_ends_at_an_open_port", || {
        let _peer = peer();
        let _listener = machine();
        let run = as_nobody(&["reach", "tcp/5432", "--in", "wan", "--on", "192.0.2.1"]);
        assert!(run.stdout.contains("unknown"), "{}{}", run.stdout, run.stderr);
        assert!(!run.stdout.contains("reachable") && !run.stdout.contains("no firewall"), "{}", run.stdout);
    });
}

/// Demand 1: rules that cannot be read are not taken for no rules.
/// Demand 21: without privileges the firewall is unknown, not absent.
#[test]
fn a_rule_that_needed_the_firewall_is_unknown() {
    in_namespace("managers::unprivileged::a_rule_that_needed_the_firewall_is_unknown", || {
        let _peer = peer();
        ufw("allow 22\n");
        let run = as_nobody(&["check", "--format", "json"]);
        assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
        assert_eq!(outcome(&run.json(), "firewall/default-deny-input"), "unknown");
    });
}
