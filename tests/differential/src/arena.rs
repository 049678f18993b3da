//! The host whose firewall is tested, and what is around it: network namespaces, devices, addresses, sockets.
//!
//! The process that makes an arena is already in a network namespace of its own, which becomes the host. Nothing
//! outside it is touched.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::process::Stdio;
use std::sync::mpsc;

use loopgate_test_support::command;

use crate::connect::Listeners;
use crate::conntrack;
use crate::peer::Peer;
use crate::plan::{self, LINKS};
use crate::taps::Taps;

/// The host and its neighbours.
pub struct Arena {
    /// What is at the other ends of its devices.
    pub peer: Peer,
    /// What arrives at its sockets.
    pub taps: Taps,
    /// Its sockets.
    pub listeners: Listeners,
    settings: Option<Settings>,
}

/// Settings of the host that rulesets are tried under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// `net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`.
    pub forwarding: bool,
    /// `net.ipv4.conf.eth0.route_localnet`.
    pub route_localnet: bool,
}

impl Arena {
    /// Makes the arena, in the network namespace of this process.
    pub fn new() -> io::Result<Self> {
        let arena = Self::without_listeners()?;
        Ok(Self { listeners: Listeners::open()?, ..arena })
    }

    /// An arena in which nothing listens.
    pub fn without_listeners() -> io::Result<Self> {
        quiet_settings()?;
        let (tell, told) = mpsc::channel();
        let peer = Peer::start(tell);
        let thread = told.recv().map_err(io::Error::other)??;
        ip(&devices(thread))?;
        set("ipv4/conf/eth0/rp_filter", 0)?;
        ip(&neighbours())?;
        Ok(Self { peer: peer.connect()?, taps: Taps::open()?, listeners: Listeners::default(), settings: None })
    }

    /// Forgets every connection, also those that are half open.
    pub fn forget_connections(&mut self) -> io::Result<()> {
        // A listener that is closed takes its half-open connections with it.
        self.listeners.reopen()?;
        conntrack::flush()
    }

    /// Puts settings into effect.
    pub fn apply(&mut self, settings: Settings) -> io::Result<()> {
        if self.settings == Some(settings) {
            return Ok(());
        }
        set("ipv4/ip_forward", settings.forwarding.into())?;
        set("ipv6/conf/all/forwarding", settings.forwarding.into())?;
        set("ipv4/conf/eth0/route_localnet", settings.route_localnet.into())?;
        self.settings = Some(settings);
        Ok(())
    }
}

/// Nothing happens that the tests did not cause: no duplicate address detection, no router advertisements, no answers
/// sent twice.
fn quiet_settings() -> io::Result<()> {
    for scope in ["all", "default"] {
        set(&format!("ipv4/conf/{scope}/rp_filter"), 0)?;
        set(&format!("ipv4/conf/{scope}/log_martians"), 0)?;
        set(&format!("ipv6/conf/{scope}/accept_dad"), 0)?;
        set(&format!("ipv6/conf/{scope}/accept_ra"), 0)?;
        set(&format!("ipv6/conf/{scope}/router_solicitations"), 0)?;
    }
    set("ipv4/tcp_syncookies", 0)?;
    set("ipv4/tcp_synack_retries", 0)?;
    set("ipv4/tcp_max_syn_backlog", 65_535)?;
    set("core/somaxconn", 65_535)
}

/// Sets a setting of this thread's network namespace: its path below `/proc/sys/net`.
pub fn set(path: &str, value: u32) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/{path}"), value.to_string())
        .map_err(|error| io::Error::new(error.kind(), format!("/proc/sys/net/{path}: {error}")))
}

/// Runs the commands of a batch of `ip(8)` in this thread's network namespace.
pub fn ip(batch: &str) -> io::Result<()> {
    let mut child = command("ip").args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().map_or(Ok(()), |mut input| input.write_all(batch.as_bytes()))?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("ip failed: {}", String::from_utf8_lossy(&output.stderr))))
}

fn devices(peer_thread: i32) -> String {
    let mut batch = String::from("link set lo up\n");
    for link in LINKS {
        let (mac, peer_mac) = (mac(link.host_mac()), mac(link.peer_mac()));
        let (device, peer) = (link.device, link.peer_device());
        _ = writeln!(
            batch,
            "link add {device} address {mac} type veth peer name {peer} address {peer_mac} netns {peer_thread}\n\
             link set {device} up\n\
             address add {}/24 brd + dev {device}\n\
             address add {}/64 dev {device} nodad",
            link.host_v4(),
            link.v6(1)
        );
    }
    batch.push_str(
        "address add 10.9.0.5/24 dev eth0\naddress add fd09::5/64 dev eth0 nodad\n\
         address add 10.88.0.1/32 dev lo\naddress add fd88::1/128 dev lo\n",
    );
    batch
}

fn neighbours() -> String {
    let mut batch = String::new();
    for link in LINKS {
        let (device, mac) = (link.device, mac(link.peer_mac()));
        for last in 2..255 {
            _ = writeln!(batch, "neighbour add 10.{}.0.{last} lladdr {mac} nud permanent dev {device}", link.network);
        }
        for last in 2..=plan::PINNED_V6 {
            _ = writeln!(batch, "neighbour add {} lladdr {mac} nud permanent dev {device}", link.v6(last));
            _ = writeln!(batch, "neighbour add fe80::{last:x} lladdr {mac} nud permanent dev {device}");
        }
    }
    batch.push_str(
        "route add default via 10.9.0.2 dev eth0\nroute add default via fd09::2 dev eth0\n\
         route add 192.0.2.66 via 10.66.0.2 dev eth2\nroute add 203.0.113.66 via 10.66.0.2 dev eth2\n\
         route add 2001:db8:66::/64 via fd66::2 dev eth2\n",
    );
    batch
}

/// An Ethernet address as `ip(8)` reads it.
pub(crate) fn mac(address: plan::Mac) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}
