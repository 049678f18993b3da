//! Kernel settings: those that rules use, and what they come to on each interface.
//!
//! The settings of an interface come over rtnetlink with the interface, so that its name, which may hold anything, is
//! never part of a path. `conf.all` exists in `/proc/sys` only.

use std::io;

use loopgate_facts::{Area, InterfaceSettings, RpFilter, Sysctl, Untrusted};

use super::root::Root;
use super::rtnetlink::{Ipv4Conf, Ipv6Conf, Link};
use crate::gaps::Gaps;

/// The part of `conf.all` that takes effect on every interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conf {
    route_localnet: bool,
    accept_local: bool,
    rp_filter: i32,
    /// `None` where the kernel has no IPv6, or where a gap says why.
    ipv6_forwarding: Option<bool>,
}

/// Settings that exist once, by protocol.
const IPV4: [&str; 10] = [
    "net.ipv4.conf.all.accept_local",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.accept_local",
    "net.ipv4.conf.default.route_localnet",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_nonlocal_bind",
    ACCEPTS_MARKS,
];
const IPV6: [&str; 6] = [
    "net.ipv6.bindv6only",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.disable_ipv6",
    "net.ipv6.conf.default.forwarding",
    "net.ipv6.ip_nonlocal_bind",
];

/// Reads the settings that exist once. A kernel without IPv6 has none for it, which is a fact and not a gap.
pub(super) fn observe(root: &Root, gaps: &mut Gaps) -> Vec<Sysctl> {
    let ipv6_exists = root.has("proc/sys/net/ipv6") || !root.has("proc/sys/net/ipv4");
    let names = IPV4.iter().chain(IPV6.iter().filter(|_| ipv6_exists));
    names.filter_map(|name| read(root, name, gaps)).collect()
}

fn read(root: &Root, name: &str, gaps: &mut Gaps) -> Option<Sysctl> {
    let path = format!("proc/sys/{}", name.replace('.', "/"));
    match root.read(&path, 4096) {
        Ok(value) => {
            let value = Untrusted::from_bytes(value.trim_ascii_end());
            Some(Sysctl { name: name.to_owned(), value, source: format!("/{path}") })
        }
        Err(error) => {
            report(name, &error, gaps);
            None
        }
    }
}

/// What answers a segment takes over its mark (`ip-sysctl`).
const ACCEPTS_MARKS: &str = "net.ipv4.tcp_fwmark_accept";

/// Whether answers to segments of TCP take over their marks. That it cannot be read is a gap of [`observe`].
pub(super) fn answers_with_marks(root: &Root) -> bool {
    let setting = read(root, ACCEPTS_MARKS, &mut Gaps::default());
    setting.is_some_and(|setting| setting.value.as_str() != "0")
}

fn report(name: &str, error: &io::Error, gaps: &mut Gaps) {
    gaps.subject(Area::Sysctls, name, error, "the value of this setting");
}

impl Conf {
    /// What `conf.all` says, from the settings that were read.
    pub(super) fn of(sysctls: &[Sysctl], gaps: &mut Gaps) -> Option<Self> {
        let value = |name: &str| {
            let sysctl = sysctls.iter().find(|sysctl| sysctl.name == format!("net.{name}"))?;
            sysctl.value.as_str().parse::<i32>().ok()
        };
        let conf = || {
            Some(Self {
                route_localnet: value("ipv4.conf.all.route_localnet")? != 0,
                accept_local: value("ipv4.conf.all.accept_local")? != 0,
                rp_filter: value("ipv4.conf.all.rp_filter")?,
                ipv6_forwarding: value("ipv6.conf.all.forwarding").map(|value| value != 0),
            })
        };
        let conf = conf();
        if conf.is_none() {
            let unknown = "which settings take effect on each interface";
            gaps.area(Area::InterfaceSettings, "net.ipv4.conf.all could not be read", unknown);
        }
        conf
    }

    /// The settings of an interface as they take effect. Which of them are combined with `conf.all`, and how, is in
    /// the `IN_DEV_*` macros of `include/linux/inetdevice.h`.
    pub(super) fn effective(self, link: &Link) -> InterfaceSettings {
        let Link { ipv4, ipv6, .. } = link;
        InterfaceSettings {
            route_localnet: ipv4.map(|own| self.route_localnet || own.route_localnet != 0),
            accept_local: ipv4.map(|own| self.accept_local || own.accept_local != 0),
            rp_filter: ipv4.map(|own| rp_filter(self.rp_filter.max(own.rp_filter.cast_signed()))),
            ipv4_forwarding: ipv4.map(|own| own.forwarding != 0),
            ipv6_forwarding: ipv6.and(self.ipv6_forwarding),
            disable_ipv6: ipv6.map(|own| own.disable_ipv6 != 0),
        }
    }
}

/// `__fib_validate_source` (`net/ipv4/fib_frontend.c`) takes 0 for off, 1 for strict and every other value for loose.
fn rp_filter(value: i32) -> RpFilter {
    match value {
        0 => RpFilter::Off,
        1 => RpFilter::Strict,
        _ => RpFilter::Loose,
    }
}

