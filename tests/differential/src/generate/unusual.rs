//! What real rulesets use now and then, in the syntax of `nft(8)`: matches and statements of which many are not
//! understood in full.

use std::collections::BTreeMap;

use crate::generate::actions;
use crate::generate::draw::Version;
use crate::generate::matches::{address_text, network_word, sender, transport_word};
use crate::generate::native::{Family, Hook, Making, Scope};
use crate::packet::Protocol;
use crate::ruleset::Part;

type Match = fn(&mut Making<'_>, &Scope) -> Option<Part>;

/// Each as often as the other.
const MATCHES: [Match; 20] = [
    interface_set,
    concatenated_ranges,
    both_addresses,
    both_ports,
    network_header,
    transport_header,
    length,
    class_of_service,
    fragment,
    connection_source,
    connection_count,
    connection_label,
    typed_set,
    expiring_set,
    header_option,
    cpu,
    owner,
    hash_of_source,
    second_limit,
    time_of_day,
];

/// A match. `None` where the one that chance wants does not fit the rule.
pub(crate) fn any(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    making.draw.pick(&MATCHES)(making, scope)
}

/// Wildcards in a set stand for prefixes only where it holds intervals.
fn interface_set(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    if !scope.place.hook.has_input() {
        return None;
    }
    let (flags, names) = making.draw.pick(&[
        ("; flags interval", "\"eth*\", \"lo\""),
        ("", "\"eth0\", \"wg0\""),
        ("; flags interval", "\"eth0\", \"veth*\""),
    ]);
    let name = making.set("set", format!("type ifname{flags}"), vec![names.into()]);
    let not = making.draw.pick(&["", "", "!= "]);
    Some(Part::new("iifname @set", format!("iifname {not}@{name}")))
}

/// Many ranges of a concatenation: they must not overlap, which different ports see to.
fn concatenated_ranges(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    scope.transport?;
    let kind = if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(75, 8) {
        elements.insert(making.draw.port(), address_text(making, version));
    }
    let with_device = scope.place.hook.has_input() && making.draw.chance(30);
    let (before, device, value) = if with_device { ("ifname . ", "iifname . ", "\"eth0\" . ") } else { ("", "", "") };
    let elements = elements.iter().map(|(port, address)| format!("{value}{address} . {port}")).collect();
    let name = making.set("set", format!("type {before}{kind} . inet_service; flags interval"), elements);
    let (network, end, transport) = (network_word(version), sender(scope), transport_word(scope));
    let not = making.draw.pick(&["", "", "", "!= "]);
    Some(Part::new("concatenated ranges", format!("{device}{network} {end} . {transport} dport {not}@{name}")))
}

fn both_addresses(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let word = network_word(version);
    let (source, own, other) = (making.draw.source(version), making.draw.own(version), making.draw.source(version));
    Some(Part::new("saddr . daddr", format!("{word} saddr . {word} daddr {{ {source} . {own}, {other} . {own} }}")))
        .filter(|_| source != other)
}

fn both_ports(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    scope.transport?;
    let word = transport_word(scope);
    let (source, port) = (making.draw.source_port(), making.draw.port());
    Some(Part::new("sport . dport", format!("{word} sport . {word} dport {{ {source} . {port}, 1-1023 . {port} }}")))
        .filter(|_| source > 1023)
}

fn network_header(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let text = match scope.version? {
        Version::V4 => making.draw.pick(&["ip version 4", "ip hdrlength 5", "ip protocol != icmp", "@nh,72,8 6"]),
        Version::V6 => making.draw.pick(&["ip6 version 6", "ip6 nexthdr != ipv6-icmp", "ip6 flowlabel 0"]),
    };
    Some(Part::new("network header", text))
}

fn transport_header(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let text = match scope.transport? {
        Protocol::Tcp => making.draw.pick(&["tcp doff 10", "tcp window > 0", "tcp sequence 0", "tcp urgptr 0"]),
        Protocol::Udp => making.draw.pick(&["udp length 16", "udp length > 8", "udp checksum != 0"]),
    };
    Some(Part::new("transport header", text))
}

fn length(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let text = match scope.version? {
        Version::V4 => making.draw.pick(&["meta length < 1500", "ip length > 20", "meta length 40-60"]),
        Version::V6 => making.draw.pick(&["meta length < 1500", "ip6 length > 8"]),
    };
    Some(Part::new("length", text))
}

fn class_of_service(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let value = making.draw.pick(&["cs0", "!= cs0", "ef", "{ af11, cs0 }"]);
    Some(Part::new("dscp", format!("{} dscp {value}", network_word(scope.version?))))
}

fn fragment(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let text = match scope.version? {
        Version::V4 => making.draw.pick(&["ip frag-off & 0x1fff != 0", "ip frag-off & 0x1fff == 0"]),
        Version::V6 => making.draw.pick(&["exthdr frag exists", "exthdr frag missing", "exthdr rt missing"]),
    };
    Some(Part::new("fragment", text))
}

fn is_tracked(scope: &Scope) -> Option<()> {
    (!scope.place.hook.is_of_device()).then_some(())
}

fn connection_source(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    is_tracked(scope)?;
    let version = scope.version?;
    let text = address_text(making, version);
    Some(Part::new("ct original saddr", format!("ct original {} saddr {text}", network_word(version))))
}

fn connection_count(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    is_tracked(scope)?;
    // Only where conntrack has looked for the connection (`nft_connlimit_do_eval`).
    (scope.place.priority > -200).then_some(())?;
    Some(Part::new("ct count", making.draw.pick(&["ct count over 60000", "ct count 60000"])))
}

fn connection_label(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    is_tracked(scope)?;
    Some(Part::new(
        "ct zone",
        making.draw.pick(&["ct zone 0", "ct zone != 0", "ct packets > 100", "ct bytes < 100000"]),
    ))
}

fn typed_set(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let word = network_word(version);
    let elements = (0..=making.draw.count(70, 5)).map(|_| address_text(making, version)).collect();
    let name = making.set("set", format!("typeof {word} saddr; flags interval; auto-merge"), elements);
    Some(Part::new("typeof set", format!("{word} {} @{name}", sender(scope))))
}

fn expiring_set(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let kind = if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" };
    let (one, other) = (making.draw.source(version), making.draw.source(version));
    let elements = vec![format!("{one} timeout 1h")];
    let elements = if one == other { elements } else { [elements, vec![format!("{other} comment \"kept\"")]].concat() };
    let name = making.set("set", format!("type {kind}; flags timeout"), elements);
    Some(Part::new("expiring set", format!("{} {} @{name}", network_word(version), sender(scope))))
}

fn header_option(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let text = match scope.transport? {
        Protocol::Tcp => making.draw.pick(&["tcp option maxseg missing", "tcp option sack-perm exists"]),
        Protocol::Udp => return None,
    };
    Some(Part::new("tcp option", text))
}

fn cpu(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    Some(Part::new("cpu", making.draw.pick(&["meta cpu < 4096", "meta cpu 4095", "meta random 0x12345678"])))
}

fn owner(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    matches!(scope.place.hook, Hook::Output | Hook::Postrouting).then_some(())?;
    Some(Part::new("skuid", making.draw.pick(&["meta skuid 0", "meta skuid != 0", "meta skgid 1000"])))
}

fn hash_of_source(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    scope.version?;
    Some(Part::new("numgen", making.draw.pick(&["numgen random mod 4 0", "numgen inc mod 2 1"])))
}

fn second_limit(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let version = scope.version?;
    let (word, kind) = (network_word(version), if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" });
    let name = making.set("set", format!("type {kind}; size 65535; flags dynamic,timeout; timeout 1m"), Vec::new());
    let limit = making
        .draw
        .pick(&["limit rate 100000/second burst 60000 packets", "limit rate over 900000/second burst 60000 packets"]);
    Some(Part::new("limit per source", format!("update @{name} {{ {word} saddr {limit} }}")))
}

fn time_of_day(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    Some(Part::new("time", making.draw.pick(&["meta time > \"2020-01-01 00:00:00\"", "meta day \"Sunday\""])))
}

type Action = fn(&mut Making<'_>, &Scope) -> Option<Vec<Part>>;

/// In a chain that filters.
const FILTER: [Action; 11] = [
    anonymous_chain,
    family_map,
    mark_from_map,
    mark_from_field,
    set_priority,
    set_class,
    zone,
    transparent_proxy,
    two_key_map,
    trace,
    set_label,
];

/// In a chain that translates destinations.
const TRANSLATION: [Action; 3] = [to_range, two_key_translation, chosen_by_number];

/// What a rule does, now and then.
pub(crate) fn action(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    match (scope.place.kind, scope.place.hook) {
        ("nat", Hook::Prerouting | Hook::Output) => making.draw.pick(&TRANSLATION)(making, scope),
        ("nat", _) => None,
        _ => making.draw.pick(&FILTER)(making, scope),
    }
}

fn one(key: &'static str, text: impl Into<String>) -> Option<Vec<Part>> {
    Some(vec![Part::new(key, text)])
}

fn anonymous_chain(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    let (word, text) = (network_word(version), address_text(making, version));
    let (first, last) =
        (making.draw.pick(&["drop", "return", "accept"]), making.draw.pick(&["accept", "drop", "continue"]));
    one("anonymous chain", format!("jump {{ {word} {} {text} {first}; {last}; }}", sender(scope)))
}

fn family_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    (scope.place.family == Family::Inet && scope.version.is_none()).then_some(())?;
    let (v4, v6) = (actions::verdict(making, scope), actions::verdict(making, scope));
    one("vmap nfproto", format!("meta nfproto vmap {{ ipv4 : {v4}, ipv6 : {v6} }}"))
}

fn mark_from_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    scope.transport?;
    let (one_port, other) = (making.draw.port(), making.draw.port());
    (one_port != other).then_some(())?;
    let word = transport_word(scope);
    one("meta mark set map", format!("meta mark set {word} dport map {{ {one_port} : 1, {other} : 0x10 }}"))
}

fn mark_from_field(making: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    let text = making.draw.pick(&["numgen inc mod 3", "meta cpu", "meta mark << 1", "meta mark >> 1"]);
    one("meta mark set field", format!("meta mark set {text}"))
}

fn set_priority(making: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("meta priority set", making.draw.pick(&["meta priority set 1:2", "meta priority set none"]))
}

fn set_class(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let word = network_word(scope.version?);
    one("dscp set", format!("{word} dscp set {}", making.draw.pick(&["cs1", "ef"])))
}

fn zone(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let fits = matches!(scope.place.hook, Hook::Prerouting | Hook::Output) && scope.place.priority < -200;
    (fits && making.draw.chance(30)).then_some(())?;
    one("ct zone set", "ct zone set 7")
}

fn transparent_proxy(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    (scope.place.hook == Hook::Prerouting && scope.place.kind == "filter" && making.draw.chance(15)).then_some(())?;
    let protocol = transport_word(scope);
    scope.transport?;
    one("tproxy", format!("meta l4proto {protocol} tproxy to :{} accept", making.draw.port()))
}

fn two_key_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    scope.transport?;
    scope.place.hook.has_input().then_some(())?;
    let word = transport_word(scope);
    let (port, other) = (making.draw.port(), making.draw.port());
    (port != other).then_some(())?;
    let (first, second) = (actions::verdict(making, scope), actions::verdict(making, scope));
    let text = format!("iifname . {word} dport vmap {{ \"eth0\" . {port} : {first}, \"eth1\" . {other} : {second} }}");
    one("vmap iifname . dport", text)
}

