//! Several sockets on one port: which of them gets a packet.
//!
//! The kernel looks among the sockets that are bound to the very address first, and only then among those on all
//! addresses (`__inet_lookup_listener`, `net/ipv4/inet_hashtables.c`; `__udp4_lib_lookup`, `net/ipv4/udp.c`). Of these
//! the highest score counts (`compute_score`): a socket of IPv4 has more than one of both versions, one that is bound
//! to the device more than one that is not.
//!
//! With `SO_REUSEPORT`, which nothing tells, the first that matches ends the search whatever its score. What was bound
//! last comes first, but sockets of IPv6 with `SO_REUSEPORT` come last (`__inet_hash`, `udp_lib_get_port`). Two sockets
//! of TCP that take the same packets both have it, or the second could not have been bound. `SO_INCOMING_CPU` is not
//! told either, and taken to be unset.

use std::net::IpAddr;

use loopgate_facts::{Listener, Protocol};

use super::entrance::Entrance;
use super::{takes, takes_from};
use crate::evaluate::Endpoint;

/// What other sockets leave to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Share {
    /// Everything.
    All,
    /// It depends on options and on the order of binding, which are not known.
    Unclear,
    /// Nothing.
    Nothing,
}

/// The other sockets on the port of a listener.
pub(super) fn rivals<'l>(listener: &Listener, others: &'l [Listener]) -> Vec<&'l Listener> {
    let same = |other: &&Listener| {
        (other.protocol, other.port) == (listener.protocol, listener.port)
            && other.id != listener.id
            && !other.sockets.is_empty()
    };
    others.iter().filter(same).collect()
}

/// What some rivals leave to a listener of the packets to an address that come in by an interface.
pub(super) fn share(listener: &Listener, rivals: &[&Listener], address: IpAddr, entrance: &Entrance<'_>) -> Share {
    let endpoint = Endpoint { address, port: listener.port };
    let competing = rivals.iter().filter(|rival| takes(rival, endpoint) && takes_from(rival, address, entrance));
    let left = competing.map(|rival| match beside(listener, rival, address) {
        Share::Nothing if entrance.doubt(rival).is_some() => Share::Unclear,
        share => share,
    });
    left.max().unwrap_or(Share::All)
}

fn beside(listener: &Listener, rival: &Listener, address: IpAddr) -> Share {
    let is_exact = |listener: &Listener| listener.address.to_canonical() == address;
    match (is_exact(listener), is_exact(rival)) {
        // The endpoint that is found first gets everything (`__sctp_rcv_lookup_endpoint`, `net/sctp/input.c`).
        _ if listener.protocol == Protocol::Sctp => Share::Unclear,
        (true, false) => Share::All,
        (false, true) => Share::Nothing,
        _ => by_score(listener, rival),
    }
}

/// Of two sockets that are bound to the same address, or both to all.
fn by_score(listener: &Listener, rival: &Listener) -> Share {
    let is_before = |one: &Listener, other: &Listener| {
        let is_bound = |listener: &Listener| listener.interface().is_some();
        one.address.is_ipv4()
            && !other.address.is_ipv4()
            && (listener.protocol == Protocol::Tcp || is_bound(one) || !is_bound(other))
    };
    if is_before(listener, rival) {
        Share::All
    } else if is_before(rival, listener) {
        Share::Nothing
    } else {
        Share::Unclear
    }
}
