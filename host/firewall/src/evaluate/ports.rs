//! Which ports the rules tell apart.
//!
//! A machine has hundreds of listeners, and rules name a few of their ports. For ports that nothing distinguishes one
//! answer stands for all. A question about every port at once shows which: whatever asks for a port leaves some ports
//! in one region of the evidence and others not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::region::{PortSet, Region};

use super::answer::{Answer, Obstacle};

/// The ports of one address and interface, in classes of those that have one answer.
#[derive(Clone, Debug)]
pub struct PortClasses {
    /// Each run of ports that nothing cuts, in order.
    runs: Vec<Run>,
    /// Ports of which the question about all of them did not tell everything: where something was in doubt, it may be
    /// known of one port and not of another, and of extraordinary packets not all evidence is kept.
    unfinished: PortSet,
    /// Ports on which a rule translates the destination of some packets, apart for each rule that does.
    translated: Vec<PortSet>,
    /// What keeps it from being known which other ports are translated.
    obstacles: Vec<Obstacle>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// Its first port.
    start: u16,
    /// The number of its class.
    class: usize,
    /// The first port of its class.
    representative: u16,
}

impl PortClasses {
    pub(super) fn of(answer: &Answer) -> Self {
        let seen = distinct(answer.regions().flat_map(Region::parts).map(|(_, ports)| ports));
        let mut starts: Vec<u16> = seen.iter().flat_map(|ports| cuts(ports)).chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();
        let run = |start| Run { start, class: 0, representative: 0 };
        let mut classes = Self {
            runs: starts.into_iter().map(run).collect(),
            unfinished: answer.vague().fold(PortSet::from_ranges([]), |sum, region| sum.union(&ports_of(region))),
            translated: answer.translated().map(ports_of).collect(),
            obstacles: answer.obstacles().collect(),
        };
        for (number, ports) in seen.into_iter().enumerate() {
            classes.tell_apart(ports, number + 1);
        }
        classes.represent();
        classes
    }

    /// The same ports, each of which has to be asked about.
    pub(super) fn each_by_itself(self) -> Self {
        Self { unfinished: PortSet::All, ..self }
    }

    /// The port whose answer is that of a port, one for each class. `None` for a port that has to be asked about by
    /// itself.
    pub fn representative(&self, port: u16) -> Option<u16> {
        let settled = !self.unfinished.contains(port) && !self.translated.iter().any(|ports| ports.contains(port));
        settled.then(|| self.runs.get(self.position(port)).map(|run| run.representative)).flatten()
    }

    /// The ports on which a rule translates the destination of some packets, apart for each rule that does.
    pub fn translated(&self) -> &[PortSet] {
        &self.translated
    }

    /// What keeps it from being known which other ports are translated.
    pub fn obstacles(&self) -> &[Obstacle] {
        &self.obstacles
    }

    /// The position of the run that a port is in.
    fn position(&self, port: u16) -> usize {
        self.runs.partition_point(|run| run.start <= port).saturating_sub(1)
    }

    /// Splits the classes that are partly within some ports. `number` is the round, from 1.
    fn tell_apart(&mut self, ports: &PortSet, number: usize) {
        let runs = self.runs.len();
        let mut renamed = HashMap::new();
        // Those that are within are told apart as well by those that are not.
        let without = PortSet::All.difference(ports);
        let smaller = if self.runs_within(ports) > runs / 2 { &without } else { ports };
        let PortSet::Some(within) = smaller else { return };
        for range in within.ranges() {
            let positions = self.position(*range.start())..=self.position(*range.end());
            for run in self.runs.get_mut(positions).into_iter().flatten() {
                // No class of an earlier round has such a number.
                let fresh = number * runs + renamed.len();
                run.class = *renamed.entry(run.class).or_insert(fresh);
            }
        }
    }

    fn runs_within(&self, ports: &PortSet) -> usize {
        let ranges = ports.ranges().into_iter();
        ranges.map(|range| self.position(*range.end()) + 1 - self.position(*range.start())).sum()
    }

    fn represent(&mut self) {
        let mut firsts = HashMap::new();
        for run in &mut self.runs {
            run.representative = *firsts.entry(run.class).or_insert(run.start);
        }
    }
}

/// Sets that tell ports apart, those that clones share once.
fn distinct<'a>(sets: impl Iterator<Item = &'a PortSet>) -> Vec<&'a PortSet> {
    let mut seen = HashSet::new();
    let is_new = |set: &&PortSet| match set {
        PortSet::All => false,
        PortSet::Some(ports) => seen.insert(Arc::as_ptr(ports)),
    };
    sets.filter(is_new).collect()
}

/// Where a set of ports begins and where it ends.
fn cuts(ports: &PortSet) -> Vec<u16> {
    let PortSet::Some(ports) = ports else { return Vec::new() };
    ports.ranges().flat_map(|range| [Some(*range.start()), range.end().checked_add(1)]).flatten().collect()
}

fn ports_of(region: &Region) -> PortSet {
    let ports = region.parts().iter().map(|(_, ports)| ports);
    ports.fold(PortSet::from_ranges([]), |sum, ports| sum.union(ports))
}
