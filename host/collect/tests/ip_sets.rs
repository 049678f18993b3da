//! The sets of `ipset(8)`, as the kernel gives them for the rules that name them.

#![cfg(target_os = "linux")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a helper of a test fails as it does")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loopgate_collect::linux::firewall::ip_sets;
use loopgate_collect::linux::firewall::nf_tables::{self, Reading};
use loopgate_collect::linux::reach::Surroundings;
use loopgate_facts::ReachVerdict;
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Endpoint, Fate, Question, Responder};
use loopgate_firewall::ip_set::{self, Effect, IpSet, IpSetId, IpSets, Layer, Members, Part};
use loopgate_firewall::ruleset::{Element, Family, Key};
use loopgate_test_support::{command, in_namespace, run};

/// Makes sets from what `ipset save` prints.
fn restore(sets: &str) {
    let mut child = command("ipset").arg("restore").stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(sets.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{sets}");
}

/// Reads all of the sets with the numbers up to `count`.
fn read(count: u16) -> IpSets {
    ip_sets::read(&(0..count).collect()).unwrap()
}

fn named<'s>(sets: &'s IpSets, name: &str) -> &'s IpSet {
    sets.values().find(|set| set.name.as_str() == name).unwrap_or_else(|| panic!("no set {name} in {sets:?}"))
}

fn values(set: &IpSet) -> (&[Part], &[Layer]) {
    match &set.members {
        Members::Values { parts, layers, .. } => (parts, layers),
        other => panic!("{other:?}"),
    }
}

/// The addresses in a layer of a set that holds nothing else, as ranges.
fn addresses(layer: &Layer) -> Vec<String> {
    let address = |key: &[u8]| match key.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(key).unwrap()),
        _ => IpAddr::from(<[u8; 16]>::try_from(key).unwrap()),
    };
    let shown = |element: &Element| match &element.key {
        Key::Exact(key) => address(key).to_string(),
        Key::Range(first, last) => format!("{}-{}", address(first), address(last)),
        Key::CatchAll => "*".to_owned(),
    };
    layer.values.elements.iter().map(shown).collect()
}

#[test]
fn addresses_of_every_kind_are_read() {
    in_namespace("addresses_of_every_kind_are_read", || {
        restore(
            "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.9\n\
             create b hash:ip netmask 24 timeout 600 counters comment skbinfo\nadd b 192.0.2.77 comment \"so\"\n\
             create c bitmap:ip range 10.0.0.0/24\nadd c 10.0.0.7\nadd c 10.0.0.9\n\
             create d bitmap:ip range 10.0.0.0/16 netmask 28\nadd d 10.0.1.3\n\
             create e hash:ip family inet6\nadd e 2001:db8::1\n\
             create f hash:net family inet6\nadd f 2001:db8::/32\nadd f 2001:db8:1::/48\n",
        );
        let sets = read(6);
        let shown = |name| addresses(&values(named(&sets, name)).1[0]);
        assert_eq!(shown("a"), ["192.0.2.1", "192.0.2.9"]);
        assert_eq!(shown("b"), ["192.0.2.0-192.0.2.255"]);
        assert_eq!(shown("c"), ["10.0.0.7", "10.0.0.9"]);
        assert_eq!(shown("d"), ["10.0.1.0-10.0.1.15"]);
        assert_eq!(shown("e"), ["2001:db8::1"]);
        assert_eq!(shown("f"), ["2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"]);
        assert_eq!(named(&sets, "a").family, Some(Family::Ip));
        assert_eq!(named(&sets, "f").family, Some(Family::Ip6));
        assert_eq!(named(&sets, "b").kind.as_str(), "hash:ip");
    });
}

#[test]
fn the_longest_prefix_comes_first() {
    in_namespace("the_longest_prefix_comes_first", || {
        restore(
            "create a hash:net\nadd a 10.0.0.0/8\nadd a 10.1.0.0/16 nomatch\nadd a 10.1.1.0/24\nadd a 192.0.2.0/24\n\
             add a 10.2.0.0/17 nomatch\nadd a 10.1.1.1 nomatch\n",
        );
        let sets = read(1);
        let layers: Vec<_> = values(named(&sets, "a")).1.iter().map(|layer| (layer.effect, addresses(layer))).collect();
        let expected = [
            (Effect::Except, vec!["10.1.1.1"]),
            (Effect::Match, vec!["10.1.1.0-10.1.1.255", "192.0.2.0-192.0.2.255"]),
            (Effect::Except, vec!["10.1.0.0-10.2.127.255"]),
            (Effect::Match, vec!["10.0.0.0-10.255.255.255"]),
        ];
        assert_eq!(layers, expected.map(|(effect, shown)| (effect, shown.into_iter().map(String::from).collect())));
    });
}

