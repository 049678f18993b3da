//! What the routing table says of addresses, held against what rules of nft see in real packets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::Stdio;

use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::routing::{FibAnswer, FibQuestion, Routing};
use loopgate_firewall::rule::FibResult;
use loopgate_test_support::{command, in_namespace, run};

use super::wire::{Wire, cable};
use super::{DESTINATIONS_V4, DESTINATIONS_V6, Now, SOURCES_V4, SOURCES_V6, addresses, curiosities, is_impossible};

/// A question: a name for its sets, what it asks of which end of a packet, and whether it asks about `eth0` alone.
const QUESTIONS: [(&str, &str, bool, bool); 6] = [
    ("a", "saddr type", false, true),
    ("b", "saddr . iif type", true, true),
    ("c", "daddr type", false, true),
    ("d", "daddr . iif type", true, true),
    ("e", "saddr oif", false, false),
    ("f", "saddr . iif oif", true, false),
];

/// In the order of `RTN_*` (`include/uapi/linux/rtnetlink.h`).
const TYPES: [&str; 9] =
    ["unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit"];
const INTERFACES: [&str; 4] = ["missing", "eth0", "eth1", "lo"];

fn values(kind: bool) -> &'static [&'static str] {
    if kind { &TYPES } else { &INTERFACES }
}

/// Rules that remember for which addresses each question has each answer.
fn recording() -> String {
    let (mut sets, mut rules) = (String::new(), String::new());
    for (name, question, _, kind) in QUESTIONS {
        let end = question.split(' ').next().unwrap();
        for value in values(kind) {
            let quoted = if kind || *value == "missing" { (*value).to_owned() } else { format!("\"{value}\"") };
            for (version, family) in [("4", "ip"), ("6", "ip6")] {
                let set = format!("{name}_{value}_{version}");
                let key = format!("ipv{version}_addr");
                writeln!(sets, "set {set} {{ type {key}; flags dynamic; size 65535; }}").unwrap();
                writeln!(rules, "fib {question} {quoted} add @{set} {{ {family} {end} }}").unwrap();
            }
        }
    }
    format!("table inet t {{\n{sets}chain c {{ type filter hook prerouting priority -310;\n{rules}}}\n}}\n")
}

fn load(ruleset: &str) {
    let mut nft = command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(nft.stdin.as_mut().unwrap(), ruleset.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success());
}

/// Which answer each question had for each address: by the name of the question.
fn recorded() -> BTreeMap<(String, IpAddr), String> {
    let listed: serde_json::Value = serde_json::from_str(&run("nft", &["-j", "list", "table", "inet", "t"])).unwrap();
    let objects = listed["nftables"].as_array().unwrap();
    let mut found = BTreeMap::new();
    for set in objects.iter().filter_map(|object| object.get("set")) {
        let mut words = set["name"].as_str().unwrap().split('_');
        let (question, value) = (words.next().unwrap(), words.next().unwrap());
        for element in set["elem"].as_array().into_iter().flatten() {
            let address = element.as_str().unwrap_or_else(|| element["elem"]["val"].as_str().unwrap());
            found.insert((question.to_owned(), address.parse().unwrap()), value.to_owned());
        }
    }
    found
}

fn told(now: &Now, address: IpAddr, on_interface: bool, kind: bool) -> Option<String> {
    let asked = AddressSet::all(IpVersion::of(address));
    let question = FibQuestion {
        addresses: &asked,
        interface: on_interface.then(|| now.index("eth0")),
        mark: Some(0),
        result: if kind { FibResult::AddressType } else { FibResult::Interface },
    };
    let pieces = now.routing.fib(&question);
    let (_, answer) = pieces.into_iter().find(|(set, _)| set.contains(address)).unwrap();
    match answer {
        FibAnswer::AddressType(kind) => Some(TYPES[usize::from(kind)].to_owned()),
        FibAnswer::Interface(None) => Some("missing".to_owned()),
        FibAnswer::Interface(Some(index)) => Some(now.devices.name(index).as_str().to_owned()),
        FibAnswer::Unknown(_) => None,
    }
}

fn compare(wire: &mut Wire, context: &str) -> usize {
    let of = |version: IpVersion, v4: &str, v6: &str| addresses(if version == IpVersion::V4 { v4 } else { v6 });
    load(&recording());
    for (version, near, far) in [(IpVersion::V4, "10.9.0.1", "10.9.0.2"), (IpVersion::V6, "fd09::1", "fd09::2")] {
        let (near, far) = (near.parse().unwrap(), far.parse().unwrap());
        let sources = of(version, SOURCES_V4, SOURCES_V6).into_iter().map(|source| (source, near));
        let destinations = of(version, DESTINATIONS_V4, DESTINATIONS_V6).into_iter().map(|to| (far, to));
        let pairs: Vec<_> = sources.chain(destinations).filter(|(from, to)| !is_impossible(*from, *to)).collect();
        wire.fates(&pairs);
    }
    let (now, seen) = (Now::read(), recorded());
    run("nft", &["delete", "table", "inet", "t"]);
    let (mut definite, mut wrong) = (0, Vec::new());
    for (name, question, on_interface, kind) in QUESTIONS {
        for ((_, address), seen) in seen.iter().filter(|((asked, _), _)| asked == name) {
            let Some(told) = told(&now, *address, on_interface, kind) else { continue };
            definite += 1;
            if told != *seen {
                wrong.push(format!("fib {question} of {address}: {told}, but nft says {seen}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{context}:\n{}", wrong.join("\n"));
    definite
}

#[test]
fn rules_see_what_the_answers_say_of_addresses() {
    in_namespace("linux::routing::tests::fib::rules_see_what_the_answers_say_of_addresses", || {
        cable();
        let mut wire = Wire::new();
        let mut definite = compare(&mut wire, "plain");
        curiosities();
        definite += compare(&mut wire, "curious");
        for (version, gateway) in [("-4", "10.77.0.2"), ("-6", "fd77::2")] {
            run("ip", &[version, "route", "add", "default", "via", gateway, "dev", "eth1"]);
        }
        definite += compare(&mut wire, "with a default route");
        for (version, hops) in [("-4", ["10.9.0.7", "10.77.0.7"]), ("-6", ["fd09::7", "fd77::7"])] {
            let [one, other] = hops;
            let prefix = if version == "-4" { "8.8.8.0/24" } else { "2600::/16" };
            let hops = ["nexthop", "via", one, "dev", "eth0", "nexthop", "via", other, "dev", "eth1"];
            run("ip", &[&[version, "route", "add", prefix][..], &hops].concat());
        }
        run("ip", &["rule", "add", "to", "172.16.0.0/12", "lookup", "7"]);
        run("ip", &["route", "add", "172.16.0.0/16", "dev", "eth0", "table", "7"]);
        definite += compare(&mut wire, "with several hops and a policy rule");
        assert!(definite > 700, "{definite}");
    });
}
