//! BPF programs that see packets (`bpf(2)`): at netfilter hooks, before them (`tcx`), and where a socket is chosen
//! (`sk_lookup`).
//!
//! Listing them needs capabilities of the initial user namespace, as attaching them does. In another one nobody can do
//! either: programs on its network are a matter of whoever runs the machine, as is what lies at the other end of its
//! wires, and are no gap.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use loopgate_facts::{Bypass, BypassKind};
use loopgate_firewall::ruleset::{Family, Hook};
use rustix::io::Errno;

use super::Bypasses;
use super::rules::{Concerned, chain};
use crate::linux::errno::is;
use crate::linux::interfaces::Devices;
use crate::linux::netlink::u32_at;
use crate::linux::root::Root;

pub(super) fn observe(devices: &Devices, root: &Root, bypasses: &mut Bypasses) {
    let found = links(bypasses).and_then(|()| queries(devices, root, bypasses));
    match found {
        Ok(()) => {}
        Err(error) if is(&error, Errno::PERM) && !in_initial_user_namespace(root) => {}
        // A kernel without BPF has no programs.
        Err(error) if is(&error, Errno::NOSYS) => {}
        Err(error) => bypasses.refuse("BPF programs", &error),
    }
}

/// `PROC_USER_INIT_INO` (`include/uapi/linux/nsfs.h`).
fn in_initial_user_namespace(root: &Root) -> bool {
    const INITIAL: &str = "user:[4026531837]";
    std::fs::read_link(root.path("proc/self/ns/user")).map_or(true, |link| link.as_os_str() == INITIAL)
}

