//! The addresses that a listener can be reached at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::{Interface, Listener, LocalRoute, Prefix, Protocol, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Machine, Pieces, Purpose, pieces};
use crate::routing::{FibAnswer, FibQuestion};
use crate::rule::FibResult;

/// What a machine delivers to itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local<'a> {
    /// The interfaces, with their addresses.
    pub interfaces: &'a [Interface],
    /// Prefixes that are delivered locally besides.
    pub routes: &'a [LocalRoute],
    /// Addresses that routing may treat apart within these prefixes.
    pub cuts: &'a [AddressSet],
    /// Anycast addresses of IPv6.
    pub anycast: &'a [IpAddr],
}

/// Addresses of a machine that packets can be sent to.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Each stands for itself.
    own: BTreeSet<IpAddr>,
    /// One address of each piece of a prefix that neither a rule nor a route tells apart.
    routed: BTreeSet<IpAddr>,
    /// Those of them of which it is not known for which addresses they stand: why.
    unclear: BTreeMap<IpAddr, Untrusted>,
    /// Those of them that this machine itself does not send to itself: which packets are local depends on more.
    outside: BTreeSet<IpAddr>,
    anycast: BTreeSet<IpAddr>,
}

/// The most pieces of prefixes that are each asked about, of one IP version.
const MAX_PIECES: usize = 1024;

impl Addresses {
    /// The addresses of all interfaces, the loopback addresses, and one address of each piece of each prefix that is
    /// delivered locally: the kernel takes packets to any of them by any interface (weak host model, RFC 1122,
    /// 3.3.4.2).
    pub fn new(machine: &Machine<'_>, local: &Local<'_>) -> Self {
        let carried = local.interfaces.iter().flat_map(|interface| &interface.addresses).map(|entry| entry.address);
        let has_ipv6 = carried.clone().any(|address| address.is_ipv6());
        let loopback: [Option<IpAddr>; 2] =
            [Some(Ipv4Addr::LOCALHOST.into()), has_ipv6.then_some(Ipv6Addr::LOCALHOST.into())];
        let mut found = Self {
            own: carried.chain(loopback.into_iter().flatten()).collect(),
            anycast: local.anycast.iter().copied().collect(),
            outside: local.anycast.iter().copied().collect(),
            ..Self::default()
        };
        for route in local.routes.iter().map(|route| route.destination).filter(|prefix| is_single(*prefix)) {
            found.own.insert(route.address());
        }
        for version in [IpVersion::V4, IpVersion::V6] {
            found.add_prefixes(version, machine, local);
        }
        found
    }

    /// All that packets of a protocol can be sent to, in order.
    pub fn of_protocol(&self, protocol: Protocol) -> impl Iterator<Item = IpAddr> {
        let anycast = takes_anycast(protocol).then_some(&self.anycast);
        let all: BTreeSet<_> = [&self.own, &self.routed].into_iter().chain(anycast).flatten().copied().collect();
        all.into_iter()
    }

    /// The addresses that stand for no others, in order.
    pub(super) fn own(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.own.iter().copied()
    }

    /// Whether packets to an address can come by the loopback device.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        !self.outside.contains(&address)
    }

    /// Why it is not known what becomes of packets to the addresses that one stands for.
    pub(super) fn unclear(&self, address: IpAddr) -> Option<&Untrusted> {
        self.unclear.get(&address)
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
        self.of_protocol(listener.protocol).filter(version).collect()
    }

    fn add_prefixes(&mut self, version: IpVersion, machine: &Machine<'_>, local: &Local<'_>) {
        let prefixes: Vec<_> = prefixes(version, local.routes).map(AddressSet::prefix).collect();
        let own = AddressSet::from_ranges(version, self.own.iter().filter_map(|address| number_of(version, *address)));
        let routed = prefixes.iter().fold(AddressSet::empty(version), |sum, prefix| sum.union(prefix));
        let routed = routed.difference(&nobody(version)).difference(&own);
        let also: Vec<_> = prefixes.iter().chain(local.cuts).cloned().collect();
        self.add(machine, told_apart(machine, &routed, &also));
        if version == IpVersion::V4 {
            // With `route_localnet` all of them are delivered from outside, and without over the loopback device.
            let loopback = AddressSet::from_range(version, LOOPBACK).difference(&routed);
            let mut pieces = told_apart(machine, &loopback, &[]);
            pieces.each.retain(|piece| !piece.contains(Ipv4Addr::LOCALHOST.into()));
            self.add(machine, pieces);
        }
    }

    fn add(&mut self, machine: &Machine<'_>, pieces: Pieces) {
        let Pieces { each, rest, doubt } = pieces;
        let found: Vec<_> = each.iter().filter_map(representative).collect();
        let strange = found.iter().copied().chain(representative(&rest));
        self.outside.extend(strange.filter(|address| !is_local(machine, *address)));
        if let Some(why) = doubt {
            self.unclear.extend(found.iter().map(|address| (*address, why.clone())));
        }
        if let Some(address) = representative(&rest) {
            let why = format!("rules tell more than {MAX_PIECES} addresses apart that are delivered to this machine");
            self.unclear.insert(address, why.into());
            self.routed.insert(address);
        }
        self.routed.extend(found);
    }
}

