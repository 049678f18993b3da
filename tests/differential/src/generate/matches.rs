//! Matches in the syntax of `nft(8)`, as often as real rulesets use them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::generate::draw::Version;
use crate::generate::native::{Family, Hook, Making, Scope};
use crate::packet::Protocol;
use crate::ruleset::Part;

type Match = fn(&mut Making<'_>, &Scope) -> Option<Part>;

const MATCHES: [(u32, Match); 32] = [
    (480, destination_port),
    (330, input_name),
    (330, source_address),
    (230, destination_address),
    (200, connection_state),
    (60, concatenation),
    (60, named_concatenation),
    (50, protocol),
    (50, input_index),
    (60, tcp_flags),
    (45, source_port),
    (50, source_set),
    (30, address_type),
    (160, icmp),
    (22, mark),
    (12, packet_type),
    (10, network_family),
    (14, connection_status),
    (14, connection_mark),
    (12, connection_direction),
    (14, original_destination),
    (10, original_port),
    (8, input_group),
    (14, ether_type),
    (6, ether_source),
    (14, output_name),
    (14, limit),
    (5, time_to_live),
    (6, reverse_path),
    (6, protocol_of_connection),
    (6, input_type),
    (4, raw_payload),
];

/// A match. `None` where the one that chance wants does not fit the rule.
pub(crate) fn any(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let wanted = making.draw.weighted(&MATCHES);
    wanted(making, scope)
}

fn not(making: &mut Making<'_>, percent: u32) -> &'static str {
    if making.draw.chance(percent) { "!= " } else { "" }
}

/// The word before `dport`; `th` where the rule is of any transport protocol.
pub(crate) fn transport_word(scope: &Scope) -> &'static str {
    match scope.transport {
        Some(Protocol::Tcp) => "tcp",
        Some(Protocol::Udp) => "udp",
        None => "th",
    }
}

/// Ports can be asked for where the protocol is known.
fn ports_of(scope: &Scope, rest: &str) -> Option<String> {
    match scope.transport {
        _ if scope.icmp => None,
        Some(_) => Some(format!("{} {rest}", transport_word(scope))),
        None => Some(format!("meta l4proto {{ tcp, udp }} th {rest}")),
    }
}

pub(crate) fn destination_port(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = not(making, 8);
    let rest = match making.draw.number(0..10) {
        0..5 => format!("dport {not}{}", making.draw.port()),
        5 | 6 => format!("dport {not}{}", port_set(making)),
        7 => {
            let name = named_ports(making);
            format!("dport {not}@{name}")
        }
        8 => format!("dport {not}{}", port_range(making)),
        _ => format!("dport {} {}", making.draw.pick(&["<", "<=", ">", ">="]), making.draw.port()),
    };
    Some(Part::new("dport", ports_of(scope, &rest)?))
}

fn port_range(making: &mut Making<'_>) -> String {
    let (a, b) = (making.draw.port(), making.draw.port());
    if a == b { format!("{a}-{}", a + 1) } else { format!("{}-{}", a.min(b), a.max(b)) }
}

fn port_set(making: &mut Making<'_>) -> String {
    let mut elements = vec![making.draw.port().to_string()];
    for _ in 0..making.draw.count(60, 4) {
        elements.push(if making.draw.chance(25) { port_range(making) } else { making.draw.port().to_string() });
    }
    format!("{{ {} }}", elements.join(", "))
}

fn named_ports(making: &mut Making<'_>) -> String {
    let mut elements: Vec<String> = (0..=making.draw.count(60, 5)).map(|_| making.draw.port().to_string()).collect();
    elements.sort();
    elements.dedup();
    making.set("set", "type inet_service".into(), elements)
}

fn source_port(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let port = making.draw.source_port();
    let rest = match making.draw.number(0..4) {
        0 => format!("sport {port}"),
        1 => format!("sport {port}-65535"),
        2 => format!("sport != {port}"),
        _ => format!("sport {{ {port}, 40000-50000 }}"),
    };
    Some(Part::new("sport", ports_of(scope, &rest)?))
}

/// `ip` or `ip6`, for a rule of one version.
fn network_word(version: Version) -> &'static str {
    match version {
        Version::V4 => "ip",
        Version::V6 => "ip6",
    }
}

pub(crate) fn address_text(making: &mut Making<'_>, version: Version) -> String {
    if making.draw.chance(15) {
        let (first, last) = making.draw.range(version);
        return if first == last { first.to_string() } else { format!("{first}-{last}") };
    }
    let (address, length) = making.draw.prefix(version);
    if length == width(version) { address.to_string() } else { format!("{address}/{length}") }
}

