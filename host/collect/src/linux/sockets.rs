//! Listening sockets, as the kernel lists them (`sock_diag(7)`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::{Area, Protocol};
use netlink_packet_core::{Emitable, Nla as _, Parseable};
use netlink_packet_sock_diag::constants::INET_DIAG_LOCALS;
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags};

use super::netlink::{NetlinkError, Request, dump};
use super::protocols::Query;
use super::rtnetlink::{AF_INET, AF_INET6, append};
use crate::gaps::Gaps;

/// Where a socket can be reached: the list it is on, address, port, and index of the interface it is bound to.
pub(super) type Endpoint = (Query, IpAddr, u16, u32);

/// A socket that accepts traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListeningSocket {
    /// The list that it is on.
    pub(super) query: Query,
    /// Whether it speaks Multipath TCP.
    pub(super) multipath: bool,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    /// `IPV6_V6ONLY`, `None` for IPv4 and where the kernel does not say.
    pub(super) ipv6_only: Option<bool>,
    /// Index of the interface that the socket is bound to, 0 for none.
    pub(super) interface: u32,
    /// `IP_TRANSPARENT` (`ip(7)`).
    pub(super) transparent: bool,
    /// `SO_MARK` (`socket(7)`), which the kernel tells with `CAP_NET_ADMIN` only.
    pub(super) mark: Option<u32>,
    pub(super) uid: u32,
    pub(super) inode: u64,
}

impl ListeningSocket {
    /// Whether this is the Multipath TCP face of a TCP socket that has an inode of its own.
    pub(super) fn is_multipath_face_of(&self, other: &Self) -> bool {
        let endpoint = |socket: &Self| (socket.query.protocol, socket.query.family, socket.address, socket.port);
        self.query.multipath && !other.query.multipath && endpoint(self) == endpoint(other)
    }

    /// Where it can be reached.
    pub(super) fn endpoint(&self) -> Endpoint {
        (self.query, self.address, self.port, self.interface)
    }
}

/// Adds the Multipath TCP list. Since Linux 6.6 its sockets are on the list of TCP too, with the same inode, and with
/// the interface that they are bound to, which the Multipath TCP list lacks.
pub(super) fn add_multipath(sockets: &mut Vec<ListeningSocket>, multipath: Vec<ListeningSocket>) {
    for socket in multipath {
        match sockets.iter_mut().find(|known| known.inode == socket.inode && socket.inode != 0) {
            Some(known) => known.multipath = true,
            None => sockets.push(socket),
        }
    }
}

/// Lists the listening sockets of every query. One that fails is a gap; the others stand.
pub(super) fn observe(queries: &[Query]) -> (Vec<ListeningSocket>, Gaps) {
    let (mut found, mut gaps) = (Vec::new(), Gaps::default());
    for &query in queries {
        match list(query) {
            Ok(list) => {
                if !list.is_settled {
                    let reason = "the sockets kept changing while they were listed";
                    gaps.subject(Area::Listeners, query.name(), reason, format!("some listeners of {}", query.name()));
                }
                found.extend(list.sockets);
            }
            Err(error) => {
                gaps.subject(Area::Listeners, query.name(), error, format!("listeners of {}", query.name()));
            }
        }
    }
    (found, gaps)
}

/// The listening sockets of one query.
pub(super) struct List {
    /// Every socket that was seen.
    pub(super) sockets: Vec<ListeningSocket>,
    /// Two readings in a row agreed.
    is_settled: bool,
}

/// How often a list is read until two readings agree.
const READINGS: usize = 6;

/// Lists the listening sockets of one query, until two readings agree.
///
/// The kernel resumes a dump by the position in its table (`inet_diag_dump_icsk`, `udp_dump`), and does not say when
/// sockets before that position have gone: it then passes over others, which anyone who opens and closes sockets can
/// bring about. A socket that one reading has seen counts, whatever the others say.
pub(super) fn list(query: Query) -> Result<List, NetlinkError> {
    let mut seen = BTreeMap::new();
    let mut last = None;
    for _ in 0..READINGS {
        let sockets = read(query)?;
        let keys: BTreeSet<_> = sockets.iter().map(|socket| (socket.inode, socket.endpoint())).collect();
        seen.extend(sockets.into_iter().map(|socket| ((socket.inode, socket.endpoint()), socket)));
        if last.as_ref() == Some(&keys) {
            return Ok(List { sockets: seen.into_values().collect(), is_settled: true });
        }
        last = Some(keys);
    }
    Ok(List { sockets: seen.into_values().collect(), is_settled: false })
}

