//! How far away the peers of a listener can be: one word out of many regions.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::sources::prefixes_of;
use crate::{Facts, Interface, InterfaceKind, Listener, Prefix, ReachVerdict, Reachability, Scope, Untrusted};

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
        Links::of(interfaces).reach(self)
    }
}

/// The links that a machine is on: what tells its neighbours from others.
#[derive(Debug)]
pub struct Links<'facts> {
    loopback: BTreeSet<&'facts Untrusted>,
    on_link: BTreeSet<Prefix>,
}

impl<'facts> Links<'facts> {
    /// The links of interfaces.
    pub fn of(interfaces: &'facts [Interface]) -> Self {
        let is_loopback = |interface: &&Interface| interface.kind == InterfaceKind::Loopback;
        let outside = interfaces.iter().filter(|interface| !is_loopback(interface));
        let entries = outside.flat_map(|interface| &interface.addresses);
        let on_link = entries.filter_map(|entry| Prefix::new(entry.address, entry.prefix_length).ok());
        Self {
            loopback: interfaces.iter().filter(is_loopback).map(|interface| &interface.name).collect(),
            on_link: on_link.filter(|prefix| prefix.length() >= SHORTEST_ON_LINK).collect(),
        }
    }

    /// How far away the peers of a listener can be, as [`Listener::reach`] has it.
    pub fn reach(&self, listener: &Listener) -> ReachBounds {
        if listener.reachability.is_empty() {
            return ReachBounds::UNKNOWN;
        }
        let mut bounds = ReachBounds { certain: Reach::None, possible: Reach::None };
        for region in listener.reachability.iter().filter(|region| region.verdict != ReachVerdict::Blocked) {
            bounds.widen(region.verdict, self.width(region));
        }
        bounds
    }

    /// How far away the farthest source of a region can be that comes in by one of its interfaces; sources that are not
    /// listed can be anywhere. An interface that is unknown is taken for one to the outside.
    pub fn farthest(&self, interface: &Untrusted, region: &Reachability) -> Reach {
        if self.loopback.contains(interface) {
            return Reach::Host;
        }
        let (listed, unlisted) = self.width_outside(region);
        listed.max(unlisted)
    }

    /// How far away the sources of a region are: those that are listed, and those that are not.
    fn width(&self, region: &Reachability) -> (Reach, Reach) {
        if region.interfaces.iter().all(|interface| self.loopback.contains(interface)) {
            return (Reach::Host, Reach::Host);
        }
        self.width_outside(region)
    }

    fn width_outside(&self, region: &Reachability) -> (Reach, Reach) {
        let most = region.destinations.iter().map(|destination| farthest_sender(*destination)).max();
        let most = most.unwrap_or(Reach::Public);
        let mut listed = Reach::None;
        for prefix in listed_prefixes(region) {
            listed = listed.max(self.distance(prefix).min(most));
            if listed == most {
                break;
            }
        }
        (listed, if region.unlisted_sources > 0 { most } else { Reach::None })
    }

    /// How far away the farthest address of a prefix is. One that is on any link of the machine counts as a neighbour,
    /// whatever interface its packets come in by: that is where the answer goes.
    fn distance(&self, sources: Prefix) -> Reach {
        if self.on_link.iter().any(|prefix| prefix.contains(sources)) {
            return Reach::Link;
        }
        let known = RANGES
            .iter()
            .find(|(address, length, _)| Prefix::new(*address, *length).is_ok_and(|range| range.contains(sources)));
        known.map_or(Reach::Public, |(_, _, reach)| *reach)
    }
}

/// The prefixes of a region as far as they are listed, each wholly in it. One out of which something is excluded says
/// nothing by itself: `::/0` without `2000::/3` holds nobody who is public.
fn listed_prefixes(region: &Reachability) -> impl Iterator<Item = Prefix> + '_ {
    let is_ipv4 = region.sources.iter().all(|prefix| prefix.address().is_ipv4());
    let (plain, ranges) = if region.excluded_sources.is_empty() {
        (region.sources.as_slice(), Vec::new())
    } else {
        (&[][..], region.source_ranges())
    };
    plain.iter().copied().chain(ranges.into_iter().flat_map(move |range| prefixes_of(is_ipv4, range)))
}

/// Nobody routes packets to these destinations: only a neighbour can have sent them.
fn farthest_sender(destination: IpAddr) -> Reach {
    match Scope::of(destination) {
        Scope::Loopback | Scope::LinkLocal => Reach::Link,
        _ => Reach::Public,
    }
}

