//! A container with a published port behind ufw: Docker's rules as it writes them, and its proxy's socket.

use std::net::{IpAddr, SocketAddr, TcpListener};

use loopgate_facts::{BlockReason, Facts, Listener, Origin, ReachVerdict};
use loopgate_test_support::{Namespace, in_namespace, ip, run as program};

use super::machine::{listen_at, peer};
use super::probe::{Outcome, Probe, try_all};
use super::ufw::ufw;
use super::verdicts::{Said, facts, trace};
use crate::support::{check, run, subjects};

/// What the bridge driver adds for `-p 8080:80 -p 127.0.0.1:8081:80`.
const RULES: &str = "\
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:DOCKER - [0:0]
-I FORWARD -i docker0 ! -o docker0 -j ACCEPT
-I FORWARD -o docker0 -j DOCKER
-I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
";

/// What it adds since version 28.
const RAW: &str = "\
*raw
-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
-A PREROUTING -d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 8081 -j DROP
COMMIT
";

/// The same published ports as its back end for nftables has them: by maps from interfaces to chains.
const NFTABLES: &str = r#"
table ip docker-bridges {
    map to-bridge { type ifname : verdict; elements = { "docker0" : jump to-docker0 }; }
    map from-bridge { type ifname : verdict; elements = { "docker0" : jump from-docker0 }; }
    chain raw { type filter hook prerouting priority raw
        ip daddr 172.17.0.2 iifname != "docker0" counter drop
        ip daddr 127.0.0.1 iifname != "lo" tcp dport 8081 counter drop
    }
    chain published {
        iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80
        iifname != "docker0" ip daddr 127.0.0.1 tcp dport 8081 counter dnat to 172.17.0.2:80
    }
    chain prerouting { type nat hook prerouting priority dstnat
        fib daddr type local counter jump published
    }
    chain output { type nat hook output priority -100
        ip daddr != 127.0.0.0/8 fib daddr type local counter jump published
    }
    chain forward { type filter hook forward priority filter
        oifname vmap @to-bridge
        iifname vmap @from-bridge
    }
    chain to-docker0 {
        ct state established,related counter accept
        iifname "docker0" counter accept
        ip daddr 172.17.0.2 tcp dport 80 counter accept
        counter drop
    }
    chain from-docker0 { counter accept; }
}
"#;

/// A machine with a container, and the peer on its interface `wan`.
struct Host {
    peer: Namespace,
    _container: Namespace,
    /// The container's server, and the two sockets of the proxies.
    listeners: Vec<TcpListener>,
}

impl Host {
    fn new(rules: &str) -> Self {
        Self::with(&format!("iptables-nft-restore --noflush <<'END'\n{rules}END\n"))
    }

    /// A machine whose rules a command loads.
    fn with(command: &str) -> Self {
        let peer = peer();
        peer.ip(&["route add 172.17.0.0/16 via 192.0.2.1 dev wan"]);
        let container = container();
        ufw("deny 8080\ndeny 8081\nallow 22\n");
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        program("sh", &["-c", command]);
        let server = container.within(|| listen_at(address("0.0.0.0:80")));
        let listeners = vec![server, listen_at(address("0.0.0.0:8080")), listen_at(address("127.0.0.1:8081"))];
        Self { peer, _container: container, listeners }
    }

