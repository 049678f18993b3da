//! What is said of a machine with the rules of ufw or Docker, held against the connections of a real peer.

use std::process::{Command, Stdio};

use loopgate_test_support::in_namespace;
use serde_json::{Value, json};

use crate::support::tree;

/// Runs a script of `peers/` that makes a machine with a peer, and gives what it printed.
fn play(script: &str, arguments: &[&str]) -> Value {
    let path = tree("tests/end_to_end/peers").join(script);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--", "python3"]).arg(path).arg(env!("CARGO_BIN_EXE_loopgate")).args(arguments);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every probe was told as the peer finds it, and none is unknown.
fn assert_told(report: &Value, count: usize) {
    let probes = report["probes"].as_array().unwrap();
    assert_eq!(probes.len(), count);
    let told = |probe: &Value| if probe["connects"] == true { "reachable" } else { "blocked" };
    let wrong: Vec<_> = probes.iter().filter(|probe| probe["told"] != told(probe)).collect();
    assert!(wrong.is_empty(), "{} of {count} are told otherwise than they are: {wrong:#?}", wrong.len());
}

#[test]
fn ufw_lets_in_what_is_said_and_nothing_else() {
    in_namespace("peers::ufw_lets_in_what_is_said_and_nothing_else", || {
        let report = play("ufw.py", &[]);
        assert_told(&report, 50 * 20);
        let reach = report["reach"].as_str().unwrap();
        assert!(reach.contains("nothing listens there now"), "{reach}");
        assert!(reach.contains("-P INPUT DROP") && reach.contains("-s 10.9.3.0/24 -j DROP"), "{reach}");
        let table = report["listeners"].as_str().unwrap();
        let reach_of = |port: &str| {
            let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            row.into_iter().find(|row| row.get(2) == Some(&port)).unwrap()[3].to_owned()
        };
        assert_eq!(["2000", "2003", "2005", "2006"].map(reach_of), ["public", "host", "link", "private"]);
    });
}

#[test]
fn ports_that_an_old_docker_publishes_are_open_as_is_said() {
    in_namespace("peers::ports_that_an_old_docker_publishes_are_open_as_is_said", || {
        let report = play("docker.py", &["old"]);
        assert_told(&report, 7);
        assert_eq!(
            report["published"],
            json!([
                ["tcp/0.0.0.0:8080/published", "172.17.0.2:80", "docker0"],
                ["tcp/127.0.0.1:8081/published", "172.17.0.2:81", "docker0"],
            ])
        );
        assert_eq!(told(&report, "127.0.0.1", 8081), "reachable");
        let reach = report["reach"].as_str().unwrap();
        assert!(
            reach.contains("translated to 172.17.0.2:80") && reach.contains("-A FORWARD -o docker0 -j DOCKER"),
            "{reach}"
        );
        let findings = report["findings"].as_array().unwrap();
        for (rule, subject) in [
            ("firewall/loopback-publish-reachable", "tcp/127.0.0.1:8081/published"),
            ("firewall/published-port-bypasses-input", "tcp/0.0.0.0:8080/published"),
        ] {
            assert!(findings.contains(&json!([rule, subject])), "{rule} is not among {findings:?}");
        }
    });
}

#[test]
fn what_a_new_docker_keeps_on_loopback_is_closed_as_is_said() {
    in_namespace("peers::what_a_new_docker_keeps_on_loopback_is_closed_as_is_said", || {
        let report = play("docker.py", &["new"]);
        assert_told(&report, 7);
        assert_eq!(report["published"], json!([["tcp/0.0.0.0:8080/published", "172.17.0.2:80", "docker0"]]));
        assert_eq!(told(&report, "127.0.0.1", 8081), "blocked");
        assert_eq!(told(&report, "172.17.0.2", 80), "blocked");
    });
}

fn told(report: &Value, address: &str, port: u16) -> String {
    let probes = report["probes"].as_array().unwrap();
    let probe = probes.iter().find(|probe| probe["address"] == address && probe["port"] == port).unwrap();
    probe["told"].as_str().unwrap().to_owned()
}
