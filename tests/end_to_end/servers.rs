//! Real servers from Debian's packages in a namespace of their own: found with the right owner, scope and rule, and
//! gone from the report once they stop.

use std::net::IpAddr;
use std::path::Path;

use loopgate_test_support::{command, in_namespace};
use serde_json::Value;

use crate::debian::{Debian, Server};
use crate::support::{check, outcome, run, subjects};

/// What avahi and its like hold: an unconnected UDP socket on the port of multicast DNS.
fn multicast_dns() -> Server {
    let program = "import socket, time\n\
                   s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                   s.bind(('0.0.0.0', 5353))\n\
                   time.sleep(600)\n";
    Server::start(command("python3").args(["-c", program])).holding_udp(5353)
}

fn listener<'a>(facts: &'a Value, id: &str) -> &'a Value {
    let listeners = facts["listeners"].as_array().unwrap();
    listeners.iter().find(|listener| listener["id"] == id).unwrap_or_else(|| panic!("no {id} in {facts:#}"))
}

fn owners(facts: &Value, id: &str) -> Vec<(u64, String)> {
    let owners = listener(facts, id)["owners"].as_array().unwrap();
    let owner = |owner: &Value| {
        let executable = owner["executable"].as_str().unwrap_or_default();
        let program = Path::new(executable).file_name().unwrap_or_default().to_string_lossy().into_owned();
        (owner["pid"].as_u64().unwrap(), program)
    };
    owners.iter().map(owner).collect()
}

fn has_owner(facts: &Value, id: &str, server: &Server, program: &str) -> bool {
    owners(facts, id).iter().any(|(owner, name)| *owner == server.pid() && name.starts_with(program))
}

/// Exit code and verdict where no rule finds anything. Where the firewall is not read, nobody knows who reaches what.
fn verdict_of_nothing_found() -> (i32, Option<&'static str>) {
    let facts = run(["facts"]).json();
    let is_read = facts["gaps"].as_array().unwrap().iter().all(|gap| gap["area"] != "firewall");
    if is_read { (0, Some("compliant")) } else { (3, Some("incomplete")) }
}

/// Demand 11: a wildcard is a wildcard, and what has stopped is gone.
/// Demand 13: every process that holds a socket is named with its executable.
/// Demand 25: the socket counts, not what a configuration file says.
#[test]
fn servers_are_found_with_owner_scope_and_rule_until_they_stop() {
    in_namespace("servers::servers_are_found_with_owner_scope_and_rule_until_they_stop", || {
        let machine = Debian::new();
        let quiet = verdict_of_nothing_found();
        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), quiet, "before: {report:#}");

        // Its file still says that it is for loopback alone; the command line is what counts.
        let redis = machine.redis(&["--bind", "0.0.0.0", "--protected-mode", "no"], &["0.0.0.0"]);
        let nginx = machine.nginx(&["::"]);
        let python = machine.http_server("127.0.0.1");
        let udp = multicast_dns();

        let facts = run(["facts"]).json();
        assert!(has_owner(&facts, "tcp/0.0.0.0:6379", &redis, "redis"), "{facts:#}");
        assert!(has_owner(&facts, "tcp/[::]:80", &nginx, "nginx"), "{facts:#}");
        assert!(has_owner(&facts, "tcp/127.0.0.1:8000", &python, "python3"), "{facts:#}");
        assert!(has_owner(&facts, "udp/0.0.0.0:5353", &udp, "python3"), "{facts:#}");
        assert_eq!(owners(&facts, "tcp/[::]:80").len(), 3, "nginx's master and both workers");
        assert_eq!(listener(&facts, "tcp/[::]:80")["ipv6_only"], true);
        assert_eq!(listener(&facts, "tcp/127.0.0.1:8000")["scope"], "loopback");

        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), (1, Some("not-compliant")));
        let wildcards = ["udp/0.0.0.0:5353", "tcp/0.0.0.0:6379", "tcp/[::]:80"];
        let mut found = subjects(&report, "listeners/wildcard-bind");
        found.sort_by_key(|subject| wildcards.iter().position(|wildcard| wildcard == subject));
        assert_eq!(found, wildcards);
        assert_eq!(subjects(&report, "listeners/sensitive-service"), ["tcp/0.0.0.0:6379"]);
        let findings = report["findings"].as_array().unwrap();
        let sensitive = findings.iter().find(|finding| finding["rule"] == "listeners/sensitive-service").unwrap();
        assert_eq!(sensitive["severity"], "critical", "recognised by its name, not by its port alone: {sensitive:#}");

        drop((redis, nginx, python, udp));
        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), quiet, "after: {report:#}");
        if quiet.0 == 0 {
            assert_eq!(outcome(&report, "listeners/sensitive-service"), "pass");
        }
        assert_eq!(subjects(&report, "listeners/sensitive-service"), Vec::<String>::new());
        assert!(run(["facts"]).json()["listeners"].as_array().unwrap().is_empty());
    });
}

#[test]
fn the_table_of_listeners_names_address_port_owner_and_reach() {
    in_namespace("servers::the_table_of_listeners_names_address_port_owner_and_reach", || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(address.ip(), IpAddr::from([127, 0, 0, 1]));
        let table = run(["listeners"]);
        let row = table.stdout.lines().find(|line| line.contains(&address.port().to_string())).unwrap();
        for cell in ["tcp", "127.0.0.1", "host", &std::process::id().to_string()] {
            assert!(row.contains(cell), "{cell} is missing in: {row}");
        }
        assert_eq!(table.code, 0);
    });
}
