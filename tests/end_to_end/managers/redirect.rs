//! A port that is published by sending its packets to another port of this machine.

use std::collections::BTreeSet;

use loopgate_facts::{Listener, ListenerId, Origin, Protocol};
use loopgate_test_support::{in_namespace, run as program};

use super::machine::{listen_at, peer};
use super::verdicts::facts;

#[test]
fn a_redirected_port_is_named_with_the_listener_behind_it() {
    in_namespace("managers::redirect::a_redirected_port_is_named_with_the_listener_behind_it", || {
        let _peer = peer();
        let _listener = listen_at("0.0.0.0:8080".parse().unwrap());
        let redirect =
            ["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8080"];
        program("iptables-nft", &redirect);
        let facts = facts();
        let published: Vec<_> =
            facts.listeners.iter().filter(|listener| listener.origin == Origin::PublishedPort).collect();
        assert!(!published.is_empty());
        let behind = ListenerId::new(Protocol::Tcp, "0.0.0.0".parse().unwrap(), 8080, None, None);
        for listener in published {
            assert_eq!((listener.protocol, listener.port), (Protocol::Tcp, 80));
            assert_eq!(listener.published.as_ref().unwrap().listener, Some(behind.clone()));
            assert!(!listener.owners.is_empty(), "the owner of the listener behind it");
        }
    });
}

#[test]
fn a_port_is_published_on_an_address_that_nobody_carries() {
    in_namespace("managers::redirect::a_port_is_published_on_an_address_that_nobody_carries", || {
        let _peer = peer();
        let _listener = listen_at("0.0.0.0:8080".parse().unwrap());
        for (tool, address) in [("iptables-nft", "198.51.100.7"), ("iptables-legacy", "198.51.100.8")] {
            let rule = ["-t", "nat", "-A", "PREROUTING", "-d", address, "-p", "tcp", "--dport", "80"];
            program(tool, &[&rule[..], &["-j", "REDIRECT", "--to-ports", "8080"]].concat());
        }
        let facts = facts();
        let published = facts.listeners.iter().filter(|listener| listener.origin == Origin::PublishedPort);
        let at: BTreeSet<_> = published.map(|listener| (listener.address.to_string(), listener.port)).collect();
        assert_eq!(at, [("198.51.100.7".to_owned(), 80), ("198.51.100.8".to_owned(), 80)].into());
    });
}

/// Demand 18: a published port without a socket is a listener.
#[test]
fn each_of_many_ports_with_rules_of_their_own_is_published() {
    in_namespace("managers::redirect::each_of_many_ports_with_rules_of_their_own_is_published", || {
        let _peer = peer();
        let rule = |port| format!("-A PREROUTING -p tcp --dport {port} -j DNAT --to-destination 10.0.0.9:{port}\n");
        let rules: String = (8000..8300).map(rule).collect();
        program("sh", &["-c", &format!("iptables-nft-restore <<'END'\n*nat\n{rules}COMMIT\nEND\n")]);
        let is_published = |listener: &&Listener| listener.origin == Origin::PublishedPort;
        let facts = facts();
        let ports: BTreeSet<_> = facts.listeners.iter().filter(is_published).map(|listener| listener.port).collect();
        assert_eq!(ports, (8000..8300).collect());
    });
}
