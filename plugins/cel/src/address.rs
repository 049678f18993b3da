//! Scopes of addresses that are no listener's, by the ranges that the contract names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_plugin::prelude::*;

/// The scope of an address.
pub(crate) fn scope(address: IpAddr) -> Scope {
    match address.to_canonical() {
        IpAddr::V4(address) => scope_v4(address),
        IpAddr::V6(address) => scope_v6(address),
    }
}

fn scope_v4(address: Ipv4Addr) -> Scope {
    match address.octets() {
        [0, 0, 0, 0] => Scope::Unspecified,
        [127, ..] => Scope::Loopback,
        [169, 254, ..] => Scope::LinkLocal,
        [100, second, ..] if second & 0xc0 == 64 => Scope::Shared,
        [255, 255, 255, 255] => Scope::Multicast,
        _ if address.is_private() => Scope::Private,
        _ if address.is_multicast() => Scope::Multicast,
        _ => Scope::Public,
    }
}

fn scope_v6(address: Ipv6Addr) -> Scope {
    let [first, ..] = address.segments();
    match first {
        _ if address.is_unspecified() => Scope::Unspecified,
        _ if address.is_loopback() => Scope::Loopback,
        0xfe80..=0xfebf => Scope::LinkLocal,
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Scope::Private,
        0xff00..=0xffff => Scope::Multicast,
        _ => Scope::Public,
    }
}
