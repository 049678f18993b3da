//! What the evaluator knows about the machine besides its ruleset.

use std::net::IpAddr;

use loopgate_facts::Untrusted;

use crate::routing::Routing;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// The type of its hardware, `ARPHRD_*`; 772 is the loopback device.
    pub hardware: u16,
    /// Its group (`ip link set group`); `None` where it is not known.
    pub group: Option<u32>,
    /// Its addresses, in the order of the kernel: the first is the one that `redirect` translates to.
    pub addresses: Vec<IpAddr>,
    /// Its packets may have come in by a port of a bridge that asks netfilter: it is one, or lies on one.
    pub bridged: bool,
    /// Programs that see its packets outside netfilter (XDP, tc). What they do is not known.
    pub bypasses: Vec<Untrusted>,
    /// Whether it takes IPv6 packets: the kernel drops all where it is disabled (`disable_ipv6`) or the device is too
    /// narrow for it (`ip6_rcv_core`, `net/ipv6/ip6_input.c`).
    pub ipv6: bool,
    /// The devices that its packets come in by before, by index: ports of a bridge or bond, the parent of a VLAN.
    pub lower: Vec<u32>,
    /// Whether it belongs to a VRF.
    pub in_vrf: bool,
}

impl Device {
    /// `ARPHRD_LOOPBACK` (`include/uapi/linux/if_arp.h`).
    pub const LOOPBACK: u16 = 772;

    /// Whether it is the loopback device.
    pub fn is_loopback(&self) -> bool {
        self.hardware == Self::LOOPBACK
    }
}

/// A machine that packets come to.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// Its ruleset.
    pub ruleset: &'a crate::Ruleset,
    /// Its devices.
    pub devices: &'a [Device],
    /// Its routing.
    pub routing: &'a dyn Routing,
}

impl<'a> Machine<'a> {
    /// A device by index.
    pub fn device(&self, index: u32) -> Option<&'a Device> {
        self.devices.iter().find(|device| device.index == index)
    }

    /// The loopback device.
    pub fn loopback(&self) -> Option<&'a Device> {
        self.devices.iter().find(|device| device.is_loopback())
    }

    /// Whether an address is one of its own.
    pub fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.devices.iter().any(|device| device.addresses.contains(&address))
    }
}
