//! By which interfaces packets come to listeners, and which of several sockets gets them.

use std::net::IpAddr;

use loopgate_facts::{BlockReason, Interface, InterfaceKind, Listener, Protocol, ReachVerdict};
use loopgate_firewall::evaluate::{Device, Evaluator, Machine};
use loopgate_firewall::reach::{Addresses, Answers, Local, of_socket};
use loopgate_firewall::{Ruleset, nft_json};
use serde_json::json;

use super::machine::{DeviceOf, devices, host, interfaces, listener, publications_on};

const LO: DeviceOf<'_> = (1, "lo", Device::LOOPBACK, &["127.0.0.1/8", "::1/128"]);
const ETH0: DeviceOf<'_> = (2, "eth0", 1, &["10.9.0.1/24", "fd09::1/64"]);
const ETH1: DeviceOf<'_> = (3, "eth1", 1, &[]);
const BR0: DeviceOf<'_> = (4, "br0", 1, &["10.77.0.1/24"]);

/// A machine of which `eth1` is a port of `br0`, which is of some kind.
struct Bridged {
    devices: Vec<Device>,
    interfaces: Vec<Interface>,
    ruleset: Ruleset,
}

impl Bridged {
    fn by(kind: &InterfaceKind) -> Self {
        let of = [LO, ETH0, ETH1, BR0];
        let mut interfaces = interfaces(&of);
        for interface in &mut interfaces {
            match interface.index {
                3 => interface.master = Some(4),
                4 => interface.kind = kind.clone(),
                _ => {}
            }
        }
        let devices = devices(&of);
        let mut machine = Self { devices, interfaces, ruleset: Ruleset::default() };
        machine.device(4).lower = vec![3];
        machine
    }

    fn device(&mut self, index: u32) -> &mut Device {
        self.devices.iter_mut().find(|device| device.index == index).unwrap()
    }

    /// What becomes of packets to the first of some listeners, by interface and address.
    fn verdict(&self, listeners: &[Listener], interface: &str, address: &str) -> Option<(ReachVerdict, String)> {
        let routing = host(&[LO, ETH0, ETH1, BR0]);
        let machine = Machine { ruleset: &self.ruleset, devices: &self.devices, routing: &routing };
        let mut evaluator = Evaluator::new(machine);
        let addresses = Addresses::new(&machine, &Local { interfaces: &self.interfaces, ..Local::default() });
        let mut answers = Answers::new(&mut evaluator);
        let regions = of_socket(&mut answers, listeners.first().unwrap(), listeners, &self.interfaces, &addresses);
        let address: IpAddr = address.parse().unwrap();
        let region = regions.iter().find(|region| {
            let source: IpAddr = if address.is_ipv4() { [192, 0, 2, 7].into() } else { "2001:db8::7".parse().unwrap() };
            region.interfaces.contains(&interface.into())
                && region.destinations.contains(&address)
                && region.lists(source)
        })?;
        let why = region.unknown_because.first().map(|why| why.as_str().to_owned());
        Some((region.verdict, why.or(region.reason.map(|reason| reason.to_string())).unwrap_or_default()))
    }
}

fn is_doubted(verdict: Option<(ReachVerdict, String)>, because: &str) -> bool {
    verdict.is_some_and(|(verdict, why)| verdict == ReachVerdict::Unknown && why.contains(because))
}

fn tcp() -> Listener {
    listener(Protocol::Tcp, "0.0.0.0", 80)
}

fn udp() -> Listener {
    listener(Protocol::Udp, "0.0.0.0", 53)
}

fn bound(listener: Listener, device: &str) -> Listener {
    let listener = Listener { bound_interface: Some(device.into()), ..listener };
    Listener { id: listener.expected_id(), ..listener }
}

const OTHER_INTERFACE: BlockReason = BlockReason::OtherInterface;

