//! What does not count: waivers until they end, and what is in a baseline until it reaches further.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, outcome, quiet_facts, reached_by_everybody, run};

/// A folder with facts of a machine on which Redis listens for everybody, and a policy.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(policy: &str) -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        machine.write("policy.toml", policy);
        machine.observe(&[redis(812, 6379)]);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn observe(&self, listeners: &[Value]) {
        let mut facts = quiet_facts();
        facts["listeners"] = listeners.into();
        self.write("facts.json", &facts.to_string());
    }

    fn run(&self, command: &[&str]) -> Run {
        let [policy, facts] = ["policy.toml", "facts.json"].map(|name| self.path(name).display().to_string());
        run(command.iter().copied().chain(["--policy", &policy, "--facts", &facts]))
    }

    fn check(&self, options: &[&str]) -> (i32, Value) {
        let run = self.run(&[&["check", "--format", "json"], options].concat());
        (run.code, run.json())
    }
}

fn redis(pid: u32, port: u16) -> Value {
    json!({
        "id": format!("tcp/0.0.0.0:{port}"), "protocol": "tcp", "address": "0.0.0.0", "port": port,
        "scope": "unspecified", "ipv6_only": null, "zone": null, "bound_interface": null, "multipath": false,
        "origin": "socket", "sockets": [{ "inode": pid, "uid": 110 }], "published": null,
        "owners": [{ "pid": pid, "name": "redis-server", "executable": "/usr/bin/redis-server", "command_line": [],
                     "uid": 110, "user": "redis", "cgroup": "/system.slice/redis-server.service",
                     "unit": "redis-server.service", "container": null }],
        "reachability": reached_by_everybody(port)
    })
}

const PLUGINS: &str = "schema = 1\n[plugins.listeners]\n";

fn waiver(rule: &str, what: &str) -> String {
    format!(
        "[[waivers]]\nrule = \"{rule}\"\n{what}\nreason = \"ticket 4711\"\nowner = \"platform\"\nexpires = 2026-06-30\n"
    )
}

/// Demand 24: one finding can be passed over, until a date.
#[test]
fn a_waiver_ends_between_two_days() {
    let rules = ["listeners/wildcard-bind", "listeners/sensitive-service"];
    let waivers: String = rules.iter().map(|rule| waiver(rule, "executable = \"/usr/bin/redis-server\"")).collect();
    let machine = Machine::new(&format!("{PLUGINS}{waivers}"));
    let (code, report) = machine.check(&["--at", "2026-06-30"]);
    assert_eq!((code, &report["tally"]["waived"]), (0, &json!(2)), "{report:#}");
    let waived = report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rules[0]).unwrap();
    assert_eq!(waived["waiver"]["policy"], json!({ "file": "policy.toml", "line": 3 }));
    assert_eq!(outcome(&report, "waivers/expired"), "pass");
    let (code, report) = machine.check(&["--at", "2026-07-01"]);
    assert_eq!((code, &report["tally"]["waived"]), (1, &json!(0)));
    assert_eq!(outcome(&report, "waivers/expired"), "fail");
    assert_eq!(report["as_of"], "2026-07-01T00:00:00Z");
}

#[test]
fn an_unused_waiver_is_a_finding_at_its_line() {
    let machine = Machine::new(&format!("{PLUGINS}{}", waiver("listeners/dual-stack", "port = 80")));
    let (_, report) = machine.check(&["--at", "2026-06-01"]);
    assert_eq!(outcome(&report, "waivers/unused"), "fail");
    let findings = report["findings"].as_array().unwrap();
    let unused = findings.iter().find(|finding| finding["rule"] == "waivers/unused").unwrap();
    assert_eq!(unused["policy"], json!({ "file": "policy.toml", "line": 3 }));
}

#[test]
fn the_text_shows_who_waived_what_and_why() {
    let machine = Machine::new(&format!("{PLUGINS}{}", waiver("listeners/wildcard-bind", "port = 6379")));
    let run = machine.run(&["check", "--at", "2026-06-01"]);
    assert!(run.stdout.contains("2026-06-30, platform: ticket 4711 (policy.toml:3)"), "{}", run.stdout);
    let quiet = machine.run(&["check", "--quiet", "--at", "2026-06-01"]).stdout;
    assert!(quiet.lines().take(3).any(|line| line.contains("1 waived")), "{quiet}");
}

/// Demand 15: a restart changes nothing.
#[test]
fn a_baseline_survives_restarts_and_catches_what_is_new_or_wider() {
    let machine = Machine::new(PLUGINS);
    let baseline = machine.path("baseline.json").display().to_string();
    let mut narrow = redis(812, 6379);
    narrow["reachability"][1]["sources"] = json!(["10.0.0.0/24"]);
    // What is left of the addresses is kept out.
    let mut kept_out = narrow["reachability"][1].clone();
    (kept_out["sources"], kept_out["excluded_sources"]) = (json!(["0.0.0.0/0"]), json!(["10.0.0.0/24"]));
    (kept_out["verdict"], kept_out["reason"]) = (json!("blocked"), json!("dropped"));
    narrow["reachability"].as_array_mut().unwrap().push(kept_out);
    machine.observe(&[narrow.clone()]);
    let written = machine.run(&["baseline", "write", &baseline]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    assert!(written.stdout.contains("2 new"), "{}", written.stdout);

    let mut restarted = narrow.clone();
    (restarted["owners"][0]["pid"], restarted["sockets"][0]["inode"]) = (json!(4000), json!(99));
    machine.observe(&[restarted]);
    let (code, report) = machine.check(&["--baseline", &baseline]);
    assert_eq!((code, &report["tally"]["baselined"]), (0, &json!(2)), "{report:#}");

    machine.observe(&[redis(4000, 6379)]);
    assert_eq!(machine.check(&["--baseline", &baseline]).0, 1, "it reaches further");
    machine.observe(&[narrow, redis(813, 6380)]);
    assert_eq!(machine.check(&["--baseline", &baseline]).0, 1, "another one is new");

    machine.observe(&[]);
    let (code, report) = machine.check(&["--baseline", &baseline]);
    assert_eq!((code, &report["tally"]["baseline_gone"]), (0, &json!(2)));
    let pruned = machine.run(&["baseline", "prune", &baseline]);
    assert!(pruned.stdout.contains("0 findings recorded") && pruned.stdout.contains("2 dropped"), "{}", pruned.stdout);
}

#[test]
fn a_baseline_is_not_replaced_and_must_be_one() {
    let machine = Machine::new(PLUGINS);
    let baseline = machine.path("baseline.json").display().to_string();
    machine.write("baseline.json", "{\"schema\": 9, \"findings\": []}");
    let written = machine.run(&["baseline", "write", &baseline]);
    assert_eq!(written.code, 2);
    assert!(written.stderr.contains("is there already"), "{}", written.stderr);
    let checked = machine.run(&["check", "--baseline", &baseline]);
    assert_eq!(checked.code, 2);
    assert!(checked.stderr.contains("schema 9"), "{}", checked.stderr);
    let missing = machine.run(&["check", "--baseline", "/nonexistent/baseline.json"]);
    assert_eq!(missing.code, 2);
    assert!(!Path::new("/nonexistent").exists());
}
