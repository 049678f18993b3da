//! How far away the peers of a listener can be: one word out of many regions.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Facts, Interface, InterfaceKind, Listener, Prefix, ReachVerdict, Reachability, Scope};

/// How far away the peers of a listener can be; a wider one includes the narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Nobody: not even this machine itself.
    None,
    /// This machine only.
    Host,
    /// Machines on the same link.
    Link,
    /// Machines with private addresses: RFC 1918, RFC 6598, unique local.
    Private,
    /// Anybody.
    Public,
}

impl Reach {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Host => "host",
            Self::Link => "link",
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What is known of the [`Reach`] of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachBounds {
    /// The widest that is certain.
    pub certain: Reach,
    /// The widest that cannot be excluded; not narrower than `certain`.
    pub possible: Reach,
}

impl ReachBounds {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { certain: Reach::None, possible: Reach::Public };

    /// Whether it is known exactly.
    pub fn is_exact(self) -> bool {
        self.certain == self.possible
    }

    fn widen(&mut self, verdict: ReachVerdict, (listed, unlisted): (Reach, Reach)) {
        if verdict == ReachVerdict::Reachable {
            self.certain = self.certain.max(listed);
        }
        if verdict != ReachVerdict::Blocked {
            self.possible = self.possible.max(listed).max(unlisted);
        }
    }
}

impl Facts {
    /// How far away the peers of a listener can be.
    pub fn reach(&self, listener: &Listener) -> ReachBounds {
        listener.reach(&self.interfaces)
    }
}

impl Listener {
    /// How far away its peers can be, with the interfaces of the same facts. An unknown verdict counts as possible, and
    /// so does everything where nothing is known at all.
    pub fn reach(&self, interfaces: &[Interface]) -> ReachBounds {
        if self.reachability.is_empty() {
            return ReachBounds::UNKNOWN;
        }
        let mut bounds = ReachBounds { certain: Reach::None, possible: Reach::None };
        for region in &self.reachability {
            bounds.widen(region.verdict, region.width(interfaces));
        }
        bounds
    }
}

impl Reachability {
    /// How far away its sources are: those that are listed, and those that are not. An interface that is not among the
    /// given ones is taken for one to the outside.
    fn width(&self, interfaces: &[Interface]) -> (Reach, Reach) {
        let interface = interfaces.iter().find(|interface| interface.name == self.interface);
        if interface.is_some_and(|interface| interface.kind == InterfaceKind::Loopback) {
            return (Reach::Host, Reach::Host);
        }
        let most = farthest_sender(self.destination);
        let width = |prefix: &Prefix| distance(*prefix, interface).min(most);
        let listed = self.sources.iter().map(width).max().unwrap_or(Reach::None);
        (listed, if self.unlisted_sources > 0 { most } else { Reach::None })
    }
}

/// Nobody routes packets to these destinations: only a neighbour can have sent them.
fn farthest_sender(destination: IpAddr) -> Reach {
    match Scope::of(destination) {
        Scope::Loopback | Scope::LinkLocal => Reach::Link,
        _ => Reach::Public,
    }
}

/// How far away the farthest address of a prefix is, seen from an interface.
fn distance(sources: Prefix, interface: Option<&Interface>) -> Reach {
    let on_link = interface.map(|interface| interface.addresses.as_slice()).unwrap_or_default().iter();
    let mut on_link = on_link.filter_map(|entry| Prefix::new(entry.address, entry.prefix_length).ok());
    if on_link.any(|prefix| prefix.contains(sources)) {
        return Reach::Link;
    }
    let known = RANGES
        .iter()
        .find(|(address, length, _)| Prefix::new(*address, *length).is_ok_and(|range| range.contains(sources)));
    known.map_or(Reach::Public, |(_, _, reach)| *reach)
}

/// Ranges whose addresses are not public. A multicast address is never a source (`ip_route_input_slow`,
/// `net/ipv4/route.c`; `ip6_rcv_core`, `net/ipv6/ip6_input.c`); one of `0.0.0.0/8`, loopback or link-local is never routed.
const RANGES: [(IpAddr, u8, Reach); 14] = [
    (v4(10, 0, 0, 0), 8, Reach::Private),
    (v4(172, 16, 0, 0), 12, Reach::Private),
    (v4(192, 168, 0, 0), 16, Reach::Private),
    (v4(100, 64, 0, 0), 10, Reach::Private),
    (v4(169, 254, 0, 0), 16, Reach::Link),
    (v4(127, 0, 0, 0), 8, Reach::Link),
    (v4(0, 0, 0, 0), 8, Reach::Link),
    (v4(224, 0, 0, 0), 4, Reach::None),
    (v6(0xfc00, 0), 7, Reach::Private),
    (v6(0xfec0, 0), 10, Reach::Private),
    (v6(0xfe80, 0), 10, Reach::Link),
    (v6(0, 1), 128, Reach::Link),
    (v6(0, 0), 128, Reach::Link),
    (v6(0xff00, 0), 8, Reach::None),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

const fn v6(first: u16, last: u16) -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last))
}
