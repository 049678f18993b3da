//! Where an answer about routing can change: at the prefixes of routes and policy rules, and at the ranges that the
//! kernel treats apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Bound;

use loopgate_facts::{Prefix, Untrusted};
use loopgate_firewall::address_set::{AddressSet, IpVersion, number};

use super::ask::hops;
use super::is_link_local;
use super::objects::Objects;
use super::rules::{Packets, Rule, Selector, rules};
use super::tunnels::{RTA_ENCAP_TYPE, Tunnel, tunnel, tunnels_of_hops};
use crate::linux::interfaces::Devices;
use crate::linux::netlink::{Attribute, NetlinkError, Request, dump, find};
use crate::linux::rtnetlink::{AF_INET, AF_INET6, NETLINK_ROUTE, short};

/// Types of routes and addresses (`RTN_*`, `include/uapi/linux/rtnetlink.h`).
pub(in crate::linux) mod kinds {
    pub(in crate::linux) const UNSPECIFIED: u8 = 0;
    pub(in crate::linux) const UNICAST: u8 = 1;
    pub(in crate::linux) const LOCAL: u8 = 2;
    pub(in crate::linux) const BROADCAST: u8 = 3;
    pub(in crate::linux) const ANYCAST: u8 = 4;
    pub(in crate::linux) const MULTICAST: u8 = 5;
    pub(in crate::linux) const BLACKHOLE: u8 = 6;
    pub(in crate::linux) const UNREACHABLE: u8 = 7;
    pub(in crate::linux) const PROHIBIT: u8 = 8;
    pub(in crate::linux) const THROW: u8 = 9;
}

/// `RT_TABLE_LOCAL`.
const LOCAL_TABLE: u32 = 255;

/// The most pieces that the kernel is asked about for one question, which takes it some microseconds each. A full
/// internet table has a million.
const MAX_PIECES: usize = 1 << 14;

/// The routing tables and policy rules, as far as they cut sets of addresses.
#[derive(Debug)]
pub(super) struct Tables {
    routes: Vec<Route>,
    rules: Vec<Rule>,
    /// What routes ask for.
    asked: Vec<(IpVersion, BTreeSet<Selector>)>,
    objects: Objects,
    /// Interfaces and the addresses they carry.
    carried: Vec<(u32, IpAddr)>,
    /// IPv4 sources are validated against the routes (`rp_filter`) on some interface.
    validates: bool,
}

/// A route.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    destination: Prefix,
    source: Option<Prefix>,
    table: u32,
    kind: u8,
    /// It is for one type of service.
    by_service: bool,
    /// No router is on the way.
    direct: bool,
    /// It leads over several interfaces: packets are shared among them.
    split: bool,
    interface: Option<u32>,
    tunnel: Option<Tunnel>,
}

impl Route {
    /// Where it leads is said of a next hop that has a number (`net.ipv4.nexthop_compat_mode`).
    fn is_by_object(&self) -> bool {
        self.split && self.interface.is_none()
    }
}

impl Tables {
    pub(super) fn read(devices: &Devices, validates: bool) -> Result<Self, NetlinkError> {
        let (routes, rules, asked, carried) = (Vec::new(), Vec::new(), Vec::new(), devices.carried());
        let mut tables = Self { routes, rules, asked, objects: Objects::default(), carried, validates };
        for (family, version) in [(AF_INET, IpVersion::V4), (AF_INET6, IpVersion::V6)] {
            tables.routes.extend(self::routes(family)?);
            tables.rules.extend(self::rules(family, version, devices)?);
            let asked = tables.selectors(version);
            tables.asked.push((version, asked));
        }
        if tables.routes.iter().any(Route::is_by_object) {
            tables.objects = Objects::read()?;
        }
        Ok(tables)
    }

    /// The first of some selectors that policy routing of a version asks for.
    pub(super) fn asks_for(&self, version: IpVersion, any: &[Selector]) -> Option<Selector> {
        self.asks_of(version, Packets::Any, any)
    }

    /// The same, of some packets only.
    pub(super) fn asks_of(&self, version: IpVersion, packets: Packets, any: &[Selector]) -> Option<Selector> {
        let concerned = || self.rules.iter().filter(|rule| rule.version == version && rule.concerns(packets));
        let by_routes = self.asked.iter().find(|(known, _)| *known == version);
        any.iter().copied().find(|selector| {
            by_routes.is_some_and(|(_, asked)| asked.contains(selector))
                || concerned().any(|rule| rule.selectors.contains(selector))
        })
    }

