//! A machine with two devices and simple routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::BlockReason;
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Device, Endpoint, Machine, Question, Responder};
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::rule::FibResult;

const LO: u32 = 1;
const ETH0: u32 = 2;
const BRIDGE: u32 = 3;

const OWN: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5))];

const CONTAINERS: [u8; 2] = [172, 17];

pub(super) fn devices() -> Vec<Device> {
    let device = |index, name: &str, hardware, addresses: &[IpAddr]| Device {
        index,
        name: name.into(),
        hardware,
        group: Some(0),
        addresses: addresses.to_vec(),
        bridged: false,
        bypasses: Vec::new(),
        ipv6: true,
        lower: Vec::new(),
        in_vrf: false,
    };
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bridge = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));
    vec![
        device(LO, "lo", Device::LOOPBACK, &loopback),
        device(ETH0, "eth0", 1, &OWN),
        device(BRIDGE, "docker0", 1, &[bridge]),
    ]
}

pub(super) fn machine<'a>(ruleset: &'a Ruleset, devices: &'a [Device], routing: &'a Tables) -> Machine<'a> {
    Machine { ruleset, devices, routing }
}

/// A few that take different ways.
pub(super) fn questions() -> Vec<Question> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let services = [(TCP, 22), (TCP, 8080), (UDP, 53)];
    let destinations = OWN.into_iter().chain([IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let ways = destinations.flat_map(|address| services.map(|service| (address, service)));
    let asked = ways.flat_map(|(address, (protocol, port))| {
        [LO, ETH0].map(|interface| Question {
            interface,
            protocol,
            destination: Endpoint { address, port },
            sources: AddressSet::all(IpVersion::of(address)),
            responder: Responder::default(),
        })
    });
    asked.collect()
}

/// Routes: this machine's own addresses, containers behind a bridge, everything else by `eth0`.
#[derive(Clone, Copy)]
pub(super) struct Tables;

impl Tables {
    fn route(address: IpAddr) -> u32 {
        match address {
            _ if is_own(address) => LO,
            IpAddr::V4(address) if address.octets().starts_with(&CONTAINERS) => BRIDGE,
            _ => ETH0,
        }
    }

    /// The addresses with the device that routes lead over.
    fn pieces(addresses: &AddressSet) -> Vec<(AddressSet, u32)> {
        let version = addresses.version();
        let own = own_addresses(version);
        let containers = match version {
            IpVersion::V4 => AddressSet::from_range(version, 0xac11_0000..=0xac11_ffff).difference(&own),
            IpVersion::V6 => AddressSet::empty(version),
        };
        let rest = own.union(&containers).complement();
        let pieces = [(own, LO), (containers, BRIDGE), (rest, ETH0)];
        let within = pieces.into_iter().map(|(piece, device)| (piece.intersection(addresses), device));
        within.filter(|(piece, _)| !piece.is_empty()).collect()
    }
}

impl Routing for Tables {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let own = own_addresses(question.sources.version());
        let outcome = match Self::route(question.destination) {
            LO if question.destination.is_loopback() => InputRoute::Blocked(BlockReason::Martian),
            LO => InputRoute::Local,
            interface => InputRoute::Forward { interface },
        };
        let martian = InputRoute::Blocked(BlockReason::Martian);
        vec![(question.sources.intersection(&own), martian), (question.sources.difference(&own), outcome)]
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let pieces = Self::pieces(question.destinations).into_iter();
        let route = |interface| if interface == LO { InputRoute::Local } else { InputRoute::Forward { interface } };
        pieces.map(|(piece, interface)| (piece, route(interface))).collect()
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        let pieces = Self::pieces(question.destinations).into_iter();
        pieces.map(|(piece, interface)| (piece, OutputRoute::Leaves { interface })).collect()
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        const UNICAST: u8 = 1;
        const LOCAL: u8 = 2;
        let answer = |device| match question.result {
            FibResult::AddressType => FibAnswer::AddressType(if device == LO { LOCAL } else { UNICAST }),
            _ => FibAnswer::Interface(question.interface.is_none_or(|wanted| wanted == device).then_some(device)),
        };
        Self::pieces(question.addresses).into_iter().map(|(piece, device)| (piece, answer(device))).collect()
    }

    fn depends_on_ports(&self, _: IpVersion) -> bool {
        false
    }
}

fn is_own(address: IpAddr) -> bool {
    own_addresses(IpVersion::of(address)).contains(address)
}

fn own_addresses(version: IpVersion) -> AddressSet {
    let carried = devices().into_iter().flat_map(|device| device.addresses);
    let carried = carried.filter(|address| IpVersion::of(*address) == version);
    let loopback = match version {
        IpVersion::V4 => AddressSet::from_range(version, 0x7f00_0000..=0x7fff_ffff),
        IpVersion::V6 => AddressSet::single(Ipv6Addr::LOCALHOST.into()),
    };
    carried.fold(loopback, |sum, address| sum.union(&AddressSet::single(address)))
}
