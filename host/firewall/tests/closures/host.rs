//! A host to which everything is delivered that the chain INPUT of filter lets through.

use std::net::IpAddr;

use loopgate_facts::{Prefix, ReachVerdict};
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Device, Endpoint, Evaluator, Fate, Machine, Question, Responder};
use loopgate_firewall::iptables_save::parse;
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::ruleset::{Family, Hook};

use super::bound::Destination;

pub(crate) struct Host {
    ruleset: Ruleset,
    devices: Vec<Device>,
}

/// Everything is for this machine, and every answer leaves by the first device.
struct Open;

impl Routing for Open {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        vec![(question.sources.clone(), InputRoute::Local)]
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        vec![(question.destinations.clone(), InputRoute::Forward { interface: 2 })]
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        vec![(question.destinations.clone(), OutputRoute::Leaves { interface: 2 })]
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        vec![(question.addresses.clone(), FibAnswer::Unknown("not asked".into()))]
    }
}

impl Host {
    /// Of what `iptables-save` printed, only INPUT of filter is entered.
    pub(crate) fn new(dump: &str) -> Self {
        let mut ruleset = parse(dump.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
        let tables: Vec<_> = ruleset.tables.iter().map(|table| table.name.clone()).collect();
        for chain in &mut ruleset.chains {
            let is_filter = tables[chain.table.0 as usize].as_str() == "filter";
            chain.base = chain.base.take().filter(|base| is_filter && base.hook == Hook::Input);
        }
        assert_eq!(ruleset.chains.iter().filter(|chain| chain.base.is_some()).count(), 1);
        let device = |(index, name): (u32, &str)| Device {
            index,
            name: name.into(),
            hardware: if index == 1 { Device::LOOPBACK } else { 1 },
            group: Some(0),
            addresses: if index == 2 { vec![IpAddr::from([10, 9, 0, 1])] } else { Vec::new() },
            bridged: false,
            bypasses: Vec::new(),
            ipv6: true,
            lower: Vec::new(),
            in_vrf: false,
        };
        Self { ruleset, devices: [(1, "lo"), (2, "eth0"), (3, "eth1")].map(device).to_vec() }
    }

    pub(crate) fn nobody() -> AddressSet {
        AddressSet::empty(IpVersion::V4)
    }

    /// An address, alone or with the length of a prefix.
    pub(crate) fn prefix(text: &str) -> AddressSet {
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        let address: IpAddr = address.parse().unwrap();
        AddressSet::prefix(Prefix::new(address, length.parse().unwrap()).unwrap())
    }

    /// From which of some sources it is reachable, and from which it is blocked.
    pub(crate) fn ask(&self, interface: &str, to: Destination, sources: &AddressSet) -> [AddressSet; 2] {
        let (protocol, address, port) = to;
        let device = self.devices.iter().find(|device| device.name == interface.as_bytes()).unwrap();
        let destination = Endpoint { address: address.into(), port };
        let responder = Responder::default();
        let question = Question { interface: device.index, protocol, destination, sources: sources.clone(), responder };
        let machine = Machine { ruleset: &self.ruleset, devices: &self.devices, routing: &Open };
        let answer = Evaluator::new(machine).ask(&question);
        let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
        [ReachVerdict::Reachable, ReachVerdict::Blocked].map(|verdict| {
            let parts = judged.iter().filter(|part| part.verdict == verdict);
            parts.fold(Self::nobody(), |sum, part| sum.union(&part.region.addresses()))
        })
    }
}
