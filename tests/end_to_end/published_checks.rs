//! Published checks that find otherwise than the control they are for wants: each with a machine on which ours is right.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use loopgate_test_support::{Namespace, command, in_namespace, ip, run as program};
use serde_json::Value;

use crate::cis::outcomes;
use crate::managers::{Firewalld, listen_at, peer, ufw};
use crate::support::{check, run, subjects, tree};

/// The subjects that a rule of the plugin `cis` found something about.
fn found(rule: &str) -> Vec<String> {
    let policy = tree("policies/cis.toml");
    let report = run(["check", "--format", "json", "--policy", policy.to_str().unwrap()]).json();
    subjects(&report, &format!("cis/{rule}"))
}

fn outcome(rule: &str) -> String {
    outcomes().remove(rule).unwrap()
}

fn listen(addresses: &[&str]) -> Vec<TcpListener> {
    addresses.iter().map(|address| listen_at(address.parse().unwrap())).collect()
}

/// A check for "a rule exists for every open port" takes what is behind the last space and before the first colon for
/// the port of `[::]:5432`, which is nothing: every IPv6 listener passes.
/// Demand 8: the port of an IPv6 listener is not lost.
#[test]
fn ufw_rules_for_open_ports_sees_no_port_in_an_ipv6_socket() {
    in_namespace("published_checks::ufw_rules_for_open_ports_sees_no_port_in_an_ipv6_socket", || {
        let _peer = peer();
        let _service = listen(&["[::]:5432"]);
        ufw("allow 22\n");
        assert_eq!(outcome("open-ports-ufw"), "fail");
        assert_eq!(found("open-ports-ufw")[0], "tcp/[::]:5432");
    });
}

/// The same check takes any line with the number for a rule about the port. Here a rule that denies counts where it is
/// about packets to that port, because it is a decision, and nowhere else.
#[test]
fn ufw_rules_for_open_ports_takes_any_deny_line_for_a_rule() {
    in_namespace("published_checks::ufw_rules_for_open_ports_takes_any_deny_line_for_a_rule", || {
        let _peer = peer();
        let _service = listen(&["0.0.0.0:5432"]);
        for (rules, expected) in [
            ("deny 5432/tcp\n", "pass"),
            ("deny 5432/udp\n", "fail"),
            ("deny out 5432/tcp\n", "fail"),
            ("deny from 10.0.0.7 port 5432\n", "fail"),
        ] {
            program("nft", &["flush ruleset"]);
            ufw(rules);
            assert_eq!(outcome("open-ports-ufw"), expected, "{rules}");
        }
    });
}

/// A check of `inet_interfaces` accepts 0.0.0.0 and `10.0.0.5, ::1`, and refuses 127.0.0.1 and `localhost`.
#[test]
fn has_nonlocal_mta_accepts_every_address_and_refuses_loopback() {
    in_namespace("published_checks::has_nonlocal_mta_accepts_every_address_and_refuses_loopback", || {
        let _peer = peer();
        for (addresses, expected) in [
            (&["0.0.0.0:25"][..], "fail"),
            (&["10.0.0.1:25", "[::1]:25"], "fail"),
            (&["127.0.0.1:25"], "pass"),
            (&["127.0.0.1:25", "[::1]:587"], "pass"),
        ] {
            let _agent = listen(addresses);
            assert_eq!(outcome("mta-local-only"), expected, "{addresses:?}");
        }
    });
}

/// A check reads the ruleset up to the first `}`, which ends the set of a rule before, and knows `iif` but not `iifname`.
/// Demand 20: sets in braces and either spelling of an interface are understood.
#[test]
fn set_nftables_loopback_traffic_stops_at_a_brace_and_wants_iif() {
    in_namespace("published_checks::set_nftables_loopback_traffic_stops_at_a_brace_and_wants_iif", || {
        let _peer = peer();
        let right = r#"
            chain input {
                type filter hook input priority filter; policy drop;
                iifname != "lo" ip saddr 127.0.0.0/8 drop
                iifname != "lo" ip6 saddr ::1 drop
                tcp dport { 22, 80 } accept
                iifname "lo" accept
            }
        "#;
        let load = |chain: &str| program("nft", &[&format!("flush ruleset; table inet filter {{ {chain} }}")]);
        load(right);
        assert_eq!(outcome("loopback-nftables"), "pass");
        // Text that looks right, behind a rule that has decided already.
        load(&right.replace("policy drop;", "policy drop; accept;"));
        assert_eq!(outcome("loopback-nftables"), "fail");
    });
}

