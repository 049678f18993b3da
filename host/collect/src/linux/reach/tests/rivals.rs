//! Several sockets on one port: what is said of them, held against which of them the kernel gives a packet.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use loopgate_facts::{Interface, Listener, Protocol, ReachVerdict, Socket};
use loopgate_firewall::Ruleset;
use loopgate_firewall::reach::{Addresses, Answers, Local, of_socket};
use loopgate_test_support::in_namespace;
use socket2::{Domain, Type};

use super::super::Surroundings;
use super::{facts, ip};

const PORT: u16 = 6700;

/// A socket that shares its port: its address, the device that it is bound to, and whether it has `SO_REUSEPORT`.
type Sharing = (&'static str, Option<&'static str>, bool);

fn open((address, device, reuse_port): Sharing) -> socket2::Socket {
    let address = SocketAddr::new(address.parse().unwrap(), PORT);
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(false).unwrap();
    }
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(reuse_port).unwrap();
    socket.bind_device(device.map(str::as_bytes)).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// What the collector says of such a socket, before anything is known of who can reach it.
fn listener((address, device, _): Sharing) -> Listener {
    let address: IpAddr = address.parse().unwrap();
    let listener = Listener {
        ipv6_only: address.is_ipv6().then_some(false),
        bound_interface: device.map(Into::into),
        sockets: vec![Socket { inode: 7, uid: None, mark: Some(0) }],
        ..Listener::at(Protocol::Udp, address, PORT)
    };
    Listener { id: listener.expected_id(), ..listener }
}

/// Which of some sockets gets a packet to an address of the machine.
fn receiver(sockets: &[socket2::Socket], destination: IpAddr) -> usize {
    let sender = std::net::UdpSocket::bind(SocketAddr::new(destination, 0)).unwrap();
    sender.send_to(b"packet", SocketAddr::new(destination, PORT)).unwrap();
    for _ in 0..100 {
        if let Some(found) = sockets.iter().position(|mut socket| socket.read(&mut [0; 16]).is_ok()) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nobody got the packet to {destination}");
}

/// What is said of each of two sockets about packets that this machine sends itself.
fn verdicts(pair: [Sharing; 2], interfaces: &[Interface], destination: IpAddr) -> [ReachVerdict; 2] {
    let (surroundings, ruleset) = (Surroundings::this_machine().unwrap(), Ruleset::default());
    let mut evaluator = surroundings.evaluator(&ruleset);
    let addresses = Addresses::new(evaluator.machine(), &Local { interfaces, ..Local::default() });
    let mut answers = Answers::new(&mut evaluator);
    let listeners = pair.map(listener);
    listeners.each_ref().map(|listener| {
        let regions = of_socket(&mut answers, listener, &listeners, interfaces, &addresses);
        let mut parts = regions.iter().filter(|part| {
            part.interfaces.contains(&"lo".into())
                && part.destinations.contains(&destination)
                && part.lists(destination)
        });
        // A socket of the other version is not asked about.
        parts.next().map_or(ReachVerdict::Blocked, |part| part.verdict)
    })
}

const SOCKETS: [(&str, Option<&str>); 6] = [
    ("0.0.0.0", None),
    ("0.0.0.0", Some("lo")),
    ("127.0.0.1", None),
    ("127.0.0.1", Some("lo")),
    ("::", None),
    ("::", Some("lo")),
];

fn pairs() -> impl Iterator<Item = [Sharing; 2]> {
    let sockets =
        || SOCKETS.into_iter().flat_map(|(address, device)| [false, true].map(|reuse| (address, device, reuse)));
    let pairs = sockets().flat_map(move |first| sockets().map(move |second| [first, second]));
    // The same twice is one listener.
    pairs.filter(|[first, second]| (first.0, first.1) != (second.0, second.1))
}

#[test]
fn the_socket_that_gets_packets_is_not_blocked_and_no_other_is_reachable() {
    const NAME: &str =
        "linux::reach::tests::rivals::the_socket_that_gets_packets_is_not_blocked_and_no_other_is_reachable";
    in_namespace(NAME, || {
        ip("link set lo up");
        let interfaces = facts().interfaces;
        let destinations = ["127.0.0.1", "::1"].map(|address| address.parse::<IpAddr>().unwrap());
        let mut definite = 0;
        for (pair, destination) in pairs().flat_map(|pair| destinations.map(|destination| (pair, destination))) {
            if destination.is_ipv6() && pair.iter().all(|(address, ..)| *address != "::") {
                continue;
            }
            let said = verdicts(pair, &interfaces, destination);
            let got = receiver(&pair.map(open), destination);
            for (position, verdict) in said.into_iter().enumerate() {
                let fits = if position == got { ReachVerdict::Reachable } else { ReachVerdict::Blocked };
                definite += usize::from(verdict == fits);
                assert!([fits, ReachVerdict::Unknown].contains(&verdict), "{pair:?} to {destination}: {said:?}, {got}");
            }
        }
        assert!(definite > 200, "{definite}");
    });
}