    /// Where a connection of a neighbour ends, which is where the facts say that it does.
    fn probe(&self, facts: &Facts, to: &str) -> Outcome {
        let probe = Probe { source: "192.0.2.9".parse().unwrap(), destination: address(to) };
        let outcome = try_all(&self.peer, &[probe], &self.listeners)[0];
        let said = Said::about(facts, "wan", probe);
        assert!(said.agrees(outcome, &self.listeners), "{to}: {outcome:?}, but {said:?}");
        outcome
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn container() -> Namespace {
    let container = Namespace::new();
    ip(&["link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0", "link set docker0 up"]);
    ip(&[format!("link add veth0 type veth peer name eth0 netns {}", container.pid())]);
    ip(&["link set veth0 master docker0 up"]);
    container.ip(&["link set eth0 up", "address add 172.17.0.2/16 dev eth0", "route add default via 172.17.0.1"]);
    container
}

fn published(facts: &Facts, port: u16) -> &Listener {
    let is_it = |listener: &&Listener| listener.port == port && listener.origin == Origin::PublishedPort;
    let mut found = facts.listeners.iter().filter(is_it);
    let listener = found.next().unwrap_or_else(|| panic!("{port} is not published: {facts:#?}"));
    assert_eq!(found.count(), 0, "{port} is published twice");
    listener
}

fn socket(facts: &Facts, port: u16) -> &Listener {
    facts.listeners.iter().find(|listener| listener.port == port && listener.origin == Origin::Socket).unwrap()
}

/// Demand 16: a published port is found behind a firewall that denies it.
#[test]
fn a_port_that_docker_publishes_is_open_although_ufw_denies_it() {
    in_namespace("managers::docker::a_port_that_docker_publishes_is_open_although_ufw_denies_it", || {
        let host = Host::new(RULES);
        let facts = facts();
        assert_eq!(host.probe(&facts, "192.0.2.1:8080"), Outcome::Accepted(0));

        let listener = published(&facts, 8080);
        let leads_to = listener.published.as_ref().unwrap();
        assert_eq!((listener.address, leads_to.target), (IpAddr::from([0, 0, 0, 0]), address("172.17.0.2:80")));
        assert_eq!(listener.owners, socket(&facts, 8080).owners, "the proxy's socket is of the same service");
        assert!(!listener.owners.is_empty());
        assert_eq!(subjects(&check().1, "firewall/published-port-bypasses-input"), ["tcp/0.0.0.0:8080/published"]);
    });
}

/// The proxy's socket gets nothing from outside: the translation takes it before.
#[test]
fn the_socket_of_dockers_proxy_is_not_counted_as_open_too() {
    in_namespace("managers::docker::the_socket_of_dockers_proxy_is_not_counted_as_open_too", || {
        let _host = Host::new(RULES);
        let facts = facts();
        let wan = socket(&facts, 8080).reachability.iter().filter(|region| region.interfaces.contains(&"wan".into()));
        let regions: Vec<_> = wan.filter(|region| region.destinations.iter().all(IpAddr::is_ipv4)).collect();
        assert!(regions.iter().any(|region| region.reason == Some(BlockReason::Elsewhere)), "{regions:#?}");
        assert!(regions.iter().all(|region| region.verdict == ReachVerdict::Blocked), "{regions:#?}");
    });
}

/// Demand 16: the way past the firewall is shown.
#[test]
fn the_trace_says_why_a_published_port_is_open_although_ufw_denies_it() {
    in_namespace("managers::docker::the_trace_says_why_a_published_port_is_open_although_ufw_denies_it", || {
        let _host = Host::new(RULES);
        let trace = trace("tcp/8080", &["--from", "192.0.2.9"]);
        for said in [
            "reachable",
            "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
            "translated to 172.17.0.2:80",
            "-A FORWARD -o docker0 -j DOCKER",
            "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
        ] {
            assert!(trace.contains(said), "{said} is not in {trace}");
        }
        assert!(!trace.contains("input: table filter"), "it does not pass ufw's rules: {trace}");
    });
}

/// Sends to 127.0.0.1 by the wire, as anybody on the link can.
fn aim_at_loopback(host: &Host) {
    host.peer.ip(&["address flush dev lo", "route add 127.0.0.1 via 192.0.2.1 dev wan src 192.0.2.9"]);
    host.peer.within(|| std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap());
}

/// Demand 17: what is published on loopback and open to neighbours is found.
#[test]
fn what_an_old_docker_publishes_on_loopback_is_open_to_a_neighbour() {
    in_namespace("managers::docker::what_an_old_docker_publishes_on_loopback_is_open_to_a_neighbour", || {
        let host = Host::new(RULES);
        aim_at_loopback(&host);
        let facts = facts();
        assert_eq!(published(&facts, 8081).address, IpAddr::from([127, 0, 0, 1]));
        for open in ["127.0.0.1:8080", "127.0.0.1:8081", "172.17.0.1:8080"] {
            assert_eq!(host.probe(&facts, open), Outcome::Accepted(0));
        }
        assert_ne!(host.probe(&facts, "192.0.2.1:8081"), Outcome::Accepted(0));
        assert_eq!(ask("192.0.2.9", address("172.17.0.2:80")), host.connects("172.17.0.2:80"));
        let report = check().1;
        assert_eq!(subjects(&report, "firewall/loopback-publish-reachable"), ["tcp/127.0.0.1:8081/published"]);
    });
}

/// Demand 17: what rules keep closed is not found.
#[test]
fn what_a_new_docker_publishes_on_loopback_is_closed() {
    in_namespace("managers::docker::what_a_new_docker_publishes_on_loopback_is_closed", || {
        let host = Host::new(&format!("{RAW}{RULES}"));
        aim_at_loopback(&host);
        let facts = facts();
        let published = facts.listeners.iter().filter(|listener| listener.origin == Origin::PublishedPort);
        assert_eq!(published.map(|listener| listener.port).collect::<Vec<_>>(), [8080]);
        assert_eq!(host.probe(&facts, "127.0.0.1:8081"), Outcome::Silent);
        assert_eq!(host.probe(&facts, "192.0.2.1:8080"), Outcome::Accepted(0));
        assert_eq!((ask("192.0.2.9", address("172.17.0.2:80")), host.connects("172.17.0.2:80")), (false, false));
    });
}

/// Demand 20: maps, counters and policies of several tables are understood together.
#[test]
fn the_back_end_for_nftables_publishes_the_same() {
    in_namespace("managers::docker::the_back_end_for_nftables_publishes_the_same", || {
        let host = Host::with(&format!("nft -f - <<'END'{NFTABLES}END\n"));
        aim_at_loopback(&host);
        // What its own table accepts, the policy of ufw for what is forwarded still drops.
        assert_eq!(host.probe(&facts(), "192.0.2.1:8080"), Outcome::Silent);
        program("iptables-nft", &["-P", "FORWARD", "ACCEPT"]);
        let facts = facts();
        let leads_to = published(&facts, 8080).published.as_ref().unwrap();
        assert_eq!(leads_to.target, address("172.17.0.2:80"));
        assert_eq!(host.probe(&facts, "192.0.2.1:8080"), Outcome::Accepted(0));
        assert_eq!(host.probe(&facts, "127.0.0.1:8080"), Outcome::Accepted(0));
        assert_eq!(host.probe(&facts, "127.0.0.1:8081"), Outcome::Silent);
        assert_ne!(host.probe(&facts, "192.0.2.1:8081"), Outcome::Accepted(0));
        let direct = address("172.17.0.2:80");
        assert_eq!((ask("192.0.2.9", direct), host.connects("172.17.0.2:80")), (false, false));
    });
}

impl Host {
    fn connects(&self, to: &str) -> bool {
        let probe = Probe { source: "192.0.2.9".parse().unwrap(), destination: address(to) };
        matches!(try_all(&self.peer, &[probe], &self.listeners)[0], Outcome::Accepted(_))
    }
}

/// Whether `loopgate reach` says that a neighbour reaches an address that is not of this machine.
pub(crate) fn ask(from: &str, to: SocketAddr) -> bool {
    let (service, on) = (format!("tcp/{}", to.port()), to.ip().to_string());
    let arguments = ["reach", &service, "--on", &on, "--in", "wan", "--from", from, "--format", "json"];
    let answer = run(arguments).json();
    let verdict = &answer["ways"][0]["reachability"][0]["verdict"];
    assert_ne!(verdict, "unknown", "{answer:#}");
    verdict == "reachable"
}
