//! The network namespaces of other processes, such as containers (`network_namespaces(7)`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::thread;
use std::{fs, io};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::descriptors::processes;
use super::netlink::{NetlinkError, Request, Session, find};
use super::root::Root;
use super::rtnetlink::{NETLINK_ROUTE, append, short};

/// A network namespace, kept alive by being open.
pub(super) struct Namespace {
    file: File,
    /// The processes that are in it.
    pub(super) processes: Vec<u32>,
}

/// Those of some numbers, by number, and how many could not be looked at.
#[derive(Default)]
pub(super) struct Namespaces {
    pub(super) found: BTreeMap<i32, Namespace>,
    /// The number of processes of which it cannot be told in which namespace they are, or what its number is.
    pub(super) unreadable: usize,
}

/// The file of a namespace, by device and inode.
type Identity = (u64, u64);

impl Namespaces {
    /// Finds the namespaces that the one of this process has given the wanted numbers.
    pub(super) fn find(wanted: &BTreeSet<i32>, root: &Root) -> io::Result<Self> {
        let mut namespaces = Self::default();
        for processes in by_identity(root, &mut namespaces.unreadable)?.into_values() {
            namespaces.add(processes, wanted, root);
        }
        Ok(namespaces)
    }

    fn add(&mut self, processes: Vec<u32>, wanted: &BTreeSet<i32>, root: &Root) {
        let opened = processes.iter().find_map(|&pid| File::open(path(root, &pid.to_string())).ok());
        let Some(file) = opened else {
            self.unreadable += processes.len();
            return;
        };
        match number(&file) {
            Ok(number) if wanted.contains(&number) => {
                self.found.insert(number, Namespace { file, processes });
            }
            Ok(_) => {}
            Err(_) => self.unreadable += processes.len(),
        }
    }
}

fn path(root: &Root, process: &str) -> PathBuf {
    root.path(&format!("proc/{process}/ns/net"))
}

/// The processes of each namespace but this one.
fn by_identity(root: &Root, unreadable: &mut usize) -> io::Result<BTreeMap<Identity, Vec<u32>>> {
    let identity = |process: &str| fs::metadata(path(root, process)).map(|file| (file.dev(), file.ino()));
    let own = identity("self")?;
    let mut namespaces = BTreeMap::<_, Vec<_>>::new();
    for pid in processes(&root.path("proc"))? {
        match identity(&pid.to_string()) {
            Ok(identity) if identity != own => namespaces.entry(identity).or_default().push(pid),
            Ok(_) => {}
            // The process has gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => *unreadable += 1,
        }
    }
    Ok(namespaces)
}

/// The number that the network namespace of this process has for another, negative for none (`rtnl_net_getid`,
/// `net/core/net_namespace.c`).
fn number(namespace: &File) -> Result<i32, NetlinkError> {
    const RTM_NEWNSID: u16 = 88;
    const RTM_GETNSID: u16 = 90;
    const NETNSA_NSID: u16 = 1;
    const NETNSA_FD: u16 = 3;
    /// `sizeof(struct rtgenmsg)`, aligned.
    const HEADER: usize = 4;
    const ROOM: usize = 4 << 10;
    let mut body = vec![0; HEADER];
    append(&mut body, NETNSA_FD, namespace.as_raw_fd().cast_unsigned());
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETNSID, answer: RTM_NEWNSID, body };
    let answer = Session::open(NETLINK_ROUTE, ROOM)?.ask(&request)?;
    let number = find(answer.get(HEADER..).ok_or_else(short)?, NETNSA_NSID)?.ok_or_else(short)?;
    Ok(number.u32()?.cast_signed())
}

impl Namespace {
    /// Looks at it from within, on a thread that moves there and ends.
    pub(super) fn within<T: Send>(&self, look: impl FnOnce() -> T + Send) -> io::Result<T> {
        let moved = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(look())
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, moved)?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a defect of loopgate ended the observation")))
        })
    }
}
