//! A wire whose far end sends whatever it is told to, and what the machine does with it.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use loopgate_test_support::run;
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It was delivered.
    Local,
    /// It left again.
    Forward,
    /// Neither.
    Nothing,
}

/// "Use for experimentation and testing" (RFC 3692): a raw socket gets every packet of it that is delivered.
const EXPERIMENT: u8 = 253;

/// Packets of every protocol, in both directions (`packet(7)`).
const ETH_P_ALL: u16 = 3;

/// The far end of the wire to `eth0`, and the ways out of the machine: delivery, and forwarding.
pub(super) struct Wire {
    sender: Socket,
    leaving: Socket,
    delivered: [Socket; 2],
    hardware: [u8; 6],
    sent: u64,
}

/// Makes `eth0` and `eth1` with addresses of their own, each with a far end, `far0` and `far1`, that answers nothing.
pub(super) fn cable() {
    for number in ["0", "1"] {
        let [near, far] = ["eth", "far"].map(|name| format!("{name}{number}"));
        run("ip", &["link", "add", &near, "type", "veth", "peer", "name", &far]);
        for (device, name) in [(&far, "disable_ipv6"), (&near, "accept_dad")] {
            let value = if name == "accept_dad" { "0" } else { "1" };
            set(&format!("ipv6/conf/{device}/{name}"), value);
        }
        run("ip", &["link", "set", &far, "arp", "off", "up"]);
        run("ip", &["link", "set", &near, "arp", "off", "up"]);
    }
    for (device, addresses) in [("eth0", ["10.9.0.1/24", "fd09::1/64"]), ("eth1", ["10.77.0.1/24", "fd77::1/64"])] {
        for address in addresses {
            let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
            run("ip", &[&["address", "add", address, "dev", device], nodad].concat());
        }
    }
    ["fd09::1", "fd77::1"].into_iter().for_each(wait_until_local);
}

/// The kernel makes the local route of an IPv6 address when it has noticed the carrier of its link, which it does by
/// and by.
fn wait_until_local(address: &str) {
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while !run("ip", &["-6", "route", "show", "table", "local", "to", address]).contains("local") {
        assert!(std::time::Instant::now() < patience, "{address} has no local route");
        std::thread::yield_now();
    }
}

/// Sets a kernel setting of this network namespace.
pub(super) fn set(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}

