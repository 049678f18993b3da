//! The addresses that a listener can be reached at.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::{Interface, Listener, LocalRoute};

/// Addresses of a machine that packets can be sent to.
#[derive(Clone, Debug, Default)]
pub struct Addresses(BTreeSet<IpAddr>);

impl Addresses {
    /// The addresses of all interfaces, the loopback addresses, and one address of each prefix that is delivered
    /// locally: the kernel takes packets to any of them by any interface (weak host model, RFC 1122, 3.3.4.2).
    pub fn new(interfaces: &[Interface], local_routes: &[LocalRoute]) -> Self {
        let carried = interfaces.iter().flat_map(|interface| &interface.addresses).map(|entry| entry.address);
        let has_ipv6 = carried.clone().any(|address| address.is_ipv6());
        let loopback: [Option<IpAddr>; 2] =
            [Some(Ipv4Addr::LOCALHOST.into()), has_ipv6.then_some(Ipv6Addr::LOCALHOST.into())];
        let routed =
            local_routes.iter().map(|route| route.destination.address()).filter(|address| !address.is_unspecified());
        Self(carried.chain(loopback.into_iter().flatten()).chain(routed).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.iter().copied()
    }

    /// Those that a listener is bound to, in order, and whether another socket gets the packets to it instead.
    pub(super) fn of(&self, listener: &Listener, others: &[Listener]) -> Vec<(IpAddr, bool)> {
        let bound = listener.address.to_canonical();
        if !bound.is_unspecified() {
            return vec![(bound, false)];
        }
        let version = |address: &IpAddr| match bound {
            IpAddr::V4(_) => address.is_ipv4(),
            IpAddr::V6(_) => address.is_ipv6() || listener.takes_ipv4_on_ipv6() != Some(false),
        };
        let taken = |address| others.iter().any(|other| takes_instead(other, listener, address));
        self.iter().filter(version).map(|address| (address, taken(address))).collect()
    }
}

/// Whether another socket gets the packets to an address because it is bound to that very address, or to all addresses
/// of IPv4 beside a socket for both versions (`compute_score`, `net/ipv4/inet_hashtables.c`).
fn takes_instead(other: &Listener, listener: &Listener, address: IpAddr) -> bool {
    let same = other.protocol == listener.protocol && other.port == listener.port && other.interface().is_none();
    let exact = other.address.to_canonical() == address;
    let ipv4 = address.is_ipv4() && listener.address.is_ipv6() && other.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    same && !other.sockets.is_empty() && (exact || ipv4)
}
