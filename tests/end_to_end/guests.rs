//! A plugin that misbehaves costs its own rules, and nothing else.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use loopgate_test_artifacts as guests;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Run, loopgate, outcome, tree};

/// Judges the quiet machine with the built-in listeners plugin and a guest beside it.
///
/// A run that does not end is killed: a hang is a failure, whatever the speed of the machine.
fn judge(guest: &[u8]) -> Run {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("guest.wasm"), guest).unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n[plugins.listeners]\n[plugins.misbehaves]\npath = \"guest.wasm\"\n").unwrap();
    run_within(Duration::from_mins(2), &policy)
}

fn run_within(limit: Duration, policy: &Path) -> Run {
    let mut command = loopgate();
    command.args(["check", "--format", "json", "--facts"]).arg(tree("tests/facts/quiet.json"));
    command.arg("--policy").arg(policy).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            child.kill().unwrap();
            panic!("the run did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap().into()
}

#[track_caller]
fn costs_only_its_own_rules(guest: &[u8], failure: &str) {
    let run = judge(guest);
    let report = run.json();
    assert_eq!((run.code, report["verdict"].as_str()), (3, Some("incomplete")), "{}", run.stderr);
    let plugins = report["plugins"].as_array().unwrap();
    let of = |name: &str| plugins.iter().find(|plugin| plugin["name"] == name).unwrap();
    let said = of("misbehaves")["failure"].as_str().unwrap_or_default();
    assert!(said.contains(failure), "expected `{failure}`, got `{said}`");
    assert_eq!(outcome(&report, "misbehaves/only"), "unknown");
    assert_eq!(of("listeners")["failure"], Value::Null);
    assert_eq!(outcome(&report, "listeners/wildcard-bind"), "pass");
}

#[test]
fn a_loop() {
    costs_only_its_own_rules(guests::SPINS, "fuel");
}

#[test]
fn growing_memory() {
    costs_only_its_own_rules(guests::GROWS, "out of memory");
}

#[test]
fn a_stack_overflow() {
    costs_only_its_own_rules(guests::RECURSES, "overflowed its stack");
}

/// Demand 27: a check that breaks is said to be broken.
#[test]
fn a_trap_with_the_message_of_the_panic() {
    costs_only_its_own_rules(guests::PANICS, "the sky is falling");
}

#[test]
fn an_answer_that_is_too_large() {
    costs_only_its_own_rules(guests::FLOODS, "too large");
}

/// The fuel that calls to the host cost is little, so it is the clock that ends this one.
#[test]
fn messages_without_end() {
    let run = judge(guests::FLOODS_THE_LOG);
    assert_eq!(run.code, 3);
    assert_eq!(outcome(&run.json(), "misbehaves/only"), "unknown");
}

#[test]
fn an_error_of_its_own() {
    costs_only_its_own_rules(guests::REFUSES, "beneath me");
}

#[test]
fn a_rule_that_is_left_out_is_unknown() {
    let run = judge(guests::OMITS_A_RULE);
    let report = run.json();
    assert_eq!(run.code, 3);
    assert_eq!(outcome(&report, "misbehaves/answered"), "pass");
    assert_eq!(outcome(&report, "misbehaves/omitted"), "unknown");
    assert_eq!(outcome(&report, "listeners/wildcard-bind"), "pass");
}

#[test]
fn a_rule_that_needs_what_no_host_observes_is_unknown() {
    let run = judge(guests::NEEDS_MORE);
    assert_eq!(run.code, 3);
    assert_eq!(outcome(&run.json(), "misbehaves/only"), "unknown");
    assert!(run.stdout.contains("tea-leaves"));
}

#[track_caller]
fn is_refused(guest: &[u8], says: &[&str]) {
    let run = judge(guest);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stdout.is_empty());
    for words in says.iter().chain(&["guest.wasm", "policy.toml:4"]) {
        assert!(run.stderr.contains(words), "`{words}` is missing in:\n{}", run.stderr);
    }
}

#[test]
fn wasi_is_refused_with_the_import_and_the_way_out() {
    is_refused(guests::IMPORTS_WASI, &["wasi:clocks/wall-clock@0.2.6", "wasm32-unknown-unknown"]);
}

#[test]
fn another_version_of_the_contract_is_refused_with_both_versions() {
    is_refused(guests::FUTURE_VERSION, &["loopgate:policy/rules@0.9.0", "loopgate:policy@0.1.0"]);
}

#[test]
fn a_loop_in_the_description_is_refused() {
    is_refused(guests::SPINS_IN_DESCRIBE, &["fuel"]);
}

#[test]
fn hostile_texts_are_escaped_in_every_format() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("guest.wasm"), guests::HOSTILE_TEXT).unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n[plugins.misbehaves]\npath = \"guest.wasm\"\n").unwrap();
    for format in ["text", "json"] {
        let output = loopgate()
            .args(["check", "--verbose", "--format", format, "--policy"])
            .arg(&policy)
            .arg("--facts")
            .arg(tree("tests/facts/quiet.json"))
            .output()
            .unwrap();
        let run = Run::from(output);
        assert_eq!(run.code, 1);
        let raw: Vec<char> =
            run.stdout.chars().filter(|c| *c != '\n' && loopgate_facts::is_unsafe_to_print(*c)).collect();
        assert!(raw.is_empty(), "{format} holds {raw:?}");
        assert!(!run.stdout.lines().any(|line| line.starts_with("verdict: compliant")), "a line was forged");
    }
}