fn trace(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("nftrace", "meta nftrace set 1")
}

fn set_label(_: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    is_tracked(scope)?;
    one("ct event set", "ct event set new")
}

fn to_range(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    (version == Version::V4).then_some(())?;
    let family = if scope.place.family == Family::Inet { " ip" } else { "" };
    one("dnat range", making.draw.pick(&["to 10.9.0.1-10.9.0.1", "to 10.77.0.20-10.77.0.21"]))
        .map(|parts| parts.into_iter().map(|part| Part::new(part.key, format!("dnat{family} {}", part.text))).collect())
}

fn two_key_translation(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    scope.transport?;
    let (word, kind) = (network_word(version), if version == Version::V4 { "ipv4_addr" } else { "ipv6_addr" });
    let (own, target) = (making.draw.own(version), making.draw.behind(version));
    let (port, to) = (making.draw.port(), making.draw.port());
    let header = format!("type {kind} . inet_service : {kind} . inet_service");
    let name = making.set("map", header, vec![format!("{own} . {port} : {target} . {to}")]);
    let transport = transport_word(scope);
    one("dnat map @map", format!("dnat {word} addr . port to {word} daddr . {transport} dport map @{name}"))
}

/// As kube-proxy chooses an endpoint of a service.
fn chosen_by_number(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    let family = if scope.place.family == Family::Inet { format!(" {}", network_word(version)) } else { String::new() };
    let (one_target, other) = (making.draw.behind(version), making.draw.behind(version));
    let how = making.draw.pick(&["random", "inc"]);
    one("dnat numgen", format!("dnat{family} to numgen {how} mod 2 map {{ 0 : {one_target}, 1 : {other} }}"))
}
