//! Whose the targets of published ports are, where they are in containers of this machine.
//!
//! An address alone does not tell: anybody may have a network namespace with the same one. So the interface that
//! packets leave by decides which namespaces can have the target, and only there it is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use loopgate_facts::{Area, Container, Listener, Owner, Protocol};

use super::containers::Catalogue;
use super::descriptors::{Search, pass};
use super::interfaces::Devices;
use super::namespaces::{Namespace, Namespaces};
use super::netlink::NetlinkError;
use super::owners::Owners;
use super::protocols::Query;
use super::root::Root;
use super::rtnetlink::addresses;
use super::sockets::{ListeningSocket, list};
use super::users::Users;
use crate::gaps::{Gaps, count};

/// Fills in the containers that targets belong to, and the processes that listen there.
pub(super) fn observe(listeners: &mut [Listener], devices: &Devices, queries: &[Query], root: &Root, gaps: &mut Gaps) {
    let wanted: BTreeSet<i32> = listeners.iter().flat_map(|listener| namespaces(listener, devices)).collect();
    if wanted.is_empty() {
        return;
    }
    let views = Views::of(&wanted, queries, root);
    let places: Vec<_> = listeners.iter().map(|listener| views.place(listener, devices)).collect();
    views.report(&places, gaps);
    let (owners, catalogue) = (owners(&places, root), Catalogue::new(root));
    for (listener, place) in listeners.iter_mut().zip(places) {
        if let Place::At { view, inodes } = place {
            describe(listener, view, &inodes, &owners, &catalogue);
        }
    }
}

/// The namespaces that the target can be in.
fn namespaces(listener: &Listener, devices: &Devices) -> BTreeSet<i32> {
    let interface = listener.published.as_ref().and_then(|published| published.interface.as_ref());
    interface.map(|interface| devices.namespaces_by(interface)).unwrap_or_default()
}

/// What was seen in network namespaces, by their numbers.
#[derive(Default)]
struct Views {
    seen: BTreeMap<i32, View>,
    /// Why some could not be looked into.
    refused: Vec<String>,
}

/// What is in a network namespace.
struct View {
    processes: Vec<u32>,
    addresses: BTreeSet<IpAddr>,
    sockets: Vec<ListeningSocket>,
}

/// Where a published port leads to.
enum Place<'v> {
    /// Not to where another namespace could be, or it is not a published port.
    NotElsewhere,
    /// None of the namespaces that were looked into has the target.
    NotSeen,
    /// Two have the same address on one link: whichever answers first gets it.
    Contested,
    /// A namespace, and the sockets there that get what is sent to the target.
    At { view: &'v View, inodes: Vec<u64> },
}

impl Views {
    fn of(wanted: &BTreeSet<i32>, queries: &[Query], root: &Root) -> Self {
        let mut views = Self::default();
        match Namespaces::find(wanted, root) {
            Ok(namespaces) => views.look_into(namespaces, queries),
            Err(error) => views.refused.push(format!("/proc cannot be listed: {error}")),
        }
        views
    }

    fn look_into(&mut self, namespaces: Namespaces, queries: &[Query]) {
        if namespaces.unreadable > 0 {
            let processes = count(namespaces.unreadable, "process", "processes");
            self.refused.push(format!("the network namespaces of {processes} may not be read"));
        }
        for (number, namespace) in namespaces.found {
            match View::of(namespace, queries) {
                Ok(view) => {
                    self.seen.insert(number, view);
                }
                Err(reason) => self.refused.push(reason),
            }
        }
    }

