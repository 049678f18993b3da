//! The addresses, devices and ports of the arena.
//!
//! ```text
//!   host: eth0 ── wire 0: packets written and read byte by byte, from any source
//!         eth1 ── wire 1: the same
//!         eth2 ── client: a network namespace with addresses of its own, for real connections
//!         lo
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A device of the host, and what is at its other end.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The name of the device.
    pub device: &'static str,
    /// Its number in the plan's addresses: `10.<number>.0.0/24`, `fd<number>::/64`.
    pub network: u8,
}

/// The devices of the host, besides `lo`. The first two end in wires, the third at the client.
pub const LINKS: [Link; 3] =
    [Link { device: "eth0", network: 9 }, Link { device: "eth1", network: 77 }, Link { device: "eth2", network: 66 }];

/// Where packets come from: the positions of the wires in [`LINKS`] are 0 and 1.
pub mod entry {
    /// The client behind `eth2`, with real sockets.
    pub const CLIENT: usize = 2;
    /// The host itself, with real sockets, over `lo`.
    pub const HOST: usize = 3;
}

/// The device that packets come in by.
pub fn device_of(entry: usize) -> &'static str {
    LINKS.get(entry).map_or("lo", |link| link.device)
}

impl Link {
    /// The address of the host's end.
    pub fn host_mac(self) -> Mac {
        [2, 0, 0, 0, self.network, 1]
    }

    /// The address of the other end.
    pub fn peer_mac(self) -> Mac {
        [2, 0, 0, 0, self.network, 2]
    }

    /// The name of the other end, in its own namespace.
    pub fn peer_device(self) -> String {
        format!("peer{}", self.network)
    }

    /// The address of the host on this link.
    pub fn host_v4(self) -> Ipv4Addr {
        self.v4(1)
    }

    /// An IPv4 address on this link.
    pub fn v4(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network, 0, last)
    }

    /// An IPv6 address on this link.
    pub fn v6(self, last: u16) -> Ipv6Addr {
        let digits = u16::from(self.network / 10) << 4 | u16::from(self.network % 10);
        Ipv6Addr::new(0xfd00 | digits, 0, 0, 0, 0, 0, 0, last)
    }
}

/// The addresses of the host that packets are sent to.
pub const HOST_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(10, 9, 0, 1),
    Ipv4Addr::new(10, 9, 0, 5),
    Ipv4Addr::new(10, 77, 0, 1),
    Ipv4Addr::new(10, 66, 0, 1),
    Ipv4Addr::new(10, 88, 0, 1), // on lo
    Ipv4Addr::LOCALHOST,
    Ipv4Addr::new(127, 0, 0, 9),
];

/// The same for IPv6.
pub const HOST_V6: [Ipv6Addr; 6] = [
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 5),
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 1), // on lo
    Ipv6Addr::LOCALHOST,
];

/// Addresses behind the host: a neighbour on `eth1`, one on `eth0`, and one behind the default route.
pub const BEHIND_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 77, 0, 20), Ipv4Addr::new(10, 9, 0, 30), Ipv4Addr::new(203, 0, 113, 80)];

/// The same for IPv6.
pub const BEHIND_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x20),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 0x30),
    Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 0x80),
];

/// The addresses of the client behind `eth2`.
pub const CLIENT_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 66, 0, 2),
    Ipv4Addr::new(10, 66, 0, 130),
    Ipv4Addr::new(192, 0, 2, 66),
    Ipv4Addr::new(203, 0, 113, 66),
];

/// The same for IPv6.
pub const CLIENT_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 0x82),
    Ipv6Addr::new(0x2001, 0xdb8, 0x66, 0, 0, 0, 0, 2),
];

/// The ports that something listens on, TCP and UDP, on every address.
pub const PORTS: [u16; 14] = [22, 25, 53, 80, 123, 443, 631, 3306, 5432, 6379, 8080, 8443, 9090, 30080];

/// Sources that rules and probes like to use.
pub const SOURCES_V4: [Ipv4Addr; 34] = [
    Ipv4Addr::new(10, 9, 0, 2),
    Ipv4Addr::new(10, 9, 0, 3),
    Ipv4Addr::new(10, 9, 0, 7),
    Ipv4Addr::new(10, 9, 0, 20),
    Ipv4Addr::new(10, 9, 0, 64),
    Ipv4Addr::new(10, 9, 0, 130),
    Ipv4Addr::new(10, 9, 0, 200),
    Ipv4Addr::new(10, 77, 0, 2),
    Ipv4Addr::new(10, 77, 0, 50),
    Ipv4Addr::new(10, 88, 0, 7),
    Ipv4Addr::new(10, 200, 1, 1),
    Ipv4Addr::new(192, 0, 2, 2),
    Ipv4Addr::new(192, 0, 2, 129),
    Ipv4Addr::new(192, 0, 2, 200),
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(203, 0, 113, 77),
    Ipv4Addr::new(198, 51, 100, 4),
    Ipv4Addr::new(172, 16, 5, 5),
    Ipv4Addr::new(172, 17, 0, 3),
    Ipv4Addr::new(192, 168, 1, 10),
    Ipv4Addr::new(192, 168, 7, 7),
    Ipv4Addr::new(100, 64, 1, 1),
    Ipv4Addr::new(169, 254, 3, 3),
    Ipv4Addr::new(8, 8, 8, 8),
    Ipv4Addr::new(1, 1, 1, 1),
    Ipv4Addr::new(223, 255, 255, 254),
    // Those that the kernel takes from no wire, or only with some settings.
    Ipv4Addr::new(127, 0, 0, 5),
    Ipv4Addr::new(10, 9, 0, 1),
    Ipv4Addr::new(10, 77, 0, 1),
    Ipv4Addr::new(10, 9, 0, 255),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::new(224, 0, 0, 5),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::BROADCAST,
];

/// The same for IPv6.
pub const SOURCES_V6: [Ipv6Addr; 18] = [
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 7),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 0x20),
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 0x82),
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x50),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99),
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0xff),
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9),
    Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111),
    Ipv6Addr::new(0xfc00, 5, 0, 0, 0, 0, 0, 5),
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0x0808, 0x0808),
    // Those that the kernel takes from no wire.
    Ipv6Addr::LOCALHOST,
    Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::UNSPECIFIED,
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
];

/// The highest last group of the IPv6 neighbours whose Ethernet addresses are pinned.
pub const PINNED_V6: u16 = 0xff;

/// Whether the host can answer this source without asking for its Ethernet address first.
pub fn is_pinned(source: IpAddr) -> bool {
    match source {
        IpAddr::V4(source) => !LINKS.iter().any(|link| source == link.v4(0)),
        IpAddr::V6(source) => {
            let on_link = |link: &Link| source.segments()[..4] == link.v6(0).segments()[..4];
            let [_, _, _, _, middle @ .., last] = source.segments();
            let first = if source.is_unicast_link_local() { 2 } else { 1 };
            let pinned = middle == [0; 3] && (first..=PINNED_V6).contains(&last);
            pinned || !(source.is_unicast_link_local() || LINKS.iter().any(on_link))
        }
    }
}