/// Programs that are attached by a link, as those at netfilter hooks always are.
fn links(bypasses: &mut Bypasses) -> io::Result<()> {
    let mut last = 0;
    while let Some(id) = next_link(last)? {
        last = id;
        match link_info(id) {
            Ok(info) => bypasses.found.extend(netfilter_program(&info).map(|(bypass, rules)| {
                bypasses.rules.append(rules);
                bypass
            })),
            // It has gone since.
            Err(error) if is(&error, Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn next_link(after: u32) -> io::Result<Option<u32>> {
    const BPF_LINK_GET_NEXT_ID: u32 = 31;
    let mut request = Request::default();
    request.put(0, after);
    match request.send(BPF_LINK_GET_NEXT_ID) {
        Ok(_) => Ok(u32_at(&request.0, 4)),
        Err(error) if is(&error, Errno::NOENT) => Ok(None),
        // Links came with Linux 5.7.
        Err(error) if is(&error, Errno::INVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `struct bpf_link_info`, as far as it is read.
type LinkInfo = [u8; 64];

fn link_info(id: u32) -> io::Result<LinkInfo> {
    const BPF_LINK_GET_FD_BY_ID: u32 = 30;
    const BPF_OBJ_GET_INFO_BY_FD: u32 = 15;
    let mut request = Request::default();
    request.put(0, id);
    let link = descriptor(request.send(BPF_LINK_GET_FD_BY_ID)?)?;
    let mut info: LinkInfo = [0; 64];
    let mut request = Request::default();
    request.put(0, link.as_raw_fd().cast_unsigned());
    request.put(4, u32::try_from(info.len()).unwrap_or_default());
    request.put_pointer(8, info.as_mut_ptr());
    request.send(BPF_OBJ_GET_INFO_BY_FD)?;
    Ok(info)
}

/// A program at a hook, by what is known of its link. Which network namespace it is in is not said: it is taken for
/// this one.
fn netfilter_program(info: &LinkInfo) -> Option<(Bypass, loopgate_firewall::Ruleset)> {
    const BPF_LINK_TYPE_NETFILTER: u32 = 10;
    const NFPROTO_IPV4: u32 = 2;
    const NFPROTO_IPV6: u32 = 10;
    let number = |offset| u32_at(info, offset);
    if number(0)? != BPF_LINK_TYPE_NETFILTER {
        return None;
    }
    let (program, priority) = (number(8)?, number(24)?.cast_signed());
    let family = match number(16)? {
        NFPROTO_IPV4 => Family::Ip,
        NFPROTO_IPV6 => Family::Ip6,
        _ => Family::Inet,
    };
    // `NF_INET_*`; a hook that does not exist is taken for the first.
    let hooks = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];
    let hook = usize::try_from(number(20)?).ok().and_then(|at| hooks.get(at).copied()).unwrap_or(Hook::Prerouting);
    let what = format!("BPF program {program} at {hook:?} with priority {priority}").to_lowercase();
    let rules = chain(family, (hook, priority), [(Concerned::default(), what.clone().into())]);
    Some((Bypass { interface: None, kind: BypassKind::NetfilterProgram, detail: what.into() }, rules))
}

/// Programs that are found by where they are attached.
fn queries(devices: &Devices, root: &Root, bypasses: &mut Bypasses) -> io::Result<()> {
    const BPF_SK_LOOKUP: u32 = 36;
    const BPF_TCX: [(u32, &str); 2] = [(46, "ingress"), (47, "egress")];
    let namespace = File::open(root.path("proc/self/ns/net"))?;
    let count = attached(namespace.as_raw_fd().cast_unsigned(), BPF_SK_LOOKUP)?;
    if count > 0 {
        let detail = format!("{count} programs choose the socket").into();
        bypasses.found.push(Bypass { interface: None, kind: BypassKind::SocketLookup, detail });
    }
    for link in &devices.links {
        for (place, direction) in BPF_TCX {
            let count = attached(link.index, place)?;
            if count > 0 {
                let detail = format!("{count} {direction} programs (tcx)").into();
                let interface = Some(devices.name(link.index));
                bypasses.found.push(Bypass { interface, kind: BypassKind::TrafficControl, detail });
            }
        }
    }
    Ok(())
}

/// How many programs are attached to a target. A kernel that does not know the place has none there.
fn attached(target: u32, place: u32) -> io::Result<u32> {
    const BPF_PROG_QUERY: u32 = 16;
    const COUNT: usize = 24;
    let mut request = Request::default();
    request.put(0, target);
    request.put(4, place);
    match request.send(BPF_PROG_QUERY) {
        Ok(_) => Ok(u32_at(&request.0, COUNT).unwrap_or_default()),
        Err(error) if is(&error, Errno::INVAL) || is(&error, Errno::NOENT) || is(&error, Errno::NODEV) => Ok(0),
        Err(error) => Err(error),
    }
}

/// `union bpf_attr`, which the kernel reads and writes; what follows the fields of a command is zero.
struct Request([u8; 128]);

impl Default for Request {
    fn default() -> Self {
        Self([0; 128])
    }
}

impl Request {
    fn put(&mut self, offset: usize, number: u32) {
        self.put_bytes(offset, &number.to_ne_bytes());
    }

    fn put_pointer(&mut self, offset: usize, pointer: *mut u8) {
        self.put_bytes(offset, &(pointer.addr() as u64).to_ne_bytes());
    }

    fn put_bytes(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    #[expect(unsafe_code, reason = "no crate offers bpf(2)")]
    fn send(&mut self, command: u32) -> io::Result<i64> {
        // SAFETY: the request is as long as said, and a buffer that it points to outlives the call and is as long as it
        // says.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), self.0.len()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }
}

#[expect(unsafe_code, reason = "bpf(2) gives descriptors as numbers")]
fn descriptor(number: i64) -> io::Result<OwnedFd> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given it, and nothing else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_listed_or_refused() {
        let (devices, root) = (Devices::observe(&mut crate::gaps::Gaps::default()), Root::new("/".as_ref()));
        let mut bypasses = Bypasses::default();
        let found = links(&mut bypasses).and_then(|()| queries(&devices, &root, &mut bypasses));
        if let Err(error) = found {
            assert!(is(&error, Errno::PERM), "{error}");
        }
    }

    #[test]
    fn a_program_at_a_hook_is_a_rule_of_unknown_effect_there() {
        let mut info: LinkInfo = [0; 64];
        for (at, number) in [(0, 10), (4, 3), (8, 77), (16, 2), (20, 1), (24, 5_u32)] {
            info[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        let (bypass, rules) = netfilter_program(&info).unwrap();
        assert_eq!(bypass.detail.as_str(), "bpf program 77 at input with priority 5");
        let base = rules.chains[0].base.as_ref().unwrap();
        assert_eq!((base.hook, base.priority, rules.tables[0].family), (Hook::Input, 5, Family::Ip));
        info[0] = 3;
        assert_eq!(netfilter_program(&info), None);
    }
}
