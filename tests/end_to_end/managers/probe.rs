//! Real connections, many at once, and where each of them arrives.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use loopgate_test_support::Namespace;
use socket2::{Domain, Protocol, Socket, Type};

/// How long an answer may take. A connection that a firewall drops takes all of it; the first repetition of the kernel
/// comes after one second.
const PATIENCE: Duration = Duration::from_millis(900);

/// How many connections are tried at once.
const BATCH: usize = 250;

/// A connection to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) source: IpAddr,
    pub(crate) destination: SocketAddr,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was accepted by the listener at this index.
    Accepted(usize),
    /// Something said no.
    Refused,
    /// Nobody answered.
    Silent,
}

/// Tries all connections from a namespace, and tells which listener each reached.
pub(crate) fn try_all(from: &Namespace, probes: &[Probe], listeners: &[TcpListener]) -> Vec<Outcome> {
    probes.chunks(BATCH).flat_map(|batch| try_at_once(from, batch, listeners)).collect()
}

fn try_at_once(from: &Namespace, batch: &[Probe], listeners: &[TcpListener]) -> Vec<Outcome> {
    let attempts = from.within(|| attempts(batch));
    let accepted = accepted(listeners);
    let outcome = |attempt: Attempt| match attempt {
        Attempt::Connected(socket) => {
            let local = socket.local_addr().unwrap().as_socket().unwrap();
            Outcome::Accepted(*accepted.get(&local).unwrap_or_else(|| panic!("nobody accepted {local}")))
        }
        Attempt::Refused => Outcome::Refused,
        Attempt::Pending(_) => Outcome::Silent,
    };
    attempts.into_iter().map(outcome).collect()
}

enum Attempt {
    Pending(Socket),
    Connected(Socket),
    Refused,
}

fn attempts(batch: &[Probe]) -> Vec<Attempt> {
    let start = Instant::now();
    let mut attempts: Vec<_> = batch.iter().map(begin).collect();
    while start.elapsed() < PATIENCE && attempts.iter().any(|attempt| matches!(attempt, Attempt::Pending(_))) {
        thread::sleep(Duration::from_millis(5));
        attempts = attempts.into_iter().map(look_again).collect();
    }
    attempts
}

fn begin(probe: &Probe) -> Attempt {
    let socket = Socket::new(Domain::for_address(probe.destination), Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&SocketAddr::new(probe.source, 0).into()).unwrap_or_else(|error| panic!("{probe:?}: {error}"));
    match socket.connect(&probe.destination.into()) {
        Ok(()) => Attempt::Connected(socket),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Attempt::Pending(socket)
        }
        Err(_) => Attempt::Refused,
    }
}

fn look_again(attempt: Attempt) -> Attempt {
    let Attempt::Pending(socket) = attempt else { return attempt };
    if socket.take_error().unwrap().is_some() {
        return Attempt::Refused;
    }
    if socket.peer_addr().is_ok() { Attempt::Connected(socket) } else { Attempt::Pending(socket) }
}

/// Takes what waits at the listeners: which peer is at which.
fn accepted(listeners: &[TcpListener]) -> BTreeMap<SocketAddr, usize> {
    let mut found = BTreeMap::new();
    for (index, listener) in listeners.iter().enumerate() {
        loop {
            match listener.accept() {
                Ok((_, peer)) => found.insert(SocketAddr::new(peer.ip().to_canonical(), peer.port()), index),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => panic!("accept: {error}"),
            };
        }
    }
    found
}
