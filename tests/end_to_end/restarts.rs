//! A baseline of a machine with real servers: it holds when every one of them was started again, and no longer when one of
//! them reaches further.

use std::collections::{BTreeMap, BTreeSet};

use loopgate_test_support::{in_namespace_of_processes, run as program};
use serde_json::{Value, json};

use crate::debian::{Debian, Servers, load_rules};
use crate::support::{Run, run};

/// The machine with what was found on it when its baseline was written.
struct Machine {
    debian: Debian,
    recorded: u64,
}

impl Machine {
    /// Writes the baseline of a machine.
    fn recorded(debian: Debian) -> Self {
        let mut machine = Self { debian, recorded: 0 };
        let written = by_default(&["baseline", "write", &machine.baseline()]);
        assert_eq!(written.code, 0, "{}", written.stderr);
        machine.recorded = written.stdout.split(' ').next().unwrap().parse().unwrap();
        assert!(written.stdout.contains(&format!("{} new, 0 as before", machine.recorded)), "{}", written.stdout);
        machine
    }

    fn baseline(&self) -> String {
        self.debian.path("baseline.json").display().to_string()
    }

    /// Judges against the baseline.
    fn check(&self) -> (i32, Value) {
        let run = by_default(&["check", "--format", "json", "--baseline", &self.baseline()]);
        (run.code, run.json())
    }

    /// Sees that all is as it was recorded.
    fn assert_as_recorded(&self) {
        let (code, report) = self.check();
        let tally = &report["tally"];
        assert_eq!(
            (code, &tally["baselined"], &tally["baseline_gone"]),
            (0, &json!(self.recorded), &json!(0)),
            "{report:#}"
        );
        assert_eq!(new(&report), []);
    }
}

/// By the default policy, whatever else a folder above or the machine has.
fn by_default(command: &[&str]) -> Run {
    run(command.iter().chain(&["--policy", "default"]))
}

/// The rules and subjects of the findings that count.
fn new(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["standing"] == "counts");
    findings.map(|it| (it["rule"].as_str().unwrap(), it["subject"]["name"].as_str().unwrap())).collect()
}

/// What a restart changes of each listener: the inodes of its sockets, and the processes that hold them.
fn passing() -> BTreeMap<String, [BTreeSet<u64>; 2]> {
    let facts = run(["facts"]).json();
    let numbers = |items: &Value, key: &str| -> BTreeSet<u64> {
        items.as_array().unwrap().iter().map(|item| item[key].as_u64().unwrap()).collect()
    };
    let listeners = facts["listeners"].as_array().unwrap().iter();
    let passing = listeners.map(|listener| {
        let id = listener["id"].as_str().unwrap().to_owned();
        (id, [numbers(&listener["sockets"], "inode"), numbers(&listener["owners"], "pid")])
    });
    passing.collect()
}

/// Starts every server again, and sees that the same endpoints have other sockets and other processes.
fn restart(debian: &Debian, servers: Servers) -> Servers {
    let before = passing();
    assert_eq!(before.len(), 8, "four servers with two addresses each: {before:?}");
    drop(servers);
    let servers = debian.servers();
    let after = passing();
    assert!(before.keys().eq(after.keys()), "{before:?} {after:?}");
    for (id, changing) in &before {
        for (before, after) in changing.iter().zip(&after[id]) {
            assert!(!after.is_empty() && before.is_disjoint(after), "{id}: {before:?} {after:?}");
        }
    }
    servers
}

/// Demand 15: a restart of every server changes nothing, and what reaches further is new.
#[test]
fn a_baseline_survives_the_restart_of_every_server_and_catches_a_wider_reach() {
    let test = "restarts::a_baseline_survives_the_restart_of_every_server_and_catches_a_wider_reach";
    in_namespace_of_processes(test, || {
        let debian = Debian::new();
        load_rules();
        let servers = debian.servers();
        let machine = Machine::recorded(debian);
        assert_eq!(by_default(&["check"]).code, 1, "without the baseline the machine fails");
        machine.assert_as_recorded();

        let servers = restart(&machine.debian, servers);
        machine.assert_as_recorded();

        an_opened_firewall_is_new(&machine);
        a_widened_bind_is_new(&machine, servers);
    });
}

fn an_opened_firewall_is_new(machine: &Machine) {
    program("nft", &["insert rule inet filter input tcp dport 22 accept"]);
    let (code, report) = machine.check();
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(new(&report), ["tcp/0.0.0.0:22", "tcp/[::]:22"].map(|sshd| ("listeners/wildcard-bind", sshd)));
    load_rules();
    machine.assert_as_recorded();
}

fn a_widened_bind_is_new(machine: &Machine, mut servers: Servers) {
    drop(servers.postgres);
    servers.postgres = machine.debian.postgres(&["127.0.0.1", "::1", "10.9.0.1"]);
    let (code, report) = machine.check();
    assert_eq!(code, 1, "{report:#}");
    let widened = "tcp/10.9.0.1:5432";
    assert_eq!(new(&report), ["listeners/sensitive-service", "listeners/private-bind"].map(|rule| (rule, widened)));
    drop(servers);
    let _servers = machine.debian.servers();
    machine.assert_as_recorded();
}
