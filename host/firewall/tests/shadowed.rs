//! Rules that no packet to a listener comes to. Each case is rules as `iptables-save` writes them, and those of them that
//! are found: the words that the rule is told by, and those of what decides before it.

#![allow(clippy::unwrap_used, reason = "in helpers of tests, which clippy does not take for tests")]

use std::net::IpAddr;

use loopgate_facts::{
    BlockReason, Firewall, Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, Listener, ListenerId, Origin,
    Prefix, Protocol, RuleEffect, Scope, Socket,
};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Answer, Device, Endpoint, Evaluator, Fate, Judged, Machine, Question};
use loopgate_firewall::iptables_save::parse;
use loopgate_firewall::reach::summarise;
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::ruleset::Family;
use proptest::prelude::*;

const DEVICES: [(u32, &str, u16, &[&str]); 3] = [
    (1, "lo", Device::LOOPBACK, &["127.0.0.1/8"]),
    (2, "eth0", 1, &["10.9.0.1/24"]),
    (3, "eth1", 1, &["10.77.0.1/24"]),
];

/// Everything arrives from everywhere; own addresses only from this machine.
struct Host(AddressSet);

impl Host {
    fn parted<A>(&self, addresses: &AddressSet, own: A, others: A) -> Vec<(AddressSet, A)> {
        vec![(addresses.intersection(&self.0), own), (addresses.difference(&self.0), others)]
    }
}

impl Routing for Host {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        self.parted(question.sources, InputRoute::Blocked(BlockReason::Martian), InputRoute::Local)
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        let others = OutputRoute::Leaves { interface: question.bound_interface.unwrap_or(2) };
        self.parted(question.destinations, OutputRoute::Leaves { interface: 1 }, others)
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        self.parted(question.addresses, FibAnswer::AddressType(2), FibAnswer::AddressType(1))
    }
}

fn devices() -> Vec<Device> {
    let device = |(index, name, hardware, addresses): (u32, &str, u16, &[&str])| Device {
        index,
        name: name.into(),
        hardware,
        group: Some(0),
        addresses: addresses.iter().map(|entry| entry.parse::<Prefix>().unwrap().address()).collect(),
        bypasses: Vec::new(),
    };
    DEVICES.map(device).to_vec()
}

fn host() -> Host {
    let own = devices().into_iter().flat_map(|device| device.addresses).map(AddressSet::single);
    Host(own.fold(AddressSet::empty(IpVersion::V4), |sum, address| sum.union(&address)))
}

fn interfaces() -> Vec<Interface> {
    let entry = |text: &&str| {
        let prefix: Prefix = text.parse().unwrap();
        let (address, prefix_length) = (prefix.address(), prefix.length());
        InterfaceAddress { address, prefix_length, scope: Scope::of(address), flags: Vec::new() }
    };
    let interface = |(index, name, hardware, addresses): (u32, &str, u16, &[&str])| Interface {
        name: name.into(),
        index,
        kind: if hardware == Device::LOOPBACK { InterfaceKind::Loopback } else { InterfaceKind::Ethernet },
        up: true,
        running: true,
        mtu: 1500,
        master: None,
        addresses: addresses.iter().map(entry).collect(),
        settings: InterfaceSettings::default(),
    };
    DEVICES.map(interface).to_vec()
}

fn listener(protocol: Protocol, address: &str, port: u16) -> Listener {
    let address: IpAddr = address.parse().unwrap();
    Listener {
        id: ListenerId::new(protocol, address, port, None, None),
        protocol,
        address,
        port,
        scope: Scope::of(address),
        ipv6_only: None,
        zone: None,
        bound_interface: None,
        multipath: false,
        origin: Origin::Socket,
        sockets: vec![Socket { inode: 7, uid: Some(0) }],
        owners: Vec::new(),
        published: None,
        reachability: Vec::new(),
    }
}

