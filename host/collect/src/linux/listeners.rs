//! Listeners: the sockets of one endpoint together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use loopgate_facts::{Listener, ListenerId, Origin, Scope, Socket, Untrusted};

use super::interfaces::Devices;
use super::sockets::ListeningSocket;

/// Makes one listener of the sockets that share protocol, address, port and interface.
pub(super) fn merge(sockets: &[ListeningSocket], devices: &Devices) -> Vec<Listener> {
    let mut listeners: BTreeMap<ListenerId, Vec<(&ListeningSocket, Restriction)>> = BTreeMap::new();
    for socket in sockets {
        let restriction = Restriction::of(socket, devices);
        listeners.entry(restriction.id(socket)).or_default().push((socket, restriction));
    }
    listeners.into_iter().filter_map(|(id, sockets)| listener(id, &sockets)).collect()
}

/// The interface that a socket is restricted to. The kernel keeps one index for the zone of a link-local address and
/// for `SO_BINDTODEVICE` (`sk_bound_dev_if`; `__inet6_bind`, `net/ipv6/af_inet6.c`).
#[derive(Clone, Default)]
struct Restriction {
    zone: Option<Untrusted>,
    bound_interface: Option<Untrusted>,
}

impl Restriction {
    fn of(socket: &ListeningSocket, devices: &Devices) -> Self {
        let name = (socket.interface != 0).then(|| devices.name(socket.interface));
        match socket.address {
            IpAddr::V6(address) if needs_zone(address) => Self { zone: name, bound_interface: None },
            _ => Self { zone: None, bound_interface: name },
        }
    }

    fn id(&self, socket: &ListeningSocket) -> ListenerId {
        let Self { zone, bound_interface } = self;
        ListenerId::new(socket.query.protocol, socket.address, socket.port, zone.as_ref(), bound_interface.as_ref())
    }
}

/// Whether an address means something on one link only: `__ipv6_addr_needs_scope_id`, `include/net/ipv6.h`.
fn needs_zone(address: std::net::Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    address.is_unicast_link_local() || matches!(first & 0xff0f, 0xff01 | 0xff02)
}

fn listener(id: ListenerId, sockets: &[(&ListeningSocket, Restriction)]) -> Option<Listener> {
    let (first, restriction) = sockets.first()?;
    let Restriction { zone, bound_interface } = restriction.clone();
    let sockets = || sockets.iter().map(|(socket, _)| *socket);
    Some(Listener {
        id,
        protocol: first.query.protocol,
        address: first.address,
        port: first.port,
        scope: Scope::of(first.address),
        ipv6_only: sockets().map(|socket| socket.ipv6_only).reduce(both_only).flatten(),
        zone,
        bound_interface,
        multipath: sockets().any(|socket| socket.multipath),
        origin: Origin::Socket,
        sockets: sockets()
            .map(|socket| Socket { inode: socket.inode, uid: Some(socket.uid), mark: socket.mark })
            .collect(),
        owners: Vec::new(),
        published: None,
        reachability: Vec::new(),
    })
}

/// Whether two sockets are both IPv6 only: one that is not decides, one that is not known leaves it open.
fn both_only(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use loopgate_facts::Protocol;

    use super::*;
    use crate::linux::protocols::Query;

    fn socket(address: &str, inode: u64) -> ListeningSocket {
        ListeningSocket {
            query: Query { protocol: Protocol::Tcp, number: 6, family: 2, multipath: false },
            multipath: false,
            address: address.parse().unwrap(),
            port: 80,
            ipv6_only: address.contains(':').then_some(true),
            interface: 0,
            transparent: false,
            mark: Some(0),
            uid: 0,
            inode,
        }
    }

    fn merged(sockets: &[ListeningSocket]) -> Vec<Listener> {
        merge(sockets, &Devices::default())
    }

    /// Demand 5: several sockets of one endpoint are one row.
    #[test]
    fn sockets_of_one_endpoint_are_one_listener() {
        let listeners = merged(&[socket("::", 1), ListeningSocket { ipv6_only: Some(false), ..socket("::", 2) }]);
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].ipv6_only, Some(false));
        assert_eq!(listeners[0].sockets.iter().map(|socket| socket.inode).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_device_makes_another_endpoint() {
        let bound = ListeningSocket { interface: 3, ..socket("0.0.0.0", 2) };
        let listeners = merged(&[socket("0.0.0.0", 1), bound]);
        let ids: Vec<_> = listeners.iter().map(|listener| listener.id.text().as_str()).collect();
        assert_eq!(ids, ["tcp/0.0.0.0:80", "tcp/0.0.0.0:80%if3"]);
    }

    #[test]
    fn the_interface_of_a_link_local_address_is_its_zone() {
        for address in ["fe80::1", "ff02::fb"] {
            let listeners = merged(&[ListeningSocket { interface: 3, ..socket(address, 1) }]);
            assert_eq!(listeners[0].zone, Some("if3".into()));
            assert_eq!(listeners[0].bound_interface, None);
        }
    }

    #[test]
    fn multipath_marks_the_tcp_listener_of_the_same_endpoint() {
        let listeners = merged(&[socket("0.0.0.0", 1), ListeningSocket { multipath: true, ..socket("0.0.0.0", 2) }]);
        assert_eq!(listeners.len(), 1);
        assert!(listeners[0].multipath);
    }

    /// Demand 9: `::ffff:127.0.0.1` is loopback.
    #[test]
    fn a_mapped_address_stays_as_the_kernel_gives_it() {
        let listeners = merged(&[socket("::ffff:127.0.0.1", 1)]);
        assert_eq!(listeners[0].id.text().as_str(), "tcp/[::ffff:127.0.0.1]:80");
        assert_eq!(listeners[0].scope, Scope::Loopback);
    }
}
