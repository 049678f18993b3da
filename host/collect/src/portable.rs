//! Observes any system that netstat2 and if-addrs support, which is less than Linux shows: everything else is a gap.
//!
//! On Linux it is compiled for the tests only, as an independent second reading.

use std::collections::BTreeMap;
use std::net::IpAddr;

use if_addrs::{IfAddr, get_if_addrs};
use loopgate_facts::{
    Area, Facts, Firewall, Host, Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, Listener, ListenerId,
    Names, Owner, Protocol, SCHEMA, Scope, Untrusted,
};
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, SocketInfo, TcpState, get_sockets_info};

use crate::gaps::Gaps;
use crate::{Collector, loopback, now};

/// The collector for systems other than Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct PortableCollector;

impl PortableCollector {
    /// A collector for the machine that the program runs on.
    pub fn new() -> Self {
        Self
    }
}

impl Collector for PortableCollector {
    fn collect(&self) -> Facts {
        let mut gaps = Gaps::default();
        report_blind_spots(&mut gaps);
        // The listeners come first, so that those of the probes are not among them.
        let listeners = listeners(&mut gaps);
        let mut facts = Facts {
            schema: SCHEMA,
            host: host(),
            interfaces: interfaces(&mut gaps),
            listeners,
            probes: gaps.take(loopback::probe_all(None)),
            names: Names::default(),
            sysctls: Vec::new(),
            local_routes: Vec::new(),
            firewall: Firewall::default(),
            routing: Vec::new(),
            bypasses: Vec::new(),
            gaps: gaps.into_vec(),
        };
        facts.normalise();
        facts
    }
}

/// What this collector never sees.
fn report_blind_spots(gaps: &mut Gaps) {
    const BLIND_SPOTS: [(Area, &str); 9] = [
        (Area::Host, "the host name, the kernel, and the container that the run is in"),
        (Area::Interfaces, "kinds, masters and MTU of interfaces, and interfaces without an address"),
        (Area::InterfaceSettings, "the settings of interfaces"),
        (
            Area::Listeners,
            "UDP sockets that are connected, IPv6-only sockets, sockets bound to an interface, UDP-Lite, SCTP",
        ),
        (Area::Owners, "names, executables, users and units of the processes that hold a socket"),
        (Area::HostsFile, "what the host table says of localhost"),
        (Area::Resolver, "what the resolver answers for localhost"),
        (Area::Sysctls, "kernel settings"),
        (Area::LocalRoutes, "which prefixes are delivered locally"),
    ];
    for (area, unknown) in BLIND_SPOTS {
        gaps.area(area, "the portable collector cannot see it", unknown);
    }
    gaps.firewall();
}

fn host() -> Host {
    Host {
        hostname: Untrusted::default(),
        os: std::env::consts::OS.to_owned(),
        distribution: None,
        kernel: Untrusted::default(),
        container: None,
        network_namespace: None,
        collected_at: now(),
        effective_uid: None,
        capabilities: Vec::new(),
        collector: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn interfaces(gaps: &mut Gaps) -> Vec<Interface> {
    let entries = get_if_addrs().unwrap_or_else(|error| {
        gaps.area(Area::Interfaces, error, "which interfaces and addresses the machine has");
        Vec::new()
    });
    let mut found: BTreeMap<u32, Interface> = BTreeMap::new();
    for entry in entries {
        // Without an index an interface has no identity; the gap above covers it.
        let Some(index) = entry.index else { continue };
        found.entry(index).or_insert_with(|| interface(index, &entry)).addresses.push(address(&entry.addr));
    }
    found.into_values().collect()
}

fn interface(index: u32, entry: &if_addrs::Interface) -> Interface {
    Interface {
        name: entry.name.as_str().into(),
        index,
        kind: if entry.is_loopback() { InterfaceKind::Loopback } else { InterfaceKind::Other("unknown".into()) },
        up: entry.is_oper_up(),
        running: entry.is_oper_up(),
        mtu: 0,
        master: None,
        addresses: Vec::new(),
        settings: InterfaceSettings::default(),
    }
}

fn address(entry: &IfAddr) -> InterfaceAddress {
    let (address, prefix_length): (IpAddr, u8) = match entry {
        IfAddr::V4(entry) => (entry.ip.into(), entry.prefixlen),
        IfAddr::V6(entry) => (entry.ip.into(), entry.prefixlen),
    };
    InterfaceAddress { address, prefix_length, scope: Scope::of(address), flags: Vec::new() }
}

fn listeners(gaps: &mut Gaps) -> Vec<Listener> {
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    let sockets = get_sockets_info(families, ProtocolFlags::TCP | ProtocolFlags::UDP).unwrap_or_else(|error| {
        gaps.area(Area::Listeners, error, "every listener");
        Vec::new()
    });
    let mut found = BTreeMap::new();
    for socket in sockets {
        add(&mut found, &socket);
    }
    found.into_values().collect()
}

/// Adds a socket to the listener of its endpoint, if it listens.
fn add(found: &mut BTreeMap<ListenerId, Listener>, socket: &SocketInfo) {
    let protocol = match &socket.protocol_socket_info {
        ProtocolSocketInfo::Tcp(socket) if socket.state != TcpState::Listen => return,
        ProtocolSocketInfo::Tcp(_) => Protocol::Tcp,
        ProtocolSocketInfo::Udp(_) => Protocol::Udp,
    };
    let (address, port) = (socket.local_addr(), socket.local_port());
    if port != 0 {
        let id = ListenerId::new(protocol, address, port, None, None);
        let listener = found.entry(id).or_insert_with(|| Listener::at(protocol, address, port));
        listener.owners.extend(socket.associated_pids.iter().map(|&pid| owner(pid)));
    }
}

fn owner(pid: u32) -> Owner {
    Owner {
        pid,
        name: Untrusted::default(),
        executable: None,
        executable_elsewhere: false,
        command_line: Vec::new(),
        uid: None,
        user: None,
        cgroup: None,
        unit: None,
        container: None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use loopgate_test_support::in_namespace;

    use super::*;

    /// The endpoints with the processes that hold them.
    fn endpoints(facts: &Facts) -> BTreeMap<(Protocol, IpAddr, u16), BTreeSet<u32>> {
        let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for listener in &facts.listeners {
            let pids = found.entry((listener.protocol, listener.address, listener.port)).or_default();
            pids.extend(listener.owners.iter().map(|owner| owner.pid));
        }
        found
    }

    #[test]
    fn both_collectors_see_the_same_machine() {
        in_namespace("portable::tests::both_collectors_see_the_same_machine", || {
            let _listeners = ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"].map(|at| TcpListener::bind(at).unwrap());
            let (own, second) = (crate::this_machine().collect(), PortableCollector::new().collect());
            assert_eq!(endpoints(&own).len(), 4);
            assert_eq!(endpoints(&own), endpoints(&second));
            let addresses = |facts: &Facts| -> BTreeSet<_> {
                let of =
                    |interface: &Interface| interface.addresses.iter().map(|entry| entry.address).collect::<Vec<_>>();
                facts.interfaces.iter().flat_map(of).collect()
            };
            assert_eq!(addresses(&own), addresses(&second));
        });
    }

    #[test]
    fn every_area_that_it_cannot_see_is_a_gap() {
        let mut gaps = Gaps::default();
        report_blind_spots(&mut gaps);
        assert_eq!(gaps.into_vec().len(), 10);
    }
}
