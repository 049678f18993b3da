//! What arrives at the sockets of the host.
//!
//! Raw sockets get a copy of every packet for this machine once the last chain of the input hook has let it through
//! (`ip_protocol_deliver_rcu`, `net/ipv4/ip_input.c`; `ip6_protocol_deliver_rcu`, `net/ipv6/ip6_input.c`), and do not
//! show in any ruleset.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Protocol as Number, Socket, Type};

use crate::packet::{Packet, Protocol};
use crate::plan;
use crate::wire::drain;

/// The raw sockets of the host.
pub struct Taps {
    v4: Vec<Socket>,
    v6: Vec<(Protocol, IpAddr, Socket)>,
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

impl Taps {
    /// Opens them in this thread's network namespace.
    pub fn open() -> io::Result<Self> {
        let v4 = PROTOCOLS.into_iter().map(|protocol| open(Domain::IPV4, protocol)).collect::<io::Result<_>>()?;
        let mut v6 = Vec::new();
        for address in plan::HOST_V6 {
            for protocol in PROTOCOLS {
                let socket = open(Domain::IPV6, protocol)?;
                socket.bind(&SocketAddr::new(address.into(), 0).into())?;
                v6.push((protocol, address.into(), socket));
            }
        }
        Ok(Self { v4, v6 })
    }

    /// What has arrived since.
    pub fn delivered(&self) -> io::Result<Vec<Packet>> {
        let mut packets = Vec::new();
        for socket in &self.v4 {
            drain(socket, |packet| packets.extend(Packet::from_ipv4(packet)))?;
        }
        for (protocol, address, socket) in &self.v6 {
            drain_from(socket, |source, segment| {
                let packet = Packet::from_transport(protocol.number(), (*source.ip()).into(), *address, segment);
                packets.extend(packet.map(|packet| seen_on(packet, source.scope_id())));
            })?;
        }
        Ok(packets)
    }
}

fn open(domain: Domain, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Number::from(i32::from(protocol.number()))))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A link-local source goes with the interface that it was seen on: whoever answers it says so.
fn seen_on(mut packet: Packet, interface: u32) -> Packet {
    if let SocketAddr::V6(source) = &mut packet.source {
        source.set_scope_id(interface);
    }
    packet
}

/// Raw IPv6 sockets give no IPv6 header, but tell the source (RFC 3542, 3).
fn drain_from(socket: &Socket, mut each: impl FnMut(SocketAddrV6, &[u8])) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        match rustix::net::recvfrom(socket, &mut buffer, rustix::net::RecvFlags::empty()) {
            Ok((_, length, Some(source))) => {
                if let Ok(SocketAddr::V6(source)) = SocketAddr::try_from(source) {
                    each(source, buffer.get(..length).unwrap_or_default());
                }
            }
            Ok((_, _, None)) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