/// A check wants `lo` in the zone `trusted`, and rich rules there about packets from `127.0.0.1` and `::1`: what comes in by
/// another interface is never shown to them.
#[test]
fn firewalld_loopback_traffic_restricted_asks_a_zone_that_sees_lo_alone() {
    in_namespace("published_checks::firewalld_loopback_traffic_restricted_asks_a_zone_that_sees_lo_alone", || {
        let _peer = peer();
        let rich = |family, address: &str| {
            let not_there = format!("destination NOT address={address}");
            format!("--zone=trusted --add-rich-rule='rule family={family} source address={address} {not_there} drop'\n")
        };
        let rules = [rich("ipv4", "127.0.0.1"), rich("ipv6", "::1")].concat();
        let _firewalld = Firewalld::start("nftables", &format!("--zone=trusted --add-interface=lo\n{rules}"));
        assert_eq!(outcome("loopback-firewalld"), "fail");
        assert!(found("loopback-firewalld").contains(&"wan".to_owned()));
    });
}

/// `tcp://127.0.0.1:6379` "is listening" is true for a socket that is bound to `*`, and a test for loopback passes.
#[test]
fn a_listening_check_takes_a_wildcard_for_loopback() {
    in_namespace("published_checks::a_listening_check_takes_a_wildcard_for_loopback", || {
        let _peer = peer();
        let _service = listen(&["[::]:6379"]);
        assert_eq!(subjects(&check().1, "listeners/wildcard-bind"), ["tcp/[::]:6379"]);
    });
}

/// A check reads `bind 127.0.0.1 10.0.0.1` as loopback, because it begins so.
#[test]
fn a_redis_check_reads_the_first_of_two_addresses() {
    in_namespace("published_checks::a_redis_check_reads_the_first_of_two_addresses", || {
        let _peer = peer();
        let _service = listen(&["127.0.0.1:6379", "10.0.0.1:6379"]);
        assert_eq!(subjects(&check().1, "listeners/private-bind"), ["tcp/10.0.0.1:6379"]);
    });
}

/// A check of Docker compares the address of a published port with 0.0.0.0, and so never flags `[::]`.
#[test]
fn a_docker_check_knows_the_wildcard_of_ipv4_alone() {
    in_namespace("published_checks::a_docker_check_knows_the_wildcard_of_ipv4_alone", || {
        let _peer = peer();
        let container = Namespace::new();
        ip(&["link add docker0 type bridge", "address add fd00:17::1/64 dev docker0 nodad", "link set docker0 up"]);
        ip(&[format!("link add veth0 type veth peer name eth0 netns {}", container.pid())]);
        ip(&["link set veth0 master docker0 up"]);
        container.ip(&["link set eth0 up", "address add fd00:17::2/64 dev eth0 nodad"]);
        container.ip(&["route add default via fd00:17::1"]);
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        let publish = "PREROUTING ! -i docker0 -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to-destination [fd00:17::2]:80";
        program("ip6tables-nft", &["-t", "nat", "-A"].into_iter().chain(publish.split(' ')).collect::<Vec<_>>());
        let _proxy = listen(&["[::]:8080"]);
        let flagged = subjects(&check().1, "listeners/wildcard-bind");
        assert!(flagged.contains(&"tcp/[::]:8080/published".to_owned()), "{flagged:?}");
    });
}

/// A probe lists every socket of `/proc/net/tcp`, whatever its state.
#[test]
fn a_listening_ports_probe_lists_established_connections() {
    in_namespace("published_checks::a_listening_ports_probe_lists_established_connections", || {
        let peer = peer();
        let [server, client] = [listen(&["192.0.2.1:8443"]), peer.within(|| listen(&["192.0.2.254:443"]))];
        let mut incoming = peer.within(|| TcpStream::connect("192.0.2.1:8443").unwrap());
        let _accepted = server[0].accept().unwrap();
        let _outgoing = TcpStream::connect("192.0.2.254:443").unwrap();
        let _answered = client[0].accept().unwrap();
        incoming.write_all(b"x").unwrap();
        let listeners = run(["listeners", "--format", "json"]).json();
        let ids = listeners.as_array().unwrap().iter().map(|listener| listener["id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), [Value::from("tcp/192.0.2.1:8443")]);
    });
}

/// A table of rules of iptables is empty on a machine that filters with nft, which looks like no firewall, and is.
/// Demand 1: who filters with nft has a firewall.
#[test]
fn an_iptables_table_has_no_rows_where_nft_filters() {
    in_namespace("published_checks::an_iptables_table_has_no_rows_where_nft_filters", || {
        let _peer = peer();
        let chain = "type filter hook input priority filter; policy drop; iif lo accept; ip saddr 127.0.0.0/8 drop";
        program("nft", &[&format!("table inet firewall {{ chain input {{ {chain}; ip6 saddr ::1 drop; }}; }}")]);
        let listed = command("iptables-nft").arg("-S").output().unwrap();
        assert!(!String::from_utf8_lossy(&listed.stdout).contains("-A"));
        let outcomes = outcomes();
        assert_eq!(outcomes["loopback-nftables"], "pass");
        for control in ["loopback-iptables", "loopback-ip6tables", "open-ports-iptables", "open-ports-ip6tables"] {
            assert_eq!(outcomes[control], "not-applicable");
        }
    });
}