#[test]
fn what_comes_in_by_a_port_comes_in_by_its_master() {
    let takers = [
        InterfaceKind::Bridge,
        InterfaceKind::Bond,
        InterfaceKind::Ethernet,
        InterfaceKind::Other("openvswitch".into()),
    ];
    for kind in takers {
        let machine = Bridged::by(&kind);
        assert_eq!(machine.verdict(&[tcp()], "eth1", "10.9.0.1"), None, "{kind:?}");
        let by_master = machine.verdict(&[tcp()], "br0", "10.9.0.1").unwrap();
        assert_eq!(by_master.0, ReachVerdict::Reachable, "{kind:?}");
        let to_port = bound(tcp(), "eth1");
        assert_eq!(
            machine.verdict(&[to_port], "br0", "10.9.0.1"),
            Some((ReachVerdict::Blocked, OTHER_INTERFACE.to_string()))
        );
    }
    for kind in [InterfaceKind::Other("batadv".into()), InterfaceKind::Other("hsr".into())] {
        let by_port = Bridged::by(&kind).verdict(&[tcp()], "eth1", "10.9.0.1").unwrap();
        assert_eq!(by_port.0, ReachVerdict::Reachable, "{kind:?}");
    }
}

/// Packets that TCP does not take come in by a port in frames to a group.
#[test]
fn some_packets_to_udp_come_in_by_a_port() {
    for kind in [InterfaceKind::Bridge, InterfaceKind::Bond] {
        let by_port = Bridged::by(&kind).verdict(&[udp()], "eth1", "10.9.0.1");
        assert!(is_doubted(by_port, "only frames to a group"), "{kind:?}");
    }
    let switch = InterfaceKind::Other("openvswitch".into());
    assert_eq!(Bridged::by(&switch).verdict(&[udp()], "eth1", "10.9.0.1"), None);
}

#[test]
fn frames_that_a_rule_has_routed_come_in_by_a_port() {
    let rule = |value: serde_json::Value| {
        let chain = json!({ "family": "bridge", "table": "b", "name": "c", "type": "filter", "hook": "prerouting",
            "prio": -300, "policy": "accept" });
        let rule = json!({ "family": "bridge", "table": "b", "chain": "c", "expr": [value] });
        let items = json!([{ "table": { "family": "bridge", "name": "b" } }, { "chain": chain }, { "rule": rule }]);
        nft_json::parse(json!({ "nftables": items }).to_string().as_bytes()).unwrap().ruleset
    };
    let routing = json!({ "mangle": { "key": { "meta": { "key": "broute" } }, "value": 1 } });
    let mut machine = Bridged::by(&InterfaceKind::Bridge);
    machine.ruleset = rule(routing.clone());
    assert!(is_doubted(machine.verdict(&[tcp()], "eth1", "10.9.0.1"), "broute"));
    machine.ruleset = rule(json!({ "accept": null }));
    assert_eq!(machine.verdict(&[tcp()], "eth1", "10.9.0.1"), None);
    let mut machine = Bridged::by(&InterfaceKind::Bond);
    machine.ruleset = rule(routing);
    assert_eq!(machine.verdict(&[tcp()], "eth1", "10.9.0.1"), None);
}

#[test]
fn published_ports_have_no_way_in_by_a_port() {
    let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.5.0.2:80\n\
               COMMIT\n";
    let machine = Bridged::by(&InterfaceKind::Bridge);
    let ruleset = loopgate_firewall::iptables_save::parse(nat.as_bytes(), None).unwrap().ruleset;
    let found = publications_on(&ruleset, &machine.devices, &machine.interfaces, &host(&[LO, ETH0, ETH1, BR0]));
    let regions = &found.listeners.first().unwrap().reachability;
    let by = |name: &str| regions.iter().any(|region| region.interfaces.contains(&name.into()));
    assert!(by("eth0") && by("br0") && !by("eth1"));
}