/// The settings of single interfaces as rows, before they are combined with `conf.all`.
pub(super) fn of_interfaces(links: &[Link]) -> impl Iterator<Item = Sysctl> {
    links.iter().flat_map(|link| {
        let ipv4 = link.ipv4.map(|conf| rows(link, "ipv4", &ipv4_settings(conf)));
        let ipv6 = link.ipv6.map(|conf| rows(link, "ipv6", &ipv6_settings(conf)));
        ipv4.into_iter().chain(ipv6).flatten()
    })
}

fn ipv4_settings(conf: Ipv4Conf) -> [(&'static str, u32); 3] {
    [("accept_local", conf.accept_local), ("route_localnet", conf.route_localnet), ("rp_filter", conf.rp_filter)]
}

fn ipv6_settings(conf: Ipv6Conf) -> [(&'static str, u32); 2] {
    [("disable_ipv6", conf.disable_ipv6), ("forwarding", conf.forwarding)]
}

fn rows(link: &Link, family: &str, settings: &[(&str, u32)]) -> Vec<Sysctl> {
    let interface = name_component(&link.name);
    let row = |&(setting, value): &(&str, u32)| Sysctl {
        name: format!("net.{family}.conf.{interface}.{setting}"),
        value: value.to_string().into(),
        source: "rtnetlink".to_owned(),
    };
    settings.iter().map(row).collect()
}

/// An interface name within a setting's name: a dot in it becomes a slash (`sysctl(8)`), anything unprintable is
/// escaped.
fn name_component(name: &[u8]) -> String {
    Untrusted::from_bytes(name).escaped().to_string().replace('.', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(route_localnet: u32, accept_local: u32, rp_filter: u32) -> Link {
        let ipv4 = Some(Ipv4Conf { forwarding: 1, rp_filter, accept_local, route_localnet });
        Link { name: b"eth0.7".to_vec(), ipv4, ..Link::default() }
    }

    #[test]
    fn either_of_all_and_interface_enables() {
        for (all, own, effective) in [(false, 0, false), (true, 0, true), (false, 1, true), (true, 1, true)] {
            let conf = Conf { route_localnet: all, accept_local: all, ..Conf::default() };
            let settings = conf.effective(&link(own, own, 0));
            assert_eq!(settings.route_localnet, Some(effective));
            assert_eq!(settings.accept_local, Some(effective));
        }
    }

    #[test]
    fn the_higher_rp_filter_wins() {
        let of = |all, own| Conf { rp_filter: all, ..Conf::default() }.effective(&link(0, 0, own)).rp_filter;
        assert_eq!(of(0, 0), Some(RpFilter::Off));
        assert_eq!(of(1, 0), Some(RpFilter::Strict));
        assert_eq!(of(1, 2), Some(RpFilter::Loose));
        assert_eq!(of(2, 1), Some(RpFilter::Loose));
    }

    /// `ip6_forward` (`net/ipv6/ip6_output.c`) asks `all` alone.
    #[test]
    fn ipv6_is_forwarded_by_all_interfaces_or_none() {
        let link = Link {
            ipv6: Some(Ipv6Conf { forwarding: 1, disable_ipv6: 0, force_forwarding: false }),
            ..Link::default()
        };
        let conf = Conf { ipv6_forwarding: Some(false), ..Conf::default() };
        assert_eq!(conf.effective(&link).ipv6_forwarding, Some(false));
    }

    #[test]
    fn a_protocol_that_an_interface_does_not_speak_has_no_settings() {
        assert_eq!(Conf::default().effective(&Link::default()), InterfaceSettings::default());
    }

    #[test]
    fn interface_names_are_written_as_sysctl_writes_them() {
        let names: Vec<_> = of_interfaces(&[link(1, 0, 2)]).map(|row| (row.name, row.value)).collect();
        assert_eq!(names[1], ("net.ipv4.conf.eth0/7.route_localnet".to_owned(), "1".into()));
    }

    #[test]
    fn the_range_of_ephemeral_ports_is_observed() {
        let sysctls = observe(&Root::new("/".as_ref()), &mut Gaps::default());
        let range = sysctls.iter().find(|sysctl| sysctl.name == "net.ipv4.ip_local_port_range").unwrap();
        let ports: Vec<u16> = range.value.as_str().split_whitespace().map(|port| port.parse().unwrap()).collect();
        assert!(ports.len() == 2 && ports.is_sorted(), "{ports:?}");
    }

    #[test]
    fn without_proc_everything_is_a_gap() {
        let mut gaps = Gaps::default();
        let sysctls = observe(&Root::new("/nonexistent".as_ref()), &mut gaps);
        assert_eq!(Conf::of(&sysctls, &mut gaps), None);
        let gaps = gaps.into_vec();
        assert_eq!(gaps.len(), IPV4.len() + IPV6.len() + 1);
    }
}
