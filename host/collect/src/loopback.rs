//! Probes: traffic over the loopback interface, to this machine's own loopback addresses and nowhere else.
//!
//! The sockets are bound to a loopback address on both ends, and on Linux to the loopback device as well: with its
//! routes removed, a packet to 127.0.0.1 would otherwise follow the default route out of the machine.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use loopgate_facts::{Area, Probe, ProbeOutcome, ProbeProtocol, ProbeStep, Untrusted};
use socket2::{Domain, Socket, Type};

use crate::gaps::Gaps;

/// How long a step of a probe may take.
const LIMIT: Duration = Duration::from_secs(1);

/// A step that failed, with the error of the system.
type Failure = (ProbeStep, io::Error);

/// The name of the loopback device, where the sockets of a probe can be bound to it.
pub(crate) type Device<'a> = Option<&'a [u8]>;

/// Probes 127.0.0.1 and `::1`, TCP and UDP.
pub(crate) fn probe_all(device: Device<'_>) -> (Vec<Probe>, Gaps) {
    let mut gaps = Gaps::default();
    if let Err(error) = check_device(device) {
        let reason = format!("a socket cannot be bound to the loopback device, so a probe could leave it: {error}");
        gaps.area(Area::Probes, reason, "whether traffic to the loopback addresses arrives");
        return (Vec::new(), gaps);
    }
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let protocols = [ProbeProtocol::Tcp, ProbeProtocol::Udp];
    let pairs = addresses.into_iter().flat_map(|address| protocols.map(|protocol| (address, protocol)));
    (pairs.map(|(address, protocol)| probe(address, protocol, device)).collect(), gaps)
}

fn probe(address: IpAddr, protocol: ProbeProtocol, device: Device<'_>) -> Probe {
    let result = match protocol {
        ProbeProtocol::Tcp => probe_tcp(address, device),
        ProbeProtocol::Udp => probe_udp(address, device),
    };
    let outcome = match result {
        Ok(time) => ProbeOutcome::Worked { round_trip_micros: u32::try_from(time.as_micros()).unwrap_or(u32::MAX) },
        Err((step, error)) => ProbeOutcome::Failed { step, error: Untrusted::from(error.to_string()) },
    };
    Probe { address, protocol, outcome }
}

fn probe_tcp(address: IpAddr, device: Device<'_>) -> Result<Duration, Failure> {
    let at = |step| move |error| (step, error);
    let listener = listen(address, device).map_err(at(ProbeStep::Bind))?;
    let (client, server) = connect(&listener, address, device).map_err(at(ProbeStep::Connect))?;
    echo_tcp(&client, &server).map_err(at(ProbeStep::Echo))
}

