//! Listeners and their owners, compared with `ss(8)` and netstat2 over random bindings.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use loopgate_collect::{Collector, this_machine};
use loopgate_facts::{Area, Facts, Gap, Listener, Protocol};
use loopgate_test_support::{Namespace, in_namespace, run};
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, TcpState, get_sockets_info};
use socket2::{Domain, Protocol as Transport, Socket, Type};

/// The attempts of one batch, and the bindings that must have succeeded at the end of the test.
const BATCH: usize = 100;
const BINDINGS: usize = 1000;

const UDPLITE: i32 = 136;
const MPTCP: i32 = 262;

/// An endpoint as all three can name it: protocol, address, port and interface.
type Endpoint = (String, IpAddr, u16, Option<String>);
type Endpoints = BTreeMap<Endpoint, BTreeSet<u32>>;

/// Demand 12: UDP and UDP-Lite listeners are seen.
/// Demand 7: whether IPv4 comes in as well is what each socket says.
#[test]
fn a_thousand_random_bindings_are_seen_as_ss_and_netstat2_see_them() {
    in_namespace("a_thousand_random_bindings_are_seen_as_ss_and_netstat2_see_them", || {
        make_interfaces();
        let seed = std::hash::Hasher::finish(&std::hash::BuildHasher::build_hasher(&std::hash::RandomState::new()));
        println!("seed {seed}");
        let mut random = Random(seed | 1);
        let mut total = 0;
        while total < BINDINGS {
            let bound = compare_batch(&mut random);
            assert!(bound > BATCH / 4, "only {bound} bindings of a batch succeeded");
            total += bound;
        }
    });
}

fn compare_batch(random: &mut Random) -> usize {
    let sockets: Vec<_> = (0..BATCH).filter_map(|_| bind(random).ok()).collect();
    let _children = share_with_children(&sockets, random);
    let facts = this_machine().collect();
    assert_same(&seen(&facts), &seen_by_ss(), "ss");
    assert_same(&without_interfaces(seen(&facts)), &seen_by_netstat2(), "netstat2");
    check_udplite(&facts);
    check_ipv6_only(&facts, &sockets);
    assert_complete(&facts);
    assert_eq!(facts.inconsistencies(), []);
    sockets.len()
}

/// No list is missing, and no socket is without an owner. That processes outside of the user namespace may not be read
/// is a gap that remains.
fn assert_complete(facts: &Facts) {
    let orphans = facts.gaps_in(Area::Owners).filter(|gap| gap.leaves_unknown.as_str().starts_with("the owners of"));
    assert_eq!(facts.gaps_in(Area::Listeners).chain(orphans).collect::<Vec<_>>(), [] as [&Gap; 0]);
}

fn make_interfaces() {
    run("ip", &["link", "add", "one", "type", "veth", "peer", "name", "two"]);
    for (name, ipv4, ipv6) in [("one", "10.1.0.1/24", "fd01::1/64"), ("two", "10.2.0.1/24", "fd02::1/64")] {
        run("ip", &["address", "add", ipv4, "dev", name]);
        run("ip", &["address", "add", ipv6, "dev", name, "nodad"]);
        run("ip", &["address", "add", "fe80::1/64", "dev", name, "nodad"]);
        run("ip", &["link", "set", name, "up"]);
    }
}

/// A binding that may fail, as some combinations must.
fn bind(random: &mut Random) -> io::Result<Socket> {
    const ADDRESSES: [&str; 12] = [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.0.1",
        "10.2.0.1",
        "::1",
        "::",
        "fd01::1",
        "fd02::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
    ];
    let address: IpAddr = random.of(&ADDRESSES).parse().unwrap();
    // Few ports, so that endpoints are shared.
    let port = 2000 + u16::try_from(random.below(40)).unwrap();
    let (kind, transport) = random.of(&[
        (Type::STREAM, Transport::TCP),
        (Type::DGRAM, Transport::UDP),
        (Type::DGRAM, Transport::from(UDPLITE)),
        (Type::STREAM, Transport::from(MPTCP)),
    ]);
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, kind, Some(transport))?;
    socket.set_reuse_port(true)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(random.below(2) == 0)?;
    }
    if random.below(3) == 0 {
        socket.bind_device(Some(random.of(&["lo", "one", "two"]).as_bytes()))?;
    }
    socket.bind(&endpoint(address, port, random).into())?;
    if kind == Type::STREAM {
        socket.listen(4)?;
    }
    Ok(socket)
}

