//! Network interfaces: what they are, their addresses, and their settings as they take effect.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use loopgate_facts::{
    Area, Bypass, BypassKind, Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, Prefix, Scope, Untrusted,
};

use loopgate_firewall::evaluate::Device;

use super::bypass::blinds;
use super::netlink::NetlinkError;
use super::root::Root;
use super::rtnetlink::{Address, Link, addresses, links};
use super::settings::Conf;
use crate::gaps::Gaps;

/// The devices of the network namespace with their addresses.
#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) links: Vec<Link>,
    addresses: Vec<Address>,
}

/// How many devices lie on each other at most (`MAX_NEST_DEV`, `include/linux/netdevice.h`).
const DEEPEST: usize = 8;

/// How often links and addresses are read until they fit each other.
const ATTEMPTS: usize = 4;

impl Devices {
    /// Whether a prefix is one address that an interface carries. Each of those has a local route of its own.
    pub(super) fn carry(&self, prefix: Prefix) -> bool {
        prefix.is_single_address() && self.addresses.iter().any(|carried| carried.ip == prefix.address())
    }

    /// Lists devices and addresses. They are two dumps, so an interface can appear between them: then both are read
    /// again.
    pub(super) fn observe(gaps: &mut Gaps) -> Self {
        match Self::read() {
            Ok(devices) => {
                devices.report_strays(gaps);
                devices
            }
            Err(error) => {
                gaps.area(Area::Interfaces, error, "which interfaces and addresses the machine has");
                Self::default()
            }
        }
    }

    fn read() -> Result<Self, NetlinkError> {
        let mut devices = Self { links: links()?, addresses: addresses()? };
        for _ in 1..ATTEMPTS {
            if devices.strays() == 0 {
                break;
            }
            devices = Self { links: links()?, addresses: addresses()? };
        }
        Ok(devices)
    }

    /// The number of addresses whose interface is not listed.
    fn strays(&self) -> usize {
        self.addresses.iter().filter(|address| self.link(address.link).is_none()).count()
    }

    fn report_strays(&self, gaps: &mut Gaps) {
        let strays = self.strays();
        if strays > 0 {
            gaps.area(
                Area::Interfaces,
                "interfaces kept changing while they were read",
                format!("the interfaces of {strays} addresses"),
            );
        }
    }

    fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The name of an interface. One that has vanished, or that is in another network namespace, is known by its
    /// index alone.
    pub(super) fn name(&self, index: u32) -> Untrusted {
        let name = self.link(index).map(|link| Untrusted::from_bytes(&link.name));
        name.unwrap_or_else(|| format!("if{index}").into())
    }

    /// The name of the loopback device, `lo` unless somebody renamed it.
    pub(super) fn loopback(&self) -> &[u8] {
        const IFF_LOOPBACK: u32 = 1 << 3;
        let device = self.links.iter().find(|link| link.flags & IFF_LOOPBACK != 0);
        device.map_or(b"lo", |link| &link.name)
    }

    /// The index of the loopback device.
    pub(super) fn loopback_index(&self) -> u32 {
        /// The kernel makes it first in every network namespace (`loopback_net_init`).
        const USUAL: u32 = 1;
        self.links.iter().find(|link| link.name == self.loopback()).map_or(USUAL, |link| link.index)
    }

    /// The index of the interface that a policy rule names, 0 where it is not there. `None` for a VRF: its rules
    /// concern what comes in by its ports too.
    pub(super) fn rule_index(&self, name: &[u8]) -> Option<u32> {
        match self.links.iter().find(|link| link.name == name) {
            Some(link) if has_kind(link, "vrf") => None,
            found => Some(found.map_or(0, |link| link.index)),
        }
    }

