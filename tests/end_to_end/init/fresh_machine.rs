//! A fresh Debian machine: nginx, Redis, `PostgreSQL` and sshd as their packages bring them, approved as they are, and then
//! changed in every way that the approval is there to catch.

use std::fs;

use loopgate_test_support::{in_namespace_of_processes, run as program};

use super::{decided, unwrapped};
use crate::debian::{Debian, Server, Servers, load_rules, postgres_programs};
use crate::support::{Run, run};

/// The machine with its firewall and its policy.
struct Machine(Debian);

impl Machine {
    fn new() -> Self {
        let debian = Debian::new();
        load_rules();
        Self(debian)
    }

    fn policy(&self) -> String {
        self.0.path("loopgate.toml").display().to_string()
    }

    fn init(&self) -> String {
        let run = run(["init", "--from-host", &self.policy()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        unwrapped(&run.stdout)
    }

    fn check(&self) -> Run {
        run(["check", "--policy", &self.policy()])
    }

    /// Judges, which fails, and gives the report.
    fn failing(&self) -> String {
        let run = self.check();
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        unwrapped(&run.stdout)
    }

    fn clean(&self) {
        let run = self.check();
        assert_eq!(run.code, 0, "{}{}{}", run.stdout, run.stderr, fs::read_to_string(self.policy()).unwrap());
    }
}

/// The line of the policy on which the entry of a program begins, as messages name it.
fn entry(machine: &Machine, program: &str) -> String {
    let policy = fs::read_to_string(machine.policy()).unwrap();
    let lines: Vec<&str> = policy.lines().collect();
    let at = lines.iter().position(|line| *line == format!("executable = \"{program}\"")).unwrap();
    assert_eq!(lines[at - 1], "[[approved]]", "{policy}");
    // Lines count from 1.
    format!("loopgate.toml:{at}")
}

#[test]
fn what_is_there_is_approved_and_every_change_is_named_with_entry_and_rule() {
    in_namespace_of_processes(
        "init::fresh_machine::what_is_there_is_approved_and_every_change_is_named_with_entry_and_rule",
        || {
            let machine = Machine::new();
            let debian = &machine.0;
            let Servers { nginx: _nginx, redis: _redis, sshd, postgres } = debian.servers();
            // Whoever set it up keeps sshd to the local network.
            drop(sshd);
            let sshd = debian.sshd(&["10.9.0.1"]);

            let said = machine.init();
            assert!(said.contains("2 entries added, 0 left to decide"), "{said}");
            machine.clean();
            let written = fs::read(machine.policy()).unwrap();
            machine.init();
            assert_eq!(fs::read(machine.policy()).unwrap(), written, "a second run changes nothing");

            a_new_listener_fails(&machine);
            drop(sshd);
            let _sshd = a_widened_bind_fails(&machine);
            an_opened_firewall_fails(&machine);
            drop(postgres);
            a_database_on_the_network_takes_a_decision(&machine);
        },
    );
}

fn a_new_listener_fails(machine: &Machine) {
    let server = machine.0.http_server("0.0.0.0");
    let failing = machine.failing();
    assert!(failing.contains("1 finding at or above medium: 1 high"), "{failing}");
    let message = "is not approved, though no other machine can reach it: the policy drop of inet filter input";
    assert!(failing.contains("tcp/0.0.0.0:8000") && failing.contains(message), "{failing}");
    drop(server);
    machine.clean();
}

fn a_widened_bind_fails(machine: &Machine) -> Server {
    let widened = machine.0.sshd(&["0.0.0.0"]);
    let (failing, entry) = (machine.failing(), entry(machine, "/usr/sbin/sshd"));
    assert!(failing.contains("has another address"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    assert!(failing.contains("ip saddr 10.9.0.0/24 tcp dport { 22, 5432 } accept"), "the deciding rule: {failing}");
    let said = machine.init();
    assert!(said.contains("0 entries added, 1 left to decide"), "a widened bind is not simply approved: {said}");
    drop(widened);
    let sshd = machine.0.sshd(&["10.9.0.1"]);
    machine.clean();
    sshd
}

fn an_opened_firewall_fails(machine: &Machine) {
    program("nft", &["insert rule inet filter input tcp dport 22 accept"]);
    let (failing, entry) = (machine.failing(), entry(machine, "/usr/sbin/sshd"));
    assert!(failing.contains("approved/reach-exceeded"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    assert!(failing.contains("tcp dport 22 accept"), "the deciding rule: {failing}");
    load_rules();
    machine.clean();
}

/// The policy fails a database that the network reaches, approved or not: that takes a waiver with an end.
fn a_database_on_the_network_takes_a_decision(machine: &Machine) {
    let _postgres = machine.0.postgres(&["10.9.0.1"]);
    let said = machine.init();
    assert!(said.contains("listeners/sensitive-service (high)"), "{said}");
    machine.failing();
    let policy = fs::read_to_string(machine.policy()).unwrap();
    let (before, decision) = policy.split_at(policy.find("# DECIDE: postgres").unwrap());
    fs::write(machine.policy(), format!("{before}{}", decided(decision))).unwrap();
    machine.clean();

    program("nft", &["insert rule inet filter input tcp dport 5432 accept"]);
    let programs = postgres_programs();
    let (failing, entry) = (machine.failing(), entry(machine, &programs.join("postgres").display().to_string()));
    assert!(failing.contains("approved/reach-exceeded") && failing.contains("tcp dport 5432 accept"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    load_rules();
    machine.clean();
}
