//! Probes: packets that are sent to the host, and what became of each.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::arena::Arena;
use crate::packet::{Direction, Packet, Protocol};

/// A packet that is sent to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The device that it comes in by, by its position in [`crate::plan::LINKS`].
    pub link: usize,
    /// Its transport protocol.
    pub protocol: Protocol,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes to.
    pub destination: SocketAddr,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The address and port of the host at which it arrived.
    pub delivered: Option<SocketAddr>,
    /// The device by which it left, by its position in [`crate::plan::LINKS`], and where to.
    pub forwarded: Option<(usize, SocketAddr)>,
    /// Its answer came back, from the address that it had been sent to.
    pub answered: bool,
}

/// What fits into the receive buffers of the sockets that listen for the outcome.
const AT_ONCE: usize = 64;

/// Sends probes, answers those that get through, and tells what became of each.
pub fn fire(arena: &Arena, first_number: u32, probes: &[Probe]) -> io::Result<Vec<Observed>> {
    let mut firing = Firing { arena, first_number, probes, observed: vec![Observed::default(); probes.len()] };
    arena.taps.delivered()?;
    arena.peer.receive()?;
    let numbered: Vec<_> = (first_number..).zip(probes).collect();
    for some in numbered.chunks(AT_ONCE) {
        for (number, probe) in some {
            arena.peer.send(probe.link, &request(*number, probe))?;
        }
        firing.note_delivered()?;
        // Once for the answers of the host's own sockets, once for those that had to be given by hand.
        firing.note_sent()?;
        firing.note_sent()?;
    }
    Ok(firing.observed)
}

fn request(number: u32, probe: &Probe) -> Packet {
    Packet {
        probe: number,
        protocol: probe.protocol,
        direction: Direction::Request,
        source: probe.source,
        destination: probe.destination,
    }
}

struct Firing<'a> {
    arena: &'a Arena,
    first_number: u32,
    probes: &'a [Probe],
    observed: Vec<Observed>,
}

impl Firing<'_> {
    fn position(&self, packet: &Packet) -> Option<usize> {
        let position = usize::try_from(packet.probe.wrapping_sub(self.first_number)).ok()?;
        let probe = self.probes.get(position)?;
        (probe.protocol == packet.protocol).then_some(position)
    }

    fn note_delivered(&mut self) -> io::Result<()> {
        for packet in self.arena.taps.delivered()? {
            let Some(position) = self.position(&packet) else { continue };
            if packet.direction == Direction::Request {
                self.observed[position].delivered = Some(packet.destination);
                // The kernel answers for TCP.
                if packet.protocol == Protocol::Udp {
                    self.arena.listeners.answer(&packet);
                }
            }
        }
        Ok(())
    }

    fn note_sent(&mut self) -> io::Result<()> {
        for (link, packet) in self.arena.peer.receive()? {
            let Some(position) = self.position(&packet) else { continue };
            match packet.direction {
                Direction::Answer => {
                    let probe = &self.probes[position];
                    let back = packet.source == probe.destination && packet.destination == probe.source;
                    self.observed[position].answered |= back;
                }
                Direction::Request => {
                    self.observed[position].forwarded = Some((link, packet.destination));
                    self.arena.peer.send(link, &packet.answer())?;
                }
            }
        }
        Ok(())
    }
}

impl Probe {
    /// Its source address.
    pub fn address(&self) -> IpAddr {
        self.source.ip()
    }
}
