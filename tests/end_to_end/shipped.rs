//! The policies that are part of the binary: what each lets pass and what it does not.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{quiet_facts, reached_by_everybody, run};

/// The exit code and the rules with findings that count, for a machine judged by a policy.
fn judged(policy: &str, listeners: &[Value]) -> (i32, Vec<String>) {
    judged_with(policy, |facts| facts["listeners"] = listeners.into())
}

fn judged_with(policy: &str, change: impl FnOnce(&mut Value)) -> (i32, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("facts.json");
    let mut facts = quiet_facts();
    change(&mut facts);
    fs::write(&path, facts.to_string()).unwrap();
    let path = path.display().to_string();
    let run = run(["check", "--format", "json", "--policy", policy, "--facts", &path]);
    let report = run.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut rules: Vec<String> = findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect();
    rules.dedup();
    (run.code, rules)
}

fn listener(address: &str, port: u16, program: &str, command_line: &[&str]) -> Value {
    let is_loopback = address.starts_with("127.");
    let regions = if is_loopback { on_loopback(address, port) } else { reached_by_everybody(port) };
    json!({
        "id": format!("tcp/{address}:{port}"), "protocol": "tcp", "address": address, "port": port,
        "scope": if is_loopback { "loopback" } else { "unspecified" },
        "multipath": false, "origin": "socket", "sockets": [], "reachability": regions,
        "owners": [{ "pid": 7, "name": program, "executable": format!("/usr/bin/{program}"),
                     "command_line": command_line, "uid": 1000, "user": "me", "cgroup": "/user.slice", "unit": null,
                     "container": null }]
    })
}

/// The kernel keeps packets from outside away from loopback addresses.
fn on_loopback(address: &str, port: u16) -> Value {
    let region = |interface: &str, verdict: &str, reason: Value| {
        json!({ "interfaces": [interface], "destinations": [address], "port": port, "sources": ["0.0.0.0/0"],
                "verdict": verdict, "reason": reason, "unknown_because": [], "path": "input", "translated_to": null,
                "decided_by": null, "narrowed_by": [], "notes": [] })
    };
    json!([region("lo", "reachable", json!(null)), region("eth0", "blocked", json!("martian"))])
}

#[test]
fn a_quiet_machine_passes_all_of_them() {
    for policy in ["default", "workstation", "server", "ci"] {
        assert_eq!(judged(policy, &[]), (0, vec![]), "{policy}");
    }
}

/// Demand 14: what is not on the list fails.
#[test]
fn what_nobody_approved_fails_where_listeners_are_approved() {
    let web = [listener("0.0.0.0", 443, "nginx", &[])];
    for policy in ["server", "ci"] {
        let (code, rules) = judged(policy, &web);
        assert_eq!(code, 1, "{policy}");
        assert!(rules.contains(&"approved/unapproved-listener".to_owned()), "{policy}: {rules:?}");
    }
    let (code, rules) = judged("default", &web);
    assert_eq!((code, rules.contains(&"listeners/wildcard-bind".to_owned())), (1, true));
}

#[test]
fn a_workstation_hears_of_tools_that_listen_for_everybody() {
    for (program, command_line) in [
        ("gopls", vec!["gopls", "-listen=:37374"]),
        ("node", vec!["node", "/opt/code-server/out/node/entry.js", "code-server"]),
        ("node", vec!["node", "/home/me/.npm/supergateway"]),
        ("python3.11", vec!["python3", "-m", "vllm.entrypoints.openai.api_server"]),
    ] {
        let (code, rules) = judged("workstation", &[listener("0.0.0.0", 4000, program, &command_line)]);
        assert_eq!(
            (code, rules.first().map(String::as_str)),
            (1, Some("listeners/sensitive-service")),
            "{command_line:?}"
        );
    }
}

#[test]
fn a_workstation_may_run_a_database_on_loopback_and_no_docker_api() {
    assert_eq!(judged("workstation", &[listener("127.0.0.1", 5432, "postgres", &[])]).0, 0);
    let (code, rules) = judged("workstation", &[listener("127.0.0.1", 2375, "dockerd", &[])]);
    assert_eq!((code, rules.contains(&"listeners/unsafe-on-loopback".to_owned())), (1, true));
}

#[test]
fn a_gate_fails_on_defence_in_depth_where_a_server_does_not() {
    let nonlocal_bind = |facts: &mut Value| {
        let sysctls = facts["sysctls"].as_array_mut().unwrap();
        let sysctl = sysctls.iter_mut().find(|sysctl| sysctl["name"] == "net.ipv4.ip_nonlocal_bind").unwrap();
        sysctl["value"] = json!("1");
    };
    let found = vec!["boundary/nonlocal-bind".to_owned()];
    assert_eq!(judged_with("server", nonlocal_bind), (0, found.clone()));
    assert_eq!(judged_with("ci", nonlocal_bind), (1, found));
}