fn width(version: Version) -> u8 {
    if version == Version::V4 { 32 } else { 128 }
}

/// For the senders of the answers, `daddr` is what `saddr` is for requests.
fn sender(scope: &Scope) -> &'static str {
    if matches!(scope.place.hook, Hook::Output | Hook::Postrouting | Hook::Egress) { "daddr" } else { "saddr" }
}

fn source_address(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let (word, end, not) = (network_word(version), sender(scope), not(making, 14));
    let key = if version == Version::V4 { "ip saddr" } else { "ip6 saddr" };
    let value = if making.draw.chance(25) {
        let elements: Vec<String> = (0..=making.draw.count(60, 5)).map(|_| address_text(making, version)).collect();
        format!("{{ {} }}", elements.join(", "))
    } else if making.draw.chance(4) && version == Version::V4 {
        return Some(Part::new(key, format!("{word} {end} & 0.0.0.{} {not}0.0.0.2", making.draw.pick(&[3, 7, 255]))));
    } else {
        address_text(making, version)
    };
    Some(Part::new(key, format!("{word} {end} {not}{value}")))
}

fn source_set(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let (word, end, not) = (network_word(version), sender(scope), not(making, 14));
    let kind = if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let name = if making.draw.chance(25) {
        let elements = hosts(making, version);
        making.set("set", format!("type {kind}"), elements)
    } else {
        let elements = (0..=making.draw.count(70, 8)).map(|_| address_text(making, version)).collect();
        making.set("set", format!("type {kind}; flags interval; auto-merge"), elements)
    };
    Some(Part::new("saddr @set", format!("{word} {end} {not}@{name}")))
}

fn hosts(making: &mut Making<'_>, version: Version) -> Vec<String> {
    let mut hosts: Vec<IpAddr> = (0..=making.draw.count(70, 8)).map(|_| making.draw.source(version)).collect();
    hosts.sort();
    hosts.dedup();
    hosts.iter().map(ToString::to_string).collect()
}

fn destination_address(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let word = network_word(version);
    let end = if sender(scope) == "daddr" { "saddr" } else { "daddr" };
    let not = not(making, 14);
    let key = if version == Version::V4 { "ip daddr" } else { "ip6 daddr" };
    let value = match making.draw.number(0..10) {
        0..5 => making.draw.own(version).to_string(),
        5 => making.draw.behind(version).to_string(),
        6 => format!("{{ {}, {} }}", making.draw.own(version), making.draw.behind(version)),
        7 if version == Version::V4 => "127.0.0.0/8".into(),
        _ => address_text(making, version),
    };
    Some(Part::new(key, format!("{word} {end} {not}{value}")))
}

fn interface(making: &mut Making<'_>) -> String {
    let names = [
        (40, "\"eth0\""),
        (16, "\"eth1\""),
        (16, "\"eth2\""),
        (16, "\"lo\""),
        (6, "\"eth*\""),
        (4, "\"docker0\""),
        (3, "\"eth\""),
        (8, "{ \"eth0\", \"lo\" }"),
        (5, "{ \"eth1\", \"docker0\", \"eth2\" }"),
    ];
    making.draw.weighted(&names).into()
}

fn input_name(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = not(making, 18);
    let name = interface(making);
    scope.place.hook.has_input().then(|| Part::new("iifname", format!("iifname {not}{name}")))
}

fn output_name(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = not(making, 18);
    let name = interface(making);
    scope.place.hook.has_output().then(|| Part::new("oifname", format!("oifname {not}{name}")))
}

fn input_index(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = not(making, 18);
    let name = making.draw.pick(&["eth0", "eth0", "eth1", "lo", "{ eth0, eth2 }"]);
    scope.place.hook.has_input().then(|| Part::new("iif", format!("iif {not}{name}")))
}

fn input_group(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let group = making.draw.pick(&["0", "default", "7", "{ 0, 5 }"]);
    scope.place.hook.has_input().then(|| Part::new("iifgroup", format!("iifgroup {group}")))
}

fn input_type(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let kind = making.draw.pick(&["ether", "loopback", "!= ether"]);
    scope.place.hook.has_input().then(|| Part::new("iiftype", format!("iiftype {kind}")))
}

/// Conntrack has not seen packets at the ingress hook.
fn tracked(scope: &Scope, part: impl FnOnce() -> Part) -> Option<Part> {
    (!scope.place.hook.is_of_device()).then(part)
}

fn connection_state(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let state = making.draw.weighted(&[
        (30, "established,related"),
        (30, "new"),
        (12, "invalid"),
        (6, "{ established, related }"),
        (6, "{ new, untracked }"),
        (5, "!= new"),
        (3, "untracked"),
        (4, "new,untracked"),
        (3, "!= { established, new }"),
        (4, "established"),
        (2, "! established"),
    ]);
    tracked(scope, || Part::new("ct state", format!("ct state {state}")))
}

