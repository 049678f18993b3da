//! Interfaces and addresses as the kernel lists them (`rtnetlink(7)`).

use std::net::IpAddr;

use loopgate_facts::Untrusted;

use super::netlink::{Attribute, NetlinkError, Request, attributes, dump, find, u32_at};

pub(super) const NETLINK_ROUTE: isize = 0;

pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;

/// A network device (`struct ifinfomsg` and its attributes, `include/uapi/linux/if_link.h`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    /// The type of its hardware, `ARPHRD_*`.
    pub(super) hardware: u16,
    /// `IFF_*`.
    pub(super) flags: u32,
    pub(super) name: Vec<u8>,
    pub(super) mtu: u32,
    pub(super) master: Option<u32>,
    /// The device of this network namespace that it is linked to.
    pub(super) parent: Option<u32>,
    /// It is linked to one in another network namespace; the number that this namespace has for that one (`nsid`,
    /// `ip-netns(8)`), negative for none.
    pub(super) peer_namespace: Option<i32>,
    /// A bridge that hands its frames to the rules of IP whatever `net.bridge` says (`nf_call_iptables`,
    /// `nf_call_ip6tables`).
    pub(super) asks_netfilter: bool,
    /// Its group (`ip link set group`).
    pub(super) group: Option<u32>,
    /// The kind of driver, `None` for physical devices.
    pub(super) kind: Option<Untrusted>,
    /// The number of the XDP program that sees its packets first, 0 for several.
    pub(super) xdp: Option<u32>,
    /// Its `net.ipv4.conf`, without which it does not speak IPv4.
    pub(super) ipv4: Option<Ipv4Conf>,
    /// Its `net.ipv6.conf`, without which it does not speak IPv6.
    pub(super) ipv6: Option<Ipv6Conf>,
}

/// The settings of `net.ipv4.conf.<interface>` that rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ipv4Conf {
    pub(super) forwarding: u32,
    pub(super) rp_filter: u32,
    pub(super) accept_local: u32,
    pub(super) route_localnet: u32,
}

/// The settings of `net.ipv6.conf.<interface>` that rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ipv6Conf {
    pub(super) forwarding: u32,
    pub(super) disable_ipv6: u32,
    /// It forwards whatever `conf.all.forwarding` says. Kernels before Linux 6.17 do not have it.
    pub(super) force_forwarding: bool,
}

/// An address of an interface (`struct ifaddrmsg`, `include/uapi/linux/if_addr.h`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Index of the interface.
    pub(super) link: u32,
    pub(super) ip: IpAddr,
    pub(super) prefix_length: u8,
    /// `IFA_F_*`.
    pub(super) flags: u32,
}

/// Lists the devices of the network namespace.
pub(super) fn links() -> Result<Vec<Link>, NetlinkError> {
    const RTM_NEWLINK: u16 = 16;
    const RTM_GETLINK: u16 = 18;
    const IFLA_EXT_MASK: u16 = 29;
    const RTEXT_FILTER_SKIP_STATS: u32 = 8;
    let mut body = vec![0; LINK_HEADER];
    // Counters are most of an answer, and of no interest.
    append(&mut body, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETLINK, answer: RTM_NEWLINK, body };
    dump(&request, |payload| parse_link(payload).map(Some))
}

/// Lists the addresses of the network namespace.
pub(super) fn addresses() -> Result<Vec<Address>, NetlinkError> {
    const RTM_NEWADDR: u16 = 20;
    const RTM_GETADDR: u16 = 22;
    let body = vec![0; ADDRESS_HEADER];
    dump(&Request { protocol: NETLINK_ROUTE, kind: RTM_GETADDR, answer: RTM_NEWADDR, body }, parse_address)
}

