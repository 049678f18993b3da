//! Who holds each listening socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use loopgate_facts::{Area, Listener, Owner};

use super::descriptors::{Holder, Search, pass};
use super::protocols::Query;
use super::root::Root;
use super::sockets::{Endpoint, ListeningSocket, list};
use super::users::Users;
use crate::gaps::{Gaps, count};

/// The owners of sockets, by inode. Every visible process that holds a socket owns it.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<u64, Vec<Owner>>);

/// Finds the owners of the sockets, and takes those off the list that need none: see [`settle`].
pub(super) fn observe(root: &Root, sockets: &mut Vec<ListeningSocket>) -> (Owners, Gaps) {
    let (mut owners, mut gaps) = (Owners::default(), Gaps::default());
    if sockets.is_empty() {
        return (owners, gaps);
    }
    let mut unreadable = 0;
    match pass(&root.path("proc"), Search { inodes: &wanted(sockets), users: &Users::read(root) }) {
        Ok(pass) => {
            unreadable = pass.unreadable;
            owners = Owners::of(pass.holders);
            settle(sockets, &owners);
        }
        Err(error) => gaps.area(Area::Owners, format!("/proc cannot be listed: {error}"), "every owner of a socket"),
    }
    owners.report(sockets, unreadable, &mut gaps);
    (owners, gaps)
}

/// The inodes to look for, sorted. Inode 0 stands for none.
fn wanted(sockets: &[ListeningSocket]) -> Vec<u64> {
    let inodes: BTreeSet<_> = sockets.iter().map(|socket| socket.inode).filter(|&inode| inode != 0).collect();
    inodes.into_iter().collect()
}

/// Removes sockets without an owner that are explained: those whose endpoint is gone by now (one that has another
/// socket in its place is as open as before, so it stays, with an owner that was not seen), and the inner sockets that
/// Multipath TCP kept for its listeners before Linux 6.6, which have the endpoint of one that has an owner.
fn settle(sockets: &mut Vec<ListeningSocket>, owners: &Owners) {
    let (mut kept, orphans): (Vec<_>, Vec<_>) = sockets.drain(..).partition(|socket| owners.has(socket));
    let queries: BTreeSet<_> = orphans.iter().map(|orphan| orphan.query).collect();
    let still_open = open_endpoints(queries);
    let is_inner = |orphan: &ListeningSocket| kept.iter().any(|socket| socket.is_multipath_face_of(orphan));
    let is_open = |orphan: &ListeningSocket| still_open.as_ref().is_none_or(|open| open.contains(&orphan.endpoint()));
    let orphans: Vec<_> = orphans.into_iter().filter(|orphan| is_open(orphan) && !is_inner(orphan)).collect();
    kept.extend(orphans);
    *sockets = kept;
}

/// The endpoints that the lists have now; `None` if one cannot be read again.
fn open_endpoints(queries: BTreeSet<Query>) -> Option<BTreeSet<Endpoint>> {
    let lists = queries.into_iter().map(list).collect::<Result<Vec<_>, _>>().ok()?;
    Some(lists.iter().flat_map(|list| &list.sockets).map(ListeningSocket::endpoint).collect())
}

impl Owners {
    pub(super) fn of(holders: Vec<Holder>) -> Self {
        let mut owners = Self::default();
        for Holder { owner, inodes } in holders {
            for inode in inodes.into_iter().collect::<BTreeSet<_>>() {
                owners.0.entry(inode).or_default().push(owner.clone());
            }
        }
        owners
    }

    fn has(&self, socket: &ListeningSocket) -> bool {
        self.0.contains_key(&socket.inode)
    }

    /// Those of one socket.
    pub(super) fn of_socket(&self, inode: u64) -> &[Owner] {
        self.0.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// Gives each listener the owners of its sockets.
    pub(super) fn assign(&self, listeners: &mut [Listener]) {
        for listener in listeners {
            let held = listener.sockets.iter().flat_map(|socket| self.of_socket(socket.inode));
            listener.owners = held.cloned().collect();
        }
    }

    fn report(&self, sockets: &[ListeningSocket], unreadable: usize, gaps: &mut Gaps) {
        let orphans = sockets.iter().filter(|socket| !self.has(socket)).count();
        if orphans > 0 || unreadable > 0 {
            gaps.area(Area::Owners, reason(orphans, unreadable), unknown(orphans, sockets.len(), unreadable));
        }
    }
}

fn reason(orphans: usize, unreadable: usize) -> String {
    let orphans = (orphans > 0).then(|| {
        let sockets = count(orphans, "socket has", "sockets have");
        format!("{sockets} no visible owner: the kernel itself holds them, or a process that cannot be seen from here")
    });
    let unreadable = (unreadable > 0).then(|| {
        let processes = count(unreadable, "process", "processes");
        format!("the descriptors of {processes} may not be read")
    });
    join(orphans, unreadable)
}

fn unknown(orphans: usize, all: usize, unreadable: usize) -> String {
    let orphans = (orphans > 0).then(|| format!("the owners of {orphans} of {}", count(all, "socket", "sockets")));
    let unreadable = (unreadable > 0).then_some("whether a socket has more owners than those shown");
    join(orphans, unreadable)
}

fn join(first: Option<impl Display>, second: Option<impl Display>) -> String {
    let parts = first.map(|part| part.to_string()).into_iter().chain(second.map(|part| part.to_string()));
    parts.collect::<Vec<_>>().join("; ")
}