/// No link has as many machines as a shorter prefix stands for: an address with one says nothing about its peers.
const SHORTEST_ON_LINK: u8 = 8;

/// Ranges whose addresses are not public. A multicast address is never a source (`ip_route_input_slow`,
/// `net/ipv4/route.c`; `ip6_rcv_core`, `net/ipv6/ip6_input.c`); one of `0.0.0.0/8`, loopback or link-local is never
/// routed.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BlockReason, InterfaceAddress, InterfaceSettings, Protocol, ReachPath};

    fn interface(name: &str, kind: InterfaceKind, addresses: &[&str]) -> Interface {
        let entry = |text: &&str| {
            let prefix: Prefix = text.parse().unwrap();
            let (address, prefix_length) = (prefix.address(), prefix.length());
            InterfaceAddress { address, prefix_length, scope: Scope::of(address), flags: Vec::new() }
        };
        Interface {
            name: name.into(),
            index: 1,
            kind,
            up: true,
            running: true,
            mtu: 1500,
            master: None,
            addresses: addresses.iter().map(entry).collect(),
            settings: InterfaceSettings::default(),
        }
    }

    fn interfaces() -> [Interface; 2] {
        [
            interface("lo", InterfaceKind::Loopback, &["127.0.0.1/8", "::1/128"]),
            interface("eth0", InterfaceKind::Ethernet, &["10.9.0.1/24", "198.51.100.7/24", "fd09::1/64"]),
        ]
    }

    fn region(interface: &str, destination: &str, sources: &str, verdict: ReachVerdict) -> Reachability {
        Reachability {
            interfaces: vec![interface.into()],
            destinations: vec![destination.parse().unwrap()],
            port: 80,
            sources: sources.split_whitespace().map(|prefix| prefix.parse().unwrap()).collect(),
            excluded_sources: Vec::new(),
            unlisted_sources: 0,
            verdict,
            reason: (verdict == ReachVerdict::Blocked).then_some(BlockReason::Dropped),
            unknown_because: if verdict == ReachVerdict::Unknown { vec!["x".into()] } else { Vec::new() },
            path: ReachPath::Input,
            translated_to: None,
            decided_by: None,
            narrowed_by: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn listener(reachability: Vec<Reachability>) -> Listener {
        Listener { reachability, ..Listener::at(Protocol::Tcp, IpAddr::from([0; 4]), 80) }
    }

    #[test]
    fn the_farthest_source_that_arrives_counts() {
        for (interface, destination, sources, reach) in [
            ("lo", "127.0.0.1", "0.0.0.0/0", Reach::Host),
            ("lo", "10.9.0.1", "0.0.0.0/0", Reach::Host),
            ("eth0", "10.9.0.1", "10.9.0.0/24", Reach::Link),
            ("eth0", "10.9.0.1", "10.9.0.77/32", Reach::Link),
            ("eth0", "10.9.0.1", "198.51.100.0/25", Reach::Link),
            ("eth0", "10.9.0.1", "198.51.100.0/23", Reach::Public),
            ("eth0", "10.9.0.1", "10.9.0.0/23", Reach::Private),
            ("eth0", "10.9.0.1", "172.16.0.0/12 192.168.0.0/16", Reach::Private),
            ("eth0", "10.9.0.1", "100.64.0.0/10", Reach::Private),
            ("eth0", "10.9.0.1", "10.0.0.0/7", Reach::Public),
            ("eth0", "10.9.0.1", "0.0.0.0/0", Reach::Public),
            ("eth0", "10.9.0.1", "169.254.3.0/24 127.0.0.0/8 0.0.0.0/8", Reach::Link),
            ("eth0", "10.9.0.1", "224.0.0.0/4", Reach::None),
            ("eth0", "127.0.0.1", "0.0.0.0/0", Reach::Link),
            ("eth0", "fd09::1", "fd09::/64", Reach::Link),
            ("eth0", "fd09::1", "fd00::/8", Reach::Private),
            ("eth0", "fd09::1", "2000::/3", Reach::Public),
            ("eth0", "fd09::1", "fe80::/10 ff00::/8", Reach::Link),
            ("eth0", "fe80::1", "::/0", Reach::Link),
            ("elsewhere", "10.9.0.1", "10.9.0.0/24", Reach::Link),
            ("elsewhere", "10.9.0.1", "10.0.0.0/8", Reach::Private),
        ] {
            let listener = listener(vec![region(interface, destination, sources, ReachVerdict::Reachable)]);
            let bounds = listener.reach(&interfaces());
            assert_eq!(bounds, ReachBounds { certain: reach, possible: reach }, "{interface} {destination} {sources}");
        }
    }

    #[test]
    fn what_is_unknown_is_possible_and_what_is_blocked_is_not() {
        let regions = vec![
            region("lo", "127.0.0.1", "0.0.0.0/0", ReachVerdict::Reachable),
            region("eth0", "10.9.0.1", "10.9.0.0/24", ReachVerdict::Unknown),
            region("eth0", "10.9.0.1", "192.168.0.0/16", ReachVerdict::Blocked),
        ];
        let bounds = listener(regions).reach(&interfaces());
        assert_eq!(bounds, ReachBounds { certain: Reach::Host, possible: Reach::Link });
    }

    #[test]
    fn without_regions_nothing_is_certain_and_everything_possible() {
        assert_eq!(listener(Vec::new()).reach(&interfaces()), ReachBounds::UNKNOWN);
    }

    #[test]
    fn sources_that_are_not_listed_can_be_anywhere() {
        let mut region = region("eth0", "10.9.0.1", "10.9.0.0/24", ReachVerdict::Reachable);
        region.unlisted_sources = 3;
        let bounds = listener(vec![region.clone()]).reach(&interfaces());
        assert_eq!(bounds, ReachBounds { certain: Reach::Link, possible: Reach::Public });
        region.verdict = ReachVerdict::Blocked;
        assert_eq!(listener(vec![region]).reach(&interfaces()).possible, Reach::None);
    }

    #[test]
    fn what_is_excluded_does_not_count() {
        for (sources, excluded, reach) in [
            ("0.0.0.0/0", "10.0.0.0/8", Reach::Public),
            ("10.9.0.0/16", "10.9.0.0/24", Reach::Private),
            ("10.9.0.0/24", "10.9.0.128/25", Reach::Link),
            (
                "0.0.0.0/0",
                "0.0.0.0/1 128.0.0.0/2 192.0.0.0/9 192.128.0.0/11 192.160.0.0/13 192.169.0.0/16 \
              192.170.0.0/15 192.172.0.0/14 192.176.0.0/12 192.192.0.0/10 193.0.0.0/8 194.0.0.0/7 196.0.0.0/6 \
              200.0.0.0/5 208.0.0.0/4 224.0.0.0/3",
                Reach::Private,
            ),
            ("0.0.0.0/0", "0.0.0.0/1 128.0.0.0/1", Reach::None),
        ] {
            let mut region = region("eth0", "10.9.0.1", sources, ReachVerdict::Reachable);
            region.excluded_sources = excluded.split_whitespace().map(|prefix| prefix.parse().unwrap()).collect();
            let bounds = listener(vec![region]).reach(&interfaces());
            assert_eq!(bounds, ReachBounds { certain: reach, possible: reach }, "{sources} without {excluded}");
        }
    }

    #[test]
    fn a_long_list_keeps_the_widest_in_order() {
        let single = |last: u32| Prefix::new(IpAddr::V4(last.into()), 32).unwrap();
        let mut prefixes: Vec<_> = (0..200).map(single).collect();
        prefixes.push("10.0.0.0/8".parse().unwrap());
        let (kept, unlisted) = Reachability::shortened(prefixes.into_iter());
        assert_eq!((kept.len(), unlisted), (crate::MAX_SOURCES, 201 - crate::MAX_SOURCES as u64));
        assert!(kept.contains(&"10.0.0.0/8".parse().unwrap()) && kept.is_sorted());
        assert_eq!(Reachability::shortened([single(2), single(1)].into_iter()), (vec![single(1), single(2)], 0));
    }

    proptest! {
        /// More regions never narrow what is certain or possible, and the certain is possible.
        #[test]
        fn bounds_are_ordered_and_grow(
            choices in prop::collection::vec((any::<u32>(), 0_u8..=32, 0_usize..3, any::<bool>()), 1..12)
        ) {
            let verdicts = [ReachVerdict::Reachable, ReachVerdict::Blocked, ReachVerdict::Unknown];
            let mut regions = Vec::new();
            let mut before = ReachBounds { certain: Reach::None, possible: Reach::None };
            for (address, length, verdict, is_outside) in choices {
                let sources = Prefix::new(IpAddr::V4(address.into()), length).unwrap().to_string();
                let name = if is_outside { "eth0" } else { "lo" };
                regions.push(region(name, "10.9.0.1", &sources, verdicts[verdict]));
                let after = listener(regions.clone()).reach(&interfaces());
                prop_assert!(after.certain <= after.possible);
                prop_assert!(after.certain >= before.certain && after.possible >= before.possible);
                before = after;
            }
        }
    }
}