const LOOPBACK: std::ops::RangeInclusive<u128> = 0x7f00_0000..=0x7fff_ffff;

fn number_of(version: IpVersion, address: IpAddr) -> Option<std::ops::RangeInclusive<u128>> {
    let number = crate::address_set::number(address);
    (IpVersion::of(address) == version).then_some(number..=number)
}

fn is_single(prefix: Prefix) -> bool {
    usize::from(prefix.length()) == 8 * IpVersion::of(prefix.address()).address_length()
}

fn prefixes(version: IpVersion, routes: &[LocalRoute]) -> impl Iterator<Item = Prefix> {
    let prefixes = routes.iter().map(|route| route.destination);
    prefixes.filter(move |prefix| IpVersion::of(prefix.address()) == version && !is_single(*prefix))
}

/// Pieces of addresses that are delivered locally. Broadcast addresses among them are not.
fn told_apart(machine: &Machine<'_>, routed: &AddressSet, also: &[AddressSet]) -> Pieces {
    if routed.is_empty() {
        return Pieces { each: Vec::new(), rest: routed.clone(), doubt: None };
    }
    let question = FibQuestion { addresses: routed, interface: None, mark: Some(0), result: FibResult::AddressType };
    let kinds = machine.routing.fib(&question);
    let groups = kinds.iter().filter(|(_, answer)| matches!(answer, FibAnswer::AddressType(kind) if is_group(*kind)));
    let single = groups.fold(routed.clone(), |left, (addresses, _)| left.difference(addresses));
    pieces(machine, Purpose::Delivered, &single, also, MAX_PIECES)
}

/// Whether packets of this machine to an address stay here (`RTN_LOCAL`).
fn is_local(machine: &Machine<'_>, address: IpAddr) -> bool {
    let addresses = AddressSet::single(address);
    let question =
        FibQuestion { addresses: &addresses, interface: None, mark: Some(0), result: FibResult::AddressType };
    machine.routing.fib(&question).iter().all(|(_, answer)| *answer == FibAnswer::AddressType(2))
}

/// `RTN_BROADCAST`, `RTN_MULTICAST` (`include/uapi/linux/rtnetlink.h`).
fn is_group(kind: u8) -> bool {
    matches!(kind, 3 | 5)
}

/// TCP takes no connection to such an address (`tcp_v6_conn_request`, `net/ipv6/tcp_ipv6.c`).
fn takes_anycast(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Udp | Protocol::Udplite)
}

/// Addresses that no prefix makes local, or that are no destination at all (`ip_route_input_slow`, `net/ipv4/route.c`;
/// `ip6_rcv_core`, `net/ipv6/ip6_input.c`), and those that belong to their link.
fn nobody(version: IpVersion) -> AddressSet {
    const V4: [&str; 4] = ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"];
    const V6: [&str; 4] = ["::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"];
    let texts = if version == IpVersion::V4 { V4 } else { V6 };
    let prefixes = texts.iter().filter_map(|text| text.parse().ok()).map(AddressSet::prefix);
    prefixes.fold(AddressSet::empty(version), |sum, prefix| sum.union(&prefix))
}

/// The address that stands for a set of them: one of those that are set aside for examples (RFC 5737, RFC 3849) for
/// what holds these, else a usual one, which the first of a prefix is not.
pub(super) fn representative(of: &AddressSet) -> Option<IpAddr> {
    let version = of.version();
    let example: IpAddr = match version {
        IpVersion::V4 => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpVersion::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    if of.contains(example) {
        return Some(example);
    }
    let usual = of.difference(&nobody(version));
    let among = if usual.is_empty() { of } else { &usual };
    let wide = among.ranges().find(|range| range.end() - range.start() > 1).map(|range| range.start() + 1);
    let number = wide.or_else(|| among.ranges().map(|range| *range.start()).find(|number| *number != 0));
    number.map(|number| version.address(number))
}