#[test]
fn a_chain_at_a_port_leaves_open_what_comes_in_by_the_bridge() {
    let chain = |policy: &str, device: &str| {
        let chain = json!({ "family": "netdev", "table": "n", "name": "c", "type": "filter", "hook": "ingress",
            "prio": 0, "policy": policy, "dev": device });
        let items = json!([{ "table": { "family": "netdev", "name": "n" } }, { "chain": chain }]);
        nft_json::parse(json!({ "nftables": items }).to_string().as_bytes()).unwrap().ruleset
    };
    let mut machine = Bridged::by(&InterfaceKind::Bridge);
    for (policy, device, open) in [("drop", "eth1", true), ("drop", "eth0", false), ("accept", "eth1", false)] {
        machine.ruleset = chain(policy, device);
        let by_bridge = machine.verdict(&[tcp()], "br0", "10.9.0.1");
        assert_eq!(is_doubted(by_bridge, "the chain c decides about packets at eth1"), open, "{policy} at {device}");
    }
    machine.ruleset = Ruleset::default();
    machine.device(3).bypasses = vec!["xdp handles packets here".into()];
    assert!(is_doubted(machine.verdict(&[tcp()], "br0", "10.9.0.1"), "xdp handles packets here (at eth1, below)"));
    machine.device(4).lower = Vec::new();
    assert_eq!(machine.verdict(&[tcp()], "br0", "10.9.0.1").unwrap().0, ReachVerdict::Reachable);
}

#[test]
fn a_device_without_ipv6_takes_none() {
    let mut machine = Bridged::by(&InterfaceKind::Bridge);
    machine.device(2).ipv6 = false;
    let both = [Listener { ipv6_only: Some(false), ..listener(Protocol::Tcp, "::", 80) }];
    let not_routed = BlockReason::NotRouted.to_string();
    assert_eq!(machine.verdict(&both, "eth0", "fd09::1"), Some((ReachVerdict::Blocked, not_routed)));
    assert_eq!(machine.verdict(&both, "eth0", "10.9.0.1").unwrap().0, ReachVerdict::Reachable);
    assert_eq!(machine.verdict(&both, "br0", "fd09::1").unwrap().0, ReachVerdict::Reachable);
}

#[test]
fn a_socket_of_a_vrf_takes_what_comes_in_by_its_ports() {
    let machine = Bridged::by(&InterfaceKind::Vrf);
    for device in ["br0", "eth1"] {
        let verdict = machine.verdict(&[bound(tcp(), device)], "eth1", "10.9.0.1").unwrap();
        assert_eq!(verdict.0, ReachVerdict::Reachable, "{device}");
    }
    let other = machine.verdict(&[bound(tcp(), "eth0")], "eth1", "10.9.0.1").unwrap();
    assert_eq!(other, (ReachVerdict::Blocked, OTHER_INTERFACE.to_string()));
    assert!(is_doubted(machine.verdict(&[tcp()], "eth1", "10.9.0.1"), "l3mdev_accept"));
}

/// `-i eth1` matches nothing at the input hook there.
#[test]
fn rules_see_the_vrf_and_not_its_port() {
    let filter = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i eth1 -j DROP\nCOMMIT\n";
    let mut machine = Bridged::by(&InterfaceKind::Vrf);
    machine.device(3).in_vrf = true;
    let listeners = [bound(tcp(), "br0")];
    assert_eq!(machine.verdict(&listeners, "eth1", "10.9.0.1").unwrap().0, ReachVerdict::Reachable);
    machine.ruleset = loopgate_firewall::iptables_save::parse(filter.as_bytes(), None).unwrap().ruleset;
    assert!(is_doubted(machine.verdict(&listeners, "eth1", "10.9.0.1"), "as coming in by the VRF"));
    assert_eq!(machine.verdict(&[tcp()], "eth0", "10.9.0.1").unwrap().0, ReachVerdict::Reachable);
}

