//! The answers, held against what the kernel does with packets.

mod fib;
mod shared;
pub(in crate::linux) mod wire;

use std::net::IpAddr;

use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::rule::FibResult;
use loopgate_test_support::{in_namespace, run};

use super::KernelRouting;
use crate::gaps::Gaps;
use crate::linux::interfaces::Devices;
use crate::linux::root::Root;
use crate::linux::settings::{self, Conf};
use wire::{Fate, Wire, cable, set};

/// The machine as it is now.
struct Now {
    devices: Devices,
    routing: KernelRouting,
}

impl Now {
    fn read() -> Self {
        let (root, mut gaps) = (Root::new("/".as_ref()), Gaps::default());
        let devices = Devices::observe(&mut gaps);
        let sysctls = settings::observe(&root, &mut gaps);
        let interfaces = devices.interfaces(Conf::of(&sysctls, &mut gaps), &root);
        let routing = KernelRouting::new(&devices, &interfaces, &root).unwrap();
        Self { devices, routing }
    }

    fn index(&self, name: &str) -> u32 {
        self.devices.links.iter().find(|link| link.name == name.as_bytes()).unwrap().index
    }

    fn input(&self, destination: IpAddr) -> Vec<(AddressSet, InputRoute)> {
        let sources = AddressSet::all(IpVersion::of(destination));
        let question = InputQuestion {
            interface: self.index("eth0"),
            destination,
            sources: &sources,
            mark: Some(0),
            protocol: 253,
            port: 0,
        };
        self.routing.input(&question)
    }
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split_whitespace().map(|address| address.parse().unwrap()).collect()
}

fn fate(route: &InputRoute) -> Option<Fate> {
    match route {
        InputRoute::Local => Some(Fate::Local),
        InputRoute::Forward { .. } => Some(Fate::Forward),
        InputRoute::Blocked(_) => Some(Fate::Nothing),
        InputRoute::Unknown(_) => None,
    }
}

/// What IPv6 drops before it asks for a route, as the evaluator does.
fn is_impossible(source: IpAddr, destination: IpAddr) -> bool {
    source.is_ipv6() && (source.is_loopback() || source.is_multicast() || destination.is_loopback())
}

/// Holds the answers about packets from and to these addresses against what becomes of real ones, and gives the number
/// of those that had a definite answer.
fn compare(wire: &mut Wire, sources: &[IpAddr], destinations: &[IpAddr], context: &str) -> usize {
    let now = Now::read();
    let (mut definite, mut wrong) = (0, Vec::new());
    for &destination in destinations {
        let pieces = now.input(destination);
        let of_version = sources.iter().filter(|source| source.is_ipv4() == destination.is_ipv4());
        let pairs: Vec<_> = of_version.map(|source| (*source, destination)).collect();
        for (&(source, _), real) in pairs.iter().zip(wire.fates(&pairs)) {
            let holding: Vec<_> = pieces.iter().filter(|(set, _)| set.contains(source)).collect();
            assert_eq!(holding.len(), 1, "{source} is in one piece");
            let told = if is_impossible(source, destination) { Some(Fate::Nothing) } else { fate(&holding[0].1) };
            let Some(told) = told else { continue };
            definite += 1;
            // What is lost on a busy processor arrives when it is sent again.
            if told != real && told != wire.fates(&[(source, destination)])[0] {
                wrong.push(format!("from {source} to {destination}: {:?}, but {real:?}", holding[0].1));
            }
        }
    }
    assert!(wrong.is_empty(), "{context}:\n{}", wrong.join("\n"));
    definite
}

const SOURCES_V4: &str = "10.9.0.2 10.9.0.1 10.9.0.0 10.9.0.255 10.77.0.1 10.77.0.50 10.77.0.255 127.0.0.1 127.0.0.5 \
    0.0.0.0 0.1.2.3 169.254.1.1 192.0.2.1 192.0.2.77 198.51.100.3 203.0.113.7 10.88.0.1 224.0.0.1 239.1.1.1 240.0.0.1 \
    255.255.255.254 255.255.255.255 8.8.8.8 1.0.0.0 223.255.255.255 172.16.0.1";
