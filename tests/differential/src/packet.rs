//! Frames: the first packets of connections, and what comes back.
//!
//! Every packet carries the number of its probe, a TCP segment as its sequence number and a UDP datagram in its
//! payload, so that it is known again whatever address translation made of it (RFC 791, 768, 8200, 9293).

use std::net::{IpAddr, SocketAddr};

use crate::plan::Mac;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.number() == number)
    }
}

/// The direction of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The first of a connection.
    Request,
    /// The answer to it.
    Answer,
}

/// A packet of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The number of the probe.
    pub probe: u32,
    /// The transport protocol.
    pub protocol: Protocol,
    /// Which way it goes.
    pub direction: Direction,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes to.
    pub destination: SocketAddr,
}

const SYN: u8 = 2;
const ACK: u8 = 16;
const REQUEST_MARK: u32 = 0x5155_4552;
const ANSWER_MARK: u32 = 0x414e_5357;

/// What an ordinary client sends: the largest segment, selective acknowledgement, time stamps, window scale.
const OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];

impl Packet {
    /// The packet that answers this one.
    #[must_use]
    pub fn answer(self) -> Self {
        Self { direction: Direction::Answer, source: self.destination, destination: self.source, ..self }
    }

    /// The payload of a UDP datagram.
    pub fn payload(&self) -> [u8; 8] {
        let mark = if self.direction == Direction::Request { REQUEST_MARK } else { ANSWER_MARK };
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&mark.to_be_bytes());
        payload[4..].copy_from_slice(&self.probe.to_be_bytes());
        payload
    }

    /// The frame that carries it.
    pub fn frame(&self, from: Mac, to: Mac) -> Vec<u8> {
        let transport = self.transport();
        let mut frame = [to, from].concat();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend(0x0800_u16.to_be_bytes());
                let mut header = vec![0x45, 0];
                header.extend(length(20 + transport.len()));
                header.extend([0, 0, 0x40, 0, 64, self.protocol.number(), 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let sum = checksum(&header);
                header[10..12].copy_from_slice(&sum);
                frame.extend(header);
            }
            (source, destination) => {
                frame.extend(0x86dd_u16.to_be_bytes());
                frame.extend([0x60, 0, 0, 0]);
                frame.extend(length(transport.len()));
                frame.extend([self.protocol.number(), 64]);
                frame.extend(bytes(source));
                frame.extend(bytes(destination));
            }
        }
        frame.extend(transport);
        frame
    }

    fn transport(&self) -> Vec<u8> {
        let mut header = self.source.port().to_be_bytes().to_vec();
        header.extend(self.destination.port().to_be_bytes());
        let sum_at = match self.protocol {
            Protocol::Tcp => {
                header.extend(self.tcp());
                16
            }
            Protocol::Udp => {
                header.extend(length(16));
                header.extend([0, 0]);
                header.extend(self.payload());
                6
            }
        };
        let mut covered = [bytes(self.source.ip()), bytes(self.destination.ip())].concat();
        covered.extend([0, self.protocol.number()]);
        covered.extend(length(header.len()));
        covered.extend(&header);
        header[sum_at..sum_at + 2].copy_from_slice(&checksum(&covered));
        header
    }

    fn tcp(&self) -> Vec<u8> {
        let (sequence, acknowledged, flags) = match self.direction {
            Direction::Request => (self.probe, 0, SYN),
            Direction::Answer => (1, self.probe.wrapping_add(1), SYN | ACK),
        };
        let mut rest = sequence.to_be_bytes().to_vec();
        rest.extend(acknowledged.to_be_bytes());
        rest.extend([0xa0, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        rest.extend(OPTIONS);
        rest
    }

    /// Reads a frame. `None` if it is not a packet of a probe.
    pub fn from_frame(frame: &[u8]) -> Option<Self> {
        match frame.get(12..14)? {
            [0x08, 0x00] => Self::from_ipv4(frame.get(14..)?),
            [0x86, 0xdd] => Self::from_ipv6(frame.get(14..)?),
            _ => None,
        }
    }

    /// Reads an IPv4 packet.
    pub fn from_ipv4(packet: &[u8]) -> Option<Self> {
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
            Some(octets.into())
        };
        let header = usize::from(packet.first()? & 15) * 4;
        Self::from_transport(*packet.get(9)?, address(12)?, address(16)?, packet.get(header..)?)
    }

    fn from_ipv6(packet: &[u8]) -> Option<Self> {
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
            Some(octets.into())
        };
        Self::from_transport(*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?)
    }

    /// Reads a transport header and what follows.
    pub fn from_transport(protocol: u8, source: IpAddr, destination: IpAddr, segment: &[u8]) -> Option<Self> {
        let protocol = Protocol::of(protocol)?;
        let (direction, probe) = match protocol {
            Protocol::Tcp if *segment.get(13)? & (SYN | ACK) == SYN => (Direction::Request, word(segment, 4)?),
            Protocol::Tcp if *segment.get(13)? & (SYN | ACK) == SYN | ACK => {
                (Direction::Answer, word(segment, 8)?.wrapping_sub(1))
            }
            Protocol::Tcp => return None,
            Protocol::Udp => match word(segment, 8)? {
                REQUEST_MARK => (Direction::Request, word(segment, 12)?),
                ANSWER_MARK => (Direction::Answer, word(segment, 12)?),
                _ => return None,
            },
        };
        let ports = word(segment, 0)?.to_be_bytes();
        let source = SocketAddr::new(source, u16::from_be_bytes([ports[0], ports[1]]));
        let destination = SocketAddr::new(destination, u16::from_be_bytes([ports[2], ports[3]]));
        Some(Self { probe, protocol, direction, source, destination })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The checksum of the Internet (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u32::from(low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap_or(u16::MAX)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_known_again() {
        for (source, destination) in [("10.9.0.2:4000", "10.9.0.1:80"), ("[fd09::2]:4000", "[fd09::1]:80")] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
                let packet = Packet { probe: 77, protocol, direction: Direction::Request, source, destination };
                assert_eq!(Packet::from_frame(&packet.frame([0; 6], [1; 6])), Some(packet));
                let answer = packet.answer();
                assert_eq!(Packet::from_frame(&answer.frame([0; 6], [1; 6])), Some(answer));
            }
        }
    }
}
