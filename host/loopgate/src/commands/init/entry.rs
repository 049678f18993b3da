//! Candidates as entries: what has the same owner and reach is one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use loopgate_facts::Protocol;

use super::candidate::{Candidate, Who};
use super::doubt::Doubt;
use super::limit::Limit;

/// The port of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    /// This one.
    Fixed(u16),
    /// One that the kernel chose.
    Ephemeral,
}

/// One entry, or one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) who: Who,
    pub(super) protocol: Protocol,
    pub(super) ports: BTreeSet<Port>,
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) limit: Limit,
    /// Whether it takes an approval; otherwise the policy only fails it.
    pub(super) needs_approval: bool,
    /// Why it is not simply approved; empty if it is.
    pub(super) doubts: BTreeSet<Doubt>,
    /// What the processes call themselves.
    pub(super) names: BTreeSet<String>,
    /// The listeners.
    pub(super) listeners: BTreeSet<String>,
}

/// What an entry can ask for of a single listener: two listeners that have it in common are selected together.
type Endpoint<'c> = (&'c Who, Protocol, Port, IpAddr);

/// The entries that candidates make, by port, protocol and address. What one entry selects is what it was made of and
/// nothing else that was there: its ports and addresses are never a product of which some pairs were not seen.
pub(super) fn group(candidates: &[Candidate<'_>]) -> Vec<Entry> {
    let mut endpoints: BTreeMap<Endpoint<'_>, Entry> = BTreeMap::new();
    for candidate in candidates {
        let entry = Entry::of(candidate);
        let (port, address) = (candidate.port(), candidate.listener.address.to_canonical());
        let key = (&candidate.who, candidate.listener.protocol, port, address);
        match endpoints.get_mut(&key) {
            // The same to a selector: it may reach as far as the one that reaches farthest.
            Some(there) => there.join(entry),
            None => _ = endpoints.insert(key, entry),
        }
    }
    let by_address = joined(endpoints.into_values(), |entry| (entry.traits(), entry.ports.clone()));
    let by_port = |entry: &Entry| (entry.traits(), entry.is_ephemeral(), entry.addresses.clone());
    let mut entries = joined(by_address.into_iter(), by_port);
    entries.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    entries
}

/// Joins the entries that have a key in common.
fn joined<K: Ord>(entries: impl Iterator<Item = Entry>, key: impl Fn(&Entry) -> K) -> Vec<Entry> {
    let mut all: BTreeMap<K, Entry> = BTreeMap::new();
    for entry in entries {
        match all.get_mut(&key(&entry)) {
            Some(there) => there.join(entry),
            None => _ = all.insert(key(&entry), entry),
        }
    }
    all.into_values().collect()
}

impl Candidate<'_> {
    fn port(&self) -> Port {
        if self.is_ephemeral { Port::Ephemeral } else { Port::Fixed(self.listener.port) }
    }
}

impl Entry {
    fn of(candidate: &Candidate<'_>) -> Self {
        let listener = candidate.listener;
        Self {
            who: candidate.who.clone(),
            protocol: listener.protocol,
            ports: BTreeSet::from([candidate.port()]),
            addresses: BTreeSet::from([listener.address.to_canonical()]),
            limit: candidate.limit.clone(),
            needs_approval: candidate.needs_approval,
            doubts: candidate.doubts.clone(),
            names: listener.owners.iter().map(|owner| owner.name.escaped().to_string()).collect(),
            listeners: BTreeSet::from([listener.id.text().escaped().to_string()]),
        }
    }

    fn join(&mut self, other: Self) {
        self.ports.extend(other.ports);
        self.addresses.extend(other.addresses);
        self.limit.join(other.limit);
        self.needs_approval |= other.needs_approval;
        self.doubts.extend(other.doubts);
        self.names.extend(other.names);
        self.listeners.extend(other.listeners);
    }

    /// What must be alike for two to become one.
    fn traits(&self) -> (Who, Protocol, Limit, bool, BTreeSet<Doubt>) {
        (self.who.clone(), self.protocol, self.limit.clone(), self.needs_approval, self.doubts.clone())
    }

    fn is_ephemeral(&self) -> bool {
        self.ports.contains(&Port::Ephemeral)
    }

    fn sort_key(&self) -> (Option<&Port>, Protocol, &BTreeSet<IpAddr>, &Who) {
        (self.ports.first(), self.protocol, &self.addresses, &self.who)
    }

    /// Whether it may simply be approved.
    pub(super) fn is_approved(&self) -> bool {
        self.doubts.is_empty()
    }

    /// What it is called, on one line that is safe to show: the same in every run.
    pub(super) fn title(&self) -> String {
        let ports: Vec<String> = self.ports.iter().copied().map(Port::text).collect();
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} on {} {} port {}", self.name(), self.protocol, addresses.join(", "), ports.join(", "))
    }

    /// Who it is: the containers, or what the processes call themselves.
    pub(super) fn name(&self) -> String {
        let containers = self.who.containers.iter().map(|name| loopgate_facts::Untrusted::from(name.as_str()));
        let containers: Vec<String> = containers.map(|name| format!("container {}", name.escaped())).collect();
        if !containers.is_empty() {
            return containers.join(", ");
        }
        if self.names.is_empty() {
            return "an unseen program".to_owned();
        }
        self.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Port {
    fn text(self) -> String {
        match self {
            Self::Fixed(port) => port.to_string(),
            Self::Ephemeral => "ephemeral".to_owned(),
        }
    }
}
