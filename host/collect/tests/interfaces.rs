//! Interfaces, addresses, settings and routes, compared with `ip(8)` and with what the tests set.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::fs;
use std::net::{TcpListener, UdpSocket};

use loopgate_collect::{Collector, this_machine};
use loopgate_facts::{
    Area, Facts, Interface, InterfaceKind, InterfaceSettings, ProbeOutcome, ProbeStep, ReachVerdict, Reachability,
    RpFilter,
};
use loopgate_test_support::{in_namespace, run};
use serde_json::Value;

fn interface<'a>(facts: &'a Facts, name: &str) -> &'a Interface {
    facts.interfaces.iter().find(|interface| interface.name.as_str() == name).unwrap()
}

fn settings(facts: &Facts, name: &str) -> InterfaceSettings {
    interface(facts, name).settings
}

fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
}

fn veth(one: &str, other: &str) {
    run("ip", &["link", "add", one, "type", "veth", "peer", "name", other]);
}

#[test]
fn interfaces_and_addresses_are_those_of_ip() {
    in_namespace("interfaces_and_addresses_are_those_of_ip", || {
        veth("one", "two");
        run("ip", &["link", "add", "br0", "type", "bridge"]);
        run("ip", &["link", "set", "two", "master", "br0", "mtu", "1400", "up"]);
        run("ip", &["link", "set", "one", "up"]);
        for address in ["10.1.0.1/24", "10.1.0.2/24", "169.254.3.4/16", "fd01::1/64"] {
            run("ip", &["address", "add", address, "dev", "one"]);
        }
        run("ip", &["address", "add", "10.9.0.1", "peer", "10.9.0.2/32", "dev", "one"]);
        let facts = this_machine().collect();
        let listed: Value = serde_json::from_str(&run("ip", &["-j", "address"])).unwrap();
        assert_eq!(facts.interfaces.len(), listed.as_array().unwrap().len());
        for expected in listed.as_array().unwrap() {
            compare(&facts, expected);
        }
        assert_eq!(interface(&facts, "one").kind, InterfaceKind::Veth);
        assert_eq!(interface(&facts, "br0").kind, InterfaceKind::Bridge);
        assert_eq!(interface(&facts, "lo").kind, InterfaceKind::Loopback);
        assert_eq!(facts.gaps_in(Area::Interfaces).count(), 0);
    });
}