fn listen(address: IpAddr, device: Device<'_>) -> io::Result<TcpListener> {
    let socket = bind(Type::STREAM, address, device)?;
    socket.listen(8)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn connect(listener: &TcpListener, address: IpAddr, device: Device<'_>) -> io::Result<(TcpStream, TcpStream)> {
    let client = bind(Type::STREAM, address, device)?;
    client.connect_timeout(&listener.local_addr()?.into(), LIMIT)?;
    let client = TcpStream::from(client);
    let server = accept(listener, client.local_addr()?)?;
    Ok((client, server))
}

/// Accepts the connection of the probe itself; any process of the machine could have connected too.
fn accept(listener: &TcpListener, expected: SocketAddr) -> io::Result<TcpStream> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        match listener.accept() {
            Ok((stream, peer)) if peer == expected => return stream.set_nonblocking(false).map(|()| stream),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn echo_tcp(client: &TcpStream, server: &TcpStream) -> io::Result<Duration> {
    let token = token();
    let mut buffer = [0; TOKEN];
    let begin = Instant::now();
    for (mut from, mut to) in [(client, server), (server, client)] {
        to.set_read_timeout(Some(LIMIT))?;
        from.write_all(&token)?;
        to.read_exact(&mut buffer).map_err(timed_out)?;
        same(&token, &buffer)?;
    }
    Ok(begin.elapsed())
}

fn probe_udp(address: IpAddr, device: Device<'_>) -> Result<Duration, Failure> {
    let at = |step| move |error| (step, error);
    let bind = || Ok(UdpSocket::from(bind(Type::DGRAM, address, device)?));
    let (client, server) = bind().and_then(|client| Ok((client, bind()?))).map_err(at(ProbeStep::Bind))?;
    let token = token();
    let begin = Instant::now();
    for (from, to) in [(&client, &server), (&server, &client)] {
        send_udp(from, to, &token).map_err(at(ProbeStep::Connect))?;
        receive_udp(to, from, &token).map_err(at(ProbeStep::Echo))?;
    }
    Ok(begin.elapsed())
}

fn send_udp(from: &UdpSocket, to: &UdpSocket, token: &[u8]) -> io::Result<()> {
    from.send_to(token, to.local_addr()?).map(drop)
}

/// Receives the datagram of the probe itself, whatever else arrives.
fn receive_udp(to: &UdpSocket, from: &UdpSocket, token: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut buffer = [0; TOKEN];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would mean none.
        to.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let (_, source) = to.recv_from(&mut buffer).map_err(timed_out)?;
        if source == from.local_addr()? {
            return same(token, &buffer);
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// A socket on a port that the kernel chooses.
fn bind(kind: Type, address: IpAddr, device: Device<'_>) -> io::Result<Socket> {
    let endpoint = SocketAddr::new(address, 0);
    let socket = Socket::new(Domain::for_address(endpoint), kind, None)?;
    bind_device(&socket, device)?;
    socket.bind(&endpoint.into())?;
    Ok(socket)
}

/// Whether sockets can be bound to the device: before Linux 5.7 that takes `CAP_NET_RAW` (`socket(7)`).
fn check_device(device: Device<'_>) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).or_else(|_| Socket::new(Domain::IPV6, Type::DGRAM, None));
    match socket {
        Ok(socket) => bind_device(&socket, device),
        // No sockets at all: each probe says so by itself.
        Err(_) => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn bind_device(socket: &Socket, device: Device<'_>) -> io::Result<()> {
    device.map_or(Ok(()), |device| socket.bind_device(Some(device)))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature on every system")]
fn bind_device(_: &Socket, _: Device<'_>) -> io::Result<()> {
    Ok(())
}

const TOKEN: usize = 16;

/// Bytes that nobody else can have sent.
fn token() -> [u8; TOKEN] {
    let random = || u128::from(RandomState::new().build_hasher().finish());
    (random() << 64 | random()).to_ne_bytes()
}

fn same(expected: &[u8], found: &[u8]) -> io::Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes arrived than were sent"))
}

/// A receive time limit that ran out is reported as `WouldBlock` on Unix; call it what it is.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_ipv4_loopback_work_on_a_machine_that_runs_tests() {
        let (probes, gaps) = probe_all(None);
        assert_eq!(probes.len(), 4);
        assert!(gaps.into_vec().is_empty());
        for probe in probes.iter().filter(|probe| probe.address.is_ipv4()) {
            assert!(matches!(probe.outcome, ProbeOutcome::Worked { .. }), "{probe:?}");
        }
    }

    #[test]
    fn a_datagram_of_a_stranger_is_ignored() {
        let bind = || UdpSocket::from(bind(Type::DGRAM, Ipv4Addr::LOCALHOST.into(), None).unwrap());
        let (client, server, stranger) = (bind(), bind(), bind());
        send_udp(&stranger, &server, &[7; TOKEN]).unwrap();
        send_udp(&client, &server, &[1; TOKEN]).unwrap();
        receive_udp(&server, &client, &[1; TOKEN]).unwrap();
    }

    #[test]
    fn a_connection_of_a_stranger_is_ignored() {
        let listener = listen(Ipv4Addr::LOCALHOST.into(), None).unwrap();
        let _stranger = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (client, server) = connect(&listener, Ipv4Addr::LOCALHOST.into(), None).unwrap();
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    }
}
