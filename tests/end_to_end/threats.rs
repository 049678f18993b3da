//! The threats that SECURITY.md names and no other test shows.

use std::fs;

use loopgate_test_artifacts as guests;
use loopgate_test_support::{command, in_namespace};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Run, loopgate, outcome, quiet_facts, reached_by_everybody, tree};

/// Poisoned cache: there is none. An external plugin is compiled anew, and nothing is read from or left in any of the
/// places where caches are kept.
/// Demand 27: nothing has to be written or run in a temporary folder.
#[test]
fn no_compiled_code_is_cached() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(folder.path().join("guest.wasm"), guests::OMITS_A_RULE).unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, "schema = 1\n[plugins.misbehaves]\npath = \"guest.wasm\"\n").unwrap();
    let mut command = loopgate();
    for variable in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"] {
        command.env(variable, &home);
    }
    command.args(["check", "--policy"]).arg(&policy).arg("--facts").arg(tree("tests/facts/quiet.json"));
    assert_eq!(Run::from(command.output().unwrap()).code, 3);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was written");
}

/// Tampered policy: a plugin that is not the pinned one is refused before it is looked into.
#[test]
fn a_plugin_with_another_digest_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("guest.wasm"), guests::OMITS_A_RULE).unwrap();
    let policy = folder.path().join("policy.toml");
    let digest = "0".repeat(64);
    let text = format!("schema = 1\n[plugins.misbehaves]\npath = \"guest.wasm\"\nsha256 = \"{digest}\"\n");
    fs::write(&policy, text).unwrap();
    let run = Run::from(loopgate().args(["check", "--policy"]).arg(&policy).output().unwrap());
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("policy.toml:4"), "{}", run.stderr);
}

/// Tampered policy: one that selects nothing, or turns everything off, is never a pass.
/// Demand 27: a policy that selects nothing is no pass.
#[test]
fn a_policy_that_checks_nothing_is_incomplete() {
    let folder = TempDir::new().unwrap();
    let policy = folder.path().join("policy.toml");
    for text in ["schema = 1\n", "schema = 1\non_unknown = \"report\"\n"] {
        fs::write(&policy, text).unwrap();
        let mut command = loopgate();
        command.args(["check", "--policy"]).arg(&policy).arg("--facts").arg(tree("tests/facts/quiet.json"));
        assert_eq!(Run::from(command.output().unwrap()).code, 3, "{text}");
    }
}

/// Unprivileged run: what could not be seen is unknown, never fine.
/// Demand 3: what needed an owner that was not seen is unknown.
#[test]
fn owners_that_could_not_be_seen_make_the_verdict_incomplete() {
    let mut facts = quiet_facts();
    facts["listeners"] = json!([{
        "id": "tcp/10.0.0.5:31337", "protocol": "tcp", "address": "10.0.0.5", "port": 31337, "scope": "private",
        "ipv6_only": null, "zone": null, "bound_interface": null, "multipath": false, "origin": "socket",
        "sockets": [{ "inode": 1, "uid": 0 }], "owners": [], "reachability": reached_by_everybody(31337)
    }]);
    facts["gaps"] = json!([{
        "area": "owners", "subject": null, "reason": "permission denied for 3 processes",
        "leaves_unknown": "the owners of 1 socket"
    }]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("facts.json");
    fs::write(&file, facts.to_string()).unwrap();
    let mut command = loopgate();
    command.args(["check", "--fail-on", "critical", "--format", "json", "--facts"]).arg(&file);
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.code, 3, "{}", run.stdout);
    assert_eq!(outcome(&run.json(), "listeners/sensitive-service"), "unknown");
}

/// Unprivileged run, at its worst: a machine without `/proc` has listeners and settings that cannot all be seen.
#[test]
fn without_proc_the_verdict_is_incomplete() {
    in_namespace("threats::without_proc_the_verdict_is_incomplete", || {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hidden = "mount -t tmpfs none /proc && exec \"$0\" check --format json";
        let mut unshare = command("unshare");
        unshare.args(["--mount", "--", "sh", "-c", hidden, env!("CARGO_BIN_EXE_loopgate")]);
        let run = Run::from(unshare.output().unwrap());
        assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
        let report = run.json();
        for rule in ["listeners/wildcard-bind", "boundary/route-localnet", "loopback/addresses"] {
            assert_eq!(outcome(&report, rule), "unknown");
        }
    });
}

/// A line of the host table is as bad as its worst name, wherever that stands in it.
#[test]
fn localhost_on_another_machine_is_critical_behind_whatever_name() {
    let mut facts = quiet_facts();
    let hosts = facts["names"]["hosts"].as_array_mut().unwrap();
    hosts.push(json!({ "line": 9, "address": "10.0.0.9", "names": ["ip6-localhost", "localhost"] }));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("facts.json");
    fs::write(&file, facts.to_string()).unwrap();
    let mut command = loopgate();
    command.args(["check", "--fail-on", "critical", "--facts"]).arg(&file);
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.code, 1, "{}", run.stdout);
}