fn compare(facts: &Facts, expected: &Value) {
    let found = interface(facts, expected["ifname"].as_str().unwrap());
    let flags: Vec<_> = expected["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(u64::from(found.index), expected["ifindex"]);
    assert_eq!(u64::from(found.mtu), expected["mtu"]);
    assert_eq!(found.up, flags.contains(&"UP"));
    let master = expected["master"].as_str().map(|name| interface(facts, name).index);
    assert_eq!(found.master, master);
    let mut addresses: Vec<(String, u64)> = expected["addr_info"].as_array().unwrap().iter().map(address).collect();
    let mut seen: Vec<_> =
        found.addresses.iter().map(|entry| (entry.address.to_string(), u64::from(entry.prefix_length))).collect();
    addresses.sort();
    seen.sort();
    assert_eq!(seen, addresses);
}

fn address(entry: &Value) -> (String, u64) {
    (entry["local"].as_str().unwrap().to_owned(), entry["prefixlen"].as_u64().unwrap())
}

/// Demand 19: the setting in effect is that of the interface.
#[test]
fn route_localnet_on_one_interface_is_found_on_that_one_only() {
    in_namespace("route_localnet_on_one_interface_is_found_on_that_one_only", || {
        veth("one", "two");
        set("ipv4/conf/one/route_localnet", "1");
        let facts = this_machine().collect();
        assert_eq!(settings(&facts, "one").route_localnet, Some(true));
        assert_eq!(settings(&facts, "two").route_localnet, Some(false));
        assert_eq!(settings(&facts, "lo").route_localnet, Some(false));
        let row = facts.sysctls.iter().find(|row| row.name == "net.ipv4.conf.one.route_localnet").unwrap();
        assert_eq!((row.value.as_str(), row.source.as_str()), ("1", "rtnetlink"));
    });
}

#[test]
fn route_localnet_on_all_is_found_on_every_interface() {
    in_namespace("route_localnet_on_all_is_found_on_every_interface", || {
        veth("one", "two");
        set("ipv4/conf/all/route_localnet", "1");
        let facts = this_machine().collect();
        assert!(facts.interfaces.iter().all(|interface| interface.settings.route_localnet == Some(true)));
        let row = facts.sysctls.iter().find(|row| row.name == "net.ipv4.conf.one.route_localnet").unwrap();
        assert_eq!(row.value.as_str(), "0");
    });
}

#[test]
fn other_settings_take_effect_as_the_kernel_says() {
    in_namespace("other_settings_take_effect_as_the_kernel_says", || {
        veth("one", "two");
        for (name, value) in [
            ("ipv4/conf/all/rp_filter", "1"),
            ("ipv4/conf/one/rp_filter", "2"),
            ("ipv4/conf/two/rp_filter", "0"),
            ("ipv4/conf/two/accept_local", "1"),
            ("ipv4/conf/one/forwarding", "1"),
            ("ipv6/conf/two/disable_ipv6", "1"),
        ] {
            set(name, value);
        }
        let facts = this_machine().collect();
        let (one, two) = (settings(&facts, "one"), settings(&facts, "two"));
        assert_eq!((one.rp_filter, two.rp_filter), (Some(RpFilter::Loose), Some(RpFilter::Strict)));
        assert_eq!((one.accept_local, two.accept_local), (Some(false), Some(true)));
        assert_eq!((one.ipv4_forwarding, two.ipv4_forwarding), (Some(true), Some(false)));
        assert_eq!((one.disable_ipv6, two.disable_ipv6), (Some(false), Some(true)));
    });
}

#[test]
fn names_of_interfaces_may_be_anything() {
    in_namespace("names_of_interfaces_may_be_anything", || {
        veth("a.b", "é\u{202e}x");
        let facts = this_machine().collect();
        assert!(facts.interfaces.iter().any(|interface| interface.name.as_str() == "é\u{202e}x"));
        assert!(facts.sysctls.iter().any(|row| row.name == "net.ipv4.conf.a/b.rp_filter"));
        assert!(!facts.sysctls.iter().any(|row| row.name.contains('\u{202e}')));
    });
}

#[test]
fn prefixes_that_are_delivered_locally_are_found_in_every_table() {
    in_namespace("prefixes_that_are_delivered_locally_are_found_in_every_table", || {
        run("ip", &["route", "add", "local", "203.0.113.0/24", "dev", "lo"]);
        run("ip", &["route", "add", "local", "default", "dev", "lo", "table", "1000"]);
        run("ip", &["-6", "route", "add", "local", "2001:db8::/64", "dev", "lo"]);
        let facts = this_machine().collect();
        let found: Vec<_> =
            facts.local_routes.iter().map(|route| (route.destination.to_string(), route.table)).collect();
        let expected = [("0.0.0.0/0", 1000), ("203.0.113.0/24", 255), ("2001:db8::/64", 255)];
        assert_eq!(found, expected.map(|(prefix, table)| (prefix.to_owned(), table)));
    });
}

/// The address of all routers of a link is local where the machine forwards (RFC 4291, 2.6.1).
#[test]
fn datagrams_to_an_anycast_address_are_delivered() {
    in_namespace("datagrams_to_an_anycast_address_are_delivered", || {
        set("ipv6/conf/all/forwarding", "1");
        veth("one", "two");
        for name in ["one", "two"] {
            run("ip", &["link", "set", name, "up"]);
        }
        run("ip", &["address", "add", "fd01::1/64", "dev", "one", "nodad"]);
        let (datagrams, stream) = (UdpSocket::bind("[::]:0").unwrap(), TcpListener::bind("[::]:0").unwrap());
        let facts = this_machine().collect();
        let verdicts = |port| {
            let listener = facts.listeners.iter().find(|listener| listener.port == port).unwrap();
            let to_all = |region: &&Reachability| region.destinations.contains(&"fd01::".parse().unwrap());
            let by_one = |region: &&Reachability| region.interfaces.iter().any(|name| name.as_str() == "one");
            let regions = listener.reachability.iter().filter(to_all).filter(by_one);
            regions.map(|region| region.verdict).collect::<Vec<_>>()
        };
        let of_datagrams = verdicts(datagrams.local_addr().unwrap().port());
        assert!(of_datagrams.contains(&ReachVerdict::Reachable), "{of_datagrams:?}");
        assert!(!of_datagrams.contains(&ReachVerdict::Unknown), "{of_datagrams:?}");
        // TCP does not answer to it.
        assert_eq!(verdicts(stream.local_addr().unwrap().port()), []);
    });
}

#[test]
fn without_the_address_a_probe_fails_at_binding() {
    in_namespace("without_the_address_a_probe_fails_at_binding", || {
        run("ip", &["address", "del", "::1/128", "dev", "lo"]);
        let facts = this_machine().collect();
        for probe in &facts.probes {
            let failed_to_bind = matches!(&probe.outcome, ProbeOutcome::Failed { step: ProbeStep::Bind, .. });
            assert_eq!(failed_to_bind, probe.address.is_ipv6(), "{probe:?}");
        }
    });
}

#[test]
fn no_probe_leaves_by_another_interface_when_the_loopback_routes_are_gone() {
    in_namespace("no_probe_leaves_by_another_interface_when_the_loopback_routes_are_gone", || {
        veth("one", "two");
        for name in ["one", "two"] {
            // The kernel's own packets, such as router solicitations, are not to be counted.
            set(&format!("ipv6/conf/{name}/disable_ipv6"), "1");
            run("ip", &["link", "set", name, "up"]);
        }
        run("ip", &["address", "add", "10.1.0.1/24", "dev", "one"]);
        set("ipv4/conf/one/route_localnet", "1");
        run("ip", &["route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local"]);
        run("ip", &["route", "del", "local", "127.0.0.1", "dev", "lo", "table", "local"]);
        run("ip", &["route", "add", "127.0.0.0/8", "via", "10.1.0.2", "dev", "one", "onlink"]);
        run("ip", &["neighbour", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:01", "dev", "one"]);
        let sent = || run("ip", &["-s", "-j", "link", "show", "one"]);
        let packets = |text: &str| serde_json::from_str::<Value>(text).unwrap()[0]["stats64"]["tx"]["packets"].clone();
        let before = packets(&sent());
        let facts = this_machine().collect();
        assert!(
            facts
                .probes
                .iter()
                .filter(|probe| probe.address.is_ipv4())
                .all(|probe| matches!(probe.outcome, ProbeOutcome::Failed { .. }))
        );
        assert_eq!(packets(&sent()), before);
    });
}
