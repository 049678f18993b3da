//! Destinations that are not addresses of the machine: what is published there, and prefixes that are delivered
//! locally.

use std::collections::BTreeSet;
use std::net::IpAddr;

use loopgate_facts::{Listener, LocalRoute, Protocol, ReachVerdict};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Endpoint, Evaluator, Fate, Machine, Purpose, Question, Responder, pieces};
use loopgate_firewall::reach::{Addresses, Answers, Local, of_socket};
use loopgate_firewall::ruleset::Family;
use loopgate_firewall::{Ruleset, iptables_save};
use proptest::prelude::*;

use super::machine::{DEVICES, devices, host, interfaces, listener, publications};

fn rules<T: AsRef<str>>(raw: &[T], nat: &[T], filter: &[T]) -> Ruleset {
    let lines = |rules: &[T]| rules.iter().map(|rule| format!("-A {}", rule.as_ref())).collect::<Vec<_>>().join("\n");
    let save = format!(
        "*mangle\n:PREROUTING ACCEPT [0:0]\n{}\nCOMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:OTHER - [0:0]\n{}\nCOMMIT\n\
         *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{}\nCOMMIT\n",
        lines(raw),
        lines(nat),
        lines(filter)
    );
    iptables_save::parse(save.as_bytes(), Some(Family::Ip)).unwrap().ruleset
}

/// Where a port is published, and where it leads.
fn published(nat: &[&str]) -> Vec<(String, String)> {
    let found = publications(&rules(&[], nat, &[]), &DEVICES);
    assert_eq!(found.obstacles, []);
    let names = |listener: &Listener| {
        let target = listener.published.as_ref().unwrap().target.to_string();
        (format!("{}:{}", listener.address, listener.port), target)
    };
    let names: BTreeSet<_> = found.listeners.iter().map(names).collect();
    names.into_iter().collect()
}