fn endpoint(address: IpAddr, port: u16, random: &mut Random) -> SocketAddr {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            let any = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            let zone = rustix::net::netdevice::name_to_index(&any, random.of(&["one", "two"])).unwrap();
            SocketAddrV6::new(address, port, 0, zone).into()
        }
        _ => SocketAddr::new(address, port),
    }
}

/// Processes that inherit some of the sockets, and end with the test.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A socket becomes the standard input of a child, which then owns it too.
fn share_with_children(sockets: &[Socket], random: &mut Random) -> Children {
    let shared = sockets.iter().filter(|_| random.below(12) == 0);
    let spawn = |socket: &Socket| {
        let input = Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap()));
        Command::new("sleep").arg("60").stdin(input).spawn().unwrap()
    };
    Children(shared.map(spawn).collect())
}

fn assert_same(own: &Endpoints, other: &Endpoints, name: &str) {
    let only = |one: &Endpoints, two: &Endpoints| -> Endpoints {
        one.iter()
            .filter(|(key, pids)| two.get(key) != Some(pids))
            .map(|(key, pids)| (key.clone(), pids.clone()))
            .collect()
    };
    assert_eq!(only(own, other), only(other, own), "what only loopgate sees, and what only {name} sees");
}

/// Without UDP-Lite, which the other two do not know.
fn seen(facts: &Facts) -> Endpoints {
    let mut found = Endpoints::new();
    for listener in facts.listeners.iter().filter(|listener| listener.protocol != Protocol::Udplite) {
        let interface = listener.interface().map(|name| name.as_str().to_owned());
        let key = (listener.protocol.to_string(), listener.address, listener.port, interface);
        found.entry(key).or_default().extend(listener.owners.iter().map(|owner| owner.pid));
    }
    found
}

/// UDP-Lite as the kernel's own tables have it: port and inode.
fn check_udplite(facts: &Facts) {
    let mut expected = BTreeSet::new();
    for table in ["/proc/self/net/udplite", "/proc/self/net/udplite6"] {
        let text = std::fs::read_to_string(table).unwrap();
        expected.extend(text.lines().skip(1).map(udplite_socket));
    }
    let listeners = facts.listeners.iter().filter(|listener| listener.protocol == Protocol::Udplite);
    let found: BTreeSet<_> =
        listeners.flat_map(|one| one.sockets.iter().map(|socket| (one.port, socket.inode))).collect();
    assert_eq!(found, expected);
}

/// `sl local-address:port remote st tx:rx tr:when retransmits uid timeout inode ...`
fn udplite_socket(line: &str) -> (u16, u64) {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (_, port) = fields[1].rsplit_once(':').unwrap();
    (u16::from_str_radix(port, 16).unwrap(), fields[9].parse().unwrap())
}

fn without_interfaces(endpoints: Endpoints) -> Endpoints {
    let mut found = Endpoints::new();
    for ((protocol, address, port, _), pids) in endpoints {
        found.entry((protocol, address, port, None)).or_default().extend(pids);
    }
    found
}

/// `Netid State Recv-Q Send-Q Local-Address:Port Peer-Address:Port Process`
fn seen_by_ss() -> Endpoints {
    let mut found = Endpoints::new();
    for line in run("ss", &["-H", "-tulnp"]).lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (address, port) = fields[4].rsplit_once(':').unwrap();
        let (address, interface) = address.split_once('%').map_or((address, None), |(a, i)| (a, Some(i)));
        let interface = interface.map(|name| name.trim_end_matches(']').to_owned());
        let key = (fields[0].to_owned(), parse_ss_address(address), port.parse().unwrap(), interface);
        let pids = found.entry(key).or_default();
        pids.extend(line.split("pid=").skip(1).map(|rest| rest.split(',').next().unwrap().parse::<u32>().unwrap()));
    }
    found
}

