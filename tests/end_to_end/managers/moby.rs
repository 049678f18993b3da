//! The rules that Docker's own tests hold to be what its bridge driver writes (`moby/moby`), where `LOOPGATE_RULESETS`
//! names a folder that has them in `moby`: loaded in front of a container that stands in, they let a neighbour do what
//! is said.

use std::net::{SocketAddr, TcpListener};

use loopgate_facts::Facts;
use loopgate_test_support::{Namespace, in_namespace, ip, rulesets, run as program};

use super::docker::{address, ask};
use super::machine::listen_at;
use super::probe::{Outcome, Probe, try_all};
use super::verdicts::{Said, facts};

/// A machine on which Docker runs one container.
#[derive(Clone, Copy)]
struct Docker {
    bridge: &'static str,
    /// The address of the bridge, with the length of its prefix.
    gateway: &'static str,
    container: &'static str,
    /// Where the proxy listens.
    proxy: &'static str,
}

const V4: Docker =
    Docker { bridge: "br-dummy", gateway: "192.168.0.1/24", container: "192.168.0.2", proxy: "0.0.0.0:8080" };
const V4_LOOPBACK: Docker = Docker { proxy: "127.0.0.1:8080", ..V4 };
const V6: Docker =
    Docker { bridge: "br-dummy", gateway: "fd49:efd7:54aa::fe/64", container: "fd49:efd7:54aa::1", proxy: "[::]:8080" };

/// The ports of the container that something listens on; only 80 is published.
const PORTS: [u16; 2] = [80, 81];

/// Whom the neighbour gets to, by the position among the listeners: the container's, and then the proxy.
const PUBLISHED: Outcome = Outcome::Accepted(0);
const UNPUBLISHED: Outcome = Outcome::Accepted(1);
use Outcome::{Refused, Silent};

struct Host {
    peer: Namespace,
    _container: Namespace,
    listeners: Vec<TcpListener>,
    source: &'static str,
}

impl Host {
    fn new(docker: &Docker) -> Self {
        at_once();
        let peer = neighbour(docker);
        let container = container(docker);
        for forwarding in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{forwarding}"), "1").unwrap();
        }
        let inside = SocketAddr::new(docker.container.parse().unwrap(), 0);
        let server = |port| container.within(|| listen_at(SocketAddr::new(inside.ip(), port)));
        let mut listeners: Vec<_> = PORTS.into_iter().map(server).collect();
        listeners.push(listen_at(address(docker.proxy)));
        let source = if inside.is_ipv4() { "203.0.113.9" } else { "2001:db8::9" };
        Self { peer, _container: container, listeners, source }
    }

    /// Connects, and holds what was said against it: of an address of this machine by the facts, of another by `reach`.
    fn check(&self, facts: &Facts, (to, expected): (&str, Outcome)) {
        let probe = Probe { source: self.source.parse().unwrap(), destination: address(to) };
        let outcome = try_all(&self.peer, &[probe], &self.listeners)[0];
        assert_eq!(outcome, expected, "{to}");
        let inside = self.listeners[0].local_addr().unwrap().ip();
        if probe.destination.ip() == inside {
            let said = ask(self.source, probe.destination);
            assert_eq!(said, matches!(outcome, Outcome::Accepted(_)), "{to}: {outcome:?}");
        } else {
            let said = Said::about(facts, "wan", probe);
            assert!(said.agrees(outcome, &self.listeners), "{to}: {outcome:?}, but {said:?}");
        }
    }
}

/// New devices of this namespace have their IPv6 addresses at once, without asking who else has them.
fn at_once() {
    for scope in ["all", "default"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad"), "0").unwrap();
    }
}

/// A peer on the link that knows the way to the container, and sends packets for 127.0.0.1 to the machine too.
fn neighbour(docker: &Docker) -> Namespace {
    let peer = Namespace::new();
    peer.within(at_once);
    ip(&[format!("link add wan type veth peer name wan netns {}", peer.pid())]);
    ip(&["link set wan up", "address add 203.0.113.1/24 dev wan", "address add 2001:db8::1/64 dev wan nodad"]);
    peer.ip(&[
        "link set wan up",
        "address add 203.0.113.9/24 dev wan",
        "address add 2001:db8::9/64 dev wan nodad",
        "address flush dev lo",
        "route add 127.0.0.1 via 203.0.113.1 dev wan src 203.0.113.9",
    ]);
    let by = if docker.container.contains(':') { "2001:db8::1" } else { "203.0.113.1" };
    let (gateway, _) = docker.gateway.split_once('/').unwrap();
    peer.ip(&[docker.container, gateway].map(|address| format!("route add {address} via {by} dev wan")));
    peer.within(|| std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap());
    peer
}