fn notes(nat: &[&str]) -> BTreeSet<String> {
    let found = publications(&rules(&[], nat, &[]), &DEVICES);
    let regions = found.listeners.iter().flat_map(|listener| &listener.reachability);
    regions.flat_map(|region| &region.notes).map(|note| note.as_str().to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(at, to)| ((*at).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn a_port_is_published_on_an_address_that_is_only_routed_here() {
    let nat = [
        "PREROUTING -d 198.51.100.7/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.77.0.9:80",
        "PREROUTING -d 127.0.0.2/32 -p tcp -m tcp --dport 86 -j DNAT --to-destination 10.77.0.9:80",
        "PREROUTING -d 10.9.0.255/32 -p udp -m udp --dport 87 -j DNAT --to-destination 10.77.0.9:80",
        "PREROUTING -d 198.51.100.8/32 -p tcp -m tcp --dport 5433 -j DNAT --to-destination 10.9.0.1",
    ];
    let wanted = pairs(&[
        ("10.9.0.255:87", "10.77.0.9:80"),
        ("127.0.0.2:86", "10.77.0.9:80"),
        ("198.51.100.7:8080", "10.77.0.9:80"),
        ("198.51.100.8:5433", "10.9.0.1:5433"),
    ]);
    assert_eq!(published(&nat), wanted);
}

#[test]
fn one_address_stands_for_others_of_its_prefix() {
    let nat = ["PREROUTING -d 10.9.0.0/24 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.77.0.9:80"];
    let wanted = pairs(&[("10.9.0.1:81", "10.77.0.9:80"), ("10.9.0.3:81", "10.77.0.9:80")]);
    assert_eq!(published(&nat), wanted);
    let note = "10.9.0.3 stands for every address in 10.9.0.0/24 without 10.9.0.1/32";
    assert_eq!(notes(&nat), [note.to_owned()].into());
}

#[test]
fn a_rule_for_all_but_one_address_publishes_the_others() {
    let nat = ["PREROUTING ! -d 10.9.0.1/32 -i eth0 -p tcp -m tcp --dport 85 -j DNAT --to-destination 10.77.0.9:80"];
    let wanted =
        pairs(&[("10.77.0.1:85", "10.77.0.9:80"), ("127.0.0.1:85", "10.77.0.9:80"), ("192.0.2.1:85", "10.77.0.9:80")]);
    assert_eq!(published(&nat), wanted);
}

#[test]
fn a_rule_for_every_address_publishes_one_listener() {
    let nat = [
        "PREROUTING -d 198.51.100.7/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.77.0.9:80",
        "PREROUTING -p tcp -m tcp --dport 84 -j DNAT --to-destination 10.77.0.9:80",
    ];
    assert_eq!(published(&nat), pairs(&[("0.0.0.0:84", "10.77.0.9:80"), ("198.51.100.7:8080", "10.77.0.9:80")]));
    let note = "192.0.2.1 stands for every address in 0.0.0.0/0 without 10.9.0.1/32, 10.77.0.1/32, 127.0.0.1/32";
    assert_eq!(notes(&nat), [note.to_owned()].into());
}

#[test]
fn whole_addresses_are_published_by_one_port_of_each_protocol() {
    let nat = ["PREROUTING -d 198.51.100.9/32 -j DNAT --to-destination 10.77.0.9"];
    assert_eq!(published(&nat), pairs(&[("198.51.100.9:1", "10.77.0.9:1")]));
    assert_eq!(notes(&nat), ["ports 0 to 65535 are translated in the same way".to_owned()].into());
}

#[test]
fn a_mark_by_destination_tells_destinations_apart() {
    let ruleset = rules(
        &["PREROUTING -d 198.51.100.7/32 -j MARK --set-xmark 0x1/0xffffffff"],
        &["PREROUTING -m mark --mark 0x1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.77.0.9:80"],
        &[],
    );
    let found = publications(&ruleset, &DEVICES);
    let at: Vec<_> = found.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(at, ["198.51.100.7"]);
}

#[test]
fn too_many_destinations_are_said() {
    let apart = (0..1100).map(|n| format!("PREROUTING -d 172.16.{}.{}/32 -j RETURN", n / 200, n % 200));
    let last = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.77.0.9".to_owned();
    let found = publications(&rules(&[], &apart.chain([last]).collect::<Vec<_>>(), &[]), &DEVICES);
    assert_eq!(found.listeners.iter().map(|listener| listener.port).collect::<Vec<_>>(), [80]);
    let said: Vec<_> = found.obstacles.iter().map(|obstacle| obstacle.because.as_str()).collect();
    assert_eq!(said, ["rules tell more than 1024 destinations apart"]);
}

/// What becomes of packets to a socket on all addresses, by destination, where prefixes are delivered locally.
fn delivered(ruleset: &Ruleset, prefixes: &[&str]) -> BTreeSet<(String, ReachVerdict, String)> {
    let devices = devices(&DEVICES);
    let interfaces: Vec<_> =
        interfaces(&DEVICES).into_iter().filter(|interface| interface.name.as_str() == "eth0").collect();
    let routes: Vec<_> = prefixes
        .iter()
        .map(|prefix| LocalRoute { destination: prefix.parse().unwrap(), table: 255, interface: None })
        .collect();
    // Where everything is local, nothing comes from elsewhere.
    let taken = |route: &&LocalRoute| route.destination.length() > 0;
    let all = LocalRoute { destination: "198.18.0.0/15".parse().unwrap(), table: 255, interface: None };
    let taken: Vec<_> = routes.iter().filter(taken).cloned().chain([all]).collect();
    let routing = host(&DEVICES).with_local(&taken);
    let mut evaluator = Evaluator::new(Machine { ruleset, devices: &devices, routing: &routing });
    let local = Local { interfaces: &interfaces, routes: &routes, ..Local::default() };
    let addresses = Addresses::new(evaluator.machine(), &local);
    let socket = listener(Protocol::Tcp, "0.0.0.0", 80);
    let regions = of_socket(&mut Answers::new(&mut evaluator), &socket, &[], &interfaces, &addresses);
    let shown = regions.into_iter().flat_map(|region| {
        let because = region.unknown_because.first().map(|why| why.as_str().to_owned()).unwrap_or_default();
        let verdict = region.verdict;
        region.destinations.into_iter().map(move |address| (address.to_string(), verdict, because.clone()))
    });
    // Packets from own addresses do not come in.
    let mut shown: BTreeSet<_> = shown.collect();
    let open: BTreeSet<_> = shown
        .iter()
        .filter(|(_, verdict, _)| *verdict != ReachVerdict::Blocked)
        .map(|(address, ..)| address.clone())
        .collect();
    shown.retain(|(address, verdict, _)| *verdict != ReachVerdict::Blocked || !open.contains(address));
    shown
}

#[test]
fn what_a_rule_lets_in_to_one_address_of_a_local_prefix_is_found() {
    let ruleset = rules(&[], &[], &["INPUT -d 203.0.113.7/32 -j ACCEPT", "INPUT -j DROP"]);
    let found = delivered(&ruleset, &["203.0.113.0/24"]);
    assert!(found.contains(&("203.0.113.7".into(), ReachVerdict::Reachable, String::new())), "{found:?}");
    assert!(found.contains(&("203.0.113.1".into(), ReachVerdict::Blocked, String::new())), "{found:?}");
}

#[test]
fn what_a_rule_keeps_from_leaving_an_address_is_found() {
    let ruleset = rules(&[], &[], &["OUTPUT -s 203.0.113.7/32 -j DROP"]);
    let found = delivered(&ruleset, &["203.0.113.0/24"]);
    assert!(found.contains(&("203.0.113.7".into(), ReachVerdict::Blocked, String::new())), "{found:?}");
    assert!(found.contains(&("203.0.113.1".into(), ReachVerdict::Reachable, String::new())), "{found:?}");
}

#[test]
fn everything_can_be_delivered_locally() {
    let ruleset = rules(&[], &[], &["INPUT -d 198.18.0.9/32 -j ACCEPT", "INPUT -j DROP"]);
    let found = delivered(&ruleset, &["0.0.0.0/0"]);
    assert!(found.contains(&("198.18.0.9".into(), ReachVerdict::Reachable, String::new())), "{found:?}");
    assert!(found.iter().any(|(address, verdict, _)| address == "192.0.2.1" && *verdict == ReachVerdict::Blocked));
}

#[test]
fn too_many_addresses_of_a_local_prefix_are_unknown() {
    let accept: Vec<_> = (0..1100).map(|n| format!("INPUT -d 203.0.{}.{}/32 -j ACCEPT", n / 200, n % 200)).collect();
    let filter: Vec<_> = accept.into_iter().chain(["INPUT -j DROP".to_owned()]).collect();
    let found = delivered(&rules(&[], &[], &filter), &["203.0.0.0/16"]);
    let unknown: Vec<_> = found.iter().filter(|(_, verdict, _)| *verdict == ReachVerdict::Unknown).collect();
    let why = "rules tell more than 1024 addresses apart that are delivered to this machine";
    assert!(matches!(unknown.as_slice(), [(_, _, because)] if because == why), "{unknown:?}");
}

/// Tests of a destination, as iptables writes them.
fn test() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..8, 28_u8..=32).prop_map(|(n, length)| format!("-d 172.16.0.{n}/{length}")),
        (0_u8..8, 28_u8..=32).prop_map(|(n, length)| format!("! -d 172.16.0.{n}/{length}")),
        (0_u8..8).prop_map(|n| format!("-d 172.16.0.{n}/255.255.255.5")),
        (0_u8..8, 0_u8..8)
            .prop_map(|(a, b)| { format!("-m iprange --dst-range 172.16.0.{}-172.16.0.{}", a.min(b), a.max(b)) }),
        (0_u8..8).prop_map(|n| format!("-m conntrack --ctorigdst 172.16.0.{n}/31")),
        Just("-m mark --mark 0x1".to_owned()),
        Just("-s 10.9.0.0/25".to_owned()),
    ]
}

