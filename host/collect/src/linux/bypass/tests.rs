//! What is found of what the tests set up.

use std::net::IpAddr;

use loopgate_facts::{BypassKind, Facts, ReachVerdict};
use loopgate_test_support::{in_namespace, run};

use crate::{Collector, this_machine};

fn veth() {
    run("ip", &["link", "add", "name", "one", "type", "veth", "peer", "name", "two"]);
    for device in ["one", "two"] {
        run("ip", &["link", "set", device, "up"]);
    }
    run("ip", &["address", "add", "10.1.0.1/24", "dev", "one"]);
}

/// What was found: kind, interface and detail.
fn found(facts: &Facts) -> Vec<String> {
    let interface = |name: Option<&loopgate_facts::Untrusted>| name.map_or("all", |name| name.as_str()).to_owned();
    let row = |bypass: &loopgate_facts::Bypass| {
        format!("{} {}: {}", bypass.kind.as_str(), interface(bypass.interface.as_ref()), bypass.detail.as_str())
    };
    facts.bypasses.iter().map(row).collect()
}

/// The verdict on a packet from an address, by an interface.
fn verdict(facts: &Facts, port: u16, interface: &str, source: &str) -> ReachVerdict {
    let source: IpAddr = source.parse().unwrap();
    let listener = facts.listeners.iter().find(|listener| listener.port == port).unwrap();
    let mut entries = listener.reachability.iter().filter(|entry| {
        entry.interfaces.contains(&interface.into())
            && entry.destinations.contains(&IpAddr::from([10, 1, 0, 1]))
            && entry.lists(source)
    });
    entries.next().unwrap().verdict
}