fn judged(save: &str) -> Firewall {
    let ruleset = parse(save.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let (devices, routing) = (devices(), host());
    let mut evaluator = Evaluator::new(Machine { ruleset: &ruleset, devices: &devices, routing: &routing });
    let listeners = [
        listener(Protocol::Tcp, "0.0.0.0", 443),
        listener(Protocol::Tcp, "10.9.0.1", 5432),
        listener(Protocol::Tcp, "127.0.0.1", 6379),
        listener(Protocol::Udp, "0.0.0.0", 53),
    ];
    let mut firewall = Firewall::default();
    summarise(&mut evaluator, &interfaces(), &listeners, &mut firewall);
    firewall
}

fn filter(policy: &str, rules: &[&str]) -> String {
    format!(
        "*filter\n:INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n:OTHER - [0:0]\n{}\nCOMMIT\n",
        rules.iter().map(|rule| format!("-A {rule}")).collect::<Vec<_>>().join("\n")
    )
}

/// The rules that are in the shadow of others, and what decides before them.
fn shadowed(policy: &str, rules: &[&str]) -> Vec<(String, String)> {
    let firewall = judged(&filter(policy, rules));
    assert!(firewall.shadowed_complete);
    let text = |reference: &loopgate_facts::RuleReference| {
        reference.text.as_str().strip_prefix("-A ").unwrap_or(reference.text.as_str()).to_owned()
    };
    firewall.shadowed.iter().map(|rule| (text(&rule.rule), text(&rule.decided_by))).collect()
}

#[test]
fn what_comes_too_late_is_found() {
    for (policy, rules, late, decides) in [
        (
            "DROP",
            &[
                "INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
                "INPUT -s 198.51.100.0/25 -p tcp -m tcp --dport 443 -j DROP",
            ][..],
            1,
            0,
        ),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 5432 -j DROP"], 1, 0),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -i eth0 -j DROP"], 1, 0),
        // What is opened behind the rule that closes everything.
        ("ACCEPT", &["INPUT -j DROP", "INPUT -p tcp -m tcp --dport 443 -j ACCEPT"], 1, 0),
        (
            "ACCEPT",
            &[
                "INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset",
                "INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 443 -j ACCEPT",
            ],
            1,
            0,
        ),
        // A ban that only ever meets what is dropped anyway.
        ("DROP", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -s 198.51.100.7/32 -j DROP"], 1, 0),
        // Through chains: neither the jump nor what it leads to is reached.
        (
            "DROP",
            &[
                "INPUT -j OWN",
                "INPUT -j OTHER",
                "OWN -p tcp -m tcp --dport 443 -j ACCEPT",
                "OTHER -s 198.51.100.7/32 -p tcp -m tcp --dport 443 -j DROP",
            ],
            3,
            2,
        ),
        // The state of the connection does not matter for who is let in first.
        (
            "DROP",
            &[
                "INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 443 -j ACCEPT",
                "INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 443 -j DROP",
            ],
            2,
            1,
        ),
    ] {
        let expected = vec![(rules[late].to_owned(), rules[decides].to_owned())];
        assert_eq!(shadowed(policy, rules), expected, "{policy} {rules:#?}");
    }
}

