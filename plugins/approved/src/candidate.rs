//! Listeners as selectors look at them.

use std::ops::RangeInclusive;

use loopgate_plugin::prelude::*;
use loopgate_selector::{Candidate, Container as InContainer, Process};

/// The ports that the kernel hands out (`net.ipv4.ip_local_port_range`, ip(7)); `None` where that is not known.
pub(crate) fn ephemeral_ports(facts: &Facts) -> Option<RangeInclusive<u16>> {
    let value = &facts.sysctl("net.ipv4.ip_local_port_range")?.value;
    let mut ends = value.split_whitespace().map(str::parse);
    match (ends.next(), ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some(first..=last),
        _ => None,
    }
}

/// A listener as selectors look at it.
pub(crate) fn candidate<'facts>(
    listener: &'facts Listener,
    ephemeral_ports: Option<&'facts RangeInclusive<u16>>,
) -> Candidate<'facts> {
    Candidate {
        protocol: protocol(&listener.protocol),
        address: listener.address.to_std(),
        scope: scope(listener.scope),
        port: listener.port,
        ephemeral_ports,
        owners: listener.owners.iter().map(process).collect(),
        published_to: listener.published.as_ref().and_then(|published| published.container.as_ref()).map(container),
    }
}

fn process(owner: &Owner) -> Process<'_> {
    Process {
        pid: owner.pid,
        executable: owner.executable.as_deref(),
        is_elsewhere: owner.extra.iter().any(|(name, value)| name == "executable-elsewhere" && value == "true"),
        user: owner.user.as_deref(),
        uid: owner.uid,
        is_placed: owner.cgroup.is_some(),
        unit: owner.unit.as_deref(),
        container: owner.container.as_ref().map(container),
    }
}

fn container(container: &Container) -> InContainer<'_> {
    InContainer { name: container.name.as_deref(), image: container.image.as_deref() }
}

fn protocol(protocol: &Protocol) -> &str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Udplite => "udplite",
        Protocol::Sctp => "sctp",
        Protocol::Other(name) => name,
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Loopback => "loopback",
        Scope::LinkLocal => "link-local",
        Scope::Private => "private",
        Scope::Shared => "shared",
        Scope::Public => "public",
        Scope::Unspecified => "unspecified",
        Scope::Multicast => "multicast",
    }
}
