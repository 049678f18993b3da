//! A machine that packets come to from everywhere.

use loopgate_facts::{
    BlockReason, Firewall, Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, Listener, LocalRoute, Prefix,
    Protocol, Scope, Socket,
};
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Device, Evaluator, Machine};
use loopgate_firewall::reach::{Addresses, Answers, Local, Publications, published, summarise};
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};

/// Index, name, hardware and addresses of the devices.
pub(crate) type DeviceOf<'a> = (u32, &'a str, u16, &'a [&'a str]);

pub(crate) const DEVICES: [DeviceOf<'static>; 3] = [
    (1, "lo", Device::LOOPBACK, &["127.0.0.1/8"]),
    (2, "eth0", 1, &["10.9.0.1/24"]),
    (3, "eth1", 1, &["10.77.0.1/24"]),
];

/// Everything arrives from everywhere, and what is not its own goes on by `eth1`; own addresses only from this machine.
pub(crate) struct Host([AddressSet; 2]);

impl Host {
    /// Prefixes are its own too.
    pub(crate) fn with_local(self, routes: &[LocalRoute]) -> Self {
        let of = |own: AddressSet| {
            let prefixes = routes.iter().map(|route| AddressSet::prefix(route.destination));
            prefixes.fold(own, |sum, prefix| sum.union(&prefix))
        };
        Self(self.0.map(of))
    }

    fn own(&self, version: IpVersion) -> &AddressSet {
        let [v4, v6] = &self.0;
        if version == IpVersion::V4 { v4 } else { v6 }
    }

    fn parted<A>(&self, addresses: &AddressSet, own: A, others: A) -> Vec<(AddressSet, A)> {
        let mine = self.own(addresses.version());
        vec![(addresses.intersection(mine), own), (addresses.difference(mine), others)]
    }
}

impl Routing for Host {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let own = self.own(IpVersion::of(question.destination)).contains(question.destination);
        let route = if own { InputRoute::Local } else { InputRoute::Forward { interface: 3 } };
        self.parted(question.sources, InputRoute::Blocked(BlockReason::Martian), route)
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        self.parted(question.destinations, InputRoute::Local, InputRoute::Forward { interface: 2 })
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        let others = OutputRoute::Leaves { interface: question.bound_interface.unwrap_or(2) };
        self.parted(question.destinations, OutputRoute::Leaves { interface: 1 }, others)
    }

    fn depends_on_ports(&self, _: IpVersion) -> bool {
        false
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        self.parted(question.addresses, FibAnswer::AddressType(2), FibAnswer::AddressType(1))
    }
}

pub(crate) fn devices(of: &[DeviceOf<'_>]) -> Vec<Device> {
    let device = |(index, name, hardware, addresses): DeviceOf<'_>| Device {
        index,
        name: name.into(),
        hardware,
        group: Some(0),
        addresses: addresses.iter().map(|entry| entry.parse::<Prefix>().unwrap().address()).collect(),
        bridged: false,
        bypasses: Vec::new(),
        ipv6: true,
        lower: Vec::new(),
        in_vrf: false,
    };
    of.iter().copied().map(device).collect()
}

pub(crate) fn host(of: &[DeviceOf<'_>]) -> Host {
    let own = |version| {
        let addresses = devices(of).into_iter().flat_map(|device| device.addresses).map(AddressSet::single);
        let of_version = addresses.filter(|address| address.version() == version);
        of_version.fold(AddressSet::empty(version), |sum, address| sum.union(&address))
    };
    Host([own(IpVersion::V4), own(IpVersion::V6)])
}

pub(crate) fn interfaces(of: &[DeviceOf<'_>]) -> Vec<Interface> {
    let entry = |text: &&str| {
        let prefix: Prefix = text.parse().unwrap();
        let (address, prefix_length) = (prefix.address(), prefix.length());
        InterfaceAddress { address, prefix_length, scope: Scope::of(address), flags: Vec::new() }
    };
    let interface = |(index, name, hardware, addresses): DeviceOf<'_>| Interface {
        name: name.into(),
        index,
        kind: if hardware == Device::LOOPBACK { InterfaceKind::Loopback } else { InterfaceKind::Ethernet },
        up: true,
        running: true,
        mtu: 1500,
        master: None,
        addresses: addresses.iter().map(entry).collect(),
        settings: InterfaceSettings::default(),
    };
    of.iter().copied().map(interface).collect()
}

pub(crate) fn listener(protocol: Protocol, address: &str, port: u16) -> Listener {
    let sockets = vec![Socket { inode: 7, uid: Some(0), mark: Some(0) }];
    Listener { sockets, ..Listener::at(protocol, address.parse().unwrap(), port) }
}

/// What address translation publishes on a machine with some devices.
pub(crate) fn publications(ruleset: &Ruleset, of: &[DeviceOf<'_>]) -> Publications {
    publications_on(ruleset, &devices(of), &interfaces(of), &host(of))
}

/// The same, on a machine that is made otherwise.
pub(crate) fn publications_on(
    ruleset: &Ruleset,
    devices: &[Device],
    interfaces: &[Interface],
    routing: &Host,
) -> Publications {
    let mut evaluator = Evaluator::new(Machine { ruleset, devices, routing });
    let addresses = Addresses::new(evaluator.machine(), &Local { interfaces, ..Local::default() });
    published(&mut Answers::new(&mut evaluator), interfaces, &addresses, &[])
}

/// What is said of the rules of a machine with some devices and listeners.
pub(crate) fn summary(ruleset: &Ruleset, of: &[DeviceOf<'_>], listeners: &[Listener]) -> Firewall {
    let (devices, routing) = (devices(of), host(of));
    let mut evaluator = Evaluator::new(Machine { ruleset, devices: &devices, routing: &routing });
    let mut firewall = Firewall::default();
    summarise(&mut evaluator, &interfaces(of), listeners, &mut firewall);
    firewall
}