    /// What routes of a version ask for.
    fn selectors(&self, version: IpVersion) -> BTreeSet<Selector> {
        let routes = self.routes.iter().filter(|route| IpVersion::of(route.destination.address()) == version);
        let by_routes = routes.flat_map(|route| {
            let source = route.source.map(|_| Selector::Source);
            source.into_iter().chain(route.by_service.then_some(Selector::Service))
        });
        by_routes.collect()
    }

    /// What routes do to packets that come in, each once.
    pub(super) fn tunnels(&self) -> BTreeSet<Tunnel> {
        self.routes.iter().filter_map(|route| route.tunnel).chain(self.objects.tunnels()).collect()
    }

    /// The interfaces of a next hop that has a number; `None` where they are not known.
    pub(super) fn interfaces_of(&self, object: u32) -> Option<Vec<u32>> {
        self.objects.interfaces(object)
    }

    /// Whether packets can be sent from an address: it is on an interface, or a route calls it local.
    pub(super) fn is_local(&self, address: IpAddr) -> bool {
        let contains = |route: &Route| AddressSet::prefix(route.destination).contains(address);
        self.carried.iter().any(|(_, carried)| *carried == address)
            || self.routes.iter().any(|route| route.kind == kinds::LOCAL && contains(route))
    }

    /// What routes of some tables and policy rules ask for.
    pub(super) fn prefixes_of(&self, tables: &[u32]) -> Vec<AddressSet> {
        let routes = self.routes.iter().filter(|route| tables.contains(&route.table)).map(|route| route.destination);
        let rules = self.rules.iter().flat_map(|rule| rule.prefixes.iter().copied());
        routes.chain(rules).map(AddressSet::prefix).collect()
    }

