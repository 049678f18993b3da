//! What the facts say about a packet, over all listeners, to be compared with what became of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};

use loopgate_facts::{BlockReason, Facts, Listener, Origin, ReachVerdict, Reachability};
use loopgate_test_support::Namespace;

use super::machine::{PORTS, Way};
use super::probe::{Outcome, Probe, try_all};
use crate::support::run;

/// The facts of this namespace.
pub(crate) fn facts() -> Facts {
    let run = run(["facts"]);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// The regions of a listener that a packet may be in: one, but where several list not all their sources.
fn regions<'a>(listener: &'a Listener, interface: &str, probe: Probe) -> Vec<&'a Reachability> {
    let of_way = || listener.reachability.iter().filter(|region| region.is_about(interface, probe.destination));
    let lists = |region: &&Reachability| region.lists(probe.source);
    match of_way().find(lists) {
        Some(region) => vec![region],
        None => of_way().filter(|region| region.unlisted_sources > 0).collect(),
    }
}

/// What `loopgate reach` says of one packet, in place of regions that list not all their sources.
fn ask(interface: &str, probe: Probe) -> Vec<Reachability> {
    let [on, from] = [probe.destination.ip(), probe.source].map(|address| address.to_string());
    let service = format!("tcp/{}", probe.destination.port());
    let answer = run(["reach", &service, "--on", &on, "--in", interface, "--from", &from, "--format", "json"]).json();
    serde_json::from_value(answer["ways"][0]["reachability"].clone()).unwrap()
}

/// The trace of what comes in by `wan`, in one line: where lines are broken says nothing.
pub(crate) fn trace(service: &str, arguments: &[&str]) -> String {
    let question = ["reach", service, "--on", "192.0.2.1", "--in", "wan"];
    let run = run(question.iter().chain(arguments));
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
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
            match regions(listener, interface, probe)[..] {
                [] => {}
                [region] => said.add(region, end_of(listener)),
                _ => ask(interface, probe).iter().for_each(|region| said.add(region, end_of(listener))),
            }
        }
        said
    }

    fn add(&mut self, region: &Reachability, end: u16) {
        match region.verdict {
            ReachVerdict::Reachable => {
                self.reaches.insert(end);
            }
            ReachVerdict::Blocked => self.reasons.extend(region.reason),
            ReachVerdict::Unknown => self.unknown.extend(region.unknown_because.iter().map(|why| format!("{why:?}"))),
        }
    }

    /// Whether this is what happened.
    pub(crate) fn agrees(&self, outcome: Outcome, listeners: &[TcpListener]) -> bool {
        let agrees = match outcome {
            Outcome::Accepted(index) => self.reaches == BTreeSet::from([listeners[index].local_addr().unwrap().port()]),
            Outcome::Refused => self.reaches.is_empty() && !self.reasons.contains(&BlockReason::Dropped),
            Outcome::Silent => self.reaches.is_empty() && !self.reasons.contains(&BlockReason::Rejected),
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

/// Tries every port from every source of some ways in, and fails for every verdict that differs.
pub(crate) fn compare(peer: &Namespace, listeners: &[TcpListener], ways: &[Way]) -> Counts {
    let facts = facts();
    let asked: Vec<_> = ways.iter().flat_map(|way| probes_of(way.interface, way.destination, way.sources)).collect();
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
