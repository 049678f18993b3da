//! Hosts that are set up by hand, and what the whole collector says of them against what a peer finds.

use std::io;
use std::net::{IpAddr, SocketAddr};

use loopgate_collect::Collector as _;
use loopgate_collect::linux::LinuxCollector;
use loopgate_facts::{Facts, ReachVerdict, Reachability};
use socket2::{Domain, Protocol as Number, Socket, Type};

use crate::arena::{Arena, ip, set};
use crate::nftables::Nftables;
use crate::packet::Protocol;
use crate::plan;
use crate::probe::{Probe, fire};

/// How a host is set up.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Commands of `ip(8)`, one a line.
    pub ip: &'static str,
    /// Settings below `/proc/sys/net`.
    pub settings: &'static [(&'static str, u32)],
    /// Commands of `nft(8)`.
    pub nft: &'static str,
    /// What listens, with TCP.
    pub listen: &'static [Listen],
    /// Packets, and whether they are answered.
    pub packets: &'static [Packet],
}

/// A listener.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The address and port.
    pub address: &'static str,
    /// Only IPv6 (`IPV6_V6ONLY`).
    pub only_v6: bool,
    /// The device that it is bound to (`SO_BINDTODEVICE`).
    pub device: Option<&'static str>,
    /// It takes packets for addresses that are not the host's (`IP_TRANSPARENT`).
    pub transparent: bool,
    /// The mark of what it sends (`SO_MARK`).
    pub mark: u32,
}

impl Listen {
    /// A listener of the usual kind.
    pub const fn on(address: &'static str) -> Self {
        Self { address, only_v6: false, device: None, transparent: false, mark: 0 }
    }
}

/// A packet: the device that it comes in by, where it comes from, where it goes to, and whether it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Packet(pub &'static str, pub &'static str, pub &'static str, pub bool);

impl Scenario {
    /// A host as the plan has it, where nothing listens.
    pub const PLAIN: Self = Self { ip: "", settings: &[], nft: "", listen: &[], packets: &[] };

    /// Sets the host up, in the network namespace of this process, and gives what is not as it should be.
    pub fn run(&self) -> io::Result<Vec<String>> {
        let arena = Arena::without_listeners()?;
        ip(self.ip)?;
        for (path, value) in self.settings {
            set(path, *value)?;
        }
        Nftables::open()?.run(self.nft).map_err(io::Error::other)?;
        let listening = self.listen.iter().map(listen).collect::<io::Result<Vec<_>>>()?;
        let facts = LinuxCollector::new().collect();
        let wrong = self.packets.iter().enumerate().map(|(number, packet)| check(&arena, &facts, number, *packet));
        let wrong = wrong.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect();
        drop(listening);
        Ok(wrong)
    }
}

fn listen(listen: &Listen) -> io::Result<Socket> {
    let address: SocketAddr = listen.address.parse().map_err(io::Error::other)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Number::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(listen.only_v6)?;
    }
    socket.bind_device(listen.device.map(str::as_bytes))?;
    if listen.transparent {
        socket.set_ip_transparent_v4(true)?;
    }
    if listen.mark != 0 {
        socket.set_mark(listen.mark)?;
    }
    socket.bind(&address.into())?;
    socket.listen(16)?;
    Ok(socket)
}

/// Sends a packet, and says what is wrong with what became of it, and with what was said of it.
fn check(arena: &Arena, facts: &Facts, number: usize, packet: Packet) -> io::Result<Option<String>> {
    let Packet(device, source, destination, expected) = packet;
    let link = plan::LINKS.iter().position(|link| link.device == device).unwrap_or_default();
    let source: IpAddr = source.parse().map_err(io::Error::other)?;
    let destination: SocketAddr = destination.parse().map_err(io::Error::other)?;
    let port = 20_000 + u16::try_from(number).map_err(io::Error::other)?;
    let probe = Probe { link, protocol: Protocol::Tcp, source: SocketAddr::new(source, port), destination };
    let first = 1000 + u32::from(port);
    let observed = fire(arena, first, &[probe])?.first().copied().unwrap_or_default();
    let said = said(facts, device, source, destination);
    let agrees = match said {
        Some(ReachVerdict::Reachable) => observed.answered,
        Some(ReachVerdict::Blocked) | None => !observed.answered,
        Some(ReachVerdict::Unknown) => true,
    };
    let as_expected = observed.answered == expected;
    Ok((!agrees || !as_expected).then(|| format!("{packet:?}: {observed:?}, said {said:?}")))
}

/// What the facts say; `None` where no listener has such an address and port.
fn said(facts: &Facts, device: &str, source: IpAddr, destination: SocketAddr) -> Option<ReachVerdict> {
    let verdicts = facts.listeners.iter().filter_map(|listener| {
        let concerned = listener.reachability.iter().filter(|part| part.is_about(device, destination));
        part_with(source, &concerned.collect::<Vec<_>>())
    });
    // Of several listeners on one port, who reaches any of them is answered.
    verdicts.min()
}

/// The parts are disjoint, but not each lists all its sources: one that no part lists is in one that leaves some out.
fn part_with(source: IpAddr, parts: &[&Reachability]) -> Option<ReachVerdict> {
    let lists = |part: &&&Reachability| part.lists(source);
    let unlisted = || {
        let mut parts = parts.iter().filter(|part| part.unlisted_sources > 0).map(|part| part.verdict);
        let first = parts.next()?;
        Some(if parts.all(|verdict| verdict == first) { first } else { ReachVerdict::Unknown })
    };
    parts.iter().find(lists).map(|part| part.verdict).or_else(unlisted)
}