/// Which of two sockets gets packets by `eth0` to an address of it: `1` the first, `2` the second, `?` it depends; `!`
/// where that is not what is said.
fn winner(first: Listener, second: Listener, address: &str) -> char {
    let machine = Bridged::by(&InterfaceKind::Bridge);
    let both = [first, second];
    let swapped = [both[1].clone(), both[0].clone()];
    let verdicts = [&both, &swapped].map(|listeners| machine.verdict(listeners, "eth0", address).unwrap());
    let unclear =
        |(verdict, why): &(ReachVerdict, String)| *verdict == ReachVerdict::Unknown && why.contains("order of binding");
    match verdicts.each_ref().map(|(verdict, _)| *verdict) {
        [ReachVerdict::Reachable, ReachVerdict::Blocked] => '1',
        [ReachVerdict::Blocked, ReachVerdict::Reachable] => '2',
        [ReachVerdict::Unknown, ReachVerdict::Unknown] if verdicts.iter().all(unclear) => '?',
        _ => '!',
    }
}

fn on(protocol: Protocol, address: &str, device: Option<&str>) -> Listener {
    let ipv6_only = address.contains(':').then_some(false);
    let listener = Listener { ipv6_only, ..listener(protocol, address, 67) };
    device.map_or(listener.clone(), |device| bound(listener, device))
}

/// As `compute_score` has it, and the options that are not known.
#[test]
fn of_several_sockets_the_kernel_chooses_one() {
    let v4 = "10.9.0.1";
    let table: [(_, _, _, _, [char; 2]); 12] = [
        ("0.0.0.0", None, "10.9.0.1", None, ['2', '2']),
        ("0.0.0.0", Some("eth0"), "10.9.0.1", None, ['2', '2']),
        ("0.0.0.0", Some("eth0"), "::ffff:10.9.0.1", None, ['2', '2']),
        ("::", None, "0.0.0.0", None, ['2', '2']),
        ("::", None, "0.0.0.0", Some("eth0"), ['2', '2']),
        ("::", Some("eth0"), "0.0.0.0", Some("eth0"), ['2', '2']),
        ("::", Some("eth0"), "0.0.0.0", None, ['?', '2']),
        ("::ffff:10.9.0.1", Some("eth0"), "10.9.0.1", None, ['?', '2']),
        ("0.0.0.0", Some("eth0"), "0.0.0.0", None, ['?', '?']),
        ("10.9.0.1", Some("eth0"), "10.9.0.1", None, ['?', '?']),
        ("::", Some("eth0"), "::", None, ['?', '?']),
        ("::ffff:10.9.0.1", None, "10.9.0.1", None, ['2', '2']),
    ];
    for (first, device, second, other, expected) in table {
        for (protocol, expected) in [Protocol::Udp, Protocol::Tcp].into_iter().zip(expected) {
            let found = winner(on(protocol, first, device), on(protocol, second, other), v4);
            assert_eq!(found, expected, "{protocol} {first} {device:?} {second} {other:?}");
        }
    }
    assert_eq!(winner(on(Protocol::Udp, "::", Some("eth0")), on(Protocol::Udp, "::", None), "fd09::1"), '?');
    assert_eq!(winner(on(Protocol::Udp, "::", Some("eth0")), on(Protocol::Udp, "fd09::1", None), "fd09::1"), '2');
    assert_eq!(winner(on(Protocol::Sctp, "0.0.0.0", None), on(Protocol::Sctp, v4, None), v4), '?');
}

#[test]
fn a_socket_leaves_what_it_does_not_take() {
    let machine = Bridged::by(&InterfaceKind::Bridge);
    let any = on(Protocol::Udp, "0.0.0.0", None);
    let others = [
        on(Protocol::Udp, "10.9.0.1", Some("br0")),
        on(Protocol::Tcp, "10.9.0.1", None),
        Listener { port: 68, ..on(Protocol::Udp, "10.9.0.1", None) },
        Listener { ipv6_only: Some(true), ..on(Protocol::Udp, "::", Some("eth0")) },
    ];
    for other in others {
        let verdict = machine.verdict(&[any.clone(), other.clone()], "eth0", "10.9.0.1").unwrap();
        assert_eq!(verdict.0, ReachVerdict::Reachable, "{:?}", other.id);
    }
}
