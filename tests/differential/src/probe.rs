//! Probes: packets that are sent to the host, and what became of each.
//!
//! From the wires they are written byte by byte; the client and the host itself make real connections.

use std::io;
use std::net::SocketAddr;

use crate::arena::Arena;
use crate::connect::{self, Attempt};
use crate::packet::{Direction, Packet, Protocol};
use crate::plan::entry;

/// A packet that is sent to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where it comes from: see [`entry`].
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
    let numbered: Vec<_> = (first_number..).zip(probes).filter(|(_, probe)| !probe.is_connection()).collect();
    for some in numbered.chunks(AT_ONCE) {
        for (number, probe) in some {
            arena.peer.send(probe.link, &request(*number, probe))?;
        }
        firing.note_delivered()?;
        // Once for the answers of the host's own sockets, once for those that had to be given by hand.
        firing.note_sent()?;
        firing.note_sent()?;
    }
    firing.connect()?;
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
    fn connect(&mut self) -> io::Result<()> {
        for entry in [entry::CLIENT, entry::HOST] {
            let of_entry = |position: &usize| self.probes[*position].link == entry;
            let positions: Vec<usize> = (0..self.probes.len()).filter(of_entry).collect();
            if positions.is_empty() {
                continue;
            }
            let attempts: Vec<Attempt> = positions.iter().map(|position| self.probes[*position].attempt()).collect();
            let connected = if entry == entry::CLIENT {
                self.arena.peer.connect(attempts, || self.note_connections())?
            } else {
                let sockets = connect::begin(&attempts);
                self.note_connections()?;
                connect::finish(&sockets)?
            };
            self.note_connections()?;
            for (position, connected) in positions.into_iter().zip(connected) {
                self.observed[position].answered |= connected;
            }
        }
        Ok(())
    }

    /// The packets of real connections are known by where they come from and go to.
    fn note_connections(&mut self) -> io::Result<()> {
        for packet in self.arena.taps.delivered()? {
            match packet.direction {
                Direction::Request => self.note_connection(&packet, |seen| seen.delivered = Some(packet.destination)),
                Direction::Answer => self.note_answer(entry::HOST, &packet),
            }
        }
        for (link, packet) in self.arena.peer.receive()? {
            match packet.direction {
                Direction::Answer => self.note_answer(link, &packet),
                Direction::Request if link == entry::CLIENT => {}
                Direction::Request => {
                    self.arena.peer.send(link, &packet.answer())?;
                    let forwarded = Some((link, packet.destination));
                    self.note_connection(&packet, |seen| seen.forwarded = forwarded);
                }
            }
        }
        Ok(())
    }

    fn note_connection(&mut self, request: &Packet, note: impl FnOnce(&mut Observed)) {
        let is_of = |probe: &Probe| probe.is_connection() && probe.source == request.source;
        if let Some(position) = self.probes.iter().position(is_of) {
            note(&mut self.observed[position]);
        }
    }

    /// An answer counts when it gets to who asked, from where that was sent to; what follows may be refused again.
    fn note_answer(&mut self, entry: usize, answer: &Packet) {
        let is_of = |probe: &Probe| {
            probe.is_connection()
                && probe.link == entry
                && (probe.source, probe.destination) == (answer.destination, answer.source)
        };
        if let Some(position) = self.probes.iter().position(is_of) {
            self.observed[position].answered = true;
        }
    }

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
    /// Whether it is made by real sockets at both ends.
    pub fn is_connection(&self) -> bool {
        matches!(self.link, entry::CLIENT | entry::HOST)
    }

    fn attempt(&self) -> Attempt {
        Attempt { source: self.source, destination: self.destination }
    }
}
