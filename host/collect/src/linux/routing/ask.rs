//! One question to the routing table, one answer (`RTM_GETROUTE` without `NLM_F_DUMP`).

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_REQUEST, NetlinkBuffer};
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::cuts::kinds;
use crate::linux::netlink::{Attribute, NetlinkError, find, u32_at};
use crate::linux::rtnetlink::{AF_INET, AF_INET6, NETLINK_ROUTE};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;

/// `RTM_F_FIB_MATCH` (`include/uapi/linux/rtnetlink.h`): answer with the entry of the table and not with the route.
const FIB_MATCH: u32 = 0x2000;

/// `RTM_F_CLONED`: what is made of an entry for one question.
const CLONED: u32 = 0x200;

// Attributes, `include/uapi/linux/rtnetlink.h`.
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_MARK: u16 = 16;
const RTA_IP_PROTO: u16 = 27;
const RTA_DPORT: u16 = 29;
const RTA_NH_ID: u16 = 30;

/// A question.
#[derive(Clone, Debug)]
pub(super) struct RouteRequest {
    pub(super) destination: IpAddr,
    pub(super) source: Option<IpAddr>,
    /// The packet came in by this interface.
    pub(super) input: Option<u32>,
    /// The packet has to leave by this interface.
    pub(super) output: Option<u32>,
    pub(super) mark: u32,
    /// Transport protocol and destination port.
    pub(super) transport: Option<(u8, u16)>,
    pub(super) fib_match: bool,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A route.
    Route {
        /// `RTN_*`.
        kind: u8,
        /// The interface that it leads over, the first of several.
        interface: Option<u32>,
        /// The interfaces of the other next hops.
        others: Vec<u32>,
        /// The number of the next hop, where it has one.
        object: Option<u32>,
        /// It is an entry of a table, as was asked for, and not what the kernel makes of it.
        is_entry: bool,
    },
    /// An error instead.
    Refused(Refusal),
}

/// Why there is no route.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    /// The kernel answered with an error.
    #[error("the kernel answers about a route: {}", io::Error::from_raw_os_error(*.0))]
    Errno(i32),
    /// The kernel could not be asked.
    #[error("the kernel cannot be asked about a route: {0}")]
    NotAsked(String),
}

impl Refusal {
    fn is(&self, errors: &[Errno]) -> bool {
        matches!(self, Self::Errno(code) if errors.iter().any(|error| error.raw_os_error() == *code))
    }

    /// A packet that may not come in so (`EINVAL`; `EXDEV` where only the reverse path forbids it).
    pub(super) fn is_martian(&self) -> bool {
        self.is(&[Errno::INVAL, Errno::XDEV])
    }

    /// No way, or a way that is forbidden.
    pub(super) fn is_no_route(&self) -> bool {
        self.is(&[Errno::HOSTUNREACH, Errno::NETUNREACH, Errno::ACCESS, Errno::INVAL, Errno::AGAIN])
    }

    /// The type that `fib` gives for an address that the table refuses.
    pub(super) fn address_type(&self) -> Option<u8> {
        let Self::Errno(code) = self else { return None };
        Some(match Errno::from_raw_os_error(*code) {
            Errno::INVAL => kinds::BLACKHOLE,
            Errno::ACCESS => kinds::PROHIBIT,
            Errno::AGAIN => kinds::THROW,
            _ => kinds::UNREACHABLE,
        })
    }
}

/// A netlink socket for many questions.
pub(super) struct Asker {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// The kernel answers at once; this only ends a wait for an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers of an earlier question that came too late are passed over, up to so many.
const MAX_STRAYS: usize = 16;

impl Asker {
    pub(super) fn new() -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
        socket.bind_auto().map_err(NetlinkError::Open)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).map_err(|error| NetlinkError::Open(error.into()))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(NetlinkError::Open)?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(1 << 15) })
    }

    pub(super) fn ask(&mut self, request: &RouteRequest) -> Reply {
        self.sequence = self.sequence.wrapping_add(1);
        let message = request.encode(self.sequence);
        let answer = self.socket.send(&message, 0).map_err(|error| Refusal::NotAsked(error.to_string()));
        answer.and_then(|_| self.receive()).unwrap_or_else(Reply::Refused)
    }

    fn receive(&mut self) -> Result<Reply, Refusal> {
        for _ in 0..MAX_STRAYS {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Refusal::NotAsked(error.to_string())),
                Ok(_) => {
                    if let Some(reply) = parse(&self.buffer, self.sequence)? {
                        return Ok(reply);
                    }
                }
            }
        }
        Err(Refusal::NotAsked("only answers to other questions came".to_owned()))
    }
}