const DESTINATIONS_V4: &str = "10.9.0.1 10.77.0.1 127.0.0.1 127.9.9.9 203.0.113.9 10.88.0.1 8.8.8.8 10.77.0.9 10.9.0.9 \
    198.51.100.2 192.0.2.77 192.0.2.1 172.16.0.1 169.254.1.9 0.0.0.0 240.0.0.9";

const SOURCES_V6: &str = "fd09::2 fd09::1 fd09:: fd77::1 fd77::50 ::1 :: ff02::1 ff0e::1 fe80::99 ::ffff:10.9.0.2 \
    ::10.9.0.2 2001:db8::7 2001:db8:1::1 2001:db8:2::1 fd88::1 2600::1 fec0::1 fc00::1 64:ff9b::1";
const DESTINATIONS_V6: &str = "fd09::1 fd77::1 ::1 2001:db8::9 fd88::1 2600::1 fd77::9 fd09::9 2001:db8:1::2 2001:db8:2::2 \
    fe80::1234 fd09:: ::ffff:10.9.0.1";

/// Routes and addresses that are not those of every machine: an address on `lo`, a prefix that is delivered locally
/// (`AnyIP`), ways that are closed.
fn curiosities() {
    for address in ["10.88.0.1/32", "fd88::1/128"] {
        run("ip", &["address", "add", address, "dev", "lo"]);
    }
    for (version, route) in [
        ("-4", "local 203.0.113.0/24 dev lo"),
        ("-4", "blackhole 198.51.100.0/24"),
        ("-4", "prohibit 192.0.2.64/26"),
        ("-4", "unreachable 172.16.0.0/12"),
        ("-6", "local 2001:db8::/64 dev lo"),
        ("-6", "blackhole 2001:db8:1::/64"),
        ("-6", "prohibit 2001:db8:2::/64"),
    ] {
        let words: Vec<_> = [version, "route", "add"].into_iter().chain(route.split(' ')).collect();
        run("ip", &words);
    }
}

fn all_settings(mut each: impl FnMut(&str)) {
    for rp_filter in ["0", "1", "2"] {
        for flags in 0..8 {
            let [localnet, local, forward] = [1, 2, 4].map(|bit| if flags & bit == 0 { "0" } else { "1" });
            for (name, value) in [
                ("ipv4/conf/all/rp_filter", rp_filter),
                ("ipv4/conf/eth0/route_localnet", localnet),
                ("ipv4/conf/eth0/accept_local", local),
                ("ipv4/ip_forward", forward),
                ("ipv6/conf/all/forwarding", forward),
            ] {
                set(name, value);
            }
            let context =
                format!("rp_filter {rp_filter}, route_localnet {localnet}, accept_local {local}, forwarding {forward}");
            each(&context);
        }
    }
}

#[test]
fn packets_that_come_in_go_where_the_answers_say() {
    in_namespace("linux::routing::tests::packets_that_come_in_go_where_the_answers_say", || {
        cable();
        let mut wire = Wire::new();
        let sources = addresses(&[SOURCES_V4, SOURCES_V6].join(" "));
        let destinations = addresses(&[DESTINATIONS_V4, DESTINATIONS_V6].join(" "));
        let mut definite = 0;
        for step in ["plain", "curious", "with a default route"] {
            match step {
                "curious" => curiosities(),
                "with a default route" => {
                    run("ip", &["route", "add", "default", "via", "10.77.0.2", "dev", "eth1"]);
                    run("ip", &["-6", "route", "add", "default", "via", "fd77::2", "dev", "eth1"]);
                }
                _ => {}
            }
            all_settings(|context| {
                definite += compare(&mut wire, &sources, &destinations, &format!("{step}, {context}"));
            });
        }
        println!("{definite} definite answers");
    });
}

/// Rules and tables that are chosen by what a packet has.
const POLICIES: [&str; 8] = [
    "-4 rule add from 10.77.0.0/25 iif eth0 prohibit",
    "-4 rule add to 8.8.8.0/24 lookup 100",
    "-4 rule add from 240.0.0.0/4 lookup 100",
    "-4 route add local default dev lo table 100",
    "-4 rule add fwmark 1 blackhole",
    "-6 rule add from 2001:db8:1::/48 blackhole",
    "-6 rule add to 2600::/16 lookup 100",
    "-6 route add local default dev lo table 100",
];