fn connection_status(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let status =
        making.draw.pick(&["dnat", "snat", "!= dnat", "dnat,snat", "confirmed", "assured", "! dnat", "seen-reply"]);
    tracked(scope, || Part::new("ct status", format!("ct status {status}")))
}

fn connection_mark(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let mark = making.draw.pick(&["0", "1", "!= 0", "2", "0x10", "{ 1, 2 }", "& 0xf == 1", "& 0x3 != 0"]);
    tracked(scope, || Part::new("ct mark", format!("ct mark {mark}")))
}

fn connection_direction(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let direction = making.draw.pick(&["original", "reply"]);
    tracked(scope, || Part::new("ct direction", format!("ct direction {direction}")))
}

fn protocol_of_connection(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let protocol = making.draw.pick(&["ct protocol tcp", "ct protocol udp", "ct l3proto ipv4", "ct l3proto ipv6"]);
    tracked(scope, || Part::new("ct protocol", protocol))
}

fn original_destination(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let (word, not, own) = (network_word(version), not(making, 14), making.draw.own(version));
    let end = making.draw.weighted(&[(60, "original"), (15, "reply")]);
    let (end, value) = match end {
        "reply" => ("reply", making.draw.own(version).to_string()),
        _ => ("original", own.to_string()),
    };
    let field = if end == "reply" { "saddr" } else { "daddr" };
    tracked(scope, || Part::new("ct original daddr", format!("ct {end} {word} {field} {not}{value}")))
}

fn original_port(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let (word, port) = (transport_word(scope), making.draw.port());
    scope.transport?;
    tracked(scope, || Part::new("ct original proto-dst", format!("meta l4proto {word} ct original proto-dst {port}")))
}

fn protocol(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    if scope.transport.is_some() && making.draw.chance(80) {
        return Some(Part::new("l4proto", format!("meta l4proto {}", transport_word(scope))));
    }
    if scope.icmp {
        return None;
    }
    let not = not(making, 15);
    let protocols =
        making.draw.pick(&["tcp", "udp", "icmp", "{ tcp, udp }", "{ icmp, ipv6-icmp }", "{ tcp, sctp, gre }"]);
    Some(match (scope.transport, scope.version, making.draw.chance(50)) {
        (Some(_), ..) => return None,
        (None, Some(Version::V4), true) => Part::new("ip protocol", format!("ip protocol {not}{protocols}")),
        (None, Some(Version::V6), true) => Part::new("ip6 nexthdr", format!("ip6 nexthdr {not}{protocols}")),
        _ => Part::new("l4proto", format!("meta l4proto {not}{protocols}")),
    })
}

fn tcp_flags(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let flags = making.draw.weighted(&[
        (30, "syn / fin,syn,rst,ack"),
        (20, "& (fin|syn|rst|ack) == syn"),
        (10, "syn"),
        (5, "& (fin|syn) == (fin|syn)"),
        (5, "& (syn|rst) == (syn|rst)"),
        (5, "& (fin|syn|rst|ack) != syn"),
        (5, "!= syn"),
        (3, "ack"),
        (3, "{ syn, syn|ack }"),
        (2, "& (fin|syn|rst|psh|ack|urg) == 0x0"),
    ]);
    (scope.transport == Some(Protocol::Tcp)).then(|| Part::new("tcp flags", format!("tcp flags {flags}")))
}

fn address_type(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    if scope.place.family == Family::Netdev {
        return None;
    }
    let forms: &[&str] = match scope.place.hook {
        Hook::Prerouting | Hook::Input => &[
            "daddr type local",
            "daddr type != local",
            "saddr type local",
            "saddr type != unicast",
            "saddr type { unicast, local }",
            "daddr . iif type local",
            "daddr . iif type != { local, broadcast, multicast }",
            "daddr type { broadcast, multicast, anycast }",
        ],
        Hook::Output | Hook::Postrouting => &["daddr type local", "daddr type unicast", "saddr type local"],
        Hook::Forward => &["daddr type local", "saddr type unicast", "daddr type unicast"],
        Hook::Ingress | Hook::Egress => return None,
    };
    let form = making.draw.pick(forms);
    Some(Part::new("fib type", format!("fib {form}")))
}

fn reverse_path(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let form = making.draw.pick(&[
        "saddr . iif oif missing",
        "saddr . mark . iif oif missing",
        "saddr oif \"eth0\"",
        "saddr . iif oif != 0",
        "saddr oif exists",
    ]);
    (scope.place.hook == Hook::Prerouting && scope.place.family != Family::Netdev)
        .then(|| Part::new("fib oif", format!("fib {form}")))
}

