//! `loopgate explain` of what was found: both ends, who gets through, and what to type.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{quiet_facts, reached_by_everybody, run};

#[test]
fn a_finding_is_explained_from_the_listener_to_the_line_of_the_policy() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut facts = quiet_facts();
    let mut regions = reached_by_everybody(5432);
    regions[1]["decided_by"] = json!({ "backend": "nf-tables", "family": "inet", "table": "filter", "chain": "input",
                                       "handle": 12, "line": 3, "text": "tcp dport 5432 accept" });
    facts["listeners"] = json!([{
        "id": "tcp/0.0.0.0:5432", "protocol": "tcp", "address": "0.0.0.0", "port": 5432, "scope": "unspecified",
        "multipath": false, "origin": "socket", "sockets": [], "reachability": regions,
        "owners": [{ "pid": 7, "name": "postgres", "executable": "/usr/bin/postgres", "command_line": [], "uid": 100,
                     "user": "postgres", "cgroup": "/system.slice/postgresql.service", "unit": "postgresql.service",
                     "container": null }]
    }]);
    fs::write(path("facts.json"), facts.to_string()).unwrap();
    let policy = "schema = 1\n[[approved]]\nexecutable = \"/usr/bin/postgres\"\nport = 5432\nreach = \"private\"\n\
                  owner = \"data\"\nreason = \"the shop\"\n";
    fs::write(path("policy.toml"), policy).unwrap();
    let given = ["--policy", &path("policy.toml"), "--facts", &path("facts.json")];
    let explain = |what: &str| run([["explain", what].as_slice(), &given].concat());

    let checked = run([["check", "--format", "json"].as_slice(), &given].concat()).json();
    let fingerprint = checked["findings"][0]["fingerprint"].as_str().unwrap();
    let explained = explain(&fingerprint[..8]);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    assert_eq!(explained.stdout, explain("tcp/0.0.0.0:5432").stdout);
    let text = explained.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "approved/reach-exceeded",
        "postgres, pid 7, /usr/bin/postgres, user postgres, postgresql.service",
        "inet filter input: tcp dport 5432 accept # handle 12",
        "policy.toml:2",
        "nft delete rule inet filter input handle 12",
        "CWE-668",
    ] {
        assert!(text.contains(words), "`{words}` is missing in:\n{}", explained.stdout);
    }
    let nothing = explain("tcp/0.0.0.0:80");
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("there is no rule and no finding `tcp/0.0.0.0:80`"), "{}", nothing.stderr);
}

#[test]
fn a_rule_of_a_built_in_plugin_is_explained_though_the_policy_does_not_name_it() {
    let run = run(["explain", "cis/loopback-nftables", "--policy", "default"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let said = "This policy does not judge it: it does not name the plugin `cis`.";
    assert!(run.stdout.contains("What it checks") && run.stdout.contains(said), "{}", run.stdout);
}
