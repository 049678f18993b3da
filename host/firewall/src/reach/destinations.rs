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

    /// Those that a listener is bound to, in order.
    pub(super) fn of(&self, listener: &Listener) -> Vec<IpAddr> {
        let bound = listener.address.to_canonical();
        if !bound.is_unspecified() {
            return vec![bound];
        }
        let version = |address: &IpAddr| match bound {
            IpAddr::V4(_) => address.is_ipv4(),
            IpAddr::V6(_) => address.is_ipv6() || listener.takes_ipv4_on_ipv6() != Some(false),
        };
        self.iter().filter(version).collect()
    }
}