fn target() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "nat|-p tcp -j DNAT --to-destination 10.77.0.8",
        "nat|-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.77.0.9:81",
        "nat|-j RETURN",
        "mangle|-j MARK --set-xmark 0x1/0xffffffff",
        "mangle|-j DROP",
        "filter|-j DROP",
    ])
}

/// What becomes of packets to an address, in whatever words do not name it.
fn fates(evaluator: &mut Evaluator<'_>, address: IpAddr) -> String {
    let question = Question {
        interface: 2,
        protocol: 6,
        destination: Endpoint { address, port: 80 },
        sources: AddressSet::all(IpVersion::V4),
        responder: Responder::default(),
    };
    let answer = evaluator.ask(&question);
    let judged = answer.judge(|fate| match fate {
        Fate::Delivered(endpoint) | Fate::Forwarded { endpoint, .. } => endpoint.address != address,
        _ => false,
    });
    let shown = judged.iter().map(|part| {
        (
            part.region.addresses().prefixes(),
            part.verdict,
            part.decider,
            part.translated.filter(|to| to.address != address),
        )
    });
    format!("{:?}", shown.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn addresses_of_one_piece_have_one_answer(parts in prop::collection::vec((test(), target()), 1..6)) {
        let of = |table: &str| -> Vec<String> {
            let chain = if table == "filter" { "FORWARD" } else { "PREROUTING" };
            let rules = parts.iter().filter_map(|(test, target)| Some((test, target.strip_prefix(table)?)));
            rules.map(|(test, target)| format!("{chain} {test} {}", target.trim_start_matches('|'))).collect()
        };
        let (mangle, nat) = (of("mangle"), of("nat"));
        // What was translated shows its first destination to conntrack alone.
        let filter: Vec<_> = of("filter").into_iter().filter(|rule| rule.contains("ctorigdst")).collect();
        let ruleset = rules(&mangle, &nat, &filter);
        let (devices, routing) = (devices(&DEVICES), host(&DEVICES));
        let machine = Machine { ruleset: &ruleset, devices: &devices, routing: &routing };
        let within = AddressSet::prefix("172.16.0.0/28".parse().unwrap());
        let found = pieces(&machine, Purpose::Translated, &within, &[], 1024);
        prop_assert!(found.rest.is_empty());
        let all = found.each.iter().fold(AddressSet::empty(IpVersion::V4), |sum, piece| sum.union(piece));
        prop_assert_eq!(&all, &within);
        let mut evaluator = Evaluator::new(machine);
        for piece in &found.each {
            let numbers = piece.ranges().flatten().map(|number| IpVersion::V4.address(number));
            let fates: BTreeSet<_> = numbers.map(|address| fates(&mut evaluator, address)).collect();
            prop_assert_eq!(fates.len(), 1, "{:?} {:?} {:?}", parts, piece, fates);
        }
    }
}
