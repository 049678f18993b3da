//! Joins listeners with the firewall: for each interface and each address that a listener can be reached at, who can.

mod answers;
mod destinations;
mod published;
mod record;
mod shadowed;
mod summary;
mod ways;

use std::net::IpAddr;

use loopgate_facts::{
    BlockReason, Interface, InterfaceKind, Listener, Protocol, ReachPath, ReachVerdict, Reachability, Untrusted,
};

use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Endpoint, Question};

pub use answers::Answers;
pub use destinations::{Addresses, Local};
pub use published::{Publications, Unfollowed, published};
pub use record::{decision, records, reference};
pub use summary::summarise;

use ways::{Outcome, Ways};

/// The number of a transport protocol (IANA, "Assigned Internet Protocol Numbers").
pub fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Udplite => 136,
    }
}

/// Who can reach a listener that has a socket. `others` are the listeners of the machine, itself included: a socket on
/// one address takes what a socket on all addresses would get.
pub fn of_socket(
    answers: &mut Answers<'_, '_>,
    listener: &Listener,
    others: &[Listener],
    interfaces: &[Interface],
    addresses: &Addresses,
) -> Vec<Reachability> {
    let mut ways = Ways::default();
    for (destination, taken) in addresses.of(listener, others) {
        // An address of another link is no way to all addresses.
        let carry = |interface: &&Interface| {
            let comes = interface.kind != InterfaceKind::Loopback || addresses.is_own(destination);
            !listener.address.is_unspecified() || comes && is_on_link(destination, interface)
        };
        for interface in interfaces.iter().filter(carry) {
            let unclear = addresses.unclear(destination);
            ways.add(interface, destination, at(answers, listener, (destination, taken, unclear), interface));
        }
    }
    ways.regions(listener.port)
}

fn at(
    answers: &mut Answers<'_, '_>,
    listener: &Listener,
    (destination, taken, unclear): (IpAddr, bool, Option<&Untrusted>),
    interface: &Interface,
) -> Outcome {
    let whole = AddressSet::all(IpVersion::of(destination));
    let blank = |verdict, reason| Reachability {
        interfaces: Vec::new(),
        destinations: Vec::new(),
        port: 0,
        sources: whole.prefixes(),
        excluded_sources: Vec::new(),
        unlisted_sources: 0,
        verdict,
        reason,
        unknown_because: Vec::new(),
        path: ReachPath::Neither,
        translated_to: None,
        decided_by: None,
        narrowed_by: Vec::new(),
        notes: Vec::new(),
    };
    if !takes_from(listener, destination, interface) {
        return [blank(ReachVerdict::Blocked, Some(BlockReason::OtherInterface))].into();
    }
    if taken {
        return [blank(ReachVerdict::Blocked, Some(BlockReason::Elsewhere))].into();
    }
    if let Some(why) = unclear {
        return [Reachability { unknown_because: vec![why.clone()], ..blank(ReachVerdict::Unknown, None) }].into();
    }
    if is_group(destination) {
        let because: Untrusted = "packets to groups and broadcast addresses are not followed".into();
        return [Reachability { unknown_because: vec![because], ..blank(ReachVerdict::Unknown, None) }].into();
    }
    let question = Question {
        interface: interface.index,
        protocol: protocol_number(listener.protocol),
        destination: Endpoint { address: destination, port: listener.port },
        sources: whole,
    };
    answers.about(&question, |endpoint| takes(listener, endpoint))
}

/// Whether the socket gets what is delivered to an endpoint.
fn takes(listener: &Listener, endpoint: Endpoint) -> bool {
    let bound = listener.address.to_canonical();
    let any = match bound {
        IpAddr::V4(address) => address.is_unspecified() && endpoint.address.is_ipv4(),
        IpAddr::V6(address) => {
            address.is_unspecified() && (endpoint.address.is_ipv6() || listener.takes_ipv4_on_ipv6() != Some(false))
        }
    };
    endpoint.port == listener.port && (any || endpoint.address == bound)
}

/// Whether the socket takes packets that come in by an interface (`SO_BINDTODEVICE`, `socket(7)`), and whether the
/// address means the same there.
fn takes_from(listener: &Listener, destination: IpAddr, interface: &Interface) -> bool {
    let bound = listener.interface().is_none_or(|name| *name == interface.name);
    bound && is_on_link(destination, interface)
}

/// Whether packets to an address come in by an interface: a link-local one of IPv6 belongs to its link (RFC 4007).
fn is_on_link(destination: IpAddr, interface: &Interface) -> bool {
    let is_link_local = matches!(destination, IpAddr::V6(address) if address.is_unicast_link_local());
    !is_link_local
        || interface.kind == InterfaceKind::Loopback
        || interface.addresses.iter().any(|entry| entry.address == destination)
}

fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || matches!(address, IpAddr::V4(address) if address.is_broadcast())
}
