//! Listeners as selectors look at them.

use std::ops::RangeInclusive;

use loopgate_plugin::prelude::*;
use loopgate_selector::{Candidate, Container as InContainer, Process, port_range};

/// The ports that the kernel hands out (`net.ipv4.ip_local_port_range`, ip(7)); `None` where that is not known.
pub(crate) fn ephemeral_ports(facts: &Facts) -> Option<RangeInclusive<u16>> {
    port_range(&facts.sysctl("net.ipv4.ip_local_port_range")?.value)
}

/// Whether there may be holders of sockets that could not be seen.
pub(crate) fn may_have_more_owners(facts: &Facts) -> bool {
    facts.gaps_in(&Area::Owners).any(|gap| gap.subject.is_none())
}

/// A listener as selectors look at it.
pub(crate) fn candidate<'facts>(
    listener: &'facts Listener,
    ephemeral_ports: Option<&'facts RangeInclusive<u16>>,
    may_have_more_owners: bool,
) -> Candidate<'facts> {
    Candidate {
        protocol: listener.protocol.as_str(),
        address: listener.address.to_std(),
        scope: listener.scope.as_str(),
        port: listener.port,
        ephemeral_ports,
        owners: listener.owners.iter().map(process).collect(),
        may_have_more_owners,
        published_to: listener.published.as_ref().and_then(|published| published.container.as_ref()).map(container),
    }
}

fn process(owner: &Owner) -> Process<'_> {
    Process {
        pid: owner.pid,
        executable: owner.executable.as_deref(),
        is_elsewhere: owner.executes_elsewhere(),
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
