//! Rules that come too late, written with each of the tools: found by the name that the tool gives them, and nothing is
//! found where the order is right.

use std::net::TcpListener;

use loopgate_facts::{Facts, RuleEffect};
use loopgate_test_support::{in_namespace, run as program};
use serde_json::Value;

use super::firewalld::Firewalld;
use super::machine::{listen, listen_at, peer};
use super::ufw::ufw;
use super::verdicts::facts;
use crate::support::{check, outcome, subjects};

fn two() -> Vec<TcpListener> {
    ["[::]:443", "[::]:5432"].into_iter().map(|address| listen_at(address.parse().unwrap())).collect()
}

/// The rules that come too late: each with what decides before it, and what it would do.
fn shadowed() -> Vec<(String, String, RuleEffect)> {
    let Facts { firewall, .. } = facts();
    assert!(firewall.shadowed_complete);
    let text = |rule: &loopgate_facts::RuleReference| rule.text.as_str().to_owned();
    firewall.shadowed.iter().map(|it| (text(&it.rule), text(&it.decided_by), it.effect)).collect()
}

fn judged() -> Value {
    check().1
}

#[test]
fn a_late_rule_of_nft_is_found() {
    in_namespace("managers::shadowed::a_late_rule_of_nft_is_found", || {
        let _peer = peer();
        let _listeners = two();
        let rules = |order: [&str; 2]| {
            let [first, second] = order;
            format!(
                "flush ruleset
                table inet filter {{
                    chain input {{
                        type filter hook input priority filter; policy drop;
                        ct state established,related accept
                        iif lo accept
                        {first}
                        {second}
                        meta l4proto icmp accept
                        tcp dport 1-1023 drop
                    }}
                }}"
            )
        };
        let (allow, ban) = ("tcp dport { 443, 8443 } accept", "ip saddr 198.51.100.0/25 tcp dport 443 drop");
        nft(&rules([allow, ban]));
        assert_eq!(shadowed(), [(ban.to_owned(), allow.to_owned(), RuleEffect::KeepsOut)]);
        assert_eq!(subjects(&judged(), "firewall/shadowed-rule"), [format!("inet filter input: {ban}")]);
        nft(&rules([ban, allow]));
        assert_eq!(shadowed(), []);
        assert_eq!(outcome(&judged(), "firewall/shadowed-rule"), "pass");
    });
}

/// Where another table closes a port first, a rule opens nothing.
#[test]
fn what_another_table_drops_no_rule_lets_in() {
    in_namespace("managers::shadowed::what_another_table_drops_no_rule_lets_in", || {
        let _peer = peer();
        let _listeners = two();
        nft("table inet early {
                chain input {
                    type filter hook input priority -10; policy drop;
                    iif lo accept
                    tcp dport 443 accept
                }
            }
            table inet late {
                chain input {
                    type filter hook input priority 0; policy drop;
                    iif lo accept
                    tcp dport 443 accept
                    tcp dport 5432 accept
                }
            }");
        let late = ("tcp dport 5432 accept".to_owned(), "policy drop".to_owned(), RuleEffect::LetsIn);
        assert_eq!(shadowed(), [late]);
    });
}

fn nft(rules: &str) {
    program("nft", &[rules]);
}

fn with_iptables(iptables: &str) {
    let _peer = peer();
    let _listeners = two();
    program(iptables, &["-A", "INPUT", "-j", "ACCEPT"]);
    assert_eq!(shadowed(), []);
    program(iptables, &["-A", "INPUT", "-p", "tcp", "--dport", "5432", "-j", "DROP"]);
    let [(rule, before, effect)] = &shadowed()[..] else { panic!("{:?}", shadowed()) };
    assert!(rule.contains("--dport 5432 -j DROP"), "{rule}");
    assert_eq!((before.as_str(), *effect), ("-A INPUT -j ACCEPT", RuleEffect::KeepsOut));
    assert_eq!(outcome(&judged(), "firewall/shadowed-rule"), "fail");
    program(iptables, &["-D", "INPUT", "-j", "ACCEPT"]);
    assert_eq!(shadowed(), []);
}

#[test]
fn a_late_rule_of_iptables_nft_is_found() {
    in_namespace("managers::shadowed::a_late_rule_of_iptables_nft_is_found", || with_iptables("iptables-nft"));
}

#[test]
fn a_late_rule_of_iptables_legacy_is_found() {
    in_namespace("managers::shadowed::a_late_rule_of_iptables_legacy_is_found", || with_iptables("iptables-legacy"));
}

#[test]
fn a_late_deny_of_ufw_is_found() {
    in_namespace("managers::shadowed::a_late_deny_of_ufw_is_found", || {
        let _peer = peer();
        let _listeners = two();
        ufw("allow 22/tcp\nallow 443\ndeny from 198.51.100.0/25 to any port 443\nallow 5432/tcp\nlimit 2222/tcp\n");
        let found = shadowed();
        // One rule of ufw's is two of the kernel's, for TCP and UDP; on UDP nothing listens.
        let [(rule, before, RuleEffect::KeepsOut)] = &found[..] else { panic!("{found:?}") };
        assert!(rule.contains("ufw-user-input -s 198.51.100.0/25 -p tcp") && rule.ends_with("-j DROP"), "{rule}");
        assert!(before.contains("ufw-user-input -p tcp") && before.ends_with("-j ACCEPT"), "{before}");
    });
}

/// `ufw deny from` goes behind what is there; nothing that it still meets would have got in.
#[test]
fn a_late_ban_of_ufw_is_found() {
    in_namespace("managers::shadowed::a_late_ban_of_ufw_is_found", || {
        let _peer = peer();
        let _listeners = two();
        ufw("allow 443\ndeny from 198.51.100.7\n");
        let found = shadowed();
        let [(rule, _, RuleEffect::KeepsOut)] = &found[..] else { panic!("{found:?}") };
        assert!(rule.contains("ufw-user-input -s 198.51.100.7"), "{rule}");
    });
}

#[test]
fn in_the_order_of_ufw_itself_nothing_comes_too_late() {
    in_namespace("managers::shadowed::in_the_order_of_ufw_itself_nothing_comes_too_late", || {
        let _peer = peer();
        let _listeners = two();
        ufw("allow 443\nlimit 5432/tcp\nallow in on lan to any port 8080\ninsert 1 deny from 198.51.100.7\n");
        assert_eq!(shadowed(), []);
        assert_eq!(outcome(&judged(), "firewall/shadowed-rule"), "pass");
    });
}

#[test]
fn in_the_order_of_firewalld_nothing_comes_too_late() {
    in_namespace("managers::shadowed::in_the_order_of_firewalld_nothing_comes_too_late", || {
        let _peer = peer();
        let _listeners = listen();
        let rule = r#"--zone public --add-rich-rule 'rule family="ipv4" source address="198.51.100.7" drop'"#;
        let lines = format!("--zone public --add-service https\n--zone trusted --add-interface lan\n{rule}\n");
        let _firewalld = Firewalld::start("nftables", &lines);
        assert_eq!(shadowed(), []);
    });
}