impl Wire {
    /// Everything happens on one processor, so that packets stay in order.
    pub(super) fn new() -> Self {
        let mut processors = CpuSet::new();
        processors.set(sched_getcpu());
        sched_setaffinity(None, &processors).unwrap();
        let hardware = hardware_of("eth0");
        let delivered = [Domain::IPV4, Domain::IPV6].map(|domain| {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(EXPERIMENT)))).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket.set_recv_buffer_size(1 << 24).unwrap();
            socket
        });
        let leaving = packet_socket(None, ETH_P_ALL);
        leaving.set_nonblocking(true).unwrap();
        leaving.set_recv_buffer_size(1 << 24).unwrap();
        Self { sender: packet_socket(Some("far0"), 0), leaving, delivered, hardware, sent: 0 }
    }

    /// Sends a packet from each source to each destination, and tells what became of it.
    pub(super) fn fates(&mut self, pairs: &[(IpAddr, IpAddr)]) -> Vec<Fate> {
        const ATTEMPTS: usize = 20;
        let mut attempts = (0..ATTEMPTS).filter_map(|_| self.attempt(pairs));
        attempts.next().expect("packets of a neighbour arrive")
    }

    /// `None` if a packet was lost that arrives for certain: the queue of a busy processor was full
    /// (`net.core.netdev_max_backlog`).
    fn attempt(&mut self, pairs: &[(IpAddr, IpAddr)]) -> Option<Vec<Fate>> {
        let first = self.sent;
        for (source, destination) in pairs {
            self.send(*source, *destination);
        }
        let mut fates = vec![Fate::Nothing; pairs.len()];
        for last in self.send_last() {
            self.take_delivered(last, |number| note(&mut fates, number, first, Fate::Local))?;
        }
        self.take_leaving(|number| note(&mut fates, number, first, Fate::Forward));
        Some(fates)
    }

    /// A packet of each version that arrives for certain, from a neighbour.
    fn send_last(&mut self) -> [(usize, u64); 2] {
        let neighbours = [("10.9.0.2", "10.9.0.1"), ("fd09::2", "fd09::1")];
        let mut version = 0;
        neighbours.map(|(source, destination)| {
            let number = self.send(source.parse().unwrap(), destination.parse().unwrap());
            version += 1;
            (version - 1, number)
        })
    }

    fn send(&mut self, source: IpAddr, destination: IpAddr) -> u64 {
        let number = self.sent;
        self.sent += 1;
        let far = [2, 0, 0, 0, 0, 9];
        let packet = packet(source, destination, number);
        let kind: u16 = if source.is_ipv4() { 0x0800 } else { 0x86dd };
        let frame = [&self.hardware[..], &far, &kind.to_be_bytes(), &packet].concat();
        (&self.sender).write_all(&frame).unwrap();
        number
    }

    fn take_delivered(&self, (version, last): (usize, u64), mut each: impl FnMut(u64)) -> Option<()> {
        loop {
            let mut buffer = [MaybeUninit::<u8>::uninit(); 256];
            let (length, _) = self.delivered[version].recv_from(&mut buffer).ok()?;
            let bytes: Vec<u8> = buffer[..length].iter().map(|byte| initialised(*byte)).collect();
            // A raw socket of IPv4 gives the header too (`raw(7)`), one of IPv6 does not.
            let number = number_at_end(&bytes);
            if number == last {
                return Some(());
            }
            each(number);
        }
    }

    fn take_leaving(&self, mut each: impl FnMut(u64)) {
        let mut buffer = [0; 256];
        loop {
            match (&self.leaving).read(&mut buffer) {
                Ok(length) if is_forwarded(&buffer[..length]) => each(number_at_end(&buffer[..length])),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Sends a packet of IPv4 out of a device, in a frame to a hardware address.
pub(in crate::linux) fn send_frame(
    device: &str,
    hardware: [u8; 6],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: &[u8],
) {
    let header = header_v4(source, destination, protocol, payload.len());
    let frame = [&hardware[..], &[2, 0, 0, 0, 0, 9], &[8, 0], &header, payload].concat();
    (&packet_socket(Some(device), 0)).write_all(&frame).unwrap();
}

#[expect(unsafe_code, reason = "socket2 gives bytes that it has written as perhaps not written")]
fn initialised(byte: MaybeUninit<u8>) -> u8 {
    // SAFETY: it lies within the length that was received.
    unsafe { byte.assume_init() }
}

fn note(fates: &mut [Fate], number: u64, first: u64, fate: Fate) {
    let at = number.checked_sub(first).and_then(|at| fates.get_mut(usize::try_from(at).unwrap()));
    if let Some(known) = at {
        *known = fate;
    }
}

fn number_at_end(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*bytes.last_chunk().unwrap())
}

/// A packet that was sent with 64 hops left, and has one less.
fn is_forwarded(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([8, 0]) => frame.get(22..24) == Some(&[HOPS - 1, EXPERIMENT]),
        Some([0x86, 0xdd]) => frame.get(20..22) == Some(&[EXPERIMENT, HOPS - 1]),
        _ => false,
    }
}

const HOPS: u8 = 64;

fn packet(source: IpAddr, destination: IpAddr, number: u64) -> Vec<u8> {
    let payload = number.to_be_bytes();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            [&header_v4(source, destination, EXPERIMENT, payload.len())[..], &payload].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => [&header_v6(source, destination)[..], &payload].concat(),
        _ => panic!("addresses of two versions"),
    }
}

fn header_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: usize) -> Vec<u8> {
    let length = u8::try_from(20 + payload).unwrap();
    let mut header = vec![0x45, 0, 0, length, 0, 0, 0, 0, HOPS, protocol, 0, 0];
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn header_v6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    [&[0x60, 0, 0, 0, 0, 8, EXPERIMENT, HOPS][..], &source.octets(), &destination.octets()].concat()
}

/// The hardware address of a device, from `ip`: `/sys` shows another network namespace.
fn hardware_of(device: &str) -> [u8; 6] {
    let listed: serde_json::Value = serde_json::from_str(&run("ip", &["-j", "link", "show", device])).unwrap();
    let text = listed[0]["address"].as_str().unwrap();
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

fn packet_socket(device: Option<&str>, protocol: u16) -> Socket {
    let protocol = protocol.to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(i32::from(protocol).into())).unwrap();
    let index = device.map_or(0, |device| rustix::net::netdevice::name_to_index(&socket, device).unwrap());
    socket.bind(&link_address(protocol, index)).unwrap();
    socket
}

/// `struct sockaddr_ll` (`packet(7)`).
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    hardware_type: u16,
    packet_type: u8,
    length: u8,
    address: [u8; 8],
}

#[expect(unsafe_code, reason = "socket2 knows no link-layer addresses")]
fn link_address(protocol: u16, index: u32) -> SockAddr {
    const AF_PACKET: u16 = 17;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: it is plain data, and not larger than the storage.
    let address = unsafe { storage.view_as::<LinkAddress>() };
    (address.family, address.protocol, address.index) = (AF_PACKET, protocol, index);
    // SAFETY: the storage holds an address of this length.
    unsafe { SockAddr::new(storage, u32::try_from(size_of::<LinkAddress>()).unwrap()) }
}
