//! Whether packets come in by an interface as its own.
//!
//! What comes in by a port of a bridge, a bond or the like is handed to that master, and comes in by it
//! (`netdev_rx_handler_register`, `net/core/dev.c`). Ports of a VRF stay ways in, but their packets belong to the VRF.

use loopgate_facts::{Interface, InterfaceKind, Listener, Protocol, Untrusted};

use crate::Ruleset;
use crate::rule::{Effect, Op};
use crate::ruleset::{Chain, Family};

/// An interface that packets can come in by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrance<'f> {
    pub(super) interface: &'f Interface,
    /// The VRF that it belongs to.
    vrf: Option<&'f Interface>,
    /// It has a master that takes its packets but for some.
    but_for: Option<&'static str>,
}

/// Frames to the link-local groups of IEEE 802.1 are left to a port (`br_handle_frame`, `net/bridge/br_input.c`;
/// `bond_handle_frame`, `drivers/net/bonding/bond_main.c`), and UDP takes packets in them, whatever IP address they are
/// to. TCP, SCTP and forwarding ask for `PACKET_HOST`.
const GROUPS: &str = "only frames to a group such as that of LLDP come in by a port of a bridge or bond";

/// `ebt_broute`, `net/bridge/netfilter/ebtable_broute.c`, and `nft_meta_bridge_set_eval`.
const ROUTED: &str = "rules may have frames at a port of a bridge routed (broute)";

/// `inet_sk_bound_dev_eq`, `include/net/inet_sock.h`.
const IN_VRF: &str = "whether sockets that are bound to no device take packets from a VRF (l3mdev_accept)";

/// The interfaces that packets of a protocol can come in by.
pub(super) fn entrances<'f>(interfaces: &'f [Interface], protocol: Protocol, ruleset: &Ruleset) -> Vec<Entrance<'f>> {
    let routes = routes_frames(ruleset);
    let working = interfaces.iter().filter(|interface| is_working(interface));
    working.filter_map(|interface| entrance(interface, interfaces, protocol, routes)).collect()
}

/// Whether packets come in by an interface at all: none do by one that is down. This machine itself is always asked.
fn is_working(interface: &Interface) -> bool {
    interface.up || interface.kind == InterfaceKind::Loopback
}

fn entrance<'f>(
    interface: &'f Interface,
    interfaces: &'f [Interface],
    protocol: Protocol,
    routes: bool,
) -> Option<Entrance<'f>> {
    let whole = Entrance::whole(interface, interfaces);
    let Some(master) = master(interface, interfaces).filter(|master| takes_all(master)) else { return Some(whole) };
    let groups = matches!(protocol, Protocol::Udp | Protocol::Udplite).then_some(GROUPS);
    let but_for = match master.kind {
        InterfaceKind::Bridge => groups.or(routes.then_some(ROUTED)),
        InterfaceKind::Bond => groups,
        _ => None,
    };
    but_for.map(|but_for| Entrance { but_for: Some(but_for), ..whole })
}

/// Whether packets come in by an interface as its own: it is up, and no port whose packets come in by its master
/// instead.
pub(super) fn is_way_in(interface: &Interface, interfaces: &[Interface]) -> bool {
    is_working(interface) && !master(interface, interfaces).is_some_and(takes_all)
}

fn master<'f>(interface: &Interface, interfaces: &'f [Interface]) -> Option<&'f Interface> {
    interface.master.and_then(|index| interfaces.iter().find(|other| other.index == index))
}

/// Masters of other kinds, such as `batadv`, take packets of a protocol of their own. One that has no driver name is
/// half of a pair with a virtual function (`netvsc_vf_handle_frame`, `net_failover_handle_frame`, `drivers/net`).
fn takes_all(master: &Interface) -> bool {
    match &master.kind {
        InterfaceKind::Bridge | InterfaceKind::Bond | InterfaceKind::Ethernet => true,
        InterfaceKind::Other(kind) => kind.as_str() == "openvswitch",
        _ => false,
    }
}

/// Whether some rule may have frames at a port routed instead of bridged.
fn routes_frames(ruleset: &Ruleset) -> bool {
    let of_bridge = |chain: &&Chain| ruleset.table(chain.table).is_some_and(|table| table.family == Family::Bridge);
    let ops = ruleset.chains.iter().filter(of_bridge).flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    ops.into_iter().any(|op| match op {
        Op::Effect(Effect::Write { name, .. }) => name.as_str().contains("broute"),
        Op::Unknown(_) => true,
        _ => false,
    })
}

impl<'f> Entrance<'f> {
    /// An interface by which every packet comes in that arrives there.
    pub(super) fn whole(interface: &'f Interface, interfaces: &'f [Interface]) -> Self {
        let vrf = master(interface, interfaces).filter(|master| master.kind == InterfaceKind::Vrf);
        Self { interface, vrf, but_for: None }
    }

    /// Why a listener may not get what ordinary packets by the interface come to.
    pub(super) fn doubt(&self, listener: &Listener) -> Option<Untrusted> {
        let in_vrf = self.vrf.filter(|_| listener.interface().is_none()).map(|_| IN_VRF);
        self.exception().or(in_vrf.map(Untrusted::from))
    }

    /// Why ordinary packets do not come in by the interface.
    pub(super) fn exception(&self) -> Option<Untrusted> {
        self.but_for.map(Untrusted::from)
    }

    /// Whether a socket that is bound to a device takes packets by the interface: one bound to a VRF takes them by all
    /// of its ports (`inet_sk_bound_dev_eq`).
    pub(super) fn is_of(&self, device: &Untrusted) -> bool {
        self.interface.name == *device || self.vrf.is_some_and(|vrf| vrf.name == *device)
    }
}