fn read(query: Query) -> Result<Vec<ListeningSocket>, NetlinkError> {
    const NETLINK_SOCK_DIAG: isize = 4;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    let request = Request {
        protocol: NETLINK_SOCK_DIAG,
        kind: SOCK_DIAG_BY_FAMILY,
        answer: SOCK_DIAG_BY_FAMILY,
        body: encode(query),
    };
    let answers = dump(&request, |payload| parse(payload, query).map(Some))?;
    Ok(answers.into_iter().flatten().collect())
}

/// The request, filtered by state in the kernel. The attribute carries protocol numbers that do not fit the field
/// (`inet_diag_get_protocol`, `net/ipv4/inet_diag.c`; since Linux 5.8, as old as `mptcp_diag`).
fn encode(query: Query) -> Vec<u8> {
    const INET_DIAG_REQ_PROTOCOL: u16 = 3;
    let request = InetRequest {
        family: query.family,
        protocol: u8::try_from(query.number).unwrap_or(u8::MAX),
        extensions: ExtensionFlags::empty(),
        states: listening_states(query.protocol),
        socket_id: if query.family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
    };
    let mut body = vec![0; request.buffer_len()];
    request.emit(&mut body);
    if query.multipath {
        append(&mut body, INET_DIAG_REQ_PROTOCOL, query.number.into());
    }
    body
}

/// A UDP socket is never in `LISTEN`: bound but not connected it is in `CLOSE`, and takes datagrams from anyone
/// (`udp_init_sock` and `__ip4_datagram_connect`, net/ipv4).
fn listening_states(protocol: Protocol) -> StateFlags {
    match protocol {
        Protocol::Tcp | Protocol::Sctp => StateFlags::LISTEN,
        Protocol::Udp | Protocol::Udplite => StateFlags::CLOSE,
    }
}

/// The endpoints in one answer: one, except for a multi-homed SCTP socket, and none for a socket without a port.
fn parse(payload: &[u8], query: Query) -> Result<Vec<ListeningSocket>, NetlinkError> {
    let InetResponse { header, nlas } =
        InetResponse::parse(payload).map_err(|error| NetlinkError::Malformed(error.to_string()))?;
    let port = header.socket_id.source_port;
    if header.family != query.family || port == 0 {
        return Ok(Vec::new());
    }
    let first = ListeningSocket {
        query,
        multipath: query.multipath,
        address: header.socket_id.source_address,
        port,
        ipv6_only: ipv6_only(query.family, &nlas),
        interface: header.socket_id.interface_id,
        transparent: transparent(&nlas),
        mark: mark(&nlas),
        uid: header.uid,
        inode: header.inode.into(),
    };
    let addresses = if query.protocol == Protocol::Sctp { locals(&nlas) } else { Vec::new() };
    if addresses.is_empty() {
        return Ok(vec![first]);
    }
    Ok(addresses.into_iter().map(|address| ListeningSocket { address, ..first.clone() }).collect())
}

/// `INET_DIAG_SKV6ONLY`, which the kernel sends for sockets in `LISTEN` and `CLOSE` (`inet_diag_msg_attrs_fill`,
/// `net/ipv4/inet_diag.c`).
fn ipv6_only(family: u8, nlas: &[Nla]) -> Option<bool> {
    let told = nlas.iter().find_map(|nla| match nla {
        Nla::SkV6Only(only) => Some(*only),
        _ => None,
    });
    told.filter(|_| family == AF_INET6)
}

/// `INET_DIAG_MARK` (`inet_diag_msg_attrs_fill`, `net/ipv4/inet_diag.c`).
fn mark(nlas: &[Nla]) -> Option<u32> {
    nlas.iter().find_map(|nla| match nla {
        Nla::Mark(mark) => Some(*mark),
        _ => None,
    })
}

