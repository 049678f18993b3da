//! From facts to the record that a guest gets.

mod reach;

use std::net::IpAddr;

use loopgate_facts as facts;

use self::reach::Reach;
use super::bindings::loopgate::policy::types as wit;

/// Facts in the form of the contract, converted once for all plugins.
pub struct PreparedFacts(wit::Facts);

impl PreparedFacts {
    /// Converts facts.
    pub fn new(facts: &facts::Facts) -> Self {
        let mut reach = Reach::new(&facts.interfaces);
        let listeners = facts.listeners.iter().map(|listener| self::listener(listener, &mut reach)).collect();
        let firewall = reach.firewall(facts);
        Self(wit::Facts {
            machine: machine(&facts.host),
            interfaces: facts.interfaces.iter().map(interface).collect(),
            listeners,
            probes: facts.probes.iter().map(probe).collect(),
            names: names(&facts.names),
            sysctls: facts.sysctls.iter().map(sysctl).collect(),
            local_routes: facts.local_routes.iter().map(local_route).collect(),
            firewall,
            gaps: facts.gaps.iter().map(gap).collect(),
            extra: Vec::new(),
        })
    }

    pub(crate) fn record(&self) -> &wit::Facts {
        &self.0
    }
}

fn text(text: &facts::Untrusted) -> String {
    text.as_str().to_owned()
}

fn optional(text: Option<&facts::Untrusted>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

fn address(address: IpAddr) -> wit::IpAddress {
    match address {
        IpAddr::V4(address) => wit::IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => wit::IpAddress::Ipv6(address.segments().into()),
    }
}

fn prefix(prefix: facts::Prefix) -> wit::Prefix {
    wit::Prefix { address: address(prefix.address()), length: prefix.length() }
}

fn scope(scope: facts::Scope) -> wit::Scope {
    match scope {
        facts::Scope::Loopback => wit::Scope::Loopback,
        facts::Scope::LinkLocal => wit::Scope::LinkLocal,
        facts::Scope::Private => wit::Scope::Private,
        facts::Scope::Shared => wit::Scope::Shared,
        facts::Scope::Public => wit::Scope::Public,
        facts::Scope::Unspecified => wit::Scope::Unspecified,
        facts::Scope::Multicast => wit::Scope::Multicast,
    }
}

fn machine(host: &facts::Host) -> wit::Machine {
    wit::Machine {
        hostname: text(&host.hostname),
        os: host.os.clone(),
        kernel: text(&host.kernel),
        distribution: host.distribution.as_ref().map(distribution),
        container: optional(host.container.as_ref()),
        network_namespace: host
            .network_namespace
            .map(|namespace| wit::NetworkNamespace { id: namespace.id, initial: namespace.initial }),
        collected_at: host.collected_at.to_string(),
        effective_uid: host.effective_uid,
        capabilities: host.capabilities.iter().map(|capability| capability.as_str().to_owned()).collect(),
        extra: Vec::new(),
    }
}

fn distribution(distribution: &facts::Distribution) -> wit::Distribution {
    wit::Distribution {
        id: text(&distribution.id),
        version_id: optional(distribution.version_id.as_ref()),
        id_like: distribution.id_like.iter().map(text).collect(),
    }
}

fn interface(interface: &facts::Interface) -> wit::NetworkInterface {
    wit::NetworkInterface {
        name: text(&interface.name),
        index: interface.index,
        kind: interface_kind(&interface.kind),
        up: interface.up,
        running: interface.running,
        mtu: interface.mtu,
        master: interface.master,
        addresses: interface.addresses.iter().map(interface_address).collect(),
        settings: settings(interface.settings),
        extra: Vec::new(),
    }
}

fn interface_kind(kind: &facts::InterfaceKind) -> wit::InterfaceKind {
    use facts::InterfaceKind as Kind;
    match kind {
        Kind::Loopback => wit::InterfaceKind::Loopback,
        Kind::Ethernet => wit::InterfaceKind::Ethernet,
        Kind::Wireless => wit::InterfaceKind::Wireless,
        Kind::Bridge => wit::InterfaceKind::Bridge,
        Kind::Veth => wit::InterfaceKind::Veth,
        Kind::Vlan => wit::InterfaceKind::Vlan,
        Kind::Bond => wit::InterfaceKind::Bond,
        Kind::Tunnel => wit::InterfaceKind::Tunnel,
        Kind::Wireguard => wit::InterfaceKind::Wireguard,
        Kind::Dummy => wit::InterfaceKind::Dummy,
        Kind::Vrf => wit::InterfaceKind::Vrf,
        Kind::Other(name) => wit::InterfaceKind::Other(text(name)),
    }
}

fn interface_address(entry: &facts::InterfaceAddress) -> wit::InterfaceAddress {
    wit::InterfaceAddress {
        address: address(entry.address),
        prefix_length: entry.prefix_length,
        scope: scope(entry.scope),
        flags: entry.flags.clone(),
    }
}

fn settings(settings: facts::InterfaceSettings) -> wit::InterfaceSettings {
    wit::InterfaceSettings {
        route_localnet: settings.route_localnet,
        accept_local: settings.accept_local,
        rp_filter: settings.rp_filter.map(|filter| match filter {
            facts::RpFilter::Off => wit::RpFilter::Off,
            facts::RpFilter::Strict => wit::RpFilter::Strict,
            facts::RpFilter::Loose => wit::RpFilter::Loose,
        }),
        ipv4_forwarding: settings.ipv4_forwarding,
        ipv6_forwarding: settings.ipv6_forwarding,
        disable_ipv6: settings.disable_ipv6,
    }
}

fn listener<'facts>(listener: &'facts facts::Listener, reach: &mut Reach<'facts>) -> wit::Listener {
    wit::Listener {
        id: text(listener.id.text()),
        protocol: protocol(listener.protocol),
        address: address(listener.address),
        port: listener.port,
        scope: scope(listener.scope),
        ipv6_only: listener.ipv6_only,
        zone: optional(listener.zone.as_ref()),
        bound_interface: optional(listener.bound_interface.as_ref()),
        origin: match listener.origin {
            facts::Origin::Socket => wit::Origin::Socket,
            facts::Origin::PublishedPort => wit::Origin::PublishedPort,
        },
        uids: uids(listener),
        owners: listener.owners.iter().map(owner).collect(),
        published: listener.published.as_ref().map(|published| reach.published(published)),
        reach: reach.bounds(listener),
        reachability: reach.regions(&listener.reachability),
        extra: marked("multipath", listener.multipath),
    }
}

