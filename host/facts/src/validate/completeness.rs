//! What facts must hold or explain: a rule cannot tell "not there" from "left out of the file".
//!
//! A collector gives each of these or a gap. A document with neither was cut by hand, and judging it could pass what
//! nobody looked at.

mod reach;

use std::net::IpAddr;

use super::Inconsistency;
use crate::{Area, Facts, Interface};

/// The systems that Rust names in `std::env::consts::OS` and that a collector can be built for.
const SYSTEMS: [&str; 9] =
    ["android", "dragonfly", "freebsd", "illumos", "linux", "macos", "netbsd", "openbsd", "windows"];

/// Settings that rules use, on every Linux.
const IPV4_SETTINGS: [&str; 7] = [
    "net.ipv4.conf.all.accept_local",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.accept_local",
    "net.ipv4.conf.default.route_localnet",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.ip_nonlocal_bind",
];

/// Settings that rules use, on a Linux with IPv6.
const IPV6_SETTINGS: [&str; 3] =
    ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6", "net.ipv6.ip_nonlocal_bind"];

/// Adds what is neither there nor explained.
pub(super) fn check(facts: &Facts, found: &mut Vec<Inconsistency>) {
    let os = facts.host.os.as_str();
    if !SYSTEMS.contains(&os) {
        found.push(Inconsistency::UnknownSystem { os: os.escape_default().to_string() });
    }
    if facts.probes.is_empty() {
        require(facts, Area::Probes, "every probe", found);
    }
    if facts.names.localhost.is_none() {
        require(facts, Area::Resolver, "the answer of the resolver", found);
    }
    if os == "linux" {
        check_interfaces(facts, found);
        check_sysctls(facts, found);
        if facts.gaps_in(Area::Firewall).next().is_none() {
            reach::check(facts, found);
        }
    }
}

fn require(facts: &Facts, area: Area, what: impl Into<String>, found: &mut Vec<Inconsistency>) {
    if facts.gaps_in(area).next().is_none() {
        found.push(Inconsistency::Unexplained { what: what.into(), area });
    }
}

/// An interface with an address of a protocol has the settings of that protocol.
fn check_interfaces(facts: &Facts, found: &mut Vec<Inconsistency>) {
    for (position, interface) in facts.interfaces.iter().enumerate() {
        if lacks_settings(interface) {
            let what = format!("a setting of interfaces[{position}]");
            require(facts, Area::InterfaceSettings, what, found);
        }
    }
}

fn lacks_settings(interface: &Interface) -> bool {
    let carries = |is_wanted: fn(&IpAddr) -> bool| interface.addresses.iter().any(|entry| is_wanted(&entry.address));
    let settings = interface.settings;
    let has_ipv4 = settings.route_localnet.is_some() && settings.accept_local.is_some() && settings.rp_filter.is_some();
    (carries(IpAddr::is_ipv4) && !has_ipv4) || (carries(IpAddr::is_ipv6) && settings.disable_ipv6.is_none())
}

fn check_sysctls(facts: &Facts, found: &mut Vec<Inconsistency>) {
    let has_ipv6 = facts.interfaces.iter().any(|interface| interface.settings.disable_ipv6.is_some());
    let ipv6 = if has_ipv6 { IPV6_SETTINGS.as_slice() } else { &[] };
    for name in IPV4_SETTINGS.iter().chain(ipv6) {
        match facts.sysctls.iter().find(|sysctl| sysctl.name == *name) {
            None => require(facts, Area::Sysctls, format!("the setting {name}"), found),
            Some(sysctl) if sysctl.value.as_str().parse::<i64>().is_err() => {
                found.push(Inconsistency::NotANumber { name: (*name).to_owned() });
            }
            Some(_) => {}
        }
    }
}
