//! `route_localnet` on one interface only is found, and only for that interface.

use loopgate_test_support::{in_namespace, run as program};

use crate::support::{check, subjects};

fn set(interface: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet"), value).unwrap();
}

#[test]
fn route_localnet_is_found_for_the_interface_that_has_it() {
    in_namespace("route_localnet::route_localnet_is_found_for_the_interface_that_has_it", || {
        program("ip", &["link", "add", "left", "type", "veth", "peer", "name", "right"]);
        assert_eq!(subjects(&check().1, "boundary/route-localnet"), Vec::<String>::new());

        set("left", "1");
        let (code, report) = check();
        assert_eq!(subjects(&report, "boundary/route-localnet"), ["left"]);
        assert_eq!(code, 1);

        set("left", "0");
        set("all", "1");
        let mut found = subjects(&check().1, "boundary/route-localnet");
        found.sort();
        assert_eq!(found, ["left", "right"], "loopback itself is no finding");
    });
}
