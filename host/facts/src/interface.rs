//! Network interfaces, their addresses and their effective settings.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Scope, Untrusted};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its name. Linux allows any bytes but `/`, white space and NUL in it.
    pub name: Untrusted,
    /// Its index, unique in a network namespace.
    pub index: u32,
    /// What kind of device it is.
    pub kind: InterfaceKind,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Operational (`IFF_RUNNING`): up and with a carrier, or of a kind that needs none.
    pub running: bool,
    /// Largest packet it carries, in bytes.
    pub mtu: u32,
    /// Index of the bridge, bond or VRF that it belongs to.
    pub master: Option<u32>,
    /// Its addresses, in order.
    pub addresses: Vec<InterfaceAddress>,
    /// Settings as they take effect on it.
    pub settings: InterfaceSettings,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the on-link prefix in bits, 0 to 32 or 0 to 128.
    pub prefix_length: u8,
    /// Its scope by range; always [`Scope::of`] the address.
    pub scope: Scope,
    /// The flags of `rtnetlink(7)` that it carries, in kebab-case and in order: `permanent`, `tentative`,
    /// `deprecated`, `temporary`, `dad-failed`.
    pub flags: Vec<String>,
}

/// The kind of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// The loopback device.
    Loopback,
    /// Physical or virtual ethernet without a more specific kind.
    Ethernet,
    /// IEEE 802.11.
    Wireless,
    /// Software bridge.
    Bridge,
    /// One end of a virtual ethernet pair.
    Veth,
    /// IEEE 802.1Q VLAN.
    Vlan,
    /// Bonding or team device.
    Bond,
    /// Point-to-point tunnel: tun, ipip, sit, gre, vxlan and their like.
    Tunnel,
    /// `WireGuard`.
    Wireguard,
    /// Dummy device.
    Dummy,
    /// Virtual routing and forwarding device.
    Vrf,
    /// Any other, by the name the kernel gives it.
    Other(Untrusted),
}

/// Settings as they take effect on one interface; `None` where a [`crate::Gap`] says why, or where the system has no
/// such setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceSettings {
    /// Packets to and from 127.0.0.0/8 are routed on this interface: `conf.all` OR `conf.<interface>`
    /// (`IN_DEV_ORCONF`, include/linux/inetdevice.h).
    pub route_localnet: Option<bool>,
    /// Packets whose source is a local address are accepted: `conf.all` OR `conf.<interface>` (`IN_DEV_ORCONF`).
    pub accept_local: Option<bool>,
    /// Source validation: the higher of `conf.all` and `conf.<interface>` (`IN_DEV_MAXCONF`).
    pub rp_filter: Option<RpFilter>,
    /// IPv4 packets that arrive here are forwarded (`conf.<interface>.forwarding`).
    pub ipv4_forwarding: Option<bool>,
    /// IPv6 packets are forwarded: `conf.all.forwarding`, which decides for every interface (`ip6_forward`,
    /// `net/ipv6/ip6_output.c`), but for those with `force_forwarding` (Linux 6.17), which is not looked at here.
    pub ipv6_forwarding: Option<bool>,
    /// IPv6 is disabled here (`conf.<interface>.disable_ipv6`; writing `conf.all` copies to every interface).
    pub disable_ipv6: Option<bool>,
}

/// Reverse path filtering of IPv4 (RFC 3704; `ip-sysctl`, `rp_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RpFilter {
    /// 0: no source validation.
    Off,
    /// 1: the answer must leave by the interface that the packet came in by.
    Strict,
    /// 2: the source must be reachable by some interface.
    Loose,
}
