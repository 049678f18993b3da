//! The end of a wire: packets are written to it and read from it byte by byte (`packet(7)`).

use std::io::{self, Read, Write};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use crate::packet::Packet;
use crate::plan::Link;

/// The end of a wire.
pub struct Wire {
    link: Link,
    sender: Socket,
    receivers: [Socket; 2],
}

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

impl Wire {
    /// Opens the end of a link that this thread's network namespace holds.
    pub fn open(link: Link) -> io::Result<Self> {
        let receive = |protocol| -> io::Result<Socket> {
            let socket = open(link, protocol)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Ok(Self { link, sender: open(link, 0)?, receivers: [receive(ETH_P_IP)?, receive(ETH_P_IPV6)?] })
    }

    /// Sends a packet to the host.
    pub fn send(&self, packet: &Packet) -> io::Result<()> {
        let frame = packet.frame(self.link.peer_mac(), self.link.host_mac());
        (&self.sender).write_all(&frame)
    }

    /// What the host has sent since: packets of probes, others are dropped.
    pub fn receive(&self) -> io::Result<Vec<Packet>> {
        let mut packets = Vec::new();
        for socket in &self.receivers {
            drain(socket, |frame| packets.extend(Packet::from_frame(frame)))?;
        }
        Ok(packets)
    }
}

/// Reads everything that waits at a socket.
pub(crate) fn drain(socket: &Socket, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 2048];
    let mut socket = socket;
    loop {
        match socket.read(&mut buffer) {
            Ok(length) => each(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn open(link: Link, protocol: u16) -> io::Result<Socket> {
    let protocol = protocol.to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(i32::from(protocol).into()))?;
    socket.bind(&address(protocol, index(&link.peer_device())?))?;
    Ok(socket)
}

/// The index of a device of this thread's network namespace.
pub(crate) fn index(device: &str) -> io::Result<u32> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(&socket, device)?)
}

#[expect(unsafe_code, reason = "socket2 and the standard library know no link-layer addresses")]
fn address(protocol: u16, index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is plain data of the kernel's, not larger than `sockaddr_storage`.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
    link.sll_protocol = protocol;
    link.sll_ifindex = i32::try_from(index).unwrap_or_default();
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
    // SAFETY: the storage holds a `sockaddr_ll`, and this is its length.
    unsafe { SockAddr::new(storage, length) }
}
