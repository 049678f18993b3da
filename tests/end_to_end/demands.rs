//! What `docs/demands.md` says that loopgate does and no other test shows, and that the page says so of tests that exist.

mod table;

use std::fs;
use std::net::TcpListener;

use loopgate_test_support::{command, in_namespace, run as program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, outcome, quiet_facts, reached_by_everybody, run};

/// A folder with a policy, and facts of a machine with something bound to every address.
struct Machine(TempDir);

impl Machine {
    fn new(policy: &str) -> Self {
        let machine = Self(TempDir::new().unwrap());
        let mut facts = quiet_facts();
        facts["listeners"] = json!([{
            "id": "tcp/0.0.0.0:6379", "protocol": "tcp", "address": "0.0.0.0", "port": 6379, "scope": "unspecified",
            "multipath": false, "origin": "socket", "sockets": [], "reachability": reached_by_everybody(6379),
            "owners": [{ "pid": 812, "name": "redis-server", "executable": "/usr/bin/redis-server",
                         "command_line": [], "uid": 110, "user": "redis", "cgroup": "/", "unit": null,
                         "container": null }]
        }]);
        fs::write(machine.path("facts.json"), facts.to_string()).unwrap();
        fs::write(machine.path("policy.toml"), policy).unwrap();
        machine
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn check(&self, options: &[&str]) -> Run {
        let given = ["check", "--policy", &self.path("policy.toml"), "--facts", &self.path("facts.json")];
        run([&given[..], options].concat())
    }
}

/// Demand 10: where there is no program at all, the same is seen, rules of the firewall included.
#[test]
fn no_program_of_the_machine_is_needed() {
    in_namespace("demands::no_program_of_the_machine_is_needed", || {
        let chain = "add chain inet t in { type filter hook input priority filter; policy drop; }";
        program("nft", &[&format!("add table inet t; {chain}; add rule inet t in iif lo accept")]);
        let _listener = TcpListener::bind("0.0.0.0:2000").unwrap();
        let bare = "mount -t tmpfs none /usr/sbin && mount -t tmpfs none /usr/bin && exec \"$0\" facts";
        let mut unshare = command("unshare");
        unshare.args(["--mount", "--", "sh", "-c", bare, env!("CARGO_BIN_EXE_loopgate")]);
        let (with, without) = (run(["facts"]).json(), Run::from(unshare.output().unwrap()).json());
        assert_eq!(with["listeners"].as_array().unwrap().len(), 1);
        assert_eq!(with["firewall"]["base_chains"].as_array().unwrap().len(), 1, "{with:#}");
        for part in ["listeners", "firewall", "interfaces", "sysctls", "names"] {
            assert_eq!(with[part], without[part], "{part}");
        }
        // Not what they say: processes of other users that may not be read come and go.
        let gaps = |facts: &Value| -> Vec<Value> {
            facts["gaps"].as_array().unwrap().iter().map(|gap| gap["area"].clone()).collect()
        };
        assert_eq!(gaps(&with), gaps(&without));
    });
}

/// Demand 11: what is bound to every address is not taken for what was allowed on loopback.
#[test]
fn a_wildcard_is_not_what_was_approved_on_loopback() {
    let policy = |address: &str| {
        format!(
            "schema = 1\n[plugins.approved.parameters]\nloopback = true\n[[approved]]\nport = 6379\n\
             address = \"{address}\"\nreach = \"public\"\nowner = \"cache\"\nreason = \"sessions\"\n"
        )
    };
    let judged = |address: &str| {
        let report = Machine::new(&policy(address)).check(&["--format", "json"]).json();
        outcome(&report, "approved/unapproved-listener").to_owned()
    };
    for address in ["loopback", "127.0.0.1", "127.0.0.0/8"] {
        assert_eq!(judged(address), "fail", "{address}");
    }
    assert_eq!(judged("unspecified"), "pass");
}

/// Demand 22: the exit code follows the threshold of the caller, and is the same in every format.
#[test]
fn the_caller_chooses_what_fails() {
    let machine = Machine::new("schema = 1\n[plugins.listeners]\n[rules]\n\"listeners/sensitive-service\" = \"off\"\n");
    for format in ["text", "json"] {
        for (threshold, code) in [("low", 1), ("medium", 1), ("high", 0), ("critical", 0)] {
            let run = machine.check(&["--fail-on", threshold, "--format", format]);
            assert_eq!(run.code, code, "{format}, {threshold}: {}", run.stdout);
        }
    }
}

/// Demand 23: a report for programs, and a short one for people that still says why and what to do.
#[test]
fn a_short_report_says_why_and_how_to_mend_it() {
    let machine = Machine::new("schema = 1\n[plugins.listeners]\n");
    let findings = machine.check(&["--format", "json"]).json()["findings"].take();
    let wildcard = |finding: &&Value| finding["rule"] == "listeners/wildcard-bind";
    let found = findings.as_array().unwrap().iter().find(wildcard).unwrap();
    assert_eq!((&found["severity"], &found["subject"]["name"]), (&json!("medium"), &json!("tcp/0.0.0.0:6379")));
    let short = machine.check(&["--quiet"]).stdout;
    for said in ["recognised by", "/usr/bin/redis-server", "answers on", "fix  "] {
        assert!(short.contains(said), "{said} is missing in: {short}");
    }
    assert!(!short.contains("Passed") && machine.check(&[]).stdout.contains("Passed"), "{short}");
}
