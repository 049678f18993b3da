//! Forgets every connection, so that each probe is the first packet of one (`ctnetlink`).

use std::io;

use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};

/// Forgets every connection of this thread's network namespace.
pub fn flush() -> io::Result<()> {
    // nlmsghdr: length, type, flags, sequence, port; nfgenmsg: family, version, resource
    // (`include/uapi/linux/netlink.h`, `include/uapi/linux/netfilter/nfnetlink.h`).
    const DELETE: u16 = 1 << 8 | 2; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    let mut message = 20_u32.to_ne_bytes().to_vec();
    message.extend(DELETE.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    message.extend([0; 12]);
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let code = answer.get(16..20).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
}