    /// The interfaces that forward IPv6 packets whatever `conf.all` says.
    pub(super) fn force_forwarding(&self) -> impl Iterator<Item = u32> + '_ {
        self.links.iter().filter(|link| link.ipv6.is_some_and(|conf| conf.force_forwarding)).map(|link| link.index)
    }

    /// The network namespaces that are linked to an interface, or to a port of it, by the numbers that this one has for
    /// them.
    pub(super) fn namespaces_by(&self, interface: &Untrusted) -> BTreeSet<i32> {
        let named = |link: &&Link| Untrusted::from_bytes(&link.name) == *interface;
        let Some(index) = self.links.iter().find(named).map(|link| link.index) else { return BTreeSet::new() };
        let leads_there = |link: &&Link| link.index == index || link.master == Some(index);
        let namespaces = self.links.iter().filter(leads_there).filter_map(|link| link.peer_namespace);
        namespaces.filter(|&number| number >= 0).collect()
    }

    /// The bridges.
    pub(super) fn bridges(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| has_kind(link, "bridge"))
    }

    /// Every address with the index of the interface that carries it, in the order of the kernel.
    pub(super) fn carried(&self) -> Vec<(u32, IpAddr)> {
        self.addresses.iter().map(|address| (address.link, address.ip)).collect()
    }

    /// The devices as the evaluator of rules sees them.
    pub(super) fn evaluated(&self, bypasses: &[Bypass]) -> Vec<Device> {
        self.links.iter().map(|link| self.evaluated_device(link, bypasses)).collect()
    }

    fn evaluated_device(&self, link: &Link, bypasses: &[Bypass]) -> Device {
        let name = Untrusted::from_bytes(&link.name);
        let concerned = bypasses.iter().filter(|bypass| blinds(bypass.kind) && concerns(bypass, &name, link));
        let words = |bypass: &Bypass| {
            format!("{} handles packets here: {}", bypass.kind.as_str(), bypass.detail.as_str()).into()
        };
        Device {
            index: link.index,
            name: link.name.clone(),
            hardware: link.hardware,
            group: link.group,
            addresses: self.addresses.iter().filter(|entry| entry.link == link.index).map(|entry| entry.ip).collect(),
            bridged: self.is_bridged(link, bypasses, DEEPEST),
            bypasses: concerned.map(words).collect(),
            ipv6: link.ipv6.is_some_and(|conf| conf.disable_ipv6 == 0),
            lower: self.lower(link).map(|lower| lower.index).collect(),
            in_vrf: link.master.and_then(|master| self.link(master)).is_some_and(|master| has_kind(master, "vrf")),
        }
    }

    /// The devices that hand a device what comes in by them.
    fn lower(&self, upper: &Link) -> impl Iterator<Item = &Link> {
        let is_port = |link: &&Link| link.master.is_some_and(|master| self.takes_in(upper, master));
        let ports = self.links.iter().filter(is_port);
        ports.chain(upper.parent.filter(|_| shares_packets(upper)).and_then(|index| self.link(index)))
    }

    /// Whether a device gets what comes in by the ports of a master. That is the master itself; Open vSwitch may hand
    /// it to any of its own devices. What comes in by a port of a VRF is not taken from it.
    fn takes_in(&self, upper: &Link, master: u32) -> bool {
        let is_switch = |link: &Link| has_kind(link, "openvswitch");
        let of_switch = || is_switch(upper) && self.link(master).is_some_and(is_switch);
        upper.index == master && !has_kind(upper, "vrf") || of_switch()
    }

    /// Whether netfilter sees by which port of a bridge packets of a device came: it is a bridge that asks netfilter,
    /// or its packets were those of one, which a VLAN, a `macvlan` or a VRF hands on as they are.
    fn is_bridged(&self, link: &Link, bypasses: &[Bypass], depth: usize) -> bool {
        let is_kind = |kinds: &[&str]| link.kind.as_ref().is_some_and(|kind| kinds.contains(&kind.as_str()));
        let lies = is_kind(&["vlan", "macvlan", "macvtap", "ipvlan"]);
        let below = |lower: &&Link| {
            lies && link.parent == Some(lower.index) || is_kind(&["vrf"]) && lower.master == Some(link.index)
        };
        let name = Untrusted::from_bytes(&link.name);
        let asks = |bypass: &Bypass| {
            bypass.kind == BypassKind::BridgeNetfilter && bypass.interface.as_ref().is_none_or(|on| *on == name)
        };
        let Some(depth) = depth.checked_sub(1) else { return true };
        bypasses.iter().any(asks)
            || lies && link.peer_namespace.is_some()
            || self.links.iter().filter(below).any(|lower| self.is_bridged(lower, bypasses, depth))
    }

    /// The interfaces as facts. Without `conf.all` no setting of an interface is known as it takes effect.
    pub(super) fn interfaces(&self, all: Option<Conf>, root: &Root) -> Vec<Interface> {
        self.links.iter().map(|link| self.interface(link, all, root)).collect()
    }

    fn interface(&self, link: &Link, all: Option<Conf>, root: &Root) -> Interface {
        const IFF_UP: u32 = 1;
        const IFF_RUNNING: u32 = 1 << 6;
        let addresses = self.addresses.iter().filter(|address| address.link == link.index);
        Interface {
            name: Untrusted::from_bytes(&link.name),
            index: link.index,
            kind: kind(link, root),
            up: link.flags & IFF_UP != 0,
            running: link.flags & IFF_RUNNING != 0,
            mtu: link.mtu,
            master: link.master,
            addresses: addresses.map(interface_address).collect(),
            settings: all.map_or_else(InterfaceSettings::default, |all| all.effective(link)),
        }
    }
}

