//! What the rules alone do with packets that claim to come from loopback, and who wrote them.

use loopgate_facts::{Decision, FirewallManager, ReachVerdict, SpoofedEnd};
use loopgate_firewall::evaluate::Device;
use loopgate_firewall::ruleset::Family;
use loopgate_firewall::{Ruleset, iptables_save};

use super::machine::{DeviceOf, summary};

const DEVICES: [DeviceOf<'static>; 2] =
    [(1, "lo", Device::LOOPBACK, &["127.0.0.1/8", "::1/128"]), (2, "eth0", 1, &["10.9.0.1/24", "fd09::1/64"])];

fn filter(family: Family, policy: &str, rules: &[&str]) -> Ruleset {
    let rules: Vec<_> = rules.iter().map(|rule| format!("-A {rule}\n")).collect();
    let chains = "OWN ufw-before-input ufw6-before-input INPUT_direct".split(' ');
    let chains: Vec<_> = chains.map(|chain| format!(":{chain} - [0:0]\n")).collect();
    let (chains, rules) = (chains.concat(), rules.concat());
    let save =
        format!("*filter\n:INPUT {policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n");
    iptables_save::parse(save.as_bytes(), Some(family)).unwrap().ruleset
}

/// What the rules do with packets of IPv4, or of IPv6, that claim to be of this machine.
fn by_rules(family: Family, policy: &str, rules: &[&str]) -> Decision {
    let spoofed = summary(&filter(family, policy, rules), &DEVICES, &[]).spoofed_loopback;
    let is_asked = |end: SpoofedEnd, is_ipv4: bool| end == SpoofedEnd::Source && is_ipv4 == (family == Family::Ip);
    let mut found = spoofed.into_iter().filter(|entry| is_asked(entry.end, entry.prefix.address().is_ipv4()));
    let entry = found.next().unwrap();
    assert!(found.next().is_none());
    entry.by_rules.unwrap()
}

/// Whether the rules let some in, and which does.
fn let_in(policy: &str, rules: &[&str]) -> Option<String> {
    let decision = by_rules(Family::Ip, policy, rules);
    assert_ne!(decision.verdict, ReachVerdict::Unknown, "{rules:?}");
    let by = decision.decided_by.map_or_else(|| "nothing".to_owned(), |rule| rule.text.as_str().to_owned());
    (decision.verdict == ReachVerdict::Reachable).then_some(by)
}

const LO: &str = "INPUT -i lo -j ACCEPT";
const SPOOFED: &str = "INPUT -s 127.0.0.0/8 -j DROP";
const SSH: &str = "INPUT -p tcp -m tcp --dport 22 -j ACCEPT";

#[test]
fn rules_drop_what_claims_to_come_from_loopback_whichever_port_it_is_sent_to() {
    for (policy, rules, by) in [
        ("DROP", &[LO, SPOOFED, SSH][..], None),
        ("ACCEPT", &[LO, SPOOFED], None),
        ("DROP", &[LO], None),
        ("DROP", &[SSH, LO, "INPUT ! -i lo -s 127.0.0.0/8 -j DROP"], Some("--dport 22")),
        ("DROP", &[LO, SSH, SPOOFED], Some("--dport 22")),
        ("DROP", &[LO, SSH], Some("--dport 22")),
        ("ACCEPT", &[LO], Some("-P INPUT ACCEPT")),
        ("ACCEPT", &[LO, "INPUT -s 127.0.0.1/32 -j DROP"], Some("-P INPUT ACCEPT")),
        ("ACCEPT", &[LO, "INPUT -s 127.0.0.0/8 -p tcp -j DROP"], Some("-P INPUT ACCEPT")),
        ("DROP", &[LO, SPOOFED, "INPUT -d 10.9.0.1/32 -p udp -m udp --dport 53 -j ACCEPT"], None),
        ("DROP", &[LO, "INPUT -d 10.9.0.1/32 -p udp -m udp --dport 53 -j ACCEPT"], Some("--dport 53")),
        // As ufw has it before everything else.
        ("DROP", &[LO, "INPUT -p udp -m udp --sport 67 --dport 68 -j ACCEPT", SPOOFED, SSH], None),
        ("DROP", &[LO, "INPUT -p udp -m udp --dport 67:68 -j ACCEPT", SPOOFED], Some("--dport 67:68")),
    ] {
        match (let_in(policy, rules), by) {
            (None, None) => {}
            (Some(found), Some(by)) if found.contains(by) => {}
            (found, _) => panic!("{policy} {rules:?}: {found:?}"),
        }
    }
}

/// The kernel drops it before any hook of IPv6; the rules are asked all the same.
#[test]
fn rules_about_the_loopback_address_of_ipv6_count() {
    let verdict = |rules: &[&str]| by_rules(Family::Ip6, "ACCEPT", rules).verdict;
    assert_eq!(verdict(&[LO, "INPUT -s ::1/128 -j DROP"]), ReachVerdict::Blocked);
    assert_eq!(verdict(&[LO]), ReachVerdict::Reachable);
}

#[test]
fn without_rules_nothing_drops_it() {
    let spoofed = summary(&Ruleset::default(), &DEVICES, &[]).spoofed_loopback;
    let by_rules: Vec<_> = spoofed.into_iter().filter_map(|entry| entry.by_rules).collect();
    assert_eq!(by_rules.len(), 2);
    assert!(by_rules.iter().all(|by| by.verdict == ReachVerdict::Reachable && by.decided_by.is_none()));
}

#[test]
fn managers_are_told_by_their_chains() {
    use FirewallManager::{Firewalld, Ip6tables, Iptables, Ufw};
    for (family, policy, rules, managers) in [
        (Family::Ip, "ACCEPT", &[][..], &[][..]),
        (Family::Ip, "DROP", &[], &[Iptables][..]),
        (Family::Ip, "ACCEPT", &[SSH], &[Iptables]),
        (Family::Ip6, "ACCEPT", &[SSH], &[Ip6tables]),
        (Family::Ip, "DROP", &["INPUT -j ufw-before-input"], &[Ufw]),
        (Family::Ip6, "DROP", &["INPUT -j ufw6-before-input"], &[Ufw]),
        (Family::Ip, "DROP", &["INPUT -j ufw-before-input", SSH], &[Iptables, Ufw]),
        (Family::Ip, "DROP", &["INPUT -j OWN", "OWN -j ufw-before-input"], &[Ufw]),
        (Family::Ip, "ACCEPT", &[LO, "INPUT -j INPUT_direct", "INPUT -j REJECT"], &[Firewalld]),
        // Chains that nothing leads to, and those of what is forwarded, filter nothing that is for this machine.
        (Family::Ip, "ACCEPT", &["ufw-before-input -j DROP", "FORWARD -j DROP"], &[]),
    ] {
        let found = summary(&filter(family, policy, rules), &DEVICES, &[]).managers;
        assert_eq!(found.as_deref(), Some(managers), "{rules:?}");
    }
}