    fn place(&self, listener: &Listener, devices: &Devices) -> Place<'_> {
        let numbers = namespaces(listener, devices);
        let Some(published) = listener.published.as_ref().filter(|_| !numbers.is_empty()) else {
            return Place::NotElsewhere;
        };
        let views = numbers.iter().filter_map(|number| self.seen.get(number));
        let mut having = views.filter(|view| view.addresses.contains(&published.target.ip()));
        match (having.next(), having.next()) {
            (None, _) => Place::NotSeen,
            (Some(view), None) => Place::At { view, inodes: view.inodes(listener.protocol, published.target) },
            (Some(_), Some(_)) => Place::Contested,
        }
    }

    /// Only where a target was not seen can it be in a namespace that could not be looked into.
    fn report(&self, places: &[Place<'_>], gaps: &mut Gaps) {
        if places.iter().any(|place| matches!(place, Place::NotSeen)) {
            for reason in &self.refused {
                let unknown = "which containers they lead to, and who listens there";
                gaps.subject(Area::Owners, "published ports", reason, unknown);
            }
        }
    }
}

impl View {
    fn of(namespace: Namespace, queries: &[Query]) -> Result<Self, String> {
        let seen = namespace.within(|| -> Result<_, NetlinkError> {
            let mut sockets = Vec::new();
            for &query in queries {
                sockets.extend(list(query)?.sockets);
            }
            Ok((addresses()?.iter().map(|address| address.ip).collect(), sockets))
        });
        let seen = seen.map_err(|error| format!("the network namespace of a container cannot be entered: {error}"))?;
        let (addresses, sockets) =
            seen.map_err(|error| format!("the network namespace of a container cannot be observed: {error}"))?;
        Ok(Self { processes: namespace.processes, addresses, sockets })
    }

    /// The sockets that get what is sent to an endpoint.
    fn inodes(&self, protocol: Protocol, target: SocketAddr) -> Vec<u64> {
        let gets = |socket: &&ListeningSocket| {
            socket.query.protocol == protocol && socket.port == target.port() && takes(socket, target.ip())
        };
        self.sockets.iter().filter(gets).map(|socket| socket.inode).filter(|&inode| inode != 0).collect()
    }
}

fn takes(socket: &ListeningSocket, address: IpAddr) -> bool {
    let everything = socket.address.is_unspecified();
    let of_family = socket.address.is_ipv4() == address.is_ipv4();
    socket.address.to_canonical() == address
        || everything && (of_family || address.is_ipv4() && socket.ipv6_only == Some(false))
}

/// The processes that hold the sockets of all targets.
fn owners(places: &[Place<'_>], root: &Root) -> Owners {
    let wanted = places.iter().filter_map(|place| match place {
        Place::At { inodes, .. } => Some(inodes),
        _ => None,
    });
    let wanted: BTreeSet<u64> = wanted.flatten().copied().collect();
    let inodes: Vec<u64> = wanted.into_iter().collect();
    if inodes.is_empty() {
        return Owners::default();
    }
    // If it fails, the pass for the sockets of this namespace has failed too, and that is a gap already.
    let found = pass(&root.path("proc"), Search { inodes: &inodes, users: &Users::read(root) });
    Owners::of(found.map(|pass| pass.holders).unwrap_or_default())
}

fn describe(listener: &mut Listener, view: &View, inodes: &[u64], owners: &Owners, catalogue: &Catalogue<'_>) {
    let mut listening: Vec<Owner> = inodes.iter().flat_map(|&inode| owners.of_socket(inode)).cloned().collect();
    catalogue.describe(&mut listening);
    let of_owners = common(listening.iter().map(|owner| owner.container.clone()));
    let of_processes = || common(view.processes.iter().map(|&pid| catalogue.container_of_process(pid)));
    if let Some(published) = &mut listener.published {
        published.container = of_owners.or_else(of_processes);
    }
    if !listening.is_empty() {
        listener.owners = listening;
    }
}

/// The one container of all that have any.
fn common(containers: impl Iterator<Item = Option<Container>>) -> Option<Container> {
    let mut containers = containers.flatten();
    let first = containers.next()?;
    containers.all(|other| other == first).then_some(first)
}

#[cfg(test)]
mod tests;
