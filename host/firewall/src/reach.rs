//! Joins listeners with the firewall: for each interface and each address that a listener can be reached at, who can.

mod answers;
mod destinations;
mod entrance;
mod managers;
mod published;
mod record;
mod rivals;
mod shadowed;
mod summary;
mod ways;

use std::net::IpAddr;

use loopgate_facts::{
    BlockReason, Interface, InterfaceKind, Listener, Protocol, ReachPath, ReachVerdict, Reachability, Untrusted,
};

use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Endpoint, Question, Responder};

pub use answers::Answers;
pub use destinations::{Addresses, Local};
pub use published::{Publications, Unfollowed, published};
pub use record::{decision, records, reference};
pub use summary::summarise;

use entrance::{Entrance, entrances};
use rivals::{Share, rivals, share};
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

/// Who can reach a listener that has a socket. `others` are the listeners of the machine, itself included: which of
/// several sockets on a port gets a packet is for the kernel to choose.
pub fn of_socket(
    answers: &mut Answers<'_, '_>,
    listener: &Listener,
    others: &[Listener],
    interfaces: &[Interface],
    addresses: &Addresses,
) -> Vec<Reachability> {
    let mut ways = Ways::default();
    let entrances = entrances(interfaces, listener.protocol, answers.evaluator().machine().ruleset);
    let rivals = rivals(listener, others);
    let responder = responder(listener, interfaces);
    for destination in addresses.of(listener) {
        // An address of another link is no way to all addresses.
        let carry = |at: &&Entrance<'_>| {
            let comes = at.interface.kind != InterfaceKind::Loopback || addresses.is_own(destination);
            !listener.address.is_unspecified() || comes && is_on_link(destination, at.interface)
        };
        let unclear = addresses.unclear(destination);
        for entrance in entrances.iter().filter(carry) {
            let share = if takes_from(listener, destination, entrance) {
                Ok(share(listener, &rivals, destination, entrance))
            } else {
                Err(BlockReason::OtherInterface)
            };
            ways.add(
                entrance.interface,
                destination,
                at(answers, (listener, responder), (destination, share, unclear), entrance),
            );
        }
    }
    ways.regions(listener.port)
}

/// What of a listener decides by which way its answers leave.
pub fn responder(listener: &Listener, interfaces: &[Interface]) -> Responder {
    let bound = listener.interface().and_then(|name| interfaces.iter().find(|interface| interface.name == *name));
    Responder { interface: bound.map(|interface| interface.index), mark: listener.mark() }
}

fn at(
    answers: &mut Answers<'_, '_>,
    (listener, responder): (&Listener, Responder),
    (destination, share, apart): (IpAddr, Result<Share, BlockReason>, Option<&Untrusted>),
    entrance: &Entrance<'_>,
) -> Outcome {
    const UNCLEAR: &str = "another socket on this port may get the packets, which the order of binding decides";
    let unclear = match share {
        Err(reason) => return [blank(destination, ReachVerdict::Blocked, Some(reason))].into(),
        Ok(Share::Nothing) => {
            return [blank(destination, ReachVerdict::Blocked, Some(BlockReason::Elsewhere))].into();
        }
        Ok(Share::Unclear) => Some(UNCLEAR.into()),
        Ok(Share::All) => None,
    };
    let group = || is_group(destination).then(|| "packets to groups and broadcast addresses are not followed".into());
    if let Some(because) = apart.cloned().or_else(group) {
        let unknown_because = vec![because];
        return [Reachability { unknown_because, ..blank(destination, ReachVerdict::Unknown, None) }].into();
    }
    let question = Question {
        interface: entrance.interface.index,
        protocol: protocol_number(listener.protocol),
        destination: Endpoint { address: destination, port: listener.port },
        sources: AddressSet::all(IpVersion::of(destination)),
        responder,
    };
    let outcome = answers.about(&question, |endpoint| takes(listener, endpoint));
    [entrance.doubt(listener), unclear].iter().flatten().fold(outcome, doubted)
}

/// Every source, before anything is known about them.
fn blank(destination: IpAddr, verdict: ReachVerdict, reason: Option<BlockReason>) -> Reachability {
    Reachability {
        interfaces: Vec::new(),
        destinations: Vec::new(),
        port: 0,
        sources: AddressSet::all(IpVersion::of(destination)).prefixes(),
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
    }
}

/// What becomes of packets of which it is not known that ordinary ones come this way, or to this socket.
fn doubted(outcome: Outcome, because: &Untrusted) -> Outcome {
    where_reachable(outcome, |region| Reachability {
        verdict: ReachVerdict::Unknown,
        unknown_because: vec![because.clone()],
        ..region
    })
}

/// An outcome with other regions in place of those that are reachable.
fn where_reachable(outcome: Outcome, instead: impl Fn(Reachability) -> Reachability) -> Outcome {
    if outcome.iter().all(|region| region.verdict != ReachVerdict::Reachable) {
        return outcome;
    }
    let regions = outcome.iter().cloned();
    regions.map(|region| if region.verdict == ReachVerdict::Reachable { instead(region) } else { region }).collect()
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
fn takes_from(listener: &Listener, destination: IpAddr, entrance: &Entrance<'_>) -> bool {
    listener.interface().is_none_or(|device| entrance.is_of(device)) && is_on_link(destination, entrance.interface)
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
