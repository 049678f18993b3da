//! What handles packets before, beside or after netfilter, so that its rules do not tell the whole story.
//!
//! | what | from | what it leaves unknown |
//! | --- | --- | --- |
//! | XDP programs | rtnetlink, `IFLA_XDP` | everything that comes in by the interface |
//! | traffic control | rtnetlink, filters that act | the same |
//! | programs of `tcx` and `sk_lookup`, at netfilter hooks | `bpf(2)` | the same; everything; what gets to the hook |
//! | `IPsec` policies, keys | `NETLINK_XFRM` | what selectors match, rules that ask for protection |
//! | IP virtual server | `/proc/net/ip_vs` | what is sent to its services |
//! | transparent sockets | `sock_diag` | what does not reach them, where a rule uses `tproxy` |
//! | bridges that ask netfilter | `/proc/sys/net/bridge`, rtnetlink | what they send back out, see `KernelRouting` |
//!
//! What has addresses and ports of its own becomes rules of unknown effect, at the hook where it takes packets, so that
//! only the packets that it can concern are unknown.

mod bpf;
mod ipsec;
mod ipvs;
mod rules;
mod traffic_control;

use std::net::IpAddr;

use loopgate_facts::{Area, Bypass, BypassKind, Listener, Protocol, Untrusted};
use loopgate_firewall::Ruleset;
use loopgate_firewall::ruleset::{Family, Hook};

use self::rules::Concerned;
use super::interfaces::Devices;
use super::root::Root;
use super::rtnetlink::Link;
use super::sockets::ListeningSocket;
use crate::gaps::Gaps;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Bypasses {
    /// As facts.
    pub(super) found: Vec<Bypass>,
    /// What can be said as rules of unknown effect.
    pub(super) rules: Ruleset,
    /// What could not be listed, and why not.
    refused: Vec<(&'static str, String)>,
}

/// Looks for everything that takes packets past the rules.
pub(super) fn observe(devices: &Devices, root: &Root, gaps: &mut Gaps) -> Bypasses {
    let mut bypasses = Bypasses::default();
    bypasses.found.extend(express(devices));
    traffic_control::observe(devices, &mut bypasses);
    bpf::observe(devices, root, &mut bypasses);
    ipsec::observe(&mut bypasses);
    ipvs::observe(root, &mut bypasses);
    bypasses.found.extend(bridges(devices, root));
    bypasses.rules.append(frames(root));
    bypasses.report(gaps);
    bypasses
}

impl Bypasses {
    fn refuse(&mut self, what: &'static str, why: &impl ToString) {
        self.refused.push((what, why.to_string()));
    }

    /// One gap for all, because they come together: whoever may not list one thing may not list the others.
    fn report(&self, gaps: &mut Gaps) {
        let Some((_, first)) = self.refused.first() else { return };
        let what: Vec<_> = self.refused.iter().map(|(what, _)| *what).collect();
        let unknown = format!("whether packets are handled beside the firewall by {}", what.join(", "));
        gaps.subject(Area::Firewall, "beside netfilter", first, unknown);
    }
}

/// Whether packets by an interface cannot be followed at all because of it. The others concern some packets, and are
/// rules of unknown effect, or matter only together with something else.
pub(super) fn blinds(kind: BypassKind) -> bool {
    matches!(kind, BypassKind::Xdp | BypassKind::TrafficControl | BypassKind::SocketLookup | BypassKind::Other)
}

/// XDP, the "express data path".
fn express(devices: &Devices) -> impl Iterator<Item = Bypass> + '_ {
    devices.links.iter().filter_map(|link| {
        let program = link.xdp?;
        let detail = format!("program {program}").into();
        Some(Bypass { interface: Some(devices.name(link.index)), kind: BypassKind::Xdp, detail })
    })
}

/// Bridges whose frames pass through the rules of IP (`br_netfilter`).
fn bridges(devices: &Devices, root: &Root) -> Vec<Bypass> {
    let on = enabled(root);
    let found = |link: &Link| {
        let own = link.asks_netfilter.then_some("a setting of its own");
        let settings: Vec<_> = on.iter().copied().chain(own).collect();
        let interface = Some(devices.name(link.index));
        let detail = Untrusted::from(settings.join(", "));
        (!settings.is_empty()).then_some(Bypass { interface, kind: BypassKind::BridgeNetfilter, detail })
    };
    devices.bridges().filter_map(found).collect()
}

/// The table `broute` of legacy ebtables, which has frames routed instead of bridged. Its rules are not read, but what
/// is not loaded has none.
fn frames(root: &Root) -> Ruleset {
    const LIMIT: u64 = 1 << 20;
    let modules = root.read("proc/modules", LIMIT).unwrap_or_default();
    let is_loaded = modules.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"ebtable_broute "));
    let rule = (Concerned::default(), "the table broute of ebtables".into());
    rules::chain(Family::Bridge, (Hook::Prerouting, 0), is_loaded.then_some(rule))
}

/// The settings of `br_netfilter` that are on for every bridge. Where it is not loaded there are none.
fn enabled(root: &Root) -> Vec<&'static str> {
    const LIMIT: u64 = 64;
    let names = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
    let is_on = |name: &&str| {
        let value = root.read(&format!("proc/sys/net/bridge/{name}"), LIMIT);
        value.is_ok_and(|value| value.trim_ascii() != b"0")
    };
    names.into_iter().filter(is_on).collect()
}

/// The bridges that hand their frames to netfilter.
pub(super) fn bridges_that_ask_netfilter(devices: &Devices, root: &Root) -> Vec<u32> {
    let every = !enabled(root).is_empty();
    devices.bridges().filter(|link| every || link.asks_netfilter).map(|link| link.index).collect()
}

/// Sockets that take packets to foreign addresses, which a rule (`tproxy`) or a route can bring them.
pub(super) fn transparent(sockets: &[ListeningSocket], devices: &Devices) -> Vec<Bypass> {
    let transparent = sockets.iter().filter(|socket| socket.transparent);
    let bypass = |socket: &ListeningSocket| Bypass {
        interface: Some(socket.interface).filter(|index| *index != 0).map(|index| devices.name(index)),
        kind: BypassKind::TransparentSocket,
        detail: self::socket(socket.query.protocol, socket.address, socket.port),
    };
    transparent.map(bypass).collect()
}

/// Whether a listener takes packets to foreign addresses.
pub(super) fn is_transparent(bypasses: &[Bypass], listener: &Listener) -> bool {
    let socket = socket(listener.protocol, listener.address, listener.port);
    bypasses.iter().any(|bypass| bypass.kind == BypassKind::TransparentSocket && bypass.detail == socket)
}

fn socket(protocol: Protocol, address: IpAddr, port: u16) -> Untrusted {
    format!("{protocol} {address} port {port}").into()
}

#[cfg(test)]
mod tests;