#[test]
fn every_part_of_a_member_has_its_place() {
    in_namespace("every_part_of_a_member_has_its_place", || {
        restore(
            "create a hash:ip,port\nadd a 192.0.2.1,tcp:443\nadd a 192.0.2.2,udp:53\nadd a 192.0.2.3,icmp:echo-request\n\
             create b hash:ip,port,net\nadd b 192.0.2.1,sctp:9,10.0.0.0/8\n\
             create c hash:net,iface\nadd c 10.0.0.0/8,eth0\nadd c 10.0.0.0/16,tap wildcard\n\
             create d bitmap:port range 0-1000\nadd d 22-23\n\
             create e bitmap:ip,mac range 10.0.0.0/24\nadd e 10.0.0.1,02:00:00:00:00:01\nadd e 10.0.0.2\n",
        );
        let sets = read(5);
        let keys = |name: &str, layer: usize| -> BTreeSet<Key> {
            values(named(&sets, name)).1[layer].values.elements.iter().map(|element| element.key.clone()).collect()
        };
        let exact = |bytes: &[u8]| Key::Exact(bytes.into());
        assert_eq!(values(named(&sets, "a")).0, [Part::Address, Part::ProtocolAndPort]);
        let services = [
            exact(&[192, 0, 2, 1, 6, 1, 187, 0]),
            exact(&[192, 0, 2, 2, 17, 0, 53, 0]),
            exact(&[192, 0, 2, 3, 1, 8, 0, 0]),
        ];
        assert_eq!(keys("a", 0), BTreeSet::from(services));
        let (first, last) =
            ([192, 0, 2, 1, 132, 0, 9, 0, 10, 0, 0, 0], [192, 0, 2, 1, 132, 0, 9, 0, 10, 255, 255, 255]);
        assert_eq!(keys("b", 0), BTreeSet::from([Key::Range(first.into(), last.into())]));
        let on = |address: [u8; 4], name: &[u8], fill: u8| {
            let mut key = [&address[..], name].concat();
            key.resize(20, fill);
            key.into_boxed_slice()
        };
        let narrow = Key::Range(on([10, 0, 0, 0], b"tap", 0), on([10, 0, 255, 255], b"tap", 255));
        assert_eq!(keys("c", 0), BTreeSet::from([narrow]));
        assert_eq!(values(named(&sets, "c")).1[1].effect, Effect::Stop);
        let wide = Key::Range(on([10, 0, 0, 0], b"eth0", 0), on([10, 255, 255, 255], b"eth0", 0));
        assert_eq!(keys("c", 2), BTreeSet::from([wide]));
        assert_eq!(keys("d", 0), BTreeSet::from([Key::Range([0, 22].into(), [0, 23].into())]));
        assert_eq!(values(named(&sets, "e")).0, [Part::Address, Part::HardwareAddress]);
        assert_eq!(values(named(&sets, "e")).1[0].values.elements.len(), 2);
    });
}

#[test]
fn sets_of_sets_bring_their_members_along() {
    in_namespace("sets_of_sets_bring_their_members_along", || {
        restore(
            "create first hash:ip\nadd first 192.0.2.1\ncreate second hash:net\nadd second 10.0.0.0/8\n\
             create other hash:ip\ncreate all list:set\nadd all second\nadd all first before second\n",
        );
        let sets = ip_sets::read(&BTreeSet::from([3])).unwrap();
        assert_eq!(sets.keys().cloned().collect::<Vec<_>>(), [0, 1, 3].map(IpSetId::Number));
        let all = named(&sets, "all");
        assert_eq!(all.members, Members::Sets(vec![IpSetId::Number(0), IpSetId::Number(1)]));
        assert_eq!(all.family, None);
        assert_eq!(ip_sets::read(&BTreeSet::from([2])).unwrap().len(), 1);
        assert_eq!(ip_sets::read(&BTreeSet::from([9])).unwrap().len(), 0);
    });
}

