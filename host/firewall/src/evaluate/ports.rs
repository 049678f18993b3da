//! Which ports the rules tell apart.
//!
//! A machine has hundreds of listeners, and rules name a few of their ports. For ports that nothing distinguishes one
//! answer stands for all. A question about every port at once shows which: whatever asks for a port leaves some ports in
//! one region of the evidence and others not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::region::{PortSet, Region};

use super::answer::Answer;

/// The ports of one address and interface, in classes of those that have one answer.
#[derive(Clone, Debug)]
pub struct PortClasses {
    /// Each run of ports that nothing cuts, in order.
    runs: Vec<Run>,
    /// Ports of which the question about all of them did not tell everything: where something was in doubt, it may be known
    /// of one port and not of another, and of extraordinary packets not all evidence is kept.
    unfinished: PortSet,
    /// Ports on which a rule translates the destination of some packets, apart for each rule that does.
    translated: Vec<PortSet>,
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

    /// The port whose answer is that of a port, one for each class. `None` for a port that has to be asked about by itself.
    pub fn representative(&self, port: u16) -> Option<u16> {
        let settled = !self.unfinished.contains(port) && !self.translated.iter().any(|ports| ports.contains(port));
        settled.then(|| self.runs.get(self.position(port)).map(|run| run.representative)).flatten()
    }

    /// The ports on which a rule translates the destination of some packets, apart for each rule that does.
    pub fn translated(&self) -> &[PortSet] {
        &self.translated
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use crate::Ruleset;
    use crate::address_set::{AddressSet, IpVersion};
    use crate::evaluate::{Device, Endpoint, Evaluator, Machine, Question};
    use crate::routing::{FibAnswer, FibQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing};
    use crate::rule::{Comparison, Load, Op, PayloadBase, Register, Verdict};
    use crate::ruleset::{Backend, Base, Chain, ChainKind, Family, Hook, Notation, Policy, Rule, Table, TableId};

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const ETH0: u32 = 2;

    /// Everything is for this machine, and everybody is behind one device.
    struct Near;

    impl Routing for Near {
        fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
            vec![(question.sources.clone(), InputRoute::Local)]
        }

        fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
            vec![(question.destinations.clone(), OutputRoute::Leaves { interface: ETH0 })]
        }

        fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
            vec![(question.addresses.clone(), FibAnswer::Interface(Some(ETH0)))]
        }

        fn depends_on_ports(&self, _: IpVersion) -> bool {
            false
        }
    }

    /// A chain at input that drops what a rule lets pass.
    fn dropping(ops: Vec<Op>) -> Ruleset {
        let table = Table {
            backend: Backend::NfTables,
            family: Family::Ip,
            name: "t".into(),
            dormant: false,
            notation: Notation::Nft,
        };
        let base = Base {
            kind: ChainKind::Filter,
            hook: Hook::Input,
            priority: 0,
            policy: Policy::Accept,
            registered: 0,
            devices: Vec::new(),
        };
        let rule = Rule { ops: [ops, vec![Op::Verdict(Verdict::Drop)]].concat(), ..Rule::default() };
        let chain = Chain { table: TableId(0), name: "c".into(), base: Some(base), rules: vec![rule] };
        Ruleset { tables: vec![table], chains: vec![chain], ..Ruleset::default() }
    }

    /// The port that stands for each of some ports, when a rule asks something of the port that packets are sent to.
    fn representatives<const N: usize>(ops: Vec<Op>, ports: [u16; N]) -> [Option<u16>; N] {
        let load =
            Op::Load { what: Load::Payload { base: PayloadBase::Transport, offset: 2, length: 2 }, to: Register(0) };
        let ruleset = dropping([vec![load], ops].concat());
        let device = Device {
            index: ETH0,
            name: "eth0".into(),
            hardware: 1,
            group: Some(0),
            addresses: vec![HOST],
            bypasses: Vec::new(),
        };
        let devices = [device];
        let mut evaluator = Evaluator::new(Machine { ruleset: &ruleset, devices: &devices, routing: &Near });
        let question = Question {
            interface: ETH0,
            protocol: 6,
            destination: Endpoint { address: HOST, port: 0 },
            sources: AddressSet::all(IpVersion::V4),
        };
        let classes = evaluator.port_classes(&question);
        ports.map(|port| classes.representative(port))
    }

    fn compare(how: Comparison, value: &[u8]) -> Op {
        Op::Compare { register: Register(0), how, value: value.into() }
    }

    #[test]
    fn ports_that_a_rule_does_not_tell_apart_share_an_answer() {
        let [of_22, of_80, of_443] = representatives(vec![compare(Comparison::Equal, &[0, 80])], [22, 80, 443]);
        assert_eq!(of_22, of_443);
        assert_eq!(of_80, Some(80));
    }

    #[test]
    fn no_arithmetic_hides_what_a_rule_tells_apart() {
        let (from, to) = (Register(0), Register(0));
        let mask = Op::Mask { from, to, mask: [0xff, 0].into(), xor: [0, 0].into() };
        let swap = Op::SwapBytes { from, to, length: 2, size: 2 };
        let shift = Op::Shift { from, to, length: 2, left: false, by: 4 };
        for (ops, one, other) in [
            (vec![mask, compare(Comparison::Greater, &[0x10, 0])], 80, 0x2000),
            (vec![swap, compare(Comparison::Less, &[0, 0x50])], 0x0100, 0x0150),
            (vec![shift, compare(Comparison::Equal, &[0, 5])], 0x5000, 0x0050),
        ] {
            let [of_one, of_other] = representatives(ops.clone(), [one, other]);
            assert!(of_one.is_none() || of_one != of_other, "{ops:?}: {of_one:?} stands for both");
        }
    }
}