/// `struct inet_diag_sockopt`, which the kernel sends since Linux 5.10: bits in the order of the structure, which begin
/// at the low end on little-endian machines and at the high end on others.
fn transparent(nlas: &[Nla]) -> bool {
    const INET_DIAG_SOCKOPT: u16 = 22;
    const TRANSPARENT: u8 = if cfg!(target_endian = "little") { 1 << 5 } else { 1 << 2 };
    nlas.iter().any(|nla| match nla {
        Nla::Other(other) if other.kind() == INET_DIAG_SOCKOPT => {
            let mut bytes = vec![0; other.value_len()];
            other.emit_value(&mut bytes);
            bytes.first().is_some_and(|options| options & TRANSPARENT != 0)
        }
        _ => false,
    })
}

/// `INET_DIAG_LOCALS`: every address of an SCTP socket, each as a `sockaddr_storage` (`inet_diag_msg_sctpladdrs_fill`,
/// `net/sctp/diag.c`).
fn locals(nlas: &[Nla]) -> Vec<IpAddr> {
    let list = nlas.iter().find_map(|nla| match nla {
        Nla::Other(other) if other.kind() == INET_DIAG_LOCALS => Some(other),
        _ => None,
    });
    let Some(list) = list else { return Vec::new() };
    let mut bytes = vec![0; list.value_len()];
    list.emit_value(&mut bytes);
    bytes.chunks_exact(SOCKADDR_STORAGE).filter_map(sockaddr).collect()
}

const SOCKADDR_STORAGE: usize = 128;

/// The address in a `sockaddr_in` or `sockaddr_in6` (`ip(7)`, `ipv6(7)`).
fn sockaddr(bytes: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    match u8::try_from(family).ok()? {
        AF_INET => Some(Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCTP: Query = Query { protocol: Protocol::Sctp, number: 132, family: AF_INET, multipath: false };

    /// `struct inet_diag_msg` of an IPv4 socket on port 5000.
    fn message(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 72];
        bytes[0] = AF_INET;
        bytes[4..6].copy_from_slice(&5000_u16.to_be_bytes());
        bytes[8..12].copy_from_slice(&[127, 0, 0, 1]);
        bytes.extend_from_slice(attributes);
        bytes
    }

    fn storage(family: u8, at: usize, octets: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; SOCKADDR_STORAGE];
        bytes[..2].copy_from_slice(&u16::from(family).to_ne_bytes());
        bytes[at..at + octets.len()].copy_from_slice(octets);
        bytes
    }

    #[test]
    fn a_multi_homed_sctp_socket_listens_on_each_of_its_addresses() {
        let mut attribute = [(4 + 2 * 128_u16).to_ne_bytes(), INET_DIAG_LOCALS.to_ne_bytes()].concat();
        attribute.extend(storage(AF_INET, 4, &[10, 0, 0, 1]));
        attribute.extend(storage(AF_INET6, 8, &Ipv6Addr::LOCALHOST.octets()));
        let found = parse(&message(&attribute), SCTP).unwrap();
        let addresses: Vec<_> = found.iter().map(|socket| socket.address.to_string()).collect();
        assert_eq!(addresses, ["10.0.0.1", "::1"]);
        assert_eq!(found[0].port, 5000);
    }

    #[test]
    fn a_socket_without_a_port_is_no_listener() {
        let mut bytes = message(&[]);
        bytes[4..6].fill(0);
        assert_eq!(parse(&bytes, SCTP).unwrap(), []);
    }

    #[test]
    fn a_multipath_request_carries_its_protocol_in_an_attribute() {
        let query = Query { protocol: Protocol::Tcp, number: 262, family: AF_INET, multipath: true };
        assert!(encode(query).ends_with(&[8, 0, 3, 0, 6, 1, 0, 0]));
        assert_eq!(encode(SCTP).len(), 56);
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_or_a_socket_but_never_a_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, SCTP);
            let _ = parse(&message(&bytes), SCTP);
        }
    }
}
