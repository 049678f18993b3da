//! By which interfaces listeners are reached on machines whose interfaces belong together.

mod rivals;

use std::net::{IpAddr, TcpListener, UdpSocket};

use loopgate_facts::{Facts, Protocol, ReachVerdict, Untrusted};
use loopgate_test_support::{in_namespace, run};

use crate::linux::routing::wire;
use crate::{Collector, this_machine};

fn ip(words: &str) {
    run("ip", &words.split(' ').collect::<Vec<_>>());
}

/// `eth0` has addresses of its own, `eth1` is a port of `br0`, which has others.
fn bridge() {
    for pair in ["link add eth0 type veth peer name far0", "link add eth1 type veth peer name far1"] {
        ip(pair);
    }
    ip("link add br0 type bridge");
    ip("link set eth1 master br0");
    for device in ["eth0", "eth1", "far0", "far1", "br0", "lo"] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{device}/accept_dad"), "0").unwrap();
        ip(&format!("link set {device} up"));
    }
    for (address, device) in [("10.9.0.1/24", "eth0"), ("10.77.0.1/24", "br0")] {
        ip(&format!("address add {address} dev {device}"));
    }
    ip("-6 address add fd09::1/64 dev eth0 nodad");
    ip("-6 address add fd77::1/64 dev br0 nodad");
}

/// The verdict on packets of a neighbour to an address by an interface, with why it is unknown.
fn verdict(facts: &Facts, protocol: Protocol, interface: &str, destination: &str) -> Option<(ReachVerdict, String)> {
    let destination: IpAddr = destination.parse().unwrap();
    let source: IpAddr = if destination.is_ipv4() { "10.77.0.2" } else { "fd77::2" }.parse().unwrap();
    let listener = facts.listeners.iter().find(|listener| listener.protocol == protocol).unwrap();
    let mut parts = listener.reachability.iter().filter(|part| {
        part.interfaces.contains(&interface.into()) && part.destinations.contains(&destination) && part.lists(source)
    });
    let part = parts.next()?;
    Some((part.verdict, part.unknown_because.iter().map(Untrusted::as_str).collect::<Vec<_>>().join("; ")))
}

fn facts() -> Facts {
    let facts = this_machine().collect();
    assert_eq!(facts.inconsistencies(), []);
    facts
}

fn is_reachable(found: Option<(ReachVerdict, String)>) -> bool {
    found.is_some_and(|(verdict, _)| verdict == ReachVerdict::Reachable)
}

#[test]
fn a_port_of_a_bridge_is_no_way_in() {
    in_namespace("linux::reach::tests::a_port_of_a_bridge_is_no_way_in", || {
        bridge();
        let _sockets = (TcpListener::bind("[::]:80").unwrap(), UdpSocket::bind("0.0.0.0:53").unwrap());
        let found = facts();
        assert_eq!(verdict(&found, Protocol::Tcp, "eth1", "10.77.0.1"), None);
        assert!(is_reachable(verdict(&found, Protocol::Tcp, "br0", "10.77.0.1")));
        let (by_port, why) = verdict(&found, Protocol::Udp, "eth1", "10.77.0.1").unwrap();
        assert_eq!(by_port, ReachVerdict::Unknown);
        assert!(why.contains("frames to a group"), "{why}");
        assert!(arrives_as_the_port());
        ip("link set eth1 nomaster");
        assert!(is_reachable(verdict(&facts(), Protocol::Tcp, "eth1", "10.77.0.1")));
    });
}

/// Whether a packet in a frame to the group of LLDP comes to a socket that takes what comes in by the port alone.
fn arrives_as_the_port() -> bool {
    const LLDP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0x0e];
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.bind_device(Some(b"eth1")).unwrap();
    socket.bind(&"0.0.0.0:54".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let [source, destination] = [[10, 77, 0, 2], [10, 77, 0, 1]];
    let datagram = [&[0, 53, 0, 54, 0, 12, 0, 0][..], b"ping"].concat();
    wire::send_frame("far1", LLDP, source.into(), destination.into(), 17, &datagram);
    UdpSocket::from(socket).recv(&mut [0; 16]).is_ok_and(|length| length == 4)
}

#[test]
fn what_decides_at_a_lower_device_leaves_open_what_comes_in_by_the_upper() {
    in_namespace("linux::reach::tests::what_decides_at_a_lower_device_leaves_open_what_comes_in_by_the_upper", || {
        bridge();
        ip("link add link eth0 name mv0 type macvlan mode bridge");
        ip("link add link br0 name mv1 type macvlan mode bridge");
        for (device, address) in [("mv0", "10.8.0.1/24"), ("mv1", "10.7.0.1/24")] {
            ip(&format!("link set {device} up"));
            ip(&format!("address add {address} dev {device}"));
        }
        let _socket = TcpListener::bind("0.0.0.0:80").unwrap();
        let uppers = ["br0", "mv1", "mv0"];
        let by = |found: &Facts, device: &str| verdict(found, Protocol::Tcp, device, "10.77.0.1").unwrap();
        let found = facts();
        assert!(uppers.iter().all(|device| by(&found, device).0 == ReachVerdict::Reachable));
        let chain = |device: &str| {
            let base = format!("type filter hook ingress device {device} priority 0; policy drop;");
            run("nft", &[&format!("flush ruleset; add table netdev n; add chain netdev n c {{ {base} }}")]);
            let found = facts();
            uppers.map(|device| by(&found, device).0 == ReachVerdict::Unknown)
        };
        assert_eq!(chain("eth1"), [true, true, false]);
        assert_eq!(chain("eth0"), [false, false, true]);
        assert_eq!(chain("far0"), [false; 3]);
    });
}

#[test]
fn a_device_without_ipv6_is_no_way_in_for_it() {
    in_namespace("linux::reach::tests::a_device_without_ipv6_is_no_way_in_for_it", || {
        bridge();
        let _socket = TcpListener::bind("[::]:80").unwrap();
        let by =
            |device: &str, address: &str| verdict(&facts(), Protocol::Tcp, device, address).map(|(verdict, _)| verdict);
        assert_eq!(by("eth0", "fd77::1"), Some(ReachVerdict::Reachable));
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "1").unwrap();
        assert_eq!(by("eth0", "fd77::1"), Some(ReachVerdict::Blocked));
        assert_eq!(by("eth0", "10.77.0.1"), Some(ReachVerdict::Reachable));
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0").unwrap();
        assert_eq!(by("eth0", "fd77::1"), Some(ReachVerdict::Reachable));
        ip("link set eth0 mtu 1000");
        assert_eq!(by("eth0", "fd77::1"), Some(ReachVerdict::Blocked));
        assert_eq!(by("eth0", "10.77.0.1"), Some(ReachVerdict::Reachable));
    });
}

#[test]
fn routes_that_open_packets_leave_open_what_comes_in() {
    in_namespace("linux::reach::tests::routes_that_open_packets_leave_open_what_comes_in", || {
        bridge();
        let _socket = TcpListener::bind("[::1]:80").unwrap();
        let by = |device: &str| verdict(&facts(), Protocol::Tcp, device, "::1").map(|(verdict, _)| verdict);
        assert_eq!(by("br0"), Some(ReachVerdict::Blocked));
        ip("-6 route add 2001:db8:9::/64 encap seg6local action End.DT6 table 255 dev eth0");
        assert_eq!(by("br0"), Some(ReachVerdict::Unknown));
        assert!(facts().firewall.loopback.iter().all(|entry| entry.decision.verdict == ReachVerdict::Reachable));
    });
}
