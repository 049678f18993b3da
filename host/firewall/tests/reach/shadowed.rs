//! Rules that no packet to a listener comes to. Each case is rules as `iptables-save` writes them, and those of them
//! that are found: the words that the rule is told by, and those of what decides before it.

use loopgate_facts::{Firewall, Protocol, RuleEffect};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Answer, Endpoint, Evaluator, Fate, Judged, Machine, Question, Responder};
use loopgate_firewall::iptables_save::parse;
use loopgate_firewall::region::PortSet;
use loopgate_firewall::ruleset::Family;
use proptest::prelude::*;

use super::machine::{DEVICES, devices, host, listener, summary};

fn judged(save: &str) -> Firewall {
    let ruleset = parse(save.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let listeners = [
        listener(Protocol::Tcp, "0.0.0.0", 443),
        listener(Protocol::Tcp, "10.9.0.1", 5432),
        listener(Protocol::Tcp, "127.0.0.1", 6379),
        listener(Protocol::Udp, "0.0.0.0", 53),
    ];
    summary(&ruleset, &DEVICES, &listeners)
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
        ("ACCEPT", &["INPUT -i lo -j ACCEPT", "INPUT -j DROP", "INPUT -p tcp -m tcp --dport 443 -j ACCEPT"], 2, 1),
        // Something else that it would do is done already.
        (
            "DROP",
            &[
                "INPUT -s 198.51.100.7/32 -j DROP",
                "INPUT -p tcp -m tcp --dport 443 -j ACCEPT",
                "INPUT -s 198.51.100.0/25 -p tcp -m tcp --dport 443 -j DROP",
            ],
            2,
            1,
        ),
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
        // Packets of other protocols come to it, and get further without it.
        ("ACCEPT", &["INPUT -p tcp -j ACCEPT", "INPUT -p udp -j ACCEPT", "INPUT -s 198.51.100.7/32 -j DROP"]),
        (
            "DROP",
            &[
                "INPUT -p tcp -j ACCEPT",
                "INPUT -p udp -j ACCEPT",
                "INPUT -s 198.51.100.7/32 -j DROP",
                "INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
            ],
        ),
        ("DROP", &["INPUT -p tcp -j DROP", "INPUT -p udp -j DROP", "INPUT -s 198.51.100.7/32 -j ACCEPT"]),
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
        // What it would do is done already, and what it would not is an exception.
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j ACCEPT", "INPUT -j DROP", "INPUT -i eth0 -j DROP"]),
        ("ACCEPT", &["INPUT -p tcp -m tcp --dport 443 -j DROP", "INPUT -j ACCEPT", "INPUT -s 10.0.0.0/8 -j ACCEPT"]),
        // Packets of connections that are there come to it, so that none can last.
        (
            "DROP",
            &[
                "INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 443 -j ACCEPT",
                "INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
        (
            "DROP",
            &[
                "INPUT -p tcp -m tcp --dport 443 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT",
                "INPUT -s 198.51.100.7/32 -p tcp -m tcp --dport 443 -j DROP",
            ],
        ),
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

#[test]
fn many_bans_are_counted() {
    let mut rules = vec!["INPUT -p tcp -m tcp --dport 443 -j ACCEPT".to_owned()];
    rules.extend((0..100).map(|last| format!("INPUT -s 198.51.100.{last}/32 -j DROP")));
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let firewall = judged(&filter("DROP", &rules));
    assert_eq!((firewall.shadowed.len(), firewall.unlisted_shadowed), (64, 36));
    assert!(firewall.shadowed_complete && firewall.shadowed.iter().all(|rule| !rule.never_matches));
}

proptest! {
    /// What is followed on leaves no trace in the answer.
    #[test]
    fn the_answer_is_the_same_with_shadows_and_without(picked in prop::collection::vec(0..RULES.len(), 0..12), drops: bool) {
        let rules: Vec<_> = picked.iter().map(|rule| RULES[*rule]).collect();
        let ruleset = parse(filter(if drops { "DROP" } else { "ACCEPT" }, &rules).as_bytes(), Some(Family::Ip)).unwrap().ruleset;
        let (devices, routing) = (devices(&DEVICES), host(&DEVICES));
        let mut evaluator = Evaluator::new(Machine { ruleset: &ruleset, devices: &devices, routing: &routing });
        for (interface, protocol) in [(1, 6), (2, 6), (2, 17), (3, 6)] {
            let destination = Endpoint { address: "10.9.0.1".parse().unwrap(), port: 443 };
            let sources = AddressSet::all(IpVersion::V4);
            let question = Question { interface, protocol, destination, sources, responder: Responder::default() };
            let judged = |answer: Answer| {
                let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
                let part = |part: Judged| {
                    let Judged { region, verdict, reason, unknown_because, decider, narrowed_by, limits, .. } = part;
                    (region, verdict, reason, unknown_because, decider, narrowed_by, limits)
                };
                judged.into_iter().map(part).collect::<Vec<_>>()
            };
            prop_assert_eq!(judged(evaluator.sweep_with_shadows(&question, &PortSet::All)), judged(evaluator.sweep(&question)));
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