#[test]
fn what_a_packet_comes_to_is_not_found() {
    for (policy, rules) in [
        // In order.
        ("DROP", &["INPUT -s 198.51.100.0/25 -j DROP", "INPUT -p tcp -m tcp --dport 443 -j ACCEPT"][..]),
        // What closes the chain is for everything.
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -j DROP"]),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -j DROP"]),
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -p tcp -j REJECT --reject-with tcp-reset"]),
        // An interface, a network or a range of ports is closed but for an exception.
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -i eth0 -j DROP"]),
        ("DROP", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -i eth0 -j DROP"]),
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -p tcp -m tcp --dport 1:1023 -j DROP"]),
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT ! -s 10.0.0.0/8 -j DROP"]),
        ("DROP", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT ! -s 10.0.0.0/8 -j DROP"]),
        ("ACCEPT", &["INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -s 10.0.0.0/8 -j DROP"]),
        ("DROP", &["INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -s 10.0.0.0/8 -j DROP"]),
        // A ban that still keeps packets from what is let in behind it: what is before it may be an exception.
        (
            "DROP",
            &[
                "INPUT -p udp -m udp --dport 53 -j ACCEPT",
                "INPUT -s 10.5.0.0/16 -j DROP",
                "INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
            ],
        ),
        // Packets over another interface come to it.
        ("ACCEPT", &["INPUT -i eth0 -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -j DROP"]),
        ("ACCEPT", &["INPUT -i eth0 -j ACCEPT", "INPUT -p tcp -m tcp --dport 5432 -j DROP"]),
        ("ACCEPT", &["INPUT -i eth+ -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -j DROP"]),
        ("ACCEPT", &["INPUT -i lo -j ACCEPT", "INPUT -p tcp -m tcp --dport 6379 -j DROP"]),
        // The same effect.
        ("DROP", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -j ACCEPT"]),
        ("ACCEPT", &["INPUT -j DROP", "INPUT -s 198.51.100.7/32 -j DROP"]),
        // Nothing listens there.
        ("DROP", &["INPUT -p tcp -m tcp --dport 80 -j ACCEPT", "INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j DROP"]),
        // About connections that are there, about the amount, or with something that is not understood.
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m conntrack --ctstate ESTABLISHED -m tcp --dport 443 -j DROP"]),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -m limit --limit 3/min -j DROP"]),
        (
            "DROP",
            &[
                "INPUT -p tcp -m tcp --dport 443 -m limit --limit 3/min -j ACCEPT",
                "INPUT -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
        (
            "DROP",
            &[
                "INPUT -p tcp -m tcp --dport 443 -m bpf --bytecode \"1,6 0 0 0\" -j ACCEPT",
                "INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -m bpf --bytecode \"1,6 0 0 0\" -j DROP"]),
        ("ACCEPT", &["INPUT -j NFQUEUE --queue-num 0", "INPUT -p tcp -m tcp --dport 443 -j DROP"]),
        // Packets that begin no connection still come to it.
        (
            "DROP",
            &[
                "INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 443 -j ACCEPT",
                "INPUT -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
        // Verdicts that end nothing.
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -s 10.0.0.0/8 -j RETURN"]),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -j LOG --log-prefix x"]),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -p tcp -m tcp --dport 443 -j OWN"]),
        // A chain that packets to this machine do not come to, or others do as well.
        ("ACCEPT", &["INPUT -j ACCEPT", "OWN -p tcp -m tcp --dport 443 -j DROP"]),
        ("ACCEPT", &["INPUT -j ACCEPT", "INPUT -j OWN", "FORWARD -j OWN", "OWN -p tcp -m tcp --dport 443 -j DROP"]),
        (
            "ACCEPT",
            &[
                "INPUT -i eth0 -j ACCEPT",
                "INPUT -i eth0 -j OWN",
                "INPUT -i eth1 -j OWN",
                "OWN -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
    ] {
        assert_eq!(shadowed(policy, rules), [], "{policy} {rules:#?}");
    }
}

#[test]
fn the_listeners_the_sources_and_the_kind_are_told() {
    let rules = [
        "INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
        "INPUT -p udp -m udp --dport 53 -j ACCEPT",
        "INPUT -s 198.51.100.0/25 -p tcp -m tcp --dport 443 -j DROP",
        "INPUT -s 203.0.113.0/24 -j DROP",
    ];
    let firewall = judged(&filter("DROP", &rules));
    let [dead, ban] = firewall.shadowed.as_slice() else { panic!("{:#?}", firewall.shadowed) };
    let shown = |rule: &loopgate_facts::ShadowedRule| {
        let sources: Vec<_> = rule.sources.iter().map(ToString::to_string).collect();
        let listeners: Vec<_> = rule.listeners.iter().map(|id| id.text().as_str().to_owned()).collect();
        (rule.effect, rule.never_matches, sources.join(" "), listeners.join(" "))
    };
    let (tcp, udp) = ("tcp/0.0.0.0:443", "udp/0.0.0.0:53");
    assert_eq!(shown(dead), (RuleEffect::KeepsOut, true, "198.51.100.0/25".into(), tcp.into()));
    assert_eq!(shown(ban), (RuleEffect::KeepsOut, false, "203.0.113.0/24".into(), format!("{tcp} {udp}")));
}

#[test]
fn many_are_counted() {
    let mut rules = vec!["INPUT -j ACCEPT".to_owned()];
    rules.extend((0..100).map(|last| format!("INPUT -s 198.51.100.{last}/32 -p tcp -m tcp --dport 443 -j DROP")));
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let firewall = judged(&filter("DROP", &rules));
    assert_eq!((firewall.shadowed.len(), firewall.unlisted_shadowed), (64, 36));
    assert!(firewall.shadowed_complete);
}

proptest! {
    /// What is followed on leaves no trace in the answer.
    #[test]
    fn the_answer_is_the_same_with_shadows_and_without(picked in prop::collection::vec(0..RULES.len(), 0..12), drops: bool) {
        let rules: Vec<_> = picked.iter().map(|rule| RULES[*rule]).collect();
        let ruleset = parse(filter(if drops { "DROP" } else { "ACCEPT" }, &rules).as_bytes(), Some(Family::Ip)).unwrap().ruleset;
        let (devices, routing) = (devices(), host());
        let mut evaluator = Evaluator::new(Machine { ruleset: &ruleset, devices: &devices, routing: &routing });
        for (interface, protocol) in [(1, 6), (2, 6), (2, 17), (3, 6)] {
            let destination = Endpoint { address: "10.9.0.1".parse().unwrap(), port: 443 };
            let question = Question { interface, protocol, destination, sources: AddressSet::all(IpVersion::V4) };
            let judged = |answer: Answer| {
                let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
                let part = |part: Judged| {
                    let Judged { region, verdict, reason, unknown_because, decider, narrowed_by, limits, .. } = part;
                    (region, verdict, reason, unknown_because, decider, narrowed_by, limits)
                };
                judged.into_iter().map(part).collect::<Vec<_>>()
            };
            prop_assert_eq!(judged(evaluator.sweep_with_shadows(&question)), judged(evaluator.sweep(&question)));
        }
    }
}

/// Rules with every kind of end and of doubt.
const RULES: [&str; 16] = [
    "INPUT -i lo -j ACCEPT",
    "INPUT -i eth0 -j DROP",
    "INPUT -p tcp -m tcp --dport 443 -m limit --limit 3/min -j ACCEPT",
    "INPUT -m limit --limit 3/min -j DROP",
    "INPUT -s 10.0.0.0/8 -j OWN",
    "INPUT -p udp -j OWN",
    "INPUT -s 10.9.0.0/16 -p tcp -m tcp --dport 1:1023 -j REJECT --reject-with tcp-reset",
    "INPUT -p tcp -m tcp --sport 53 -j ACCEPT",
    "INPUT -p tcp -m bpf --bytecode \"1,6 0 0 0\" -j DROP",
    "INPUT -s 198.51.100.0/24 -j NFQUEUE --queue-num 0",
    "INPUT -m ttl --ttl-eq 64 -j ACCEPT",
    "INPUT -m conntrack --ctstate NEW -j OTHER",
    "OWN -p tcp -j ACCEPT",
    "OWN -s 10.1.0.0/16 -j RETURN",
    "OWN -j OTHER",
    "OTHER -p tcp -m tcp --dport 5432 -j DROP",
];