    /// Addresses that are delivered locally and belong to nobody alone.
    pub(super) fn anycast(&self) -> Vec<IpAddr> {
        let anycast = self.routes.iter().filter(|route| route.kind == kinds::ANYCAST && route.table == LOCAL_TABLE);
        let singles = anycast.filter(|route| route.destination.length() == 128);
        let addresses = singles.map(|route| route.destination.address());
        let usual = addresses.filter(|address| !is_link_local(*address));
        usual.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn is_anycast(&self, address: IpAddr) -> bool {
        let is_of = |route: &Route| route.kind == kinds::ANYCAST && route.destination.address() == address;
        address.is_ipv6() && self.routes.iter().any(is_of)
    }

    pub(super) fn carries(&self, interface: u32, address: IpAddr) -> bool {
        self.carried.contains(&(interface, address))
    }

    /// Whether some table has a route to an address.
    pub(super) fn has_way_to(&self, address: IpAddr) -> bool {
        self.routes.iter().any(|route| AddressSet::prefix(route.destination).contains(address))
    }

    /// Whether some table has a route to an address that shares packets among several interfaces.
    pub(super) fn may_be_split(&self, address: IpAddr) -> bool {
        self.routes.iter().any(|route| route.split && AddressSet::prefix(route.destination).contains(address))
    }

    /// `ipv6_anycast_destination` (`include/net/ip6_route.h`): the first address of a prefix that is reached without a
    /// router.
    pub(super) fn is_first_of_link(&self, address: IpAddr) -> bool {
        let matching = self.routes.iter().filter(|route| AddressSet::prefix(route.destination).contains(address));
        let best = matching.min_by_key(|route| std::cmp::Reverse(route.destination.length()));
        best.is_some_and(|route| {
            route.direct && route.destination.length() < 127 && route.destination.address() == address
        })
    }

    /// `__inet_dev_addr_type` (`net/ipv4/fib_frontend.c`): what the local table says, over one interface or any.
    pub(super) fn address_type(&self, address: Ipv4Addr, interface: Option<u32>) -> u8 {
        if address.is_unspecified() || address.is_broadcast() {
            return kinds::BROADCAST;
        }
        if address.is_multicast() {
            return kinds::MULTICAST;
        }
        let address = IpAddr::V4(address);
        let local =
            self.routes.iter().filter(|route| route.table == LOCAL_TABLE && route.destination.address().is_ipv4());
        let matching = local.filter(|route| AddressSet::prefix(route.destination).contains(address));
        // Of several for one prefix the first counts.
        let best = matching.min_by_key(|route| std::cmp::Reverse(route.destination.length()));
        match best {
            Some(route) if interface.is_none() || route.interface == interface => route.kind,
            _ => kinds::UNICAST,
        }
    }

    /// Where answers about packets that come in can change with their source, where the tables are too large for
    /// [`Tables::all_cuts`]. Without source validation and policy rules only what is local matters
    /// (`__fib_validate_source`), which keeps a full internet table answerable.
    pub(super) fn input_cuts(&self, version: IpVersion) -> Option<Cuts> {
        let special = self.rules.iter().any(|rule| !rule.selectors.is_empty());
        let by_routes = version == IpVersion::V4 && (self.validates || special);
        let matters = |route: &&Route| by_routes || !is_plain(route.kind) || route.source.is_some();
        self.cuts(version, matters)
    }

    /// Where any answer can change.
    pub(super) fn all_cuts(&self, version: IpVersion) -> Option<Cuts> {
        self.cuts(version, |_| true)
    }

    pub(super) fn too_large(&self) -> Untrusted {
        format!("the routing tables have {} entries, too many to ask about each", self.routes.len()).into()
    }

    fn cuts(&self, version: IpVersion, matters: impl Fn(&&Route) -> bool) -> Option<Cuts> {
        let of_version = |prefix: &Prefix| IpVersion::of(prefix.address()) == version;
        let routes = self.routes.iter().filter(matters).flat_map(|route| [Some(route.destination), route.source]);
        let rules = self.rules.iter().flat_map(|rule| rule.prefixes.iter().copied());
        let own = self.carried.iter().map(|(_, address)| AddressSet::single(*address));
        let own = own.filter(|own| own.version() == version);
        let prefixes = routes.flatten().chain(rules).filter(of_version).flat_map(|prefix| {
            let first = (version == IpVersion::V6).then(|| AddressSet::single(prefix.address()));
            first.into_iter().chain([AddressSet::prefix(prefix)])
        });
        let mut cuts = Cuts::new(version);
        for set in prefixes.chain(own).chain(special(version)) {
            cuts.add(&set);
            if cuts.starts.len() > MAX_PIECES {
                return None;
            }
        }
        Some(cuts)
    }
}

/// A way to elsewhere, or none: with such a source a packet may come in.
fn is_plain(kind: u8) -> bool {
    !matches!(kind, kinds::LOCAL | kinds::BROADCAST | kinds::ANYCAST | kinds::MULTICAST)
}

/// Ranges that the kernel treats apart (`ip_route_input_slow`, `ip6_rcv_core`, `ipv6_addr_type`).
fn special(version: IpVersion) -> Vec<AddressSet> {
    const V4: [&str; 7] = [
        "0.0.0.0/32",
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    ];
    const V6: [&str; 7] = ["::/128", "::1/128", "::ffff:0:0/96", "::/96", "fe80::/10", "fc00::/7", "ff00::/8"];
    let texts = if version == IpVersion::V4 { V4.as_slice() } else { V6.as_slice() };
    texts.iter().filter_map(|text| text.parse().ok()).map(AddressSet::prefix).collect()
}

/// Cuts the addresses of a version into pieces.
#[derive(Debug)]
pub(super) struct Cuts {
    version: IpVersion,
    /// The first address of each piece.
    starts: BTreeSet<u128>,
}

impl Cuts {
    fn new(version: IpVersion) -> Self {
        Self { version, starts: BTreeSet::from([0]) }
    }

    fn add(&mut self, set: &AddressSet) {
        for range in set.ranges() {
            self.starts.insert(*range.start());
            if *range.end() < self.version.last() {
                self.starts.insert(*range.end() + 1);
            }
        }
    }

    /// The address of a piece that is asked about.
    fn middle(&self, start: u128, end: u128) -> IpAddr {
        self.version.address(start + (end - start) / 2)
    }

    /// The address that is asked about for the piece that one is in.
    pub(super) fn representative(&self, address: IpAddr) -> IpAddr {
        let at = number(address);
        let start = self.starts.range(..=at).next_back().copied().unwrap_or_default();
        let next = self.starts.range((Bound::Excluded(at), Bound::Unbounded)).next();
        self.middle(start, next.map_or(self.version.last(), |next| next - 1))
    }

