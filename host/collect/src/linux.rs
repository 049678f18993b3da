//! Observes Linux: the kernel over netlink and `/proc`, no external program.
//!
//! | what | from |
//! | --- | --- |
//! | interfaces, addresses, their settings, local routes | rtnetlink |
//! | firewall rules | nfnetlink |
//! | listening sockets | `sock_diag` |
//! | their owners | one pass over `/proc/PID/fd` |
//! | names of containers | the files of the system's Docker and Podman |
//! | the distribution | `os-release` |
//! | other settings | `/proc/sys` |
//! | names | `/etc/hosts` and, where no packet can leave the machine, `getaddrinfo(3)` |
//!
//! Asking `sock_diag` for TCP and UDP can make the kernel load its own `inet_diag`, `tcp_diag` and `udp_diag` modules,
//! as `ss(8)` does. Nothing else on the machine changes.

mod bypass;
mod cgroup;
mod containers;
mod descriptors;
mod distribution;
mod errno;
pub mod firewall;
mod host;
mod interfaces;
mod listeners;
mod names;
mod namespaces;
mod netlink;
mod nsswitch;
mod owners;
mod process;
mod protocols;
pub mod reach;
mod root;
mod routes;
mod routing;
mod rtnetlink;
mod settings;
mod sockets;
mod targets;
mod users;

use std::path::Path;
use std::thread;

use loopgate_facts::{Area, Facts, Firewall, Listener, SCHEMA};

use crate::gaps::Gaps;
use crate::{Collector, loopback};
use containers::Catalogue;
use interfaces::Devices;
use protocols::Queries;
use root::Root;
use settings::Conf;
use sockets::ListeningSocket;

/// The collector for Linux.
#[derive(Clone, Debug)]
pub struct LinuxCollector {
    root: Root,
}

impl LinuxCollector {
    /// A collector for the machine that the program runs on.
    pub fn new() -> Self {
        Self::with_files_under(Path::new("/"))
    }

    /// A collector that looks for `/proc`, `/sys`, `/etc` and `/run` in another directory. The kernel that it asks over
    /// netlink stays the one it runs on.
    pub fn with_files_under(root: &Path) -> Self {
        Self { root: Root::new(root) }
    }
}

impl Default for LinuxCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector for LinuxCollector {
    fn collect(&self) -> Facts {
        let mut gaps = Gaps::default();
        let mut facts = thread::scope(|scope| observe(scope, &self.root, &mut gaps));
        facts.gaps = gaps.into_vec();
        facts.normalise();
        facts
    }
}

/// Observes everything. What waits for something else does so on a thread of its own.
fn observe<'scope>(scope: &'scope thread::Scope<'scope, '_>, root: &'scope Root, gaps: &mut Gaps) -> Facts {
    let queries = Queries::on_this_machine(root, gaps);
    let multipath = Some(queries.multipath()).filter(|queries| !queries.is_empty());
    let multipath = multipath.map(|queries| Aside::start(scope, Area::Listeners, move || sockets::observe(&queries)));
    let host = host::observe(root, gaps);
    let devices = Devices::observe(gaps);
    let loopback = devices.loopback().to_vec();
    let mut sysctls = settings::observe(root, gaps);
    let all = Conf::of(&sysctls, gaps);
    sysctls.extend(settings::of_interfaces(&devices.links));
    let local_routes = routes::observe(&devices, gaps);
    let mut sockets = gaps.take(sockets::observe(&queries.plain()));
    sockets::add_multipath(&mut sockets, multipath.map_or_else(Vec::new, |multipath| multipath.finish(gaps)));
    let transparent = bypass::transparent(&sockets, &devices);
    // Not before the sockets are listed, so that those of the probes are not among them.
    let probes = Aside::start(scope, Area::Probes, move || loopback::probe_all(Some(&loopback)));
    let names = Aside::start(scope, Area::Resolver, || names::observe(root));
    let listeners = owned_listeners(root, sockets, &devices, gaps);
    let mut facts = Facts {
        schema: SCHEMA,
        host,
        interfaces: devices.interfaces(all, root),
        listeners,
        probes: probes.finish(gaps),
        names: names.finish(gaps),
        sysctls,
        local_routes,
        firewall: Firewall::default(),
        routing: Vec::new(),
        bypasses: transparent,
        gaps: Vec::new(),
    };
    reach::observe(&mut facts, &devices, root, gaps);
    targets::observe(&mut facts.listeners, &devices, &queries.plain(), root, gaps);
    facts
}

fn owned_listeners(
    root: &Root,
    mut sockets: Vec<ListeningSocket>,
    devices: &Devices,
    gaps: &mut Gaps,
) -> Vec<Listener> {
    let owners = gaps.take(owners::observe(root, &mut sockets));
    let mut listeners = listeners::merge(&sockets, devices);
    owners.assign(&mut listeners);
    let catalogue = Catalogue::new(root);
    for listener in &mut listeners {
        catalogue.describe(&mut listener.owners);
    }
    listeners
}

/// An observation on a thread of its own.
enum Aside<'scope, T, F> {
    Running(thread::ScopedJoinHandle<'scope, (T, Gaps)>, Area),
    /// The system gave no thread.
    Here(F),
}

impl<'scope, T, F> Aside<'scope, T, F>
where
    T: Default + Send + 'scope,
    F: Fn() -> (T, Gaps) + Clone + Send + 'scope,
{
    fn start(scope: &'scope thread::Scope<'scope, '_>, area: Area, observe: F) -> Self {
        match thread::Builder::new().spawn_scoped(scope, observe.clone()) {
            Ok(thread) => Self::Running(thread, area),
            Err(_) => Self::Here(observe),
        }
    }

    fn finish(self, gaps: &mut Gaps) -> T {
        gaps.take(match self {
            Self::Here(observe) => observe(),
            Self::Running(thread, area) => thread.join().unwrap_or_else(|_| (T::default(), defect(area))),
        })
    }
}

/// A defect of loopgate must not pass for an observation.
fn defect(area: Area) -> Gaps {
    let mut gaps = Gaps::default();
    gaps.area(area, "a defect of loopgate ended the observation", "this area");
    gaps
}
