//! `route_localnet` on one interface only is found, and only for that interface.

use loopgate_test_support::{in_namespace, ip, run as program};
use serde_json::Value;

use crate::support::{check, subjects};

fn set(interface: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet"), value).unwrap();
}

/// Demand 19: each interface is judged.
#[test]
fn route_localnet_is_found_for_the_interface_that_has_it() {
    in_namespace("route_localnet::route_localnet_is_found_for_the_interface_that_has_it", || {
        program("ip", &["link", "add", "left", "type", "veth", "peer", "name", "right"]);
        assert_eq!(subjects(&check().1, "boundary/route-localnet"), Vec::<String>::new());

        set("left", "1");
        let (code, report) = check();
        assert_eq!(subjects(&report, "boundary/route-localnet"), ["left"]);
        assert_eq!(code, 1);

        set("left", "0");
        set("all", "1");
        let mut found = subjects(&check().1, "boundary/route-localnet");
        found.sort();
        assert_eq!(found, ["left", "right"], "loopback itself is no finding");
    });
}

/// The severity of the only finding.
fn severity() -> Value {
    let report = check().1;
    assert_eq!(subjects(&report, "boundary/route-localnet"), ["left"]);
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["rule"] == "boundary/route-localnet").unwrap()["severity"].clone()
}

/// Demand 19: it is judged by what it exposes, and by the rule that keeps it from doing so.
#[test]
fn route_localnet_weighs_as_much_as_it_exposes() {
    in_namespace("route_localnet::route_localnet_weighs_as_much_as_it_exposes", || {
        ip(&["link add left type veth peer name right", "address add 192.0.2.1/24 dev left"]);
        ip(&["link set left up", "link set right up"]);
        set("left", "1");
        assert_eq!(severity(), "medium", "nothing listens");
        let _listener = std::net::TcpListener::bind("127.0.0.1:2000").unwrap();
        assert_eq!(severity(), "high");
        let chain = "add chain ip t pre { type filter hook prerouting priority raw; }";
        let guard = "add rule ip t pre iifname != \"lo\" ip daddr 127.0.0.0/8 drop";
        program("nft", &[&format!("add table ip t; {chain}; {guard}")]);
        assert_eq!(severity(), "low", "a rule keeps neighbours out");
    });
}