fn icmp(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    if !scope.icmp {
        return None;
    }
    Some(match scope.version? {
        Version::V4 => {
            let kind = making.draw.pick(&["echo-request", "{ echo-request, destination-unreachable }"]);
            Part::new("icmp type", format!("icmp type {kind}"))
        }
        Version::V6 => {
            let kind =
                making.draw.pick(&["nd-neighbor-solicit", "{ nd-router-advert, echo-request, nd-neighbor-advert }"]);
            Part::new("icmpv6 type", format!("icmpv6 type {kind}"))
        }
    })
}

fn mark(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let mark =
        making.draw.pick(&["0", "1", "!= 0", "2", "0x10", "{ 1, 2, 0x10 }", "& 0xf == 1", "& 0x3 != 0", "1-15", "> 1"]);
    Some(Part::new("mark", format!("meta mark {mark}")))
}

fn packet_type(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let kind = making.draw.pick(&["host", "{ broadcast, multicast }", "!= host", "broadcast"]);
    Some(Part::new("pkttype", format!("meta pkttype {kind}")))
}

fn network_family(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let family = making.draw.pick(&["ipv4", "ipv6"]);
    (scope.place.family == Family::Inet && scope.version.is_none())
        .then(|| Part::new("nfproto", format!("meta nfproto {family}")))
}

fn ether_type(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let kind = making.draw.pick(&["ip", "ip6", "!= arp", "{ ip, ip6 }"]);
    let fits = scope.version.is_none() && scope.place.family != Family::Netdev;
    fits.then(|| Part::new("meta protocol", format!("meta protocol {kind}")))
}

fn ether_source(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let address = making.draw.pick(&["02:00:00:00:09:02", "02:00:00:00:77:02", "!= 02:00:00:00:09:02"]);
    (scope.place.hook.has_input() && making.draw.chance(25))
        .then(|| Part::new("ether saddr", format!("ether saddr {address}")))
}

/// Limits that the few packets of the tests do not reach, or that they exceed at once.
fn limit(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let limit = making
        .draw
        .pick(&["limit rate 100000/second burst 60000 packets", "limit rate over 900000/second burst 60000 packets"]);
    Some(Part::new("limit", limit))
}

fn time_to_live(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let value = making.draw.pick(&["64", "> 1", "!= 255", "< 32"]);
    Some(match scope.version? {
        Version::V4 => Part::new("ip ttl", format!("ip ttl {value}")),
        Version::V6 => Part::new("ip6 hoplimit", format!("ip6 hoplimit {value}")),
    })
}

fn raw_payload(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    scope.transport?;
    Some(Part::new("@th", format!("meta l4proto {} @th,16,16 {}", transport_word(scope), making.draw.port())))
}

/// Two or three fields at once, within the rule.
fn concatenation(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    scope.transport?;
    let (network, transport) = (network_word(version), transport_word(scope));
    let not = not(making, 12);
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(60, 4) {
        elements.insert(making.draw.source(version), making.draw.port());
    }
    let named = scope.place.hook.has_input() && making.draw.chance(40);
    let before = if named { "iifname . " } else { "" };
    let device = if named { "\"eth0\" . " } else { "" };
    let elements: Vec<String> = elements.iter().map(|(address, port)| format!("{device}{address} . {port}")).collect();
    let end = sender(scope);
    let text = format!("{before}{network} {end} . {transport} dport {not}{{ {} }}", elements.join(", "));
    Some(Part::new("concatenation", text))
}

/// The same with a set of the table, also with ranges.
fn named_concatenation(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    scope.transport?;
    let (network, transport) = (network_word(version), transport_word(scope));
    let not = not(making, 12);
    let kind = if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let ranges = making.draw.chance(60);
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(60, 4) {
        let port = if ranges && making.draw.chance(40) { port_range(making) } else { making.draw.port().to_string() };
        let address = if ranges { address_text(making, version) } else { making.draw.source(version).to_string() };
        elements.insert(port, address);
    }
    // Ranges of a concatenation must not overlap: those of the ports are as given, so one element with ranges is safe.
    let keep = if ranges { 1 } else { elements.len() };
    let elements = elements.iter().take(keep).map(|(port, address)| format!("{address} . {port}")).collect();
    let flags = if ranges { "; flags interval" } else { "" };
    let name = making.set("set", format!("type {kind} . inet_service{flags}"), elements);
    let end = sender(scope);
    Some(Part::new("concatenation @set", format!("{network} {end} . {transport} dport {not}@{name}")))
}
