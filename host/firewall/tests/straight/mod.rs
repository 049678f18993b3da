//! A machine that gets every packet and answers it by its only device.

use std::net::IpAddr;

use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Device, Endpoint, Evaluator, Machine, Question, Responder};
use loopgate_firewall::ip_set::IpSets;
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::rule::Op;
use loopgate_firewall::ruleset::{
    Backend, Base, Chain, ChainKind, Family, Hook, Notation, Policy, Rule, Table, TableId,
};

pub(crate) const TCP: u8 = 6;
const ETH0: u32 = 2;

/// Everything is for this machine, and every answer leaves by `eth0`.
struct Straight;

impl Routing for Straight {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        vec![(question.sources.clone(), InputRoute::Local)]
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        vec![(question.destinations.clone(), InputRoute::Forward { interface: ETH0 })]
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        vec![(question.destinations.clone(), OutputRoute::Leaves { interface: ETH0 })]
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        vec![(question.addresses.clone(), FibAnswer::Unknown("not asked".into()))]
    }

    fn depends_on_ports(&self, _: IpVersion) -> bool {
        false
    }
}

/// The machine, with a chain at input.
pub(crate) struct Host {
    pub(crate) ruleset: Ruleset,
}

impl Host {
    /// The chain drops what none of its rules accepts.
    pub(crate) fn new(ip_sets: IpSets, rules: &[&[Op]]) -> Self {
        let table = Table {
            backend: Backend::Legacy,
            family: Family::Ip,
            name: "filter".into(),
            dormant: false,
            notation: Notation::Iptables,
        };
        let base = Base {
            hook: Hook::Input,
            priority: 0,
            kind: ChainKind::Filter,
            policy: Policy::Drop,
            devices: Vec::new(),
            registered: 0,
        };
        let rules = rules.iter().map(|ops| Rule { ops: ops.to_vec(), ..Rule::default() }).collect();
        let chain = Chain { table: TableId(0), name: "INPUT".into(), base: Some(base), rules };
        Self { ruleset: Ruleset { tables: vec![table], chains: vec![chain], ip_sets, ..Ruleset::default() } }
    }

    /// Asks about TCP from everywhere to port 22.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&mut Evaluator<'_>, &Question) -> T) -> T {
        let own = IpAddr::from([10, 9, 0, 1]);
        let eth0 = Device {
            index: ETH0,
            name: b"eth0".to_vec(),
            hardware: 1,
            group: Some(0),
            addresses: vec![own],
            bridged: false,
            bypasses: Vec::new(),
            ipv6: true,
            lower: Vec::new(),
            in_vrf: false,
        };
        let devices = [eth0];
        let mut evaluator = Evaluator::new(Machine { ruleset: &self.ruleset, devices: &devices, routing: &Straight });
        let question = Question {
            interface: ETH0,
            protocol: TCP,
            destination: Endpoint { address: own, port: 22 },
            sources: AddressSet::all(IpVersion::V4),
            responder: Responder::default(),
        };
        ask(&mut evaluator, &question)
    }
}
