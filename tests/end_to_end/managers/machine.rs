//! A machine with two interfaces, 50 listeners, and a peer that has 20 addresses.

use std::net::{IpAddr, SocketAddr, TcpListener};

use loopgate_test_support::{Namespace, ip};

/// An interface of the machine with its addresses.
pub(crate) struct Way {
    pub(crate) interface: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) sources: &'static [&'static str],
}

/// The ways in: 20 sources.
pub(crate) const WAYS: [Way; 4] = [
    Way {
        interface: "wan",
        destination: "192.0.2.1",
        sources: &[
            "192.0.2.9",
            "198.51.100.7",
            "198.51.100.200",
            "203.0.113.5",
            "203.0.113.77",
            "10.9.8.7",
            "172.16.5.5",
            "100.64.1.1",
        ],
    },
    Way {
        interface: "lan",
        destination: "10.0.0.1",
        sources: &["10.0.0.9", "10.0.0.130", "10.0.1.4", "192.168.7.7", "192.168.7.200"],
    },
    Way {
        interface: "wan",
        destination: "2001:db8::1",
        sources: &["2001:db8::9", "2001:db8:5::7", "2001:db8:bad::1", "2001:db8:bad::2"],
    },
    Way { interface: "lan", destination: "fd00::1", sources: &["fd00::9", "fd00:1::4", "fd00:1::5"] },
];

const HERE: &[&str] = &[
    "link set wan up",
    "link set lan up",
    "address add 192.0.2.1/24 dev wan",
    "address add 10.0.0.1/24 dev lan",
    "address add 2001:db8::1/64 dev wan nodad",
    "address add fd00::1/64 dev lan nodad",
    "route add default via 192.0.2.254 dev wan",
    "route add 10.0.1.0/24 via 10.0.0.254 dev lan",
    "route add 192.168.0.0/16 via 10.0.0.254 dev lan",
    "route add default via 2001:db8::fe dev wan",
    "route add fd00:1::/32 via fd00::fe dev lan",
];

const THERE: &[&str] = &[
    "link set wan up",
    "link set lan up",
    "address add 192.0.2.254/24 dev wan",
    "address add 10.0.0.254/24 dev lan",
    "address add 2001:db8::fe/64 dev wan nodad",
    "address add fd00::fe/64 dev lan nodad",
];

/// The kernel limits how many rejections it sends (icmp(7)); not here, where every one is waited for.
const UNLIMITED: [(&str, &str); 2] = [("ipv4/icmp_ratemask", "0"), ("ipv6/icmp/ratemask", "\n")];

/// Joins this namespace with a new one, which has all the sources.
pub(crate) fn peer() -> Namespace {
    let peer = Namespace::new();
    for interface in ["wan", "lan"] {
        ip(&[format!("link add {interface} type veth peer name {interface} netns {}", peer.pid())]);
    }
    ip(HERE);
    for (setting, value) in UNLIMITED {
        std::fs::write(format!("/proc/sys/net/{setting}"), value).unwrap();
    }
    peer.ip(THERE);
    let addresses = WAYS.iter().flat_map(|way| way.sources.iter().map(move |source| (source, way.interface)));
    let addresses = addresses.map(|(source, interface)| {
        let length = if source.contains(':') { "128 nodad" } else { "32" };
        format!("address add {source}/{length} dev {interface}")
    });
    peer.ip(&addresses.collect::<Vec<_>>());
    peer
}

/// The ports that something listens on, 50 of them: those of services that the tools know by name, and others.
pub(crate) const PORTS: [u16; 50] = [
    21, 22, 23, 25, 53, 80, 110, 111, 139, 143, 179, 389, 443, 445, 465, 587, 631, 853, 873, 993, 995, 1080, 1433,
    1883, 2049, 2222, 2379, 3000, 3128, 3306, 3389, 4000, 5000, 5001, 5002, 5432, 5672, 5900, 6000, 6379, 6443, 7000,
    8000, 8080, 8081, 8443, 9000, 9090, 9200, 27017,
];

/// Listens on every port: mostly at all addresses of both versions, on some at one address only.
pub(crate) fn listen() -> Vec<TcpListener> {
    PORTS.into_iter().map(|port| listen_at(SocketAddr::new(address_of(port), port))).collect()
}

fn address_of(port: u16) -> IpAddr {
    let address = match port {
        631 | 6379 => "127.0.0.1",
        2379 => "10.0.0.1",
        3000 | 9200 => "0.0.0.0",
        6443 => "2001:db8::1",
        _ => "::",
    };
    address.parse().unwrap()
}

/// A listener that does not wait for connections when it is asked for them.
pub(crate) fn listen_at(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    listener.set_nonblocking(true).unwrap();
    listener
}
