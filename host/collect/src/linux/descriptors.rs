//! One pass over the descriptors of all processes, for those that hold a wanted socket.
//!
//! Most of a collection's time on a busy machine goes by here, so nothing is allocated for a descriptor, and a process
//! that holds none of the sockets costs one `open`, one `getdents64` and a `readlinkat` a descriptor.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::{io, thread};

use rustix::fs::{CWD, Mode, OFlags, RawDir, open, openat, readlinkat_raw};
use rustix::io::Errno;

use loopgate_facts::Owner;

use super::errno::is;
use super::process::{Process, has_no_memory};
use super::users::Users;

/// A process that holds wanted sockets.
pub(super) struct Holder {
    pub(super) owner: Owner,
    /// Inodes of the sockets, in no order and possibly repeated.
    pub(super) inodes: Vec<u64>,
}

/// What to look for.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    /// The inodes of the sockets, sorted.
    pub(super) inodes: &'a [u64],
    /// Who the users are that may be found.
    pub(super) users: &'a Users,
}

/// What the pass found.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) holders: Vec<Holder>,
    /// The number of processes whose descriptors may not be read.
    pub(super) unreadable: usize,
}

/// Looks at every process that `/proc` shows.
pub(super) fn pass(proc: &Path, search: Search<'_>) -> io::Result<Pass> {
    let pids = processes(proc)?;
    let directory = open(proc, DIRECTORY, Mode::empty())?;
    let mut pass = Pass::default();
    thread::scope(|scope| {
        let (own, others) = shares(&pids);
        let helpers: Vec<_> = others.map(|share| (share, helper(scope, &directory, share, search))).collect();
        pass.extend(look_at(&directory, own, search));
        for (share, helper) in helpers {
            let found = helper.and_then(|helper| helper.join().ok());
            pass.extend(found.unwrap_or_else(|| look_at(&directory, share, search)));
        }
    });
    Ok(pass)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// So many processes are worth a thread, which takes about as long to start as a hundred of them to read.
const WORTH_A_THREAD: usize = 200;

/// More threads than this would only contend for the kernel's locks.
const MOST_THREADS: usize = 4;

/// The share of this thread, and those of helpers.
fn shares(pids: &[u32]) -> (&[u32], impl Iterator<Item = &[u32]>) {
    let processors = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let threads = (pids.len() / WORTH_A_THREAD).clamp(1, processors);
    let mut shares = pids.chunks(pids.len().div_ceil(threads).max(1));
    (shares.next().unwrap_or_default(), shares)
}

/// A thread for a share; `None` if the system gives no more threads.
fn helper<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    proc: &'scope OwnedFd,
    pids: &'scope [u32],
    search: Search<'scope>,
) -> Option<thread::ScopedJoinHandle<'scope, Pass>> {
    thread::Builder::new().spawn_scoped(scope, move || look_at(proc, pids, search)).ok()
}

fn look_at(proc: &OwnedFd, pids: &[u32], search: Search<'_>) -> Pass {
    let mut pass = Pass::default();
    for &pid in pids {
        pass.add(holder(proc, pid, search));
    }
    pass
}

impl Pass {
    fn extend(&mut self, other: Self) {
        self.holders.extend(other.holders);
        self.unreadable += other.unreadable;
    }

    fn add(&mut self, result: io::Result<Option<Holder>>) {
        match result {
            Ok(holder) => self.holders.extend(holder),
            Err(error) if has_vanished(&error) => {}
            Err(_) => self.unreadable += 1,
        }
    }
}

/// Whether an error says that the process, or the descriptor, is no longer there.
fn has_vanished(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH].into_iter().any(|errno| is(error, errno))
}

/// The process ids in `/proc`, in its order.
pub(super) fn processes(proc: &Path) -> io::Result<Vec<u32>> {
    let directory = openat(CWD, proc, DIRECTORY, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut pids = Vec::new();
    while let Some(entry) = entries.next() {
        pids.extend(number(entry?.file_name().to_bytes()).and_then(|pid| u32::try_from(pid).ok()));
    }
    Ok(pids)
}

/// Whether a process holds wanted sockets, and which. One that has ended holds none, whoever may ask.
fn holder(proc: &OwnedFd, pid: u32, search: Search<'_>) -> io::Result<Option<Holder>> {
    match ask(proc, pid, search) {
        Err(error) if is(&error, Errno::ACCESS) && has_no_memory(proc, pid)? => Ok(None),
        answer => answer,
    }
}

fn ask(proc: &OwnedFd, pid: u32, search: Search<'_>) -> io::Result<Option<Holder>> {
    let descriptors = openat(proc, format!("{pid}/fd"), DIRECTORY, Mode::empty())?;
    let inodes = sockets(&descriptors, search.inodes)?;
    if inodes.is_empty() {
        return Ok(None);
    }
    let owner = Process::of_descriptors(pid, &descriptors)?.owner(search.users)?;
    Ok(Some(Holder { owner, inodes }))
}

fn sockets(descriptors: &OwnedFd, wanted: &[u64]) -> io::Result<Vec<u64>> {
    let mut buffer = [MaybeUninit::uninit(); 8 << 10];
    let mut entries = RawDir::new(descriptors, &mut buffer);
    let mut inodes = Vec::new();
    while let Some(entry) = entries.next() {
        let mut target = [MaybeUninit::uninit(); LONGEST_LINK];
        match readlinkat_raw(descriptors, entry?.file_name(), &mut target) {
            Ok((target, _)) => inodes.extend(socket_inode(target).filter(|inode| wanted.binary_search(inode).is_ok())),
            // A descriptor that was closed meanwhile; `.` and `..`.
            Err(Errno::NOENT | Errno::INVAL) => {}
            // The directory can be open to a process that may not follow the links in it (`proc_fd_access_allowed`,
            // `fs/proc/base.c`).
            Err(error) => return Err(error.into()),
        }
    }
    Ok(inodes)
}

/// `socket:[18446744073709551615]` and room for one more byte, by which longer links are told.
const LONGEST_LINK: usize = 30;

/// The inode in the link of a socket, `socket:[N]` (`proc_pid_fd(5)`).
fn socket_inode(link: &[u8]) -> Option<u64> {
    number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

/// A decimal number, digits only.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = socket_inode(link.to_str().unwrap().as_bytes()).unwrap();
        let pass = pass(Path::new("/proc"), Search { inodes: &[inode], users: &Users::default() }).unwrap();
        assert!(pass.holders.iter().any(|holder| holder.inodes == [inode]));
    }

    #[test]
    fn links_to_other_things_are_no_sockets() {
        for link in ["socket:[]", "socket:[12", "pipe:[12]", "socket:[1x]", "/tmp/socket:[12]", "socket:[-1]", ""] {
            assert_eq!(socket_inode(link.as_bytes()), None, "{link}");
        }
        assert_eq!(socket_inode(b"socket:[18446744073709551616]"), None);
    }

    proptest! {
        #[test]
        fn every_inode_is_read_back(inode: u64) {
            prop_assert_eq!(socket_inode(format!("socket:[{inode}]").as_bytes()), Some(inode));
        }

        #[test]
        fn the_shares_are_all_processes(pids in prop::collection::vec(any::<u32>(), 0..3000)) {
            let (own, others) = shares(&pids);
            prop_assert_eq!([own].into_iter().chain(others).flatten().copied().collect::<Vec<_>>(), pids);
        }
    }
}
