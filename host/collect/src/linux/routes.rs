//! Prefixes that the kernel delivers locally although no interface carries each of their addresses, be it a single one.
//!
//! Such a route (`ip route add local 203.0.113.0/24 dev lo`) makes a service that is bound to a wildcard address
//! reachable under every address of the prefix, and under an address of it that nobody assigned.

use loopgate_facts::{Area, LocalRoute, Prefix};

use super::interfaces::Devices;
use super::netlink::{Attribute, NetlinkError, Request, dump, find};
use super::rtnetlink::{AF_INET, AF_INET6, NETLINK_ROUTE, short};
use crate::gaps::Gaps;

/// Lists the local routes of all tables; policy routing can select any of them.
pub(super) fn observe(devices: &Devices, gaps: &mut Gaps) -> Vec<LocalRoute> {
    let mut found = Vec::new();
    for (family, name) in [(AF_INET, "ipv4"), (AF_INET6, "ipv6")] {
        match routes(family) {
            Ok(routes) => {
                let strange = routes.into_iter().filter(|route| !devices.carry(route.destination));
                found.extend(strange.map(|route| route.into_facts(devices)));
            }
            Err(error) => gaps.subject(Area::LocalRoutes, name, error, "which prefixes are delivered locally"),
        }
    }
    found
}

/// A route of type `local`.
#[derive(Debug, PartialEq, Eq)]
struct Route {
    destination: Prefix,
    table: u32,
    interface: Option<u32>,
}

impl Route {
    fn into_facts(self, devices: &Devices) -> LocalRoute {
        let Self { destination, table, interface } = self;
        LocalRoute { destination, table, interface: interface.map(|index| devices.name(index)) }
    }
}

/// `RTN_LOCAL`: "a local interface route" (`rtnetlink(7)`).
const LOCAL: u8 = 2;

/// `sizeof(struct rtmsg)`: family, two prefix lengths, TOS, table, protocol, scope, type, flags.
const HEADER: usize = 12;

fn routes(family: u8) -> Result<Vec<Route>, NetlinkError> {
    const RTM_NEWROUTE: u16 = 24;
    const RTM_GETROUTE: u16 = 26;
    // The kernel filters by type, so that a full internet table costs a walk and not a copy.
    let body = [family, 0, 0, 0, 0, 0, 0, LOCAL, 0, 0, 0, 0].to_vec();
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETROUTE, answer: RTM_NEWROUTE, body };
    dump(&request, |payload| parse(payload, family))
}

fn parse(payload: &[u8], wanted: u8) -> Result<Option<Route>, NetlinkError> {
    const RTA_DST: u16 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_TABLE: u16 = 15;
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [family, length, _, _, table, _, _, kind, ..] = *header;
    if family != wanted || kind != LOCAL {
        return Ok(None);
    }
    let address = find(rest, RTA_DST)?.map_or(Ok(unspecified(family)), Attribute::address)?;
    let destination = Prefix::new(address, length).map_err(|error| NetlinkError::Malformed(error.to_string()))?;
    let table = find(rest, RTA_TABLE)?.map_or(Ok(u32::from(table)), Attribute::u32)?;
    let interface = find(rest, RTA_OIF)?.map(Attribute::u32).transpose()?;
    Ok(is_exceptional(destination).then_some(Route { destination, table, interface }))
}

/// The destination of a route without one.
fn unspecified(family: u8) -> std::net::IpAddr {
    if family == AF_INET { std::net::Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() }
}

/// `127.0.0.0/8` and `::1` are local everywhere.
fn is_exceptional(prefix: Prefix) -> bool {
    let widest = if prefix.address().is_ipv4() { 8 } else { 128 };
    !(prefix.address().is_loopback() && prefix.length() >= widest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loopback_is_no_exception() {
        for (prefix, exceptional) in [
            ("10.0.0.1/32", true),
            ("127.0.0.0/8", false),
            ("127.0.0.0/16", false),
            ("126.0.0.0/7", true),
            ("0.0.0.0/0", true),
            ("203.0.113.0/24", true),
            ("::1/128", false),
            ("2001:db8::/64", true),
        ] {
            assert_eq!(is_exceptional(prefix.parse().unwrap()), exceptional, "{prefix}");
        }
    }

    #[test]
    fn a_default_route_to_the_machine_itself_is_read() {
        let header = [AF_INET, 0, 0, 0, 100, 0, 0, LOCAL, 0, 0, 0, 0];
        let route = parse(&header, AF_INET).unwrap().unwrap();
        assert_eq!(route, Route { destination: "0.0.0.0/0".parse().unwrap(), table: 100, interface: None });
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes, AF_INET);
            let _ = parse(&[&[AF_INET, 24, 0, 0, 255, 0, 0, LOCAL, 0, 0, 0, 0][..], &bytes].concat(), AF_INET);
        }
    }
}
