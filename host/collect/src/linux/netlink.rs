//! Dumps over netlink (`netlink(7)`): one request, every answer, or an error.
//!
//! A dump is complete or it is an error: nothing that the kernel, a full buffer or a race does ends it early. What can
//! pass by itself (a dump that changes interrupted, a datagram that was larger than the buffer, a full receive queue)
//! is read again from the start, on a fresh socket, so that no answer of an earlier attempt is taken for one of this.

mod messages;

use std::io;
use std::time::Duration;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer};
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::errno::is;
pub(super) use loopgate_firewall::attribute::{Attribute, AttributeError, attributes, find, u32_at};
use messages::{Expected, Reading};

/// How often a dump is read before its interruption is an error. A dump takes microseconds, so only a machine whose
/// interfaces change all the time comes near it.
const ATTEMPTS: u32 = 8;

/// The kernel answers a dump while it is asked; this only ends a wait for an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Larger than the 32 KiB that the kernel puts in one datagram (`netlink_dump`, `net/netlink/af_netlink.c`) unless one
/// message alone needs more.
const FIRST_BUFFER: usize = 64 << 10;

/// What to ask for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The netlink protocol, such as `NETLINK_ROUTE`.
    pub(super) protocol: isize,
    /// The type of the request, such as `RTM_GETLINK`.
    pub(super) kind: u16,
    /// The type of every answer, such as `RTM_NEWLINK`.
    pub(super) answer: u16,
    /// What follows the netlink header.
    pub(super) body: Vec<u8>,
}

/// Why a dump is not complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetlinkError {
    /// No netlink socket.
    #[error("no netlink socket: {0}")]
    Open(#[source] io::Error),
    /// The request could not be sent.
    #[error("the request cannot be sent: {0}")]
    Send(#[source] io::Error),
    /// The answer could not be received.
    #[error("the answer cannot be received: {0}")]
    Receive(#[source] io::Error),
    /// The kernel answered with an error.
    #[error("the kernel answers: {0}")]
    Refused(#[source] io::Error),
    /// The kernel does not have what was asked about.
    #[error("the kernel does not have it")]
    Absent,
    /// What is listed kept changing while it was read.
    #[error("the list changed each time it was read")]
    Interrupted,
    /// A datagram did not fit; the size that it needs.
    #[error("an answer of {0} bytes was cut")]
    Truncated(usize),
    /// An answer that does not belong to the request.
    #[error("an answer to something else: {0}")]
    Unexpected(&'static str),
    /// An answer that is not well formed.
    #[error("a malformed answer: {0}")]
    Malformed(String),
}

impl From<AttributeError> for NetlinkError {
    fn from(error: AttributeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl NetlinkError {
    /// Whether reading again can help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Interrupted | Self::Truncated(_) | Self::Unexpected(_) => true,
            // ENOBUFS: answers were lost because the receive queue was full.
            Self::Receive(error) => is(error, Errno::NOBUFS),
            Self::Open(_) | Self::Send(_) | Self::Refused(_) | Self::Absent | Self::Malformed(_) => false,
        }
    }
}

/// Asks and reads all answers, each through `parse`, which returns `None` for one that is not wanted.
pub(super) fn dump<T>(
    request: &Request,
    parse: impl Fn(&[u8]) -> Result<Option<T>, NetlinkError>,
) -> Result<Vec<T>, NetlinkError> {
    retry(|room| {
        let mut found = Vec::new();
        Session::open(request.protocol, room)?.dump(request, |payload| {
            found.extend(parse(payload)?);
            Ok(())
        })?;
        Ok(found)
    })
}

/// Reads until nothing of what passes by itself gets in the way. `read` is given the room that a datagram needs.
pub(super) fn retry<T>(mut read: impl FnMut(usize) -> Result<T, NetlinkError>) -> Result<T, NetlinkError> {
    let (mut room, mut attempt) = (FIRST_BUFFER, 1);
    loop {
        match read(room) {
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                if let NetlinkError::Truncated(size) = error {
                    room = room.max(size.next_multiple_of(FIRST_BUFFER));
                }
            }
            result => return result,
        }
        attempt += 1;
    }
}

/// A socket for requests, one after the other. After an error it is of no more use: answers may still come.
pub(super) struct Session {
    socket: Socket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Session {
    pub(super) fn open(protocol: isize, room: usize) -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(protocol).map_err(NetlinkError::Open)?;
        // Filters in the request are honoured by the kernel only with this; before Linux 4.20 it is unknown, and
        // the answers are filtered by `parse`.
        let _ = socket.set_netlink_get_strict_chk(true);
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).map_err(|error| NetlinkError::Open(error.into()))?;
        let port = socket.bind_auto().map_err(NetlinkError::Open)?.port_number();
        Ok(Self { socket, port, sequence: 0, buffer: Vec::with_capacity(room) })
    }

    /// Asks and reads all answers.
    pub(super) fn dump(
        &mut self,
        request: &Request,
        mut each: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<(), NetlinkError> {
        let mut reading = self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        while !reading.is_done() {
            self.receive()?;
            reading.datagram(&self.buffer, &mut each)?;
        }
        Ok(())
    }

    /// Asks for what has one answer.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Vec<u8>, NetlinkError> {
        let mut reading = self.send(request, NLM_F_REQUEST)?;
        let mut answer = None;
        loop {
            self.receive()?;
            reading.datagram(&self.buffer, |payload| {
                answer.get_or_insert_with(|| payload.to_vec());
                Ok(())
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    fn send(&mut self, request: &Request, flags: u16) -> Result<Reading, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let message = encode(request, flags, self.sequence);
        self.socket.send_to(&message, &SocketAddr::new(KERNEL, 0), 0).map_err(NetlinkError::Send)?;
        Ok(Reading::new(Expected { kind: request.answer, sequence: self.sequence, port: self.port }))
    }

    fn receive(&mut self) -> Result<(), NetlinkError> {
        self.buffer.clear();
        let (size, sender) = retry_interrupted(|| self.socket.recv_from(&mut self.buffer, MSG_TRUNC))?;
        if size > self.buffer.len() {
            return Err(NetlinkError::Truncated(size));
        }
        if sender.port_number() != KERNEL {
            return Err(NetlinkError::Unexpected("it was not sent by the kernel"));
        }
        Ok(())
    }
}

/// Makes `recv` return the real size of a datagram that was larger than the buffer (`recv(2)`).
const MSG_TRUNC: i32 = rustix::net::RecvFlags::TRUNC.bits().cast_signed();

fn retry_interrupted<T>(mut receive: impl FnMut() -> io::Result<T>) -> Result<T, NetlinkError> {
    loop {
        match receive() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(NetlinkError::Receive),
        }
    }
}

/// The port id of the kernel.
const KERNEL: u32 = 0;

const HEADER: usize = 16;

fn encode(request: &Request, flags: u16, sequence: u32) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(&request.body);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut header = NetlinkBuffer::new(&mut bytes);
    header.set_length(length);
    header.set_message_type(request.kind);
    header.set_flags(flags);
    header.set_sequence_number(sequence);
    bytes
}
