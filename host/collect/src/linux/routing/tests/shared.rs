//! Routes that share packets among several interfaces, or do more with them than send them on.

use super::*;

fn ip(words: &str) {
    run("ip", &words.split(' ').collect::<Vec<_>>());
}

/// By which interface packets to an address leave; 0 where it depends.
fn leaves_by(now: &Now, destination: &str) -> u32 {
    let destination: IpAddr = destination.parse().unwrap();
    let question = OutputQuestion {
        source: if destination.is_ipv4() { "10.9.0.1" } else { "fd09::1" }.parse().unwrap(),
        bound_interface: None,
        destinations: &AddressSet::single(destination),
        mark: Some(0),
        protocol: 6,
    };
    match now.routing.output(&question)[..] {
        [(_, OutputRoute::Leaves { interface })] => interface,
        [(_, OutputRoute::Unknown(_))] => 0,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_takes_a_shared_route_is_shared() {
    in_namespace("linux::routing::tests::shared::only_what_takes_a_shared_route_is_shared", || {
        cable();
        ip("route add default nexthop via 10.9.0.2 dev eth0 nexthop via 10.77.0.2 dev eth1");
        ip("-6 route add default nexthop via fd09::2 dev eth0 nexthop via fd77::2 dev eth1");
        ip("route add 192.0.2.0/24 nexthop via 10.77.0.2 dev eth1 nexthop via 10.77.0.3 dev eth1");
        let now = Now::read();
        let eth1 = now.index("eth1");
        for (destination, expected) in [
            ("8.8.8.8", 0),
            ("2600::1", 0),
            ("10.9.0.2", now.index("eth0")),
            ("10.77.0.2", eth1),
            ("192.0.2.1", eth1),
            ("fd77::2", eth1),
        ] {
            assert_eq!(leaves_by(&now, destination), expected, "{destination}");
        }
    });
}

#[test]
fn next_hops_with_numbers_are_looked_up() {
    in_namespace("linux::routing::tests::shared::next_hops_with_numbers_are_looked_up", || {
        cable();
        set("ipv4/nexthop_compat_mode", "0");
        for object in [
            "nexthop add id 1 via 10.77.0.2 dev eth1",
            "nexthop add id 2 via 10.9.0.2 dev eth0",
            "nexthop add id 3 group 1/2",
            "nexthop add id 5 via fd77::2 dev eth1",
            "nexthop add id 6 via fd09::2 dev eth0",
            "nexthop add id 7 group 5/6",
            "route add 192.0.2.0/24 nhid 1",
            "route add 198.51.100.0/24 nhid 3",
            "-6 route add 2001:db8:1::/48 nhid 5",
            "-6 route add 2001:db8:2::/48 nhid 7",
        ] {
            ip(object);
        }
        let now = Now::read();
        let eth1 = now.index("eth1");
        for (destination, expected) in
            [("192.0.2.1", eth1), ("198.51.100.1", 0), ("2001:db8:1::1", eth1), ("2001:db8:2::1", 0)]
        {
            assert_eq!(leaves_by(&now, destination), expected, "{destination}");
        }
    });
}

#[test]
fn rules_that_cannot_concern_packets_leave_them_known() {
    in_namespace("linux::routing::tests::shared::rules_that_cannot_concern_packets_leave_them_known", || {
        cable();
        let input = |now: &Now, destination: &str| {
            let destination = destination.parse().unwrap();
            let question = InputQuestion {
                interface: now.index("eth0"),
                destination,
                sources: &AddressSet::all(IpVersion::of(destination)),
                mark: Some(0),
                protocol: 6,
                port: 80,
            };
            now.routing.input(&question).iter().any(|(_, route)| matches!(route, InputRoute::Unknown(_)))
        };
        for (rule, expected) in [
            ("sport 53", [true, true, true]),
            ("iif eth0 sport 53", [true, true, false]),
            ("iif eth1 sport 53", [false, true, false]),
            ("iif lo sport 53", [true, true, true]),
            ("oif eth0 sport 53", [false, true, false]),
            ("not iif eth1 sport 53", [true, true, true]),
            ("iif gone sport 53", [false, true, false]),
            ("iif lo dport 22", [false, false, true]),
            ("iif eth1 tos 0x10", [false, true, false]),
        ] {
            ip(&format!("rule add {rule} lookup 7"));
            let now = Now::read();
            let [own, others] = ["10.9.0.1", "10.77.0.2"].map(|destination| input(&now, destination));
            assert_eq!([own, others, leaves_by(&now, "10.9.0.2") == 0], expected, "{rule}");
            ip(&format!("rule delete {rule} lookup 7"));
        }
        for (rule, expected) in [("iif eth0 uidrange 0-0", true), ("iif eth1 uidrange 0-0", false)] {
            ip(&format!("-6 rule add {rule} lookup 7"));
            assert_eq!(input(&Now::read(), "fd09::1"), expected, "{rule}");
            ip(&format!("-6 rule delete {rule} lookup 7"));
        }
    });
}

#[test]
fn routes_that_open_packets_are_found() {
    in_namespace("linux::routing::tests::shared::routes_that_open_packets_are_found", || {
        cable();
        let found =
            || Now::read().routing.bypasses().map(|bypass| bypass.detail.as_str().to_owned()).collect::<Vec<_>>();
        ip("-6 route add 2001:db8:5::/64 encap seg6 mode encap segs 2001:db8::5 dev eth0");
        assert_eq!(found(), Vec::<String>::new());
        ip("-6 route add 2001:db8:9::/64 encap seg6local action End.DT6 table 255 dev eth0");
        assert_eq!(found(), ["routes with encap seg6local"]);
        ip("-6 route delete 2001:db8:9::/64");
        ip("-6 nexthop add id 9 encap seg6local action End dev eth0");
        ip("-6 route add 2001:db8:9::/64 nhid 9");
        for compatible in ["1", "0"] {
            set("ipv4/nexthop_compat_mode", compatible);
            assert_eq!(found(), ["routes with encap seg6local"], "{compatible}");
        }
    });
}

#[test]
fn thousands_of_routes_are_asked_about() {
    in_namespace("linux::routing::tests::shared::thousands_of_routes_are_asked_about", || {
        cable();
        let routes = (0..3000).map(|number| format!("route add blackhole 45.{}.{}.7/32\n", number / 250, number % 250));
        let batch = std::env::temp_dir().join(format!("loopgate-routes-{}", std::process::id()));
        std::fs::write(&batch, routes.collect::<String>()).unwrap();
        run("ip", &["-batch", batch.to_str().unwrap()]);
        std::fs::remove_file(&batch).unwrap();
        set("ipv4/conf/all/rp_filter", "1");
        let now = Now::read();
        assert_eq!(leaves_by(&now, "10.9.0.2"), now.index("eth0"));
        let pieces = now.input("10.9.0.1".parse().unwrap());
        assert!(pieces.iter().all(|(_, route)| !matches!(route, InputRoute::Unknown(_))));
    });
}
