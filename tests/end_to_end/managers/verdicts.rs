//! What the facts say about a packet, over all listeners, to be compared with what became of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};

use loopgate_facts::{BlockReason, Facts, Listener, Origin, Prefix, ReachVerdict, Reachability, Untrusted};

use super::machine::{PORTS, WAYS};
use super::namespace::Namespace;
use super::probe::{Outcome, Probe, try_all};
use crate::support::run;

/// The facts of this namespace.
pub(crate) fn facts() -> Facts {
    let run = run(["facts"]);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// The region of a listener that a packet is in.
pub(crate) fn region<'a>(listener: &'a Listener, interface: &str, probe: Probe) -> Option<&'a Reachability> {
    let is_asked = |region: &&Reachability| {
        region.interface == Untrusted::from(interface)
            && (region.destination, region.port) == (probe.destination.ip(), probe.destination.port())
            && region.sources.iter().any(|prefix| prefix.contains(single(probe.source)))
    };
    listener.reachability.iter().find(is_asked)
}

fn single(address: IpAddr) -> Prefix {
    Prefix::new(address, if address.is_ipv4() { 32 } else { 128 }).unwrap()
}

/// Where the facts say that a packet ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The ports of the listeners that it reaches; at most one can be right.
    pub(crate) reaches: BTreeSet<u16>,
    pub(crate) reasons: BTreeSet<BlockReason>,
    pub(crate) unknown: Vec<String>,
}

impl Said {
    pub(crate) fn about(facts: &Facts, interface: &str, probe: Probe) -> Self {
        let mut said = Self::default();
        for listener in &facts.listeners {
            let Some(region) = region(listener, interface, probe) else { continue };
            match region.verdict {
                ReachVerdict::Reachable => {
                    said.reaches.insert(end_of(listener));
                }
                ReachVerdict::Blocked => said.reasons.extend(region.reason),
                ReachVerdict::Unknown => {
                    said.unknown.extend(region.unknown_because.iter().map(|reason| format!("{reason:?}")))
                }
            }
        }
        said
    }

    /// Whether this is what happened.
    fn agrees(&self, outcome: Outcome, listeners: &[TcpListener]) -> bool {
        let is_dropped = self.reasons.contains(&BlockReason::Dropped);
        let agrees = match outcome {
            Outcome::Accepted(index) => self.reaches == BTreeSet::from([listeners[index].local_addr().unwrap().port()]),
            Outcome::Refused => self.reaches.is_empty() && !is_dropped,
            Outcome::Silent => self.reaches.is_empty() && is_dropped,
        };
        agrees && self.unknown.is_empty()
    }
}

fn end_of(listener: &Listener) -> u16 {
    match (&listener.origin, &listener.published) {
        (Origin::PublishedPort, Some(published)) => published.target.port(),
        _ => listener.port,
    }
}

/// How many connections were accepted, refused, and not answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) silent: usize,
}

/// Tries every port from every source, and fails for every verdict that differs.
pub(crate) fn compare(peer: &Namespace, listeners: &[TcpListener]) -> Counts {
    let facts = facts();
    let asked: Vec<_> = WAYS.iter().flat_map(|way| probes_of(way.interface, way.destination, way.sources)).collect();
    let probes: Vec<_> = asked.iter().map(|(_, probe)| *probe).collect();
    let outcomes = try_all(peer, &probes, listeners);

    let differences = asked.iter().zip(&outcomes).filter_map(|((interface, probe), outcome)| {
        let said = Said::about(&facts, interface, *probe);
        let differs = !said.agrees(*outcome, listeners);
        differs.then(|| format!("{} to {} by {interface}: {outcome:?}, but {said:?}", probe.source, probe.destination))
    });
    let differences: Vec<_> = differences.collect();
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), probes.len(), differences.join("\n"));
    counts(&outcomes)
}

fn probes_of(
    interface: &'static str,
    destination: &str,
    sources: &[&str],
) -> impl Iterator<Item = (&'static str, Probe)> {
    let destination: IpAddr = destination.parse().unwrap();
    let sources: Vec<IpAddr> = sources.iter().map(|source| source.parse().unwrap()).collect();
    sources.into_iter().flat_map(move |source| {
        PORTS.map(|port| (interface, Probe { source, destination: SocketAddr::new(destination, port) }))
    })
}

fn counts(outcomes: &[Outcome]) -> Counts {
    let mut counts = Counts::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Accepted(_) => counts.accepted += 1,
            Outcome::Refused => counts.refused += 1,
            Outcome::Silent => counts.silent += 1,
        }
    }
    counts
}