fn listen() -> (std::net::TcpListener, u16) {
    let socket = std::net::TcpListener::bind("10.1.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn filters_that_act_make_their_interface_unknown_and_others_do_not() {
    in_namespace("linux::bypass::tests::filters_that_act_make_their_interface_unknown_and_others_do_not", || {
        veth();
        let (_socket, port) = listen();
        run("tc", &["qdisc", "add", "dev", "one", "clsact"]);
        run("tc", &["qdisc", "add", "dev", "two", "ingress"]);
        run("tc", &["qdisc", "add", "dev", "two", "root", "handle", "1:", "htb"]);
        let choose = ["protocol", "ip", "u32", "match", "u32", "0", "0", "flowid", "1:1"];
        run("tc", &[&["filter", "add", "dev", "one", "ingress"][..], &choose].concat());
        run("tc", &[&["filter", "add", "dev", "two", "parent", "1:"][..], &choose].concat());
        let facts = this_machine().collect();
        assert_eq!(found(&facts), Vec::<String>::new());
        assert_eq!(verdict(&facts, port, "one", "10.1.0.2"), ReachVerdict::Reachable);
        let act = ["bpf", "bytecode", "1,6 0 0 0,", "da"];
        run("tc", &[&["filter", "add", "dev", "one", "ingress"][..], &act].concat());
        run("tc", &[&["filter", "add", "dev", "one", "egress"][..], &act].concat());
        run("tc", &[&["filter", "add", "dev", "two", "parent", "ffff:"][..], &act].concat());
        let facts = this_machine().collect();
        let expected =
            ["one: egress filters: 1 of bpf", "one: ingress filters: 1 of bpf", "two: ingress filters: 1 of bpf"];
        assert_eq!(found(&facts), expected.map(|row| format!("traffic-control {row}")));
        assert_eq!(verdict(&facts, port, "one", "10.1.0.2"), ReachVerdict::Unknown);
        assert_eq!(verdict(&facts, port, "lo", "127.0.0.1"), ReachVerdict::Reachable);
    });
}

#[test]
fn policies_of_ipsec_make_what_they_select_unknown() {
    in_namespace("linux::bypass::tests::policies_of_ipsec_make_what_they_select_unknown", || {
        veth();
        let (_socket, port) = listen();
        let policy = |words: &str| {
            run("ip", &[&["xfrm", "policy", "add"][..], &words.split(' ').collect::<Vec<_>>()].concat());
        };
        policy("src 10.1.0.64/26 dst 10.1.0.1/32 proto tcp dir in tmpl proto esp mode transport");
        policy("src 10.1.0.1/32 dst 10.1.0.128/26 dir out action block");
        policy("src 10.1.0.1/32 dst 10.1.0.2/32 dir out");
        policy("src fd00::/8 dst ::/0 dir fwd tmpl proto esp mode tunnel");
        let facts = this_machine().collect();
        let expected = [
            "a policy from 10.1.0.1/32 to 10.1.0.128/26 (out)",
            "a policy from 10.1.0.64/26 to 10.1.0.1/32 (in)",
            "a policy from fd00::/8 to any (forwarded)",
        ];
        assert_eq!(found(&facts), expected.map(|row| format!("ipsec all: {row}")));
        for (source, expected) in [
            ("10.1.0.2", ReachVerdict::Reachable),
            ("10.1.0.64", ReachVerdict::Unknown),
            ("10.1.0.127", ReachVerdict::Unknown),
            ("10.1.0.128", ReachVerdict::Unknown),
            ("10.1.0.192", ReachVerdict::Reachable),
        ] {
            assert_eq!(verdict(&facts, port, "one", source), expected, "{source}");
        }
        assert!(facts.firewall.base_chains.is_empty());
    });
}

/// `policy_mt` (`net/netfilter/xt_policy.c`), and `meta secpath` of nft.
#[test]
fn rules_about_ipsec_are_in_doubt_only_where_there_is_some() {
    in_namespace("linux::bypass::tests::rules_about_ipsec_are_in_doubt_only_where_there_is_some", || {
        veth();
        let ((_one, by_iptables), (_two, by_nft)) = (listen(), listen());
        let port = by_iptables.to_string();
        let filter = ["-A", "INPUT", "-p", "tcp", "--dport", &port, "-m", "policy", "--dir", "in", "--pol", "none"];
        run("iptables-nft", &[&filter[..], &["-j", "DROP"]].concat());
        run("nft", &["add table inet t; add chain inet t c { type filter hook input priority 0; }"]);
        run("nft", &[&format!("add rule inet t c tcp dport {by_nft} meta secpath missing drop")]);
        let verdicts = || {
            let facts = this_machine().collect();
            [by_iptables, by_nft].map(|port| verdict(&facts, port, "one", "10.1.0.2"))
        };
        assert_eq!(verdicts(), [ReachVerdict::Blocked; 2]);
        run("ip", &["xfrm", "policy", "add", "src", "10.9.0.0/24", "dst", "10.9.1.0/24", "dir", "in"]);
        assert_eq!(verdicts(), [ReachVerdict::Blocked; 2]);
        let protected = ["tmpl", "proto", "esp", "mode", "transport"];
        let selector = ["xfrm", "policy", "add", "src", "10.9.2.0/24", "dst", "10.9.1.0/24", "dir", "in"];
        run("ip", &[&selector[..], &protected].concat());
        assert_eq!(verdicts(), [ReachVerdict::Unknown; 2]);
    });
}

#[test]
fn a_default_policy_that_blocks_makes_everything_unknown() {
    in_namespace("linux::bypass::tests::a_default_policy_that_blocks_makes_everything_unknown", || {
        veth();
        let (_socket, port) = listen();
        run("ip", &["xfrm", "policy", "setdefault", "in", "block"]);
        let facts = this_machine().collect();
        assert_eq!(found(&facts), ["ipsec all: the default policy blocks what no policy selects (in)"]);
        assert_eq!(verdict(&facts, port, "one", "10.1.0.2"), ReachVerdict::Unknown);
    });
}

#[test]
fn bridges_that_ask_netfilter_are_found_and_change_no_verdict_about_this_machine() {
    const NAME: &str =
        "linux::bypass::tests::bridges_that_ask_netfilter_are_found_and_change_no_verdict_about_this_machine";
    in_namespace(NAME, || {
        veth();
        run("ip", &["link", "add", "br0", "type", "bridge"]);
        run("ip", &["link", "set", "br0", "up"]);
        let (_socket, port) = listen();
        std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1").unwrap();
        std::fs::write("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0").unwrap();
        let facts = this_machine().collect();
        assert_eq!(found(&facts), ["bridge-netfilter br0: bridge-nf-call-iptables"]);
        assert_eq!(verdict(&facts, port, "br0", "10.1.0.2"), ReachVerdict::Reachable);
        std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "0").unwrap();
        assert_eq!(found(&this_machine().collect()), Vec::<String>::new());
        run("ip", &["link", "set", "br0", "type", "bridge", "nf_call_ip6tables", "1"]);
        assert_eq!(found(&this_machine().collect()), ["bridge-netfilter br0: a setting of its own"]);
    });
}