/// Appends an attribute to a request.
pub(super) fn append(body: &mut Vec<u8>, kind: u16, value: u32) {
    const LENGTH: u16 = 8;
    body.extend_from_slice(&LENGTH.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(&value.to_ne_bytes());
}

/// `sizeof(struct ifinfomsg)`: family, padding, type, index, flags, change.
const LINK_HEADER: usize = 16;

fn parse_link(payload: &[u8]) -> Result<Link, NetlinkError> {
    const IFLA_IFNAME: u16 = 3;
    const IFLA_MTU: u16 = 4;
    const IFLA_LINK: u16 = 5;
    const IFLA_MASTER: u16 = 10;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_AF_SPEC: u16 = 26;
    const IFLA_GROUP: u16 = 27;
    const IFLA_LINK_NETNSID: u16 = 37;
    const IFLA_XDP: u16 = 43;
    let (header, rest) = payload.split_first_chunk::<LINK_HEADER>().ok_or_else(short)?;
    let [_, _, hardware_0, hardware_1, ..] = *header;
    let mut link = Link {
        index: u32_at(header, 4).ok_or_else(short)?,
        hardware: u16::from_ne_bytes([hardware_0, hardware_1]),
        flags: u32_at(header, 8).ok_or_else(short)?,
        ..Link::default()
    };
    for attribute in attributes(rest) {
        let attribute = attribute?;
        match attribute.kind {
            IFLA_IFNAME => attribute.bytes().clone_into(&mut link.name),
            IFLA_MTU => link.mtu = attribute.u32()?,
            IFLA_LINK => link.parent = Some(attribute.u32()?),
            IFLA_MASTER => link.master = Some(attribute.u32()?),
            IFLA_GROUP => link.group = Some(attribute.u32()?),
            IFLA_LINKINFO => {
                link.kind = parse_kind(attribute)?;
                link.asks_netfilter = asks_netfilter(attribute)?;
            }
            IFLA_XDP => link.xdp = parse_xdp(attribute)?,
            IFLA_AF_SPEC => (link.ipv4, link.ipv6) = parse_settings(attribute)?,
            _ => {}
        }
    }
    // The index is one of another network namespace.
    if let Some(namespace) = find(rest, IFLA_LINK_NETNSID)? {
        link.parent = None;
        link.peer_namespace = Some(namespace.u32()?.cast_signed());
    }
    Ok(link)
}

fn parse_kind(info: Attribute<'_>) -> Result<Option<Untrusted>, NetlinkError> {
    const IFLA_INFO_KIND: u16 = 1;
    Ok(find(info.value, IFLA_INFO_KIND)?.map(|kind| kind.text()))
}

/// The settings of a bridge of its own (`br_fill_info`, `net/bridge/br_netlink.c`); the numbers mean other things for
/// other kinds.
fn asks_netfilter(info: Attribute<'_>) -> Result<bool, NetlinkError> {
    const IFLA_INFO_DATA: u16 = 2;
    const IFLA_BR_NF_CALL_IPTABLES: u16 = 36;
    const IFLA_BR_NF_CALL_IP6TABLES: u16 = 37;
    if parse_kind(info)?.is_none_or(|kind| kind.as_str() != "bridge") {
        return Ok(false);
    }
    let Some(data) = find(info.value, IFLA_INFO_DATA)? else { return Ok(false) };
    let mut asks = false;
    for kind in [IFLA_BR_NF_CALL_IPTABLES, IFLA_BR_NF_CALL_IP6TABLES] {
        asks |= find(data.value, kind)?.is_some_and(|setting| setting.value != [0]);
    }
    Ok(asks)
}

/// `rtnl_xdp_fill` (`net/core/rtnetlink.c`): attached in some way, or not at all. Programs of several ways at once have
/// numbers elsewhere.
fn parse_xdp(xdp: Attribute<'_>) -> Result<Option<u32>, NetlinkError> {
    const IFLA_XDP_ATTACHED: u16 = 2;
    const IFLA_XDP_PROG_ID: u16 = 4;
    const XDP_ATTACHED_NONE: u8 = 0;
    let attached = find(xdp.value, IFLA_XDP_ATTACHED)?.is_some_and(|how| how.value != [XDP_ATTACHED_NONE]);
    let number = find(xdp.value, IFLA_XDP_PROG_ID)?.map(Attribute::u32).transpose()?;
    Ok(attached.then(|| number.unwrap_or_default()))
}

fn parse_settings(spec: Attribute<'_>) -> Result<(Option<Ipv4Conf>, Option<Ipv6Conf>), NetlinkError> {
    const IFLA_INET_CONF: u16 = 1;
    const IFLA_INET6_CONF: u16 = 2;
    let conf = |family: u8, kind| match find(spec.value, family.into())? {
        Some(family) => find(family.value, kind),
        None => Ok(None),
    };
    let ipv4 = conf(AF_INET, IFLA_INET_CONF)?.map(|conf| parse_ipv4_conf(conf.value)).transpose()?;
    let ipv6 = conf(AF_INET6, IFLA_INET6_CONF)?.map(|conf| parse_ipv6_conf(conf.value)).transpose()?;
    Ok((ipv4, ipv6))
}

/// An array of numbers in the order of `IPV4_DEVCONF_*` (`include/uapi/linux/ip.h`), which count from 1.
fn parse_ipv4_conf(conf: &[u8]) -> Result<Ipv4Conf, NetlinkError> {
    const FORWARDING: usize = 1;
    const RP_FILTER: usize = 8;
    const ACCEPT_LOCAL: usize = 23;
    const ROUTE_LOCALNET: usize = 26;
    let setting = |number: usize| u32_at(conf, (number - 1) * size_of::<u32>()).ok_or_else(short);
    Ok(Ipv4Conf {
        forwarding: setting(FORWARDING)?,
        rp_filter: setting(RP_FILTER)?,
        accept_local: setting(ACCEPT_LOCAL)?,
        route_localnet: setting(ROUTE_LOCALNET)?,
    })
}

/// An array of numbers in the order of `DEVCONF_*` (`include/uapi/linux/ipv6.h`), which count from 0.
fn parse_ipv6_conf(conf: &[u8]) -> Result<Ipv6Conf, NetlinkError> {
    const FORWARDING: usize = 0;
    const DISABLE_IPV6: usize = 26;
    const FORCE_FORWARDING: usize = 59;
    let setting = |number: usize| u32_at(conf, number * size_of::<u32>()).ok_or_else(short);
    let force_forwarding = setting(FORCE_FORWARDING).is_ok_and(|value| value != 0);
    Ok(Ipv6Conf { forwarding: setting(FORWARDING)?, disable_ipv6: setting(DISABLE_IPV6)?, force_forwarding })
}

/// `sizeof(struct ifaddrmsg)`: family, prefix length, flags, scope, index.
const ADDRESS_HEADER: usize = 8;

/// `IFA_LOCAL` is the address where both are given; then `IFA_ADDRESS` is the other end of a point-to-point link
/// (`include/uapi/linux/if_addr.h`).
fn parse_address(payload: &[u8]) -> Result<Option<Address>, NetlinkError> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_FLAGS: u16 = 8;
    let (header, rest) = payload.split_first_chunk::<ADDRESS_HEADER>().ok_or_else(short)?;
    let [family, prefix_length, flags, ..] = *header;
    if ![AF_INET, AF_INET6].contains(&family) {
        return Ok(None);
    }
    let local = find(rest, IFA_LOCAL)?.or(find(rest, IFA_ADDRESS)?);
    let flags = find(rest, IFA_FLAGS)?.map_or(Ok(u32::from(flags)), Attribute::u32)?;
    let ip = local.ok_or_else(|| malformed("an address entry without an address"))?.address()?;
    let link = u32_at(header, 4).ok_or_else(short)?;
    Ok(Some(Address { link, ip, prefix_length, flags }))
}

pub(super) fn short() -> NetlinkError {
    malformed("an answer shorter than its fixed part")
}

fn malformed(what: &str) -> NetlinkError {
    NetlinkError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_loopback_device_is_listed_with_its_settings() {
        let links = links().unwrap();
        let lo = links.iter().find(|link| link.name == b"lo").unwrap();
        assert_eq!((lo.index, lo.hardware), (1, 772));
        assert!(lo.ipv4.is_some());
    }

    #[test]
    fn settings_that_an_old_kernel_lacks_are_an_error_and_not_zero() {
        assert!(parse_ipv4_conf(&[0; 25 * 4]).is_err());
        assert!(parse_ipv4_conf(&[0; 26 * 4]).is_ok());
        assert!(parse_ipv6_conf(&[0; 26 * 4]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = parse_link(&bytes);
            let _ = parse_address(&bytes);
        }

        #[test]
        fn garbage_behind_a_good_header_never_panics(bytes: Vec<u8>, family in prop::sample::select(vec![2_u8, 10])) {
            let _ = parse_link(&[&[0; LINK_HEADER][..], &bytes].concat());
            let _ = parse_address(&[&[family, 24, 0, 0, 1, 0, 0, 0][..], &bytes].concat());
        }
    }
}