/// `*` is `::` of a socket that takes IPv4 too.
fn parse_ss_address(text: &str) -> IpAddr {
    match text {
        "*" => Ipv6Addr::UNSPECIFIED.into(),
        text => text.trim_matches(['[', ']']).parse().unwrap(),
    }
}

fn seen_by_netstat2() -> Endpoints {
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    let mut found = Endpoints::new();
    for socket in get_sockets_info(families, ProtocolFlags::TCP | ProtocolFlags::UDP).unwrap() {
        let protocol = match &socket.protocol_socket_info {
            ProtocolSocketInfo::Tcp(socket) if socket.state != TcpState::Listen => continue,
            ProtocolSocketInfo::Tcp(_) => "tcp",
            ProtocolSocketInfo::Udp(_) => "udp",
        };
        let key = (protocol.to_owned(), socket.local_addr(), socket.local_port(), None);
        found.entry(key).or_default().extend(socket.associated_pids);
    }
    found
}

/// `ipv6_only` is what the sockets themselves say.
fn check_ipv6_only(facts: &Facts, sockets: &[Socket]) {
    let mut expected: BTreeMap<u64, bool> = BTreeMap::new();
    for socket in sockets.iter().filter(|socket| socket.domain().unwrap() == Domain::IPV6) {
        let inode = inode(socket);
        expected.insert(inode, socket.only_v6().unwrap());
    }
    // Bound to one address, the TCP socket within a Multipath TCP socket is IPv6 only whatever that one says.
    let is_multipath = |socket: &&Socket| socket.protocol().unwrap() == Some(Transport::from(MPTCP));
    let multipath: BTreeSet<u64> = sockets.iter().filter(is_multipath).map(inode).collect();
    let comparable = |listener: &&Listener| {
        let mut inodes = listener.sockets.iter().map(|socket| socket.inode);
        listener.address.is_unspecified() || !inodes.any(|inode| multipath.contains(&inode))
    };
    for listener in facts.listeners.iter().filter(comparable) {
        let sockets = listener.sockets.iter().filter_map(|socket| expected.get(&socket.inode));
        assert_eq!(listener.ipv6_only, sockets.copied().reduce(|one, other| one && other), "{listener:?}");
    }
}

fn inode(socket: &Socket) -> u64 {
    use std::os::fd::AsRawFd;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    link.to_str().unwrap().trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap()
}

/// Xorshift: enough to vary a test, and repeatable by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

#[test]
fn a_multipath_tcp_listener_is_one_listener_with_its_owner() {
    in_namespace("a_multipath_tcp_listener_is_one_listener_with_its_owner", || {
        let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, Some(Transport::from(MPTCP))) else {
            println!("this kernel has no Multipath TCP");
            return;
        };
        socket.bind(&"127.0.0.1:2000".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(1).unwrap();
        let facts = this_machine().collect();
        let [listener]: [Listener; 1] = facts.listeners.clone().try_into().unwrap();
        assert!(listener.multipath);
        assert_eq!(listener.owners.len(), 1);
        assert_complete(&facts);
    });
}

/// Demand 4: UDP sockets that take from nobody new are no listeners.
/// Demand 12: UDP has no state that says so, and listeners are told all the same.
#[test]
fn connected_and_unbound_udp_sockets_are_no_listeners() {
    in_namespace("connected_and_unbound_udp_sockets_are_no_listeners", || {
        let connected = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        connected.connect(&"127.0.0.1:9".parse::<SocketAddr>().unwrap().into()).unwrap();
        let _unbound = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        assert_eq!(this_machine().collect().listeners, []);
    });
}

fn bound(kind: Type, address: &str) -> Socket {
    let address: SocketAddr = address.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), kind, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

fn listening(address: &str) -> Socket {
    let socket = bound(Type::STREAM, address);
    socket.listen(1).unwrap();
    socket
}

fn ids(facts: &Facts) -> Vec<&str> {
    facts.listeners.iter().map(|listener| listener.id.text().as_str()).collect()
}

