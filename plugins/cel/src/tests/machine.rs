//! A machine to ask about.

use std::net::IpAddr;

use loopgate_plugin::prelude::*;

pub(super) fn owner() -> Owner {
    Owner {
        pid: 7,
        name: "served".to_owned(),
        executable: Some("/usr/sbin/served".to_owned()),
        command_line: vec!["/usr/sbin/served".to_owned(), "--listen".to_owned()],
        uid: Some(990),
        user: Some("served".to_owned()),
        cgroup: Some("/system.slice/served.service".to_owned()),
        unit: Some("served.service".to_owned()),
        container: None,
        extra: Vec::new(),
    }
}

pub(super) fn listener(address: &str, port: u16) -> Listener {
    let ip: IpAddr = address.parse().unwrap();
    Listener {
        id: format!("tcp/{address}:{port}"),
        protocol: Protocol::Tcp,
        address: ip.into(),
        port,
        scope: crate::address::scope(ip),
        ipv6_only: None,
        zone: None,
        bound_interface: None,
        origin: Origin::Socket,
        uids: vec![990],
        owners: vec![owner()],
        published: None,
        reach: ReachBounds { certain: Reach::Public, possible: Reach::Public },
        reachability: Vec::new(),
        extra: Vec::new(),
    }
}

fn interface() -> NetworkInterface {
    let address: IpAddr = "10.0.0.5".parse().unwrap();
    NetworkInterface {
        name: "eth0".to_owned(),
        index: 2,
        kind: InterfaceKind::Ethernet,
        up: true,
        running: true,
        mtu: 1500,
        master: None,
        addresses: vec![InterfaceAddress {
            address: address.into(),
            prefix_length: 24,
            scope: Scope::Private,
            flags: Vec::new(),
        }],
        settings: InterfaceSettings {
            route_localnet: Some(false),
            accept_local: None,
            rp_filter: Some(RpFilter::Strict),
            ipv4_forwarding: Some(false),
            ipv6_forwarding: Some(false),
            disable_ipv6: Some(true),
        },
        extra: Vec::new(),
    }
}

pub(super) fn facts(listeners: Vec<Listener>) -> Facts {
    Facts {
        machine: Machine {
            hostname: "box".to_owned(),
            os: "linux".to_owned(),
            kernel: "6.1".to_owned(),
            distribution: None,
            container: None,
            network_namespace: None,
            collected_at: "2026-01-01T00:00:00Z".to_owned(),
            effective_uid: Some(0),
            capabilities: Vec::new(),
            extra: Vec::new(),
        },
        interfaces: vec![interface()],
        listeners,
        probes: Vec::new(),
        names: Names { hosts: Vec::new(), localhost: Resolution::NotAsked },
        sysctls: vec![Sysctl {
            name: "net.ipv4.ip_forward".to_owned(),
            value: "0".to_owned(),
            source: "/proc/sys/net/ipv4/ip_forward".to_owned(),
        }],
        local_routes: Vec::new(),
        firewall: Firewall {
            managers: Some(Vec::new()),
            backends: Vec::new(),
            rules: Vec::new(),
            base_chains: Vec::new(),
            loopback: Vec::new(),
            spoofed_loopback: Vec::new(),
            default_input: Vec::new(),
            opened: Vec::new(),
            shadowed: Shadowing { rules: Vec::new(), unlisted_rules: 0, complete: true },
            bypasses: Vec::new(),
            extra: Vec::new(),
        },
        gaps: Vec::new(),
        extra: Vec::new(),
    }
}