    /// Asks about one address of each piece, and joins those with one answer.
    pub(super) fn pieces<A: PartialEq>(&self, ask: impl Fn(IpAddr) -> A) -> Vec<(AddressSet, A)> {
        let ends = self.starts.iter().skip(1).map(|start| start - 1).chain([self.version.last()]);
        let mut found: Vec<(Vec<std::ops::RangeInclusive<u128>>, A)> = Vec::new();
        for (start, end) in self.starts.iter().copied().zip(ends) {
            let answer = ask(self.middle(start, end));
            match found.iter_mut().find(|(_, known)| *known == answer) {
                Some((ranges, _)) => ranges.push(start..=end),
                None => found.push((vec![start..=end], answer)),
            }
        }
        found.into_iter().map(|(ranges, answer)| (AddressSet::from_ranges(self.version, ranges), answer)).collect()
    }
}

/// `sizeof(struct rtmsg)`.
const HEADER: usize = 12;

fn routes(family: u8) -> Result<Vec<Route>, NetlinkError> {
    const RTM_NEWROUTE: u16 = 24;
    const RTM_GETROUTE: u16 = 26;
    let body = [&[family][..], &[0; HEADER - 1]].concat();
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETROUTE, answer: RTM_NEWROUTE, body };
    dump(&request, |payload| parse_route(payload, family))
}

fn parse_route(payload: &[u8], wanted: u8) -> Result<Option<Route>, NetlinkError> {
    const RTA_DST: u16 = 1;
    const RTA_SRC: u16 = 2;
    const RTA_OIF: u16 = 4;
    const RTA_GATEWAY: u16 = 5;
    const RTA_MULTIPATH: u16 = 9;
    const RTA_TABLE: u16 = 15;
    const RTA_VIA: u16 = 18;
    /// A next hop or a group of them that has a number of its own (`ip-nexthop(8)`).
    const RTA_NH_ID: u16 = 30;
    /// `RTM_F_CLONED`: an exception of the cache, not an entry.
    const CLONED: u32 = 0x200;
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [family, length, source_length, service, table, _, _, kind, flags @ ..] = *header;
    if family != wanted || u32::from_ne_bytes(flags) & CLONED != 0 {
        return Ok(None);
    }
    let destination = prefix(find(rest, RTA_DST)?, length, family)?;
    let source = (source_length > 0).then(|| prefix(find(rest, RTA_SRC)?, source_length, family)).transpose()?;
    let interface = find(rest, RTA_OIF)?.map(Attribute::u32).transpose()?;
    let hops = find(rest, RTA_MULTIPATH)?.map(|attribute| hops(attribute.value)).unwrap_or_default();
    let table = find(rest, RTA_TABLE)?.map_or(Ok(u32::from(table)), Attribute::u32)?;
    let has = |kind| Ok::<_, NetlinkError>(find(rest, kind)?.is_some());
    let direct = hops.is_empty() && !has(RTA_GATEWAY)? && !has(RTA_VIA)?;
    let by_object = has(RTA_NH_ID)? && hops.is_empty() && interface.is_none();
    let of_hops = find(rest, RTA_MULTIPATH)?.and_then(|attribute| tunnels_of_hops(attribute.value));
    let tunnel = tunnel(find(rest, RTA_ENCAP_TYPE)?).or(of_hops);
    let split = by_object || hops.iter().any(|hop| Some(hop) != hops.first());
    let (by_service, interface) = (service != 0, interface.or(hops.first().copied()));
    Ok(Some(Route { destination, source, table, kind, by_service, direct, split, interface, tunnel }))
}

pub(super) fn prefix(attribute: Option<Attribute<'_>>, length: u8, family: u8) -> Result<Prefix, NetlinkError> {
    let any = if family == AF_INET { IpVersion::V4.address(0) } else { IpVersion::V6.address(0) };
    let address = attribute.map_or(Ok(any), Attribute::address)?;
    Prefix::new(address, length).map_err(|error| NetlinkError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use loopgate_firewall::address_set::number;

    use super::*;

    fn to_number(text: &str) -> u128 {
        number(text.parse().unwrap())
    }

    #[test]
    fn pieces_begin_and_end_where_answers_can_change() {
        let mut cuts = Cuts::new(IpVersion::V4);
        cuts.add(&AddressSet::prefix("10.0.0.0/8".parse().unwrap()));
        let pieces = cuts.pieces(|address| matches!(address, IpAddr::V4(address) if address.octets()[0] == 10));
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1].0, AddressSet::prefix("10.0.0.0/8".parse().unwrap()));
        assert_eq!(cuts.starts, BTreeSet::from([0, to_number("10.0.0.0"), to_number("11.0.0.0")]));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, family in prop::sample::select(vec![AF_INET, AF_INET6])) {
            let _ = parse_route(&bytes, family);
            let _ = parse_route(&[&[family, 24, 0, 0, 255, 0, 0, 2, 0, 0, 0, 0][..], &bytes].concat(), family);
        }
    }
}
