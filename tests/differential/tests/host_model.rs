//! Routing and host model: what the whole collector says of a host that is set up so, against what a peer finds.
//!
//! The wires to the host are in `loopgate_test_differential::plan`: `eth0` has `10.9.0.1` and `fd09::1`, `eth1` has
//! `10.77.0.1` and `fd77::1`, `lo` has `10.88.0.1` and `fd88::1`; routing leads everything else to `eth0`.

use loopgate_test_differential::scenario::{Listen, Packet, Scenario};
use loopgate_test_support::in_namespace;

/// A test for each scenario, in a network namespace of its own.
macro_rules! scenarios {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $value:expr,)* })*) => {
        $(
            $(#[$about])*
            #[test]
            fn $name() {
                in_namespace(stringify!($name), || {
                    #[allow(clippy::needless_update, reason = "some scenarios need every field")]
                    const SCENARIO: Scenario = Scenario { $($field: $value,)* ..Scenario::PLAIN };
                    let wrong = SCENARIO.run().unwrap();
                    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
                });
            }
        )*
    };
}

const FORWARDING: (&str, u32) = ("ipv4/ip_forward", 1);

scenarios! {
    /// Linux takes packets for any of its addresses on any interface (RFC 1122, 3.3.4.2, the weak model).
    another_interfaces_address_is_reachable {
        listen: &[Listen::on("10.77.0.1:9000"), Listen::on("[fd77::1]:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.77.0.1:9000", true),
            Packet("eth1", "10.77.0.2", "10.77.0.1:9000", true),
            Packet("eth0", "fd09::2", "[fd77::1]:9000", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", false),
        ],
    }

    /// The IPv4 address stays in the local table, the IPv6 address goes.
    an_interface_that_is_down_keeps_its_ipv4_address {
        ip: "link set eth1 down",
        listen: &[Listen::on("10.77.0.1:9000"), Listen::on("[::]:9001")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.77.0.1:9000", true),
            Packet("eth0", "fd09::2", "[fd09::1]:9001", true),
        ],
    }

    addresses_on_the_loopback_device_are_reachable_unless_they_are_loopback_addresses {
        listen: &[
            Listen::on("10.88.0.1:9000"),
            Listen::on("[fd88::1]:9000"),
            Listen::on("127.0.0.1:9000"),
            Listen::on("[::1]:9000"),
        ],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.88.0.1:9000", true),
            Packet("eth0", "fd09::2", "[fd88::1]:9000", true),
            Packet("eth0", "10.9.0.2", "127.0.0.1:9000", false),
            Packet("eth0", "127.0.0.5", "127.0.0.1:9000", false),
            Packet("eth0", "fd09::2", "[::1]:9000", false),
            Packet("eth0", "10.88.0.1", "10.88.0.1:9000", false),
        ],
    }

    a_local_route_makes_every_address_of_it_the_hosts {
        ip: "route add local 203.0.113.0/24 dev lo",
        listen: &[Listen::on("0.0.0.0:9000"), Listen::on("203.0.113.9:9001")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "10.9.0.2", "203.0.113.9:9001", true),
        ],
    }

    a_rule_for_one_address_of_a_local_route_lets_in_to_that_address {
        ip: "route add local 203.0.113.0/24 dev lo",
        nft: "table inet t { chain c { type filter hook input priority 0; policy drop; ip daddr 203.0.113.7 accept; }; }",
        listen: &[Listen::on("0.0.0.0:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "203.0.113.7:9000", true),
            Packet("eth0", "10.9.0.2", "203.0.113.1:9000", false),
        ],
    }

    a_rule_for_one_loopback_address_lets_in_to_that_address {
        settings: &[("ipv4/conf/eth0/route_localnet", 1)],
        nft: "table inet t { chain c { type filter hook input priority 0; policy drop; ip daddr 127.0.0.9 accept; }; }",
        listen: &[Listen::on("0.0.0.0:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "127.0.0.9:9000", true),
            Packet("eth0", "10.9.0.2", "127.0.0.1:9000", false),
        ],
    }

    strict_reverse_path_filtering_refuses_what_came_another_way {
        settings: &[("ipv4/conf/eth0/rp_filter", 1)],
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", true),
            Packet("eth0", "10.77.0.50", "10.9.0.1:9000", false),
            Packet("eth1", "10.77.0.50", "10.9.0.1:9000", true),
        ],
    }

    loose_reverse_path_filtering_refuses_what_has_no_way_at_all {
        ip: "route del default\nroute add 198.51.100.0/24 via 10.9.0.2",
        settings: &[("ipv4/conf/all/rp_filter", 2)],
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[
            Packet("eth0", "10.77.0.50", "10.9.0.1:9000", true),
            Packet("eth0", "198.51.100.4", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
        ],
    }

    without_a_way_back_nothing_is_answered {
        ip: "route del default\nroute del default via fd09::2",
        listen: &[Listen::on("[::]:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
            Packet("eth0", "2001:db8:1::1", "[fd09::1]:9000", false),
        ],
    }

    route_localnet_lets_loopback_addresses_in {
        settings: &[("ipv4/conf/eth0/route_localnet", 1)],
        listen: &[Listen::on("127.0.0.1:9000"), Listen::on("0.0.0.0:9001")],
        packets: &[
            Packet("eth0", "10.9.0.2", "127.0.0.1:9000", true),
            Packet("eth1", "10.77.0.2", "127.0.0.1:9000", false),
            Packet("eth0", "127.0.0.5", "127.0.0.1:9000", false),
            Packet("eth0", "10.9.0.2", "127.0.0.1:9001", true),
        ],
    }

    route_localnet_for_all_interfaces_counts_for_each {
        settings: &[("ipv4/conf/all/route_localnet", 1)],
        listen: &[Listen::on("127.0.0.1:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "127.0.0.1:9000", true),
            Packet("eth1", "10.77.0.2", "127.0.0.1:9000", true),
        ],
    }

    a_guard_closes_what_route_localnet_opens {
        settings: &[("ipv4/conf/all/route_localnet", 1)],
        nft: "table inet t { chain c { type filter hook input priority 0; iifname != \"lo\" ip daddr 127.0.0.0/8 drop; }; }",
        listen: &[Listen::on("127.0.0.1:9000")],
        packets: &[Packet("eth0", "10.9.0.2", "127.0.0.1:9000", false)],
    }

    own_addresses_as_sources_are_not_answered_even_where_they_are_let_in {
        settings: &[("ipv4/conf/all/accept_local", 1)],
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[
            Packet("eth0", "10.77.0.1", "10.9.0.1:9000", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
        ],
    }

    a_socket_bound_to_a_device_takes_what_comes_in_by_it {
        listen: &[
            Listen { device: Some("eth1"), ..Listen::on("0.0.0.0:9000") },
            Listen { device: Some("lo"), ..Listen::on("0.0.0.0:9001") },
        ],
        packets: &[
            Packet("eth1", "10.77.0.2", "10.77.0.1:9000", true),
            Packet("eth1", "10.77.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "10.9.0.2", "10.77.0.1:9000", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9001", false),
        ],
    }

    a_dual_stack_socket_takes_ipv4_too {
        listen: &[
            Listen::on("[::]:9000"),
            Listen { only_v6: true, ..Listen::on("[::]:9001") },
            Listen::on("[::ffff:127.0.0.1]:9002"),
            Listen::on("[::ffff:10.9.0.1]:9003"),
        ],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "fd09::2", "[fd09::1]:9000", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9001", false),
            Packet("eth0", "fd09::2", "[fd09::1]:9001", true),
            Packet("eth0", "10.9.0.2", "127.0.0.1:9002", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9002", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9003", true),
            Packet("eth0", "fd09::2", "[fd09::1]:9003", false),
        ],
    }

    a_fib_rule_makes_the_host_strong {
        nft: "table inet t { chain c { type filter hook prerouting priority 0; \
              fib daddr . iif type != { local, broadcast, multicast } drop; }; }",
        listen: &[Listen::on("[::]:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "10.9.0.2", "10.77.0.1:9000", false),
            Packet("eth0", "fd09::2", "[fd77::1]:9000", false),
            Packet("eth0", "fd09::2", "[fd09::1]:9000", true),
        ],
    }

    /// Docker before version 28: any neighbour reaches what is published on loopback.
    a_port_published_on_loopback_is_open_to_neighbours {
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              ip daddr 127.0.0.1 tcp dport 8080 dnat to 10.77.0.20:80; }; }",
        packets: &[
            Packet("eth0", "10.9.0.2", "127.0.0.1:8080", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:8080", false),
        ],
    }

    /// Docker since version 28.
    a_port_published_on_loopback_is_closed_by_a_raw_rule {
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              ip daddr 127.0.0.1 tcp dport 8080 dnat to 10.77.0.20:80; }; }\n\
              table ip raw { chain p { type filter hook prerouting priority -300; \
              ip daddr 127.0.0.1 iifname != \"lo\" tcp dport 8080 drop; }; }",
        packets: &[Packet("eth0", "10.9.0.2", "127.0.0.1:8080", false)],
    }

    a_published_port_bypasses_the_policy_of_input {
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              fib daddr type local tcp dport 8080 dnat to 10.77.0.20:80; }; }\n\
              table inet filter { chain i { type filter hook input priority 0; policy drop; }; }",
        listen: &[Listen::on("0.0.0.0:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:8080", true),
            Packet("eth0", "192.0.2.2", "10.77.0.1:8080", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", false),
        ],
    }

    without_forwarding_a_published_port_is_closed {
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              fib daddr type local tcp dport 8080 dnat to 10.77.0.20:80; }; }",
        packets: &[Packet("eth0", "10.9.0.2", "10.9.0.1:8080", false)],
    }

    a_translation_to_loopback_needs_route_localnet {
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              tcp dport 9999 dnat to 127.0.0.1:9000; }; }",
        listen: &[Listen::on("127.0.0.1:9000")],
        packets: &[Packet("eth0", "10.9.0.2", "10.9.0.1:9999", false)],
    }

    a_translation_to_loopback_opens_it_with_route_localnet {
        settings: &[("ipv4/conf/eth0/route_localnet", 1)],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              tcp dport 9999 dnat to 127.0.0.1:9000; }; }",
        listen: &[Listen::on("127.0.0.1:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9999", true),
            Packet("eth1", "10.77.0.2", "10.9.0.1:9999", false),
        ],
    }

    a_redirection_leads_to_the_first_address_of_the_interface_not_to_loopback {
        settings: &[("ipv4/conf/eth0/route_localnet", 1)],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; tcp dport 9999 redirect to :9000; }; }",
        listen: &[Listen::on("127.0.0.1:9000"), Listen::on("10.77.0.1:9000")],
        packets: &[Packet("eth1", "10.77.0.2", "10.9.0.1:9999", true)],
    }

    a_translation_from_loopback_to_an_own_address_is_open {
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              ip daddr 127.0.0.1 tcp dport 8080 dnat to 10.9.0.1:9000; }; }",
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[Packet("eth0", "10.9.0.2", "127.0.0.1:8080", true)],
    }

    a_policy_rule_can_refuse_a_source {
        ip: "rule add from 192.0.2.0/25 blackhole\nrule add to 198.51.100.0/24 blackhole",
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.200", "10.9.0.1:9000", true),
            Packet("eth0", "198.51.100.4", "10.9.0.1:9000", false),
        ],
    }

    /// With a device, IPv4 takes every address for one on its link, and IPv6 looks for no other way.
    a_socket_bound_to_a_device_answers_by_it {
        ip: "route del default\nroute del default via fd09::2\nroute add default via fd77::2\n\
             neighbour add 192.0.2.2 lladdr 02:00:00:00:09:02 nud permanent dev eth0",
        listen: &[
            Listen { device: Some("eth0"), ..Listen::on("0.0.0.0:9000") },
            Listen { device: Some("eth0"), ..Listen::on("[::]:9001") },
            Listen::on("[::]:9002"),
        ],
        packets: &[
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", true),
            Packet("eth0", "2001:db8:1::1", "[fd09::1]:9001", false),
            Packet("eth0", "2001:db8:1::1", "[fd09::1]:9002", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9002", false),
        ],
    }

    a_rule_for_the_device_of_an_answer_is_about_the_one_that_the_socket_is_bound_to {
        ip: "neighbour add 192.0.2.2 lladdr 02:00:00:00:4d:02 nud permanent dev eth1",
        nft: "table inet t { chain c { type filter hook output priority 0; oifname eth0 drop; }; }",
        listen: &[Listen { device: Some("eth1"), ..Listen::on("0.0.0.0:9000") }, Listen::on("0.0.0.0:9001")],
        packets: &[
            Packet("eth1", "192.0.2.2", "10.77.0.1:9000", true),
            Packet("eth1", "192.0.2.2", "10.77.0.1:9001", false),
        ],
    }

    the_mark_of_a_socket_chooses_the_way_of_its_answers {
        ip: "route del default\nrule add fwmark 5 lookup 105\nrule add fwmark 6 prohibit pref 0\n\
             route add default via 10.9.0.2 dev eth0 table 105",
        listen: &[
            Listen::on("0.0.0.0:9000"),
            Listen { mark: 5, ..Listen::on("0.0.0.0:9001") },
            Listen { mark: 6, ..Listen::on("0.0.0.0:9002") },
        ],
        packets: &[
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9001", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9002", false),
        ],
    }

    rules_see_the_mark_of_a_socket {
        nft: "table inet t { chain c { type filter hook output priority 0; tcp sport 9000-9001 meta mark != 5 drop; }; }",
        listen: &[Listen::on("0.0.0.0:9000"), Listen { mark: 5, ..Listen::on("0.0.0.0:9001") }],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9001", true),
        ],
    }

    an_answer_takes_over_the_mark_where_a_setting_says_so {
        ip: "route del default\nrule add fwmark 5 lookup 105\nroute add default via 10.9.0.2 dev eth0 table 105",
        settings: &[("ipv4/tcp_fwmark_accept", 1)],
        nft: "table ip t { chain c { type filter hook prerouting priority -150; tcp dport 9000 meta mark set 5; }; }",
        listen: &[Listen::on("0.0.0.0:9000"), Listen::on("0.0.0.0:9001")],
        packets: &[
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9001", false),
        ],
    }

    /// Answers leave by the interface that their connection came in by.
    a_mark_that_output_restores_routes_the_answer_again {
        ip: "rule add fwmark 6 lookup 106\nroute add default via 10.77.0.2 dev eth1 table 106",
        nft: "table ip t { \
              chain p { type filter hook prerouting priority -150; iifname eth1 ct mark set 6; }; \
              chain o { type route hook output priority -150; meta mark set ct mark; }; \
              chain q { type filter hook postrouting priority 0; oifname eth0 drop; }; }",
        listen: &[Listen::on("0.0.0.0:9000")],
        packets: &[
            Packet("eth1", "192.0.2.2", "10.77.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
        ],
    }

    a_mark_that_output_sets_can_leave_no_way {
        ip: "rule add fwmark 6 lookup 106\nroute add unreachable default table 106",
        nft: "table ip t { chain o { type route hook output priority -150; tcp sport 9000 meta mark set 6; }; }",
        listen: &[Listen::on("0.0.0.0:9000"), Listen::on("0.0.0.0:9001")],
        packets: &[
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9001", true),
        ],
    }

    a_mark_that_leads_to_this_machine_can_be_taken_back {
        ip: "rule add fwmark 8 lookup 108\nroute add local default dev lo table 108",
        nft: "table ip t { chain o { type route hook output priority -150; tcp sport 9000 meta mark set 0; }; }",
        listen: &[Listen { mark: 8, ..Listen::on("0.0.0.0:9000") }, Listen { mark: 8, ..Listen::on("0.0.0.0:9001") }],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:9001", false),
        ],
    }

    a_redirection_leads_to_what_its_socket_answers {
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; tcp dport 8000-8003 redirect to :9000; \
              tcp dport 8004 redirect to :9001; tcp dport 8005 redirect to :9002; }; }\n\
              table inet t { chain o { type filter hook output priority 0; meta mark != 5 tcp flags syn drop; }; }",
        listen: &[Listen { mark: 5, ..Listen::on("0.0.0.0:9000") }, Listen::on("0.0.0.0:9001")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:8002", true),
            Packet("eth0", "10.9.0.2", "10.9.0.1:8004", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:8005", false),
        ],
    }

    /// Only chains of that type route again.
    a_mark_that_a_filter_sets_routes_nothing_again {
        ip: "rule add fwmark 6 lookup 106\nroute add unreachable default table 106",
        nft: "table ip t { chain o { type filter hook output priority -150; tcp sport 9000 meta mark set 6; }; }",
        listen: &[Listen::on("0.0.0.0:9000")],
        packets: &[Packet("eth0", "192.0.2.2", "10.9.0.1:9000", true)],
    }

    answers_of_containers_are_routed_as_what_comes_in {
        ip: "route del default\nrule add iif eth1 lookup 111\nroute add default via 10.9.0.2 dev eth0 table 111",
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              fib daddr type local tcp dport 8080 dnat to 10.77.0.20:80; }; }",
        packets: &[Packet("eth0", "192.0.2.2", "10.9.0.1:8080", true)],
    }

    a_policy_rule_can_keep_answers_of_containers_back {
        ip: "rule add iif eth1 lookup 111\nroute add unreachable default table 111",
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              fib daddr type local tcp dport 8080 dnat to 10.77.0.20:80; }; }",
        packets: &[
            Packet("eth0", "192.0.2.2", "10.9.0.1:8080", false),
            Packet("eth0", "10.9.0.2", "10.9.0.1:8080", false),
        ],
    }

    a_rule_for_sources_of_the_host_says_nothing_of_containers {
        ip: "rule add from 10.9.0.1 lookup 112\nroute add unreachable 198.51.100.0/24 table 112",
        settings: &[FORWARDING],
        nft: "table ip nat { chain p { type nat hook prerouting priority -100; \
              fib daddr type local tcp dport 8080 dnat to 10.77.0.20:80; }; }",
        packets: &[Packet("eth0", "198.51.100.4", "10.9.0.1:8080", true)],
    }

    /// To the kernel a star is a letter like any other.
    a_name_with_a_star_is_the_name_of_one_device {
        nft: "table netdev t { chain c { type filter hook ingress devices = { \"eth*\", eth1 } priority 0; policy drop; }; }",
        listen: &[Listen::on("[::]:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth1", "10.77.0.2", "10.77.0.1:9000", false),
        ],
    }

    a_mark_can_choose_the_route {
        ip: "rule add fwmark 7 blackhole pref 0",
        nft: "table ip t { chain c { type filter hook prerouting priority -150; ip saddr 192.0.2.0/24 meta mark set 7; }; }",
        listen: &[Listen::on("10.9.0.1:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "198.51.100.4", "10.9.0.1:9000", true),
        ],
    }

    rules_of_both_versions_count_each_for_its_own {
        nft: "table ip t { chain c { type filter hook input priority 0; policy drop; ip saddr 10.9.0.0/24 accept; }; }",
        listen: &[Listen::on("[::]:9000")],
        packets: &[
            Packet("eth0", "10.9.0.2", "10.9.0.1:9000", true),
            Packet("eth0", "192.0.2.2", "10.9.0.1:9000", false),
            Packet("eth0", "2001:db8:1::1", "[fd09::1]:9000", true),
        ],
    }

    a_transparent_proxy_reaches_a_loopback_listener {
        ip: "rule add fwmark 1 lookup 100\nroute add local default dev lo table 100",
        nft: "table ip t { chain c { type filter hook prerouting priority -150; \
              tcp dport 80 tproxy to 127.0.0.1:9000 meta mark set 1 accept; }; }",
        listen: &[Listen { transparent: true, ..Listen::on("127.0.0.1:9000") }],
        packets: &[Packet("eth0", "10.9.0.2", "127.0.0.1:9000", false)],
    }
}