#[test]
fn what_is_not_understood_makes_its_set_unknown() {
    in_namespace("what_is_not_understood_makes_its_set_unknown", || {
        restore(
            "create a hash:net,iface\nadd a 10.0.0.0/8,physdev:eth0\n\
             create b hash:net,iface\nadd b 10.0.0.0/8,tap wildcard\nadd b 10.0.0.0/8,eth0 nomatch\n\
             create c hash:ip\nadd c 192.0.2.1\n",
        );
        let sets = read(3);
        let is_unknown = |name| matches!(named(&sets, name).members, Members::Unknown(_));
        assert!(is_unknown("a") && is_unknown("b") && !is_unknown("c"));
    });
}

#[test]
fn a_file_says_what_the_kernel_does() {
    in_namespace("a_file_says_what_the_kernel_does", || {
        restore(
            "create a hash:ip timeout 600 counters comment skbinfo\nadd a 192.0.2.1 comment \"a friend\\\"\n\
             create b hash:ip family inet6 netmask 64\nadd b 2001:db8::1\n\
             create c bitmap:ip range 10.0.0.0/16 netmask 24\nadd c 10.0.3.1\n\
             create d hash:net\nadd d 10.0.0.0/8\nadd d 10.1.0.0/16 nomatch\nadd d 192.0.2.1\n\
             create e hash:net family inet6\nadd e fd00::/8\nadd e fd00:1::/32 nomatch\n\
             create f hash:net,iface\nadd f 10.0.0.0/8,eth0\nadd f 10.1.0.0/16,tap wildcard\nadd f 10.2.0.0/16,lo nomatch\n\
             create g hash:ip,port\nadd g 10.0.0.1,tcp:22\nadd g 10.0.0.2,sctp:9\nadd g 10.0.0.3,vrrp:0\n\
             create h hash:ip,port,ip\nadd h 10.0.0.1,udp:53,10.0.0.5\n\
             create i hash:ip,port,net\nadd i 10.0.0.1,tcp:80,10.0.0.0/8\nadd i 10.0.0.1,tcp:80,10.1.0.0/16 nomatch\n\
             create j hash:net,port family inet6\nadd j fd00::/64,tcp:443\nadd j fd01::1,udplite:443\n\
             create k bitmap:port range 0-1023\nadd k 22-80\n\
             create l list:set\nadd l a\nadd l k\n",
        );
        let (kernel, saved) = (read(12), run("ipset", &["save"]));
        assert!(ip_set::is_save(saved.as_bytes()), "{saved}");
        let file = ip_set::parse(saved.as_bytes()).unwrap();
        assert_eq!(kernel.len(), 12);
        for set in kernel.values().filter(|set| set.name.as_str() != "l") {
            assert_eq!(file[&IpSetId::Name(set.name.clone())], *set, "{saved}");
        }
        let sets = Members::Sets(["a", "k"].map(|name| IpSetId::Name(name.into())).to_vec());
        assert_eq!(named(&file, "l").members, sets);
        assert_eq!(file.len(), 12);
    });
}

fn rules() -> Ruleset {
    match nf_tables::read().unwrap() {
        Reading::Read(ruleset) => ruleset,
        Reading::Absent => panic!("no rules"),
    }
}

/// Demand 26: sets are read with the rules that ask them.
#[test]
fn rules_name_sets_by_the_number_that_the_kernel_lists() {
    in_namespace("rules_name_sets_by_the_number_that_the_kernel_lists", || {
        restore("create a hash:ip\ncreate b hash:ip\ncreate c hash:ip\n");
        run("iptables-nft", &["-A", "INPUT", "-m", "set", "--match-set", "b", "src", "-j", "DROP"]);
        run("iptables-nft", &["-A", "INPUT", "-j", "SET", "--add-set", "c", "src"]);
        assert_eq!(rules().named_ip_sets(), BTreeSet::from([1, 2].map(IpSetId::Number)));
        let sets = ip_sets::read(&BTreeSet::from([1, 2])).unwrap();
        let names: Vec<_> = sets.values().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["b", "c"]);
    });
}

#[test]
fn many_members_are_read_in_full() {
    in_namespace("many_members_are_read_in_full", || {
        let first = u32::from(Ipv4Addr::new(11, 0, 0, 0));
        let members = (0..100_000).map(|number| format!("add a {}\n", Ipv4Addr::from(first + 3 * number)));
        restore(&format!("create a hash:ip maxelem 200000\n{}", members.collect::<String>()));
        let sets = read(1);
        let elements = &values(named(&sets, "a")).1[0].values.elements;
        assert_eq!(elements.len(), 100_000);
        assert!(elements.windows(2).all(|pair| pair[0].key != pair[1].key));
    });
}