fn uids(listener: &facts::Listener) -> Vec<u32> {
    let mut uids: Vec<u32> = listener.sockets.iter().filter_map(|socket| socket.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// A property that is there only where it is true.
fn marked(name: &str, is_true: bool) -> Vec<(String, String)> {
    if is_true { vec![(name.to_owned(), "true".to_owned())] } else { Vec::new() }
}

fn protocol(protocol: facts::Protocol) -> wit::Protocol {
    match protocol {
        facts::Protocol::Tcp => wit::Protocol::Tcp,
        facts::Protocol::Udp => wit::Protocol::Udp,
        facts::Protocol::Udplite => wit::Protocol::Udplite,
        facts::Protocol::Sctp => wit::Protocol::Sctp,
    }
}

fn owner(owner: &facts::Owner) -> wit::Owner {
    wit::Owner {
        pid: owner.pid,
        name: text(&owner.name),
        executable: optional(owner.executable.as_ref()),
        command_line: owner.command_line.iter().map(text).collect(),
        uid: owner.uid,
        user: optional(owner.user.as_ref()),
        cgroup: optional(owner.cgroup.as_ref()),
        unit: optional(owner.unit.as_ref()),
        container: owner.container.as_ref().map(container),
        extra: marked("executable-elsewhere", owner.executable_elsewhere),
    }
}

fn container(container: &facts::Container) -> wit::Container {
    wit::Container {
        id: text(&container.id),
        runtime: container.runtime.clone(),
        name: optional(container.name.as_ref()),
        image: optional(container.image.as_ref()),
    }
}

fn probe(probe: &facts::Probe) -> wit::Probe {
    wit::Probe {
        address: address(probe.address),
        protocol: match probe.protocol {
            facts::ProbeProtocol::Tcp => wit::ProbeProtocol::Tcp,
            facts::ProbeProtocol::Udp => wit::ProbeProtocol::Udp,
        },
        failure: match &probe.outcome {
            facts::ProbeOutcome::Worked { .. } => None,
            facts::ProbeOutcome::Failed { step, error } => {
                Some(wit::ProbeFailure { step: probe_step(*step), error: text(error) })
            }
        },
    }
}

fn probe_step(step: facts::ProbeStep) -> wit::ProbeStep {
    match step {
        facts::ProbeStep::Bind => wit::ProbeStep::Bind,
        facts::ProbeStep::Connect => wit::ProbeStep::Connect,
        facts::ProbeStep::Echo => wit::ProbeStep::Echo,
    }
}

fn names(names: &facts::Names) -> wit::Names {
    wit::Names {
        hosts: names.hosts.iter().map(hosts_entry).collect(),
        localhost: match &names.localhost {
            None => wit::Resolution::NotAsked,
            Some(facts::Resolution::Addresses(addresses)) => {
                wit::Resolution::Addresses(addresses.iter().copied().map(address).collect())
            }
            Some(facts::Resolution::Failed(error)) => wit::Resolution::Failed(text(error)),
        },
    }
}

fn hosts_entry(entry: &facts::HostsEntry) -> wit::HostsEntry {
    wit::HostsEntry { line: entry.line, address: address(entry.address), names: entry.names.iter().map(text).collect() }
}

fn sysctl(sysctl: &facts::Sysctl) -> wit::Sysctl {
    wit::Sysctl { name: sysctl.name.clone(), value: text(&sysctl.value), source: sysctl.source.clone() }
}

fn local_route(route: &facts::LocalRoute) -> wit::LocalRoute {
    let destination = prefix(route.destination);
    wit::LocalRoute { destination, table: route.table, interface: optional(route.interface.as_ref()) }
}

fn gap(gap: &facts::Gap) -> wit::Gap {
    wit::Gap {
        area: area(gap.area),
        subject: optional(gap.subject.as_ref()),
        reason: text(&gap.reason),
        leaves_unknown: text(&gap.leaves_unknown),
    }
}

fn area(area: facts::Area) -> wit::Area {
    use facts::Area;
    match area {
        Area::Host => wit::Area::Host,
        Area::Interfaces => wit::Area::Interfaces,
        Area::InterfaceSettings => wit::Area::InterfaceSettings,
        Area::Listeners => wit::Area::Listeners,
        Area::Owners => wit::Area::Owners,
        Area::Probes => wit::Area::Probes,
        Area::HostsFile => wit::Area::HostsFile,
        Area::Resolver => wit::Area::Resolver,
        Area::Sysctls => wit::Area::Sysctls,
        Area::LocalRoutes => wit::Area::LocalRoutes,
        Area::Firewall => wit::Area::Firewall,
    }
}