fn has_kind(link: &Link, kind: &str) -> bool {
    link.kind.as_ref().is_some_and(|known| known.as_str() == kind)
}

/// Whether packets by a device are packets by the one it is linked to, as those by a VLAN or macvlan are. A pair is
/// linked to its other end, and what a tunnel carries is within packets of its own.
fn shares_packets(link: &Link) -> bool {
    const PAIRS: [&str; 3] = ["veth", "netkit", "vxcan"];
    let kind = link.kind.as_ref().map_or("", |kind| kind.as_str());
    !PAIRS.contains(&kind) && !TUNNELS.contains(&kind)
}

/// Whether something beside netfilter concerns packets by a device. What concerns routing concerns what comes in from
/// outside: a packet that the machine sends itself keeps the route it left by.
fn concerns(bypass: &Bypass, name: &Untrusted, link: &Link) -> bool {
    match &bypass.interface {
        Some(on) => on == name,
        None => bypass.kind != BypassKind::Other || link.hardware != Device::LOOPBACK,
    }
}

fn interface_address(entry: &Address) -> InterfaceAddress {
    let Address { ip, prefix_length, flags, .. } = *entry;
    InterfaceAddress { address: ip, prefix_length, scope: Scope::of(ip), flags: flag_names(ip, flags) }
}

/// The names of `IFA_F_*` (`include/uapi/linux/if_addr.h`). Bit 0 means "temporary" for IPv6 only; for IPv4 it marks a
/// secondary address, which is no less an address.
fn flag_names(ip: IpAddr, flags: u32) -> Vec<String> {
    const NAMES: [(u32, &str); 5] =
        [(0x80, "permanent"), (0x40, "tentative"), (0x20, "deprecated"), (0x01, "temporary"), (0x08, "dad-failed")];
    let named = NAMES.iter().filter(|&&(bit, name)| flags & bit != 0 && (name != "temporary" || ip.is_ipv6()));
    named.map(|&(_, name)| name.to_owned()).collect()
}

fn kind(link: &Link, root: &Root) -> InterfaceKind {
    match &link.kind {
        Some(kind) => driver_kind(kind),
        None => hardware_kind(link, root),
    }
}