fn container(docker: &Docker) -> Namespace {
    let Docker { bridge, gateway, container, .. } = docker;
    let (by, length) = gateway.split_once('/').unwrap();
    let nodad = if by.contains(':') { " nodad" } else { "" };
    let namespace = Namespace::new();
    namespace.within(at_once);
    ip(&[format!("link add {bridge} type bridge"), format!("address add {gateway} dev {bridge}{nodad}")]);
    ip(&[format!("link add veth0 type veth peer name eth0 netns {}", namespace.pid())]);
    ip(&[format!("link set veth0 master {bridge} up"), format!("link set {bridge} up")]);
    namespace.ip(&[
        "link set eth0 up".to_owned(),
        format!("address add {container}/{length} dev eth0{nodad}"),
        format!("route add default via {by}"),
    ]);
    namespace
}

/// How rules are loaded.
#[derive(Clone, Copy)]
enum Load {
    Nft,
    /// The programs whose names begin so: `iptables-nft`.
    Restore(&'static str),
}

impl Load {
    fn run(self, rules: &str) {
        let command = match self {
            // nft 1.0.6 does not take the name of this priority at this hook.
            Self::Nft => "sed 's/hook output priority dstnat/hook output priority -100/' | nft -f -".to_owned(),
            Self::Restore(tool) => format!("{tool}-restore"),
        };
        program("sh", &["-ec", &format!("{{ {command}; }} <<'END'\n{rules}\nEND\n")]);
    }
}

/// Tries the rules of a file, as it is or changed, and what a neighbour finds then.
fn compare(test: &str, file: &str, change: fn(&str) -> String, how: &[(Docker, Load)], found: &[(&str, Outcome)]) {
    let Some(folder) = rulesets(test) else { return };
    let rules = change(&std::fs::read_to_string(folder.join("moby").join(file)).expect(file));
    in_namespace(test, || {
        for (docker, load) in how {
            let here = Namespace::new();
            here.within(|| {
                let host = Host::new(docker);
                load.run(&rules);
                let facts = facts();
                for found in found {
                    host.check(&facts, *found);
                }
            });
        }
    });
}

fn as_it_is(text: &str) -> String {
    text.to_owned()
}

/// What versions before 28 wrote: nothing in `raw`.
fn without_raw(text: &str) -> String {
    let (raw, rest) = text.split_once("COMMIT\n").unwrap();
    assert!(raw.starts_with("*raw"));
    rest.to_owned()
}

/// The same for nft.
fn without_drops_in_raw(text: &str) -> String {
    let is_of_raw = |line: &&str| line.contains("DROP DIRECT ACCESS") || line.contains("LOOPBACK\"");
    text.lines().filter(|line| !is_of_raw(line)).collect::<Vec<_>>().join("\n")
}

/// The listings of `iptables -S` in a document, as `iptables-save` would print them.
fn of_document(text: &str) -> String {
    let blocks = text.split("\n\n").filter(|block| block.contains("    -P "));
    let table = |(block, table): (&str, &str)| {
        let lines = block.lines().filter_map(|line| line.strip_prefix("    -"));
        let lines = lines.map(|line| match line.split_once(' ').unwrap() {
            ("P", policy) => format!(":{policy}\n"),
            ("N", chain) => format!(":{chain} -\n"),
            (_, rule) => format!("-A {rule}\n"),
        });
        format!("*{table}\n{}COMMIT\n", lines.collect::<String>())
    };
    blocks.zip(["filter", "nat", "raw"]).map(table).collect()
}

/// A test for each file of rules.
macro_rules! files {
    ($($(#[$about:meta])* $name:ident: $file:literal, $change:ident, $how:expr, $found:expr;)*) => {
        $(
            $(#[$about])*
            #[test]
            fn $name() {
                compare(concat!("managers::moby::", stringify!($name)), $file, $change, &$how, &$found);
            }
        )*
    };
}

const IPTABLES: [Load; 2] = [Load::Restore("iptables-nft"), Load::Restore("iptables-legacy")];

files! {
    what_is_published_on_loopback_is_closed: "iptabler_nat_bindlh.iptables-S", as_it_is,
        [(V4_LOOPBACK, IPTABLES[0]), (V4_LOOPBACK, IPTABLES[1])],
        [
            ("127.0.0.1:8080", Silent),
            ("203.0.113.1:8080", Refused),
            ("192.168.0.1:8080", Refused),
            ("192.168.0.2:80", Silent),
            ("192.168.0.2:81", Silent),
        ];

    what_was_published_on_loopback_before_28_is_open: "iptabler_nat_bindlh.iptables-S", without_raw,
        [(V4_LOOPBACK, IPTABLES[0]), (V4_LOOPBACK, IPTABLES[1])],
        [
            ("127.0.0.1:8080", PUBLISHED),
            ("203.0.113.1:8080", Refused),
            ("192.168.0.2:80", PUBLISHED),
            ("192.168.0.2:81", Silent),
        ];

    what_is_published_on_all_addresses_of_ipv6_is_open: "iptabler_nat.ip6tables-S", as_it_is,
        [(V6, Load::Restore("ip6tables-nft")), (V6, Load::Restore("ip6tables-legacy"))],
        [
            ("[2001:db8::1]:8080", PUBLISHED),
            ("[fd49:efd7:54aa::fe]:8080", PUBLISHED),
            ("[fd49:efd7:54aa::1]:80", Silent),
            ("[fd49:efd7:54aa::1]:81", Silent),
        ];

    what_nftables_publish_on_all_addresses_is_open: "nftabler_nat__ip.nft", as_it_is,
        [(V4, Load::Nft)],
        [
            ("203.0.113.1:8080", PUBLISHED),
            ("192.168.0.1:8080", PUBLISHED),
            ("127.0.0.1:8080", PUBLISHED),
            ("192.168.0.2:80", Silent),
            ("192.168.0.2:81", Silent),
        ];

    what_nftables_publish_on_loopback_is_closed: "nftabler_nat_bindlh_wsl2__ip.nft", as_it_is,
        [(V4_LOOPBACK, Load::Nft)],
        [
            ("127.0.0.1:8080", Silent),
            ("203.0.113.1:8080", Refused),
            ("192.168.0.2:80", Silent),
            ("192.168.0.2:81", Silent),
        ];

    what_nftables_publish_on_loopback_is_open_without_the_drops: "nftabler_nat_bindlh_wsl2__ip.nft", without_drops_in_raw,
        [(V4_LOOPBACK, Load::Nft)],
        [
            ("127.0.0.1:8080", PUBLISHED),
            ("203.0.113.1:8080", Refused),
            ("192.168.0.2:80", PUBLISHED),
            ("192.168.0.2:81", Silent),
        ];

    an_unprotected_network_is_open: "nftabler_nat-unprotected__ip.nft", as_it_is,
        [(V4, Load::Nft)],
        [
            ("203.0.113.1:8080", PUBLISHED),
            ("192.168.0.2:80", PUBLISHED),
            ("192.168.0.2:81", UNPUBLISHED),
        ];

    of_a_routed_network_what_is_published_is_open: "nftabler_routed__ip6.nft", as_it_is,
        [(V6, Load::Nft)],
        [
            ("[2001:db8::1]:8080", PUBLISHED),
            ("[fd49:efd7:54aa::1]:80", PUBLISHED),
            ("[fd49:efd7:54aa::1]:81", Silent),
        ];

    what_a_network_of_users_publishes_on_loopback_is_closed: "usernet-portmap-lo.iptables.md", of_document,
        [(USER, IPTABLES[0]), (USER, IPTABLES[1])],
        [("127.0.0.1:8080", Silent), ("203.0.113.1:8080", Refused), ("192.0.2.2:80", Silent), ("192.0.2.2:81", Silent)];

    what_a_swarm_publishes_is_open: "swarm-portmap.iptables.md", of_swarm,
        [(SWARM, IPTABLES[0]), (SWARM, IPTABLES[1])],
        [("203.0.113.1:8080", PUBLISHED), ("172.18.0.2:80", PUBLISHED), ("172.18.0.2:81", Silent)];
}

const USER: Docker =
    Docker { bridge: "bridge1", gateway: "192.0.2.1/24", container: "192.0.2.2", proxy: "127.0.0.1:8080" };
const SWARM: Docker =
    Docker { bridge: "docker_gwbridge", gateway: "172.18.0.1/16", container: "172.18.0.2", proxy: "0.0.0.0:8080" };

/// The service listens on port 80 of the stand-in.
fn of_swarm(text: &str) -> String {
    let rules = of_document(text).replace("172.18.0.2:8080", "172.18.0.2:80");
    rules.replace(
        "-A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j ACCEPT",
        "-A DOCKER-INGRESS -p tcp -m tcp --dport 80 -j ACCEPT",
    )
}