impl RouteRequest {
    fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut body = self.header();
        attribute(&mut body, RTA_DST, &bytes(self.destination));
        if let Some(source) = self.source {
            attribute(&mut body, RTA_SRC, &bytes(source));
        }
        let numbers =
            [(RTA_IIF, self.input), (RTA_OIF, self.output), (RTA_MARK, Some(self.mark).filter(|&mark| mark != 0))];
        for (kind, number) in numbers {
            if let Some(number) = number {
                attribute(&mut body, kind, &number.to_ne_bytes());
            }
        }
        if let Some((protocol, port)) = self.transport.filter(|(protocol, _)| *protocol != 0) {
            attribute(&mut body, RTA_IP_PROTO, &[protocol]);
            attribute(&mut body, RTA_DPORT, &port.to_be_bytes());
        }
        with_netlink_header(&body, sequence)
    }

    /// `struct rtmsg`: family, prefix lengths, TOS, table, protocol, scope, type, flags.
    fn header(&self) -> Vec<u8> {
        let family = if self.destination.is_ipv4() { AF_INET } else { AF_INET6 };
        let bits = if self.destination.is_ipv4() { 32 } else { 128 };
        let flags = if self.fib_match { FIB_MATCH } else { 0 };
        let mut header = vec![family, bits, if self.source.is_some() { bits } else { 0 }, 0, 0, 0, 0, 0];
        header.extend(flags.to_ne_bytes());
        header
    }
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    const HEADER: usize = 4;
    let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn with_netlink_header(body: &[u8], sequence: u32) -> Vec<u8> {
    const HEADER: usize = 16;
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut message = vec![0; HEADER];
    message.extend(body);
    let mut header = NetlinkBuffer::new(&mut message);
    header.set_length(length);
    header.set_message_type(RTM_GETROUTE);
    header.set_flags(NLM_F_REQUEST);
    header.set_sequence_number(sequence);
    message
}

/// The answer in a datagram; `None` if it is one to another question.
fn parse(datagram: &[u8], sequence: u32) -> Result<Option<Reply>, Refusal> {
    let malformed = |what: String| Refusal::NotAsked(format!("a malformed answer: {what}"));
    let message = NetlinkBuffer::new_checked(datagram).map_err(|error| malformed(error.to_string()))?;
    if message.sequence_number() != sequence {
        return Ok(None);
    }
    match message.message_type() {
        NLMSG_ERROR => {
            let code = u32_at(message.payload(), 0).ok_or_else(|| malformed("no error code".to_owned()))?;
            Err(Refusal::Errno(code.cast_signed().wrapping_neg()))
        }
        RTM_NEWROUTE => route(message.payload()).map(Some).map_err(|error| malformed(error.to_string())),
        other => Err(malformed(format!("a message of type {other}"))),
    }
}

fn route(payload: &[u8]) -> Result<Reply, NetlinkError> {
    const HEADER: usize = 12;
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(crate::linux::rtnetlink::short)?;
    let [_, _, _, _, _, _, _, kind, flags @ ..] = *header;
    let first = find(rest, RTA_OIF)?.map(Attribute::u32).transpose()?;
    let hops = find(rest, RTA_MULTIPATH)?.map(|attribute| hops(attribute.value)).unwrap_or_default();
    let interface = first.or_else(|| hops.first().copied());
    let object = find(rest, RTA_NH_ID)?.map(Attribute::u32).transpose()?;
    let is_entry = u32::from_ne_bytes(flags) & CLONED == 0;
    Ok(Reply::Route { kind, interface, others: hops, object, is_entry })
}

/// `struct rtnexthop`: length, flags, hops, interface, then attributes.
pub(super) fn hops(mut bytes: &[u8]) -> Vec<u32> {
    const HEADER: usize = 8;
    let mut interfaces = Vec::new();
    while let Some(interface) = u32_at(bytes, 4) {
        interfaces.push(interface);
        let length = bytes.first_chunk().map_or(0, |length| usize::from(u16::from_ne_bytes(*length)));
        bytes = bytes.get(length.next_multiple_of(4).max(HEADER)..).unwrap_or_default();
    }
    interfaces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_tells_local_from_martian() {
        let mut asker = Asker::new().unwrap();
        let to_itself = RouteRequest {
            destination: "127.0.0.1".parse().unwrap(),
            source: None,
            input: None,
            output: None,
            mark: 0,
            transport: None,
            fib_match: false,
        };
        assert!(matches!(asker.ask(&to_itself), Reply::Route { kind: kinds::LOCAL, .. }));
        let source = Some("255.255.255.255".parse().unwrap());
        let came_in = RouteRequest { source, input: Some(1), transport: Some((6, 80)), ..to_itself };
        assert!(matches!(asker.ask(&came_in), Reply::Refused(refusal) if refusal.is_martian()));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes, 1);
            let _ = route(&[&[0; 12][..], &bytes].concat());
            let _ = hops(&bytes);
        }
    }
}
