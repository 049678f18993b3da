//! Real sockets: those that the host listens on, and connections to them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::packet::Packet;
use crate::plan;

/// The sockets of the host, on every address and port of the plan.
#[derive(Default)]
pub struct Listeners {
    tcp: Vec<Socket>,
    udp: HashMap<SocketAddr, Socket>,
}

impl Listeners {
    /// Opens them in this thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let tcp = plan::PORTS.into_iter().map(listen).collect::<io::Result<_>>()?;
        let v4 = plan::HOST_V4.into_iter().map(IpAddr::from);
        let addresses = v4.chain(plan::HOST_V6.into_iter().map(IpAddr::from));
        let mut udp = HashMap::new();
        for address in addresses.flat_map(|address| plan::PORTS.map(|port| SocketAddr::new(address, port))) {
            udp.insert(address, bind(address)?);
        }
        Ok(Self { tcp, udp })
    }

    /// Answers a datagram that arrived, from the socket that it arrived at. A firewall may keep that from being sent.
    pub fn answer(&self, request: &Packet) {
        let answer = request.answer();
        if let Some(socket) = self.udp.get(&request.destination) {
            _ = socket.send_to(&answer.payload(), &answer.destination.into());
        }
    }

    /// Closes the TCP sockets with all their connections, and opens them again.
    pub fn reopen(&mut self) -> io::Result<()> {
        if self.tcp.is_empty() {
            return Ok(());
        }
        self.tcp.clear();
        self.tcp = plan::PORTS.into_iter().map(listen).collect::<io::Result<_>>()?;
        Ok(())
    }
}

/// One socket for both IP versions.
fn listen(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port).into())?;
    socket.listen(65_535)?;
    Ok(socket)
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A connection to make.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// From where; port 0 leaves the port to the kernel.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
}

/// How long to wait for connections that have not come about at once. Packets cross a veth pair within the system call
/// that sends them, so this is only for a kernel that is busy.
const GRACE: Duration = Duration::from_millis(2);

/// Begins connections from this thread's network namespace, side by side.
pub fn begin(attempts: &[Attempt]) -> Vec<Option<Socket>> {
    attempts.iter().map(|attempt| begin_one(*attempt).ok()).collect()
}

/// Says which connections come about.
pub fn finish(sockets: &[Option<Socket>]) -> io::Result<Vec<bool>> {
    let until = Instant::now() + GRACE;
    loop {
        let pending = sockets.iter().flatten().filter(|socket| !is_settled(socket));
        let mut pending: Vec<PollFd<'_>> = pending.map(|socket| PollFd::new(socket, PollFlags::OUT)).collect();
        let left = until.saturating_duration_since(Instant::now());
        if pending.is_empty() || left.is_zero() {
            break;
        }
        poll(&mut pending, Some(&Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() }))?;
    }
    Ok(sockets.iter().map(|socket| socket.as_ref().is_some_and(is_connected)).collect())
}

fn is_settled(socket: &Socket) -> bool {
    let mut now = [PollFd::new(socket, PollFlags::OUT)];
    poll(&mut now, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

fn begin_one(attempt: Attempt) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(attempt.destination), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Closing resets the connection, so that nothing of it is left.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.bind(&attempt.source.into())?;
    match socket.connect(&attempt.destination.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

fn is_connected(socket: &Socket) -> bool {
    socket.take_error().is_ok_and(|error| error.is_none()) && socket.peer_addr().is_ok()
}