#[test]
fn sets_that_change_places_are_never_mixed() {
    in_namespace("sets_that_change_places_are_never_mixed", || {
        const MEMBERS: usize = 4000;
        let members = |set: &str, network: u8| {
            let member = |number: usize| format!("add {set} {network}.1.{}.{}\n", number / 200, number % 200);
            (0..MEMBERS).map(member).collect::<Vec<_>>().concat()
        };
        restore(&format!("create a hash:ip\n{}create b hash:ip\n{}", members("a", 10), members("b", 11)));
        let over = AtomicBool::new(false);
        let readings = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // The kernel refuses while one of them is being listed.
                    let _ = command("ipset").args(["swap", "a", "b"]).stderr(Stdio::null()).status();
                }
            });
            let found: Vec<_> = (0..40).map(|_| ip_sets::read(&BTreeSet::from([0]))).collect();
            over.store(true, Ordering::Relaxed);
            found
        });
        let mut known = 0;
        for sets in readings {
            let sets = sets.unwrap();
            let Members::Values { layers, .. } = &named(&sets, "a").members else { continue };
            let firsts: BTreeSet<u8> =
                layers[0].values.elements.iter().map(|element| first_byte(&element.key)).collect();
            assert_eq!(firsts.len(), 1, "{firsts:?}");
            known += 1;
        }
        assert!(known > 0, "no reading came to an end");
    });
}

fn first_byte(key: &Key) -> u8 {
    match key {
        Key::Exact(key) | Key::Range(key, _) => key[0],
        Key::CatchAll => panic!("{key:?}"),
    }
}

/// What is said of packets to many ports of 10.9.0.1 from some addresses, where the rules of this machine are asked.
fn judged(sources: &[Ipv4Addr], ports: std::ops::Range<u16>) -> Vec<ReachVerdict> {
    let own = IpAddr::from([10, 9, 0, 1]);
    let surroundings = Surroundings::this_machine().unwrap();
    let rules = Surroundings::rules();
    let device = surroundings.devices().iter().find(|device| device.name == b"eth0").unwrap().index;
    let mut evaluator = surroundings.evaluator(&rules);
    let mut verdicts = Vec::new();
    for port in ports {
        let answer = evaluator.ask(&Question {
            interface: device,
            protocol: 6,
            destination: Endpoint { address: own, port },
            sources: AddressSet::all(IpVersion::V4),
            responder: Responder::default(),
        });
        let found = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
        verdicts.extend(
            sources.iter().map(|source| {
                found.iter().find(|part| part.region.contains((*source).into(), 50_000)).unwrap().verdict
            }),
        );
    }
    verdicts
}

#[test]
fn a_hundred_thousand_members_are_no_special_case() {
    in_namespace("a_hundred_thousand_members_are_no_special_case", || {
        run("ip", &["link", "add", "eth0", "type", "veth", "peer", "name", "peer"]);
        run("ip", &["address", "add", "10.9.0.1/24", "dev", "eth0"]);
        run("ip", &["link", "set", "eth0", "up"]);
        run("ip", &["link", "set", "peer", "up"]);
        run("ip", &["route", "add", "default", "via", "10.9.0.2"]);
        let first = u32::from(Ipv4Addr::new(11, 0, 0, 0));
        let networks = (0..100_000).map(|number| {
            let exception = if number % 10 == 9 { " nomatch" } else { "" };
            format!("add nets {}/30{exception}\n", Ipv4Addr::from(first + 8 * number))
        });
        restore(&format!(
            "create nets hash:net maxelem 200000\nadd nets 11.0.0.0/16 nomatch\nadd nets 11.0.0.0/9\n{}",
            networks.collect::<String>()
        ));
        run("iptables-nft", &["-A", "INPUT", "-m", "set", "--match-set", "nets", "src", "-j", "DROP"]);
        let sources = [[11, 0, 0, 1], [11, 0, 0, 5], [11, 0, 0, 73], [11, 0, 0, 74], [11, 1, 0, 5], [11, 200, 0, 1]];
        let verdicts = judged(&sources.map(Ipv4Addr::from), 1..100);
        let (open, shut) = (ReachVerdict::Reachable, ReachVerdict::Blocked);
        for found in verdicts.chunks(sources.len()) {
            assert_eq!(found, [shut, open, open, open, shut, open]);
        }
    });
}