/// The kind by the name of its driver (`ip-link(8)`, "type").
fn driver_kind(kind: &Untrusted) -> InterfaceKind {
    match kind.as_str() {
        "bridge" => InterfaceKind::Bridge,
        "veth" => InterfaceKind::Veth,
        "vlan" => InterfaceKind::Vlan,
        "bond" | "team" => InterfaceKind::Bond,
        "wireguard" => InterfaceKind::Wireguard,
        "dummy" => InterfaceKind::Dummy,
        "vrf" => InterfaceKind::Vrf,
        name if TUNNELS.contains(&name) => InterfaceKind::Tunnel,
        _ => InterfaceKind::Other(kind.clone()),
    }
}

const TUNNELS: [&str; 21] = [
    "amt",
    "bareudp",
    "erspan",
    "fou",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "isatap",
    "ppp",
    "sit",
    "tun",
    "vti",
    "vti6",
    "vxlan",
    "xfrm",
];

/// The kind of a device without a driver name, by its hardware type (`include/uapi/linux/if_arp.h`).
fn hardware_kind(link: &Link, root: &Root) -> InterfaceKind {
    const ETHER: u16 = 1;
    const PPP: u16 = 512;
    const TUNNEL: u16 = 768;
    const TUNNEL6: u16 = 769;
    const LOOPBACK: u16 = 772;
    const SIT: u16 = 776;
    const IPGRE: u16 = 778;
    const IEEE80211: u16 = 801;
    const IEEE80211_RADIOTAP: u16 = 803;
    match link.hardware {
        LOOPBACK => InterfaceKind::Loopback,
        ETHER if is_wireless(link, root) => InterfaceKind::Wireless,
        ETHER => InterfaceKind::Ethernet,
        PPP | TUNNEL | TUNNEL6 | SIT | IPGRE => InterfaceKind::Tunnel,
        IEEE80211..=IEEE80211_RADIOTAP => InterfaceKind::Wireless,
        other => InterfaceKind::Other(format!("hardware type {other}").into()),
    }
}

/// Wireless devices look like ethernet over netlink; cfg80211 links them to their radio in sysfs. A sysfs that shows
/// another network namespace can mislead here, about the kind alone.
fn is_wireless(link: &Link, root: &Root) -> bool {
    let device = root.path("sys/class/net").join(OsStr::from_bytes(&link.name));
    device.join("phy80211").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_the_driver_and_then_the_hardware() {
        let root = Root::new("/nonexistent".as_ref());
        let of = |kind: Option<&str>, hardware| {
            kind_of(&Link { kind: kind.map(Untrusted::from), hardware, ..Link::default() }, &root)
        };
        assert_eq!(of(None, 772), InterfaceKind::Loopback);
        assert_eq!(of(None, 1), InterfaceKind::Ethernet);
        assert_eq!(of(Some("veth"), 1), InterfaceKind::Veth);
        assert_eq!(of(Some("vxlan"), 1), InterfaceKind::Tunnel);
        assert_eq!(of(Some("ifb"), 1), InterfaceKind::Other("ifb".into()));
        assert_eq!(of(None, 801), InterfaceKind::Wireless);
        assert_eq!(of(None, 280), InterfaceKind::Other("hardware type 280".into()));
    }

    fn kind_of(link: &Link, root: &Root) -> InterfaceKind {
        kind(link, root)
    }

    #[test]
    fn a_secondary_ipv4_address_is_not_temporary() {
        let entry = |address: &str| Address { link: 1, ip: address.parse().unwrap(), prefix_length: 8, flags: 0x81 };
        assert_eq!(interface_address(&entry("10.0.0.1")).flags, ["permanent"]);
        assert_eq!(interface_address(&entry("2001:db8::1")).flags, ["permanent", "temporary"]);
    }

    #[test]
    fn an_interface_that_vanished_is_known_by_its_index() {
        assert_eq!(Devices::default().name(7).as_str(), "if7");
    }
}