/// Demand 4: what does not listen is no listener: bound, connected, raw and packet sockets.
#[test]
fn sockets_that_accept_nothing_are_no_listeners() {
    in_namespace("sockets_that_accept_nothing_are_no_listeners", || {
        let _bound = bound(Type::STREAM, "127.0.0.1:2000");
        let _raw = Socket::new(Domain::IPV4, Type::RAW, Some(Transport::TCP)).unwrap();
        let _packet = Socket::new(Domain::PACKET, Type::RAW, Some(Transport::from(0x0300))).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:2001").unwrap();
        let _client = std::net::TcpStream::connect("127.0.0.1:2001").unwrap();
        let _accepted = listener.accept().unwrap();
        assert_eq!(ids(&this_machine().collect()), ["tcp/127.0.0.1:2001"]);
        drop(listener);
        assert_eq!(ids(&this_machine().collect()), [""; 0], "the connection is still open");
    });
}

/// Demand 7: one socket for both families is told from one for IPv6 beside one for IPv4.
#[test]
fn a_socket_for_both_families_is_told_from_one_for_each() {
    in_namespace("a_socket_for_both_families_is_told_from_one_for_each", || {
        let _both = listening("[::]:2000");
        let only = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        only.set_only_v6(true).unwrap();
        only.bind(&"[::]:2001".parse::<SocketAddr>().unwrap().into()).unwrap();
        only.listen(1).unwrap();
        let _ipv4 = listening("0.0.0.0:2001");
        let facts = this_machine().collect();
        let families = |listener: &Listener| {
            let mut destinations = listener.reachability.iter().flat_map(|region| &region.destinations);
            (listener.ipv6_only, destinations.clone().any(IpAddr::is_ipv4), destinations.any(IpAddr::is_ipv6))
        };
        let seen: BTreeMap<_, _> =
            facts.listeners.iter().map(|listener| (listener.id.text().as_str(), families(listener))).collect();
        let expected = [
            ("tcp/0.0.0.0:2001", (None, true, false)),
            ("tcp/[::]:2000", (Some(false), true, true)),
            ("tcp/[::]:2001", (Some(true), false, true)),
        ];
        assert_eq!(seen, expected.into());
    });
}

/// Demand 8: an IPv6 address, its zone and its port are three things, whatever their text looks like.
#[test]
fn addresses_of_ipv6_keep_their_ports_and_zones() {
    in_namespace("addresses_of_ipv6_keep_their_ports_and_zones", || {
        make_interfaces();
        let zone = rustix::net::netdevice::name_to_index(listening("127.0.0.1:9"), "two").unwrap();
        let addresses = ["[::1]:631".to_owned(), "[fd01::1]:22".to_owned(), format!("[fe80::1%{zone}]:53")];
        let _sockets: Vec<_> = addresses.iter().map(|address| listening(address)).collect();
        let facts = this_machine().collect();
        let seen: Vec<_> = facts.listeners.iter().map(|one| (one.address.to_string(), one.port, &one.zone)).collect();
        let [cups, ssh, dns] = ["::1", "fd01::1", "fe80::1"].map(str::to_owned);
        assert_eq!(seen, [(ssh, 22, &None), (dns, 53, &Some("two".into())), (cups, 631, &None)]);
    });
}

/// Demand 2: what listens in a container is not taken for what listens on the host.
#[test]
fn what_listens_in_another_network_namespace_is_not_listed() {
    in_namespace("what_listens_in_another_network_namespace_is_not_listed", || {
        let container = Namespace::new();
        let _inside = container.within(|| listening("0.0.0.0:2000"));
        let _here = listening("127.0.0.1:2001");
        let facts = this_machine().collect();
        assert_eq!(ids(&facts), ["tcp/127.0.0.1:2001"]);
        let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
        assert_eq!(facts.host.network_namespace.unwrap().id, own, "facts say which namespace they are about");
        assert_eq!(ids(&container.within(|| this_machine().collect())), ["tcp/0.0.0.0:2000"]);
    });
}
