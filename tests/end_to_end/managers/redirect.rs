//! A port that is published by sending its packets to another port of this machine.

use loopgate_facts::{ListenerId, Origin, Protocol};
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
