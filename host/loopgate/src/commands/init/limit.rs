//! How far an entry lets something reach: no further than it does.

use std::collections::BTreeSet;
use std::fmt;

use loopgate_facts::{Facts, InterfaceKind, Listener, Prefix, Reach, ReachVerdict, Reachability, Scope, Untrusted};
use serde_json::{Value as Json, json};

/// How far an entry lets something reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    /// As far as this.
    Reach(Reach),
    /// From these private networks: `private` would let in all others too.
    Networks(BTreeSet<Prefix>),
}

/// More networks than these are no list that anybody reads.
const MOST_NETWORKS: usize = 8;

/// The loopback interfaces of a machine.
pub(super) struct Inside<'f>(BTreeSet<&'f Untrusted>);

impl<'f> Inside<'f> {
    pub(super) fn of(facts: &'f Facts) -> Self {
        let loopback = facts.interfaces.iter().filter(|interface| interface.kind == InterfaceKind::Loopback);
        Self(loopback.map(|interface| &interface.name).collect())
    }

    /// The limit of a listener that reaches this far.
    pub(super) fn limit(&self, listener: &Listener, reach: Reach) -> Limit {
        let networks = (reach == Reach::Private).then(|| self.networks(listener)).flatten();
        networks.map_or(Limit::Reach(reach.max(Reach::Host)), Limit::Networks)
    }

    /// The networks that reach it from outside, if they are a few private ones and nothing else is possible.
    fn networks(&self, listener: &Listener) -> Option<BTreeSet<Prefix>> {
        let mut networks = BTreeSet::new();
        for region in listener.reachability.iter().filter(|region| self.is_open(region)) {
            if region.verdict != ReachVerdict::Reachable
                || region.unlisted_sources > 0
                || !region.excluded_sources.is_empty()
            {
                return None;
            }
            networks.extend(&region.sources);
        }
        let are_few = !networks.is_empty() && networks.len() <= MOST_NETWORKS;
        (are_few && networks.iter().copied().all(is_private)).then_some(networks)
    }

    fn is_open(&self, region: &Reachability) -> bool {
        region.verdict != ReachVerdict::Blocked && !region.interfaces.iter().all(|name| self.0.contains(name))
    }
}

/// Whether all of a prefix is private (none of the private ranges is wider than this), and no bits of its address are
/// behind it, which a policy would be refused for.
fn is_private(prefix: Prefix) -> bool {
    let address = prefix.address();
    let (widest, bits) = if address.is_ipv4() { (8, 32) } else { (7, 128) };
    let is_first = Prefix::new(address, bits).is_ok_and(|first| first.range().start() == prefix.range().start());
    let is_private = matches!(Scope::of(address), Scope::Private | Scope::Shared | Scope::LinkLocal);
    is_first && is_private && prefix.length() >= widest
}

impl Limit {
    /// As far as both together.
    pub(super) fn join(&mut self, other: Self) {
        let both = match (&*self, other) {
            (Self::Networks(these), Self::Networks(others)) => these.union(&others).copied().collect(),
            (this, other) => {
                *self = Self::Reach(this.reach().max(other.reach()));
                return;
            }
        };
        *self = Self::Networks(both);
    }

    fn reach(&self) -> Reach {
        match self {
            Self::Reach(reach) => *reach,
            Self::Networks(_) => Reach::Private,
        }
    }

    /// As a policy writes it.
    pub(super) fn json(&self) -> Json {
        match self {
            Self::Reach(reach) => json!(reach.as_str()),
            Self::Networks(networks) => networks.iter().map(|network| json!(network.to_string())).collect(),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach(reach) => reach.fmt(formatter),
            Self::Networks(networks) => {
                let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
                formatter.write_str(&networks.join(", "))
            }
        }
    }
}