#[test]
fn policy_routing_is_answered_where_it_asks_for_what_is_known() {
    in_namespace("linux::routing::tests::policy_routing_is_answered_where_it_asks_for_what_is_known", || {
        cable();
        let mut wire = Wire::new();
        curiosities();
        run("ip", &["route", "add", "default", "via", "10.77.0.2", "dev", "eth1"]);
        let sources = addresses(&[SOURCES_V4, SOURCES_V6].join(" "));
        let destinations = addresses(&[DESTINATIONS_V4, DESTINATIONS_V6].join(" "));
        for policy in POLICIES {
            run("ip", &policy.split(' ').collect::<Vec<_>>());
        }
        let mut definite = 0;
        all_settings(|context| definite += compare(&mut wire, &sources, &destinations, context));
        assert!(definite > 10_000, "{definite}");
    });
}

#[test]
fn policy_routing_that_asks_for_what_is_not_known_makes_answers_unknown() {
    in_namespace("linux::routing::tests::policy_routing_that_asks_for_what_is_not_known_makes_answers_unknown", || {
        cable();
        let all = AddressSet::all(IpVersion::V4);
        let output = |source: &str| OutputQuestion {
            source: source.parse().unwrap(),
            bound_interface: None,
            destinations: &all,
            mark: Some(0),
            protocol: 6,
        };
        let fib = |result| FibQuestion { addresses: &all, interface: None, mark: Some(0), result };
        for (rule, expected) in [
            ("from 10.1.0.0/24", [false, false, true, false, true]),
            ("fwmark 0/0xff", [false; 5]),
            ("tos 0x10", [true, true, true, false, true]),
            ("sport 53", [true, true, true, false, false]),
            ("dport 53", [false, true, true, false, false]),
            ("uidrange 0-0", [false, true, true, false, true]),
            ("ipproto tcp", [false, false, false, false, true]),
            ("iif eth0", [false; 5]),
        ] {
            let words =
                |verb| ["rule", verb].into_iter().chain(rule.split(' ')).chain(["lookup", "7"]).collect::<Vec<_>>();
            run("ip", &words("add"));
            let routing = Now::read().routing;
            let input = Now::read().input("10.9.0.1".parse().unwrap());
            let unknown = [
                input.iter().all(|(_, route)| matches!(route, InputRoute::Unknown(_))),
                all_unknown(&routing.output(&output("10.9.0.1"))),
                all_unknown(&routing.output(&output("192.0.2.1"))),
                matches!(routing.fib(&fib(FibResult::AddressType))[..], [(_, FibAnswer::Unknown(_))]),
                matches!(routing.fib(&fib(FibResult::Interface))[..], [(_, FibAnswer::Unknown(_))]),
            ];
            assert_eq!(unknown, expected, "{rule}");
            run("ip", &words("delete"));
        }
    });
}

fn all_unknown(pieces: &[(AddressSet, OutputRoute)]) -> bool {
    pieces.iter().all(|(_, route)| matches!(route, OutputRoute::Unknown(_)))
}

#[test]
fn an_interface_can_be_forced_to_forward_ipv6() {
    in_namespace("linux::routing::tests::an_interface_can_be_forced_to_forward_ipv6", || {
        cable();
        let setting = "ipv6/conf/eth0/force_forwarding";
        // Before Linux 6.17 there is no such setting.
        if std::path::Path::new("/proc/sys/net").join(setting).exists() {
            let mut wire = Wire::new();
            set("ipv6/conf/eth1/force_forwarding", "1");
            compare(&mut wire, &addresses("fd09::2"), &addresses("fd77::9"), "on the other interface");
            set(setting, "1");
            compare(&mut wire, &addresses("fd09::2"), &addresses("fd77::9 fd09::9"), "on this interface");
            assert!(
                Now::read()
                    .input("fd77::9".parse().unwrap())
                    .iter()
                    .any(|(_, route)| fate(route) == Some(Fate::Forward))
            );
        }
    });
}