/// `physdev_mt` (`net/netfilter/xt_physdev.c`) knows the port of what came by a bridge, or by what lies on one.
#[test]
fn ports_of_bridges_are_in_doubt_only_where_they_are_known() {
    in_namespace("linux::bypass::tests::ports_of_bridges_are_in_doubt_only_where_they_are_known", || {
        veth();
        run("ip", &["link", "add", "br0", "type", "bridge"]);
        run("ip", &["link", "add", "link", "br0", "name", "over", "type", "macvlan"]);
        for device in ["br0", "over"] {
            run("ip", &["link", "set", device, "up"]);
        }
        let (_socket, port) = listen();
        run("iptables-nft", &["-A", "INPUT", "-m", "physdev", "--physdev-is-in", "-j", "DROP"]);
        let verdicts = |asks: &str| {
            for name in ["iptables", "ip6tables"] {
                std::fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{name}"), asks).unwrap();
            }
            let facts = this_machine().collect();
            ["one", "br0", "over"].map(|device| verdict(&facts, port, device, "10.1.0.2"))
        };
        let (reachable, unknown) = (ReachVerdict::Reachable, ReachVerdict::Unknown);
        assert_eq!(verdicts("1"), [reachable, unknown, unknown]);
        assert_eq!(verdicts("0"), [reachable; 3]);
    });
}

#[test]
fn transparent_sockets_are_in_doubt_where_a_rule_hands_packets_over() {
    in_namespace("linux::bypass::tests::transparent_sockets_are_in_doubt_where_a_rule_hands_packets_over", || {
        veth();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_ip_transparent_v4(true).unwrap();
        socket.bind(&"127.0.0.1:5000".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(1).unwrap();
        let plain = std::net::TcpListener::bind("127.0.0.1:5001").unwrap();
        let facts = this_machine().collect();
        assert_eq!(found(&facts), ["transparent-socket all: tcp 127.0.0.1 port 5000"]);
        assert!(verdicts_from(&facts, 5000, "one").iter().all(|verdict| *verdict == ReachVerdict::Blocked));
        let rule = "add table ip t; add chain ip t c { type filter hook prerouting priority -150; }; \
                    add rule ip t c tcp dport 80 tproxy to 127.0.0.1:5000";
        run("nft", &[rule]);
        let facts = this_machine().collect();
        assert!(verdicts_from(&facts, 5000, "one").iter().all(|verdict| *verdict == ReachVerdict::Unknown));
        assert!(verdicts_from(&facts, 5001, "one").iter().all(|verdict| *verdict == ReachVerdict::Blocked));
        assert!(facts.bypasses.iter().all(|bypass| bypass.kind == BypassKind::TransparentSocket));
        drop((socket, plain));
    });
}

fn verdicts_from(facts: &Facts, port: u16, interface: &str) -> Vec<ReachVerdict> {
    let listener = facts.listeners.iter().find(|listener| listener.port == port).unwrap();
    let entries = listener.reachability.iter().filter(|entry| entry.interfaces.contains(&interface.into()));
    let verdicts: Vec<_> = entries.map(|entry| entry.verdict).collect();
    assert!(!verdicts.is_empty());
    verdicts
}
