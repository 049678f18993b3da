//! Socket options whose value is a question as well as an answer.

#![expect(unsafe_code, reason = "no safe interface to getsockopt(2) takes an option that it does not know")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Whose tables to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Ipv4,
    Ipv6,
}

/// A socket that sends nothing and takes nothing. The kernel answers on any socket of the protocol (`ip_getsockopt`,
/// `net/ipv4/ip_sockglue.c`, and `ipv6_getsockopt`), so none that needs a privilege of its own is asked for.
pub(super) struct Socket {
    socket: OwnedFd,
    level: i32,
}

impl Socket {
    pub(super) fn open(protocol: Protocol) -> io::Result<Self> {
        let (family, level) = match protocol {
            Protocol::Ipv4 => (AddressFamily::INET, libc::SOL_IP),
            Protocol::Ipv6 => (AddressFamily::INET6, libc::SOL_IPV6),
        };
        let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self { socket, level })
    }

    /// Asks, with an answer of `length` bytes that begins as the question does.
    pub(super) fn get(&self, option: i32, question: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let too_large = || io::Error::from(io::ErrorKind::InvalidInput);
        let mut answer = Vec::new();
        answer.try_reserve_exact(length).map_err(io::Error::other)?;
        answer.resize(length, 0);
        answer.get_mut(..question.len()).ok_or_else(too_large)?.copy_from_slice(question);
        let mut size = libc::socklen_t::try_from(length).map_err(|_| too_large())?;
        // SAFETY: the pointer is that of `length` initialised bytes, which nothing else refers to during the call, and
        // `size` says that there are as many. The kernel reads and writes no more than `size` bytes and writes to
        // `size` how many it wrote (getsockopt(2)).
        let result = unsafe {
            libc::getsockopt(self.socket.as_raw_fd(), self.level, option, answer.as_mut_ptr().cast(), &raw mut size)
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        answer.truncate(size as usize);
        Ok(answer)
    }
}
