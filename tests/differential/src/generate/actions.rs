//! Statements and verdicts in the syntax of `nft(8)`.

use std::collections::BTreeMap;

use crate::generate::draw::Version;
use crate::generate::matches::transport_word;
use crate::generate::native::{Family, Hook, Making, Place, Scope};
use crate::packet::Protocol;
use crate::ruleset::Part;

type Action = fn(&mut Making<'_>, &Scope) -> Option<Vec<Part>>;

const FILTER: [(u32, Action); 18] = [
    (430, accept),
    (170, drop),
    (60, reject),
    (130, jump),
    (40, goto),
    (50, back),
    (10, go_on),
    (60, port_map),
    (40, source_map),
    (40, state_map),
    (25, interface_map),
    (25, named_map),
    (40, set_mark),
    (25, set_connection_mark),
    (25, restore_mark),
    (60, no_track),
    (15, remember),
    (20, count),
];

const DESTINATION_NAT: [(u32, Action); 8] = [
    (55, destination_nat),
    (30, redirect),
    (25, destination_map),
    (12, redirect_map),
    (14, accept),
    (8, back),
    (25, jump),
    (4, port_map),
];

const SOURCE_NAT: [(u32, Action); 4] = [(30, masquerade), (15, source_nat), (20, accept), (10, back)];

/// What a rule does.
pub(crate) fn any(making: &mut Making<'_>, scope: &Scope) -> Vec<Part> {
    let mut parts = noise(making);
    let table: &[(u32, Action)] = match (scope.place.kind, scope.place.hook) {
        ("nat", Hook::Prerouting | Hook::Output) => &DESTINATION_NAT,
        ("nat", _) => &SOURCE_NAT,
        _ => &FILTER,
    };
    for _ in 0..8 {
        let wanted = making.draw.weighted(table);
        if let Some(action) = wanted(making, scope) {
            parts.extend(action);
            break;
        }
    }
    if parts.is_empty() {
        parts.push(Part::new("counter", "counter"));
    }
    comment(making, &mut parts);
    parts
}

fn noise(making: &mut Making<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    if making.draw.chance(18) {
        parts.push(Part::new("counter", "counter"));
    }
    if making.draw.chance(4) {
        parts.push(Part::new("log", "log prefix \"seen \""));
    }
    parts
}

fn comment(making: &mut Making<'_>, parts: &mut Vec<Part>) {
    if making.draw.chance(5) {
        parts.push(Part::new("comment", "comment \"said of it\""));
    }
}

fn one(key: &'static str, text: impl Into<String>) -> Option<Vec<Part>> {
    Some(vec![Part::new(key, text)])
}

fn accept(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("accept", "accept")
}

fn drop(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("drop", "drop")
}

fn reject(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    if !matches!(scope.place.hook, Hook::Prerouting | Hook::Input | Hook::Forward | Hook::Output) {
        return None;
    }
    let with = match (making.draw.number(0..4), scope.place.family) {
        (0, _) if scope.transport == Some(Protocol::Tcp) => {
            return one("reject", "meta l4proto tcp reject with tcp reset");
        }
        (1, Family::Inet) => " with icmpx admin-prohibited",
        (1, Family::Ip) => " with icmp host-prohibited",
        (1, Family::Ip6) => " with icmpv6 admin-prohibited",
        _ => "",
    };
    one("reject", format!("reject{with}"))
}

/// A chain that was made before, for the same place.
fn target(making: &mut Making<'_>, place: Place) -> Option<String> {
    let targets: Vec<usize> = (0..making.targets.len()).filter(|&at| making.targets[at].0 == place).collect();
    if targets.is_empty() {
        return None;
    }
    let at = making.draw.pick(&targets);
    Some(making.targets[at].1.clone())
}

fn jump(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let chain = target(making, scope.place)?;
    one("jump", format!("jump {chain}"))
}

fn goto(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let chain = target(making, scope.place)?;
    one("goto", format!("goto {chain}"))
}

fn back(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("return", "return")
}

fn go_on(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("continue", "continue")
}

fn count(_: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    one("counter", "counter")
}

fn verdict(making: &mut Making<'_>, scope: &Scope) -> String {
    let plain = [(40, "accept"), (25, "drop"), (6, "return"), (4, "continue")];
    if making.draw.chance(30)
        && let Some(chain) = target(making, scope.place)
    {
        let word = making.draw.weighted(&[(70, "jump"), (30, "goto")]);
        return format!("{word} {chain}");
    }
    making.draw.weighted(&plain).into()
}

/// What maps give in a chain that translates must leave the packet alone.
fn filters(scope: &Scope) -> Option<()> {
    (scope.place.kind != "nat").then_some(())
}

fn port_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    filters(scope).filter(|()| !scope.icmp)?;
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(70, 5) {
        elements.insert(making.draw.port(), verdict(making, scope));
    }
    let mut elements: Vec<String> = elements.iter().map(|(port, verdict)| format!("{port} : {verdict}")).collect();
    if making.draw.chance(12) {
        elements.push(format!("40000-50000 : {}", verdict(making, scope)));
    }
    let word = transport_word(scope);
    let protocol = if scope.transport.is_none() { "meta l4proto { tcp, udp } " } else { "" };
    one("vmap dport", format!("{protocol}{word} dport vmap {{ {} }}", elements.join(", ")))
}

fn source_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    filters(scope)?;
    let version = scope.version?;
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(70, 5) {
        elements.insert(making.draw.source(version), verdict(making, scope));
    }
    let elements: Vec<String> = elements.iter().map(|(source, verdict)| format!("{source} : {verdict}")).collect();
    let word = if version == Version::V4 { "ip" } else { "ip6" };
    one("vmap saddr", format!("{word} saddr vmap {{ {} }}", elements.join(", ")))
}

fn state_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    filters(scope)?;
    if scope.place.hook.is_of_device() {
        return None;
    }
    let new = verdict(making, scope);
    let rest = making.draw.pick(&["", ", invalid : drop", ", untracked : accept"]);
    one("vmap ct state", format!("ct state vmap {{ established : accept, related : accept, new : {new}{rest} }}"))
}

fn interface_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    filters(scope)?;
    if !scope.place.hook.has_input() {
        return None;
    }
    let (lo, eth0) = (verdict(making, scope), verdict(making, scope));
    let rest = if making.draw.chance(40) { format!(", \"eth1\" : {}", verdict(making, scope)) } else { String::new() };
    one("vmap iifname", format!("iifname vmap {{ \"lo\" : {lo}, \"eth0\" : {eth0}{rest} }}"))
}

/// A map of the table, with intervals or concatenations, or a catch-all.
fn named_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    filters(scope)?;
    let version = scope.version?;
    scope.transport?;
    let (word, kind) = if version == Version::V4 { ("ip", "ipv4_addr") } else { ("ip6", "ipv6_addr") };
    let transport = transport_word(scope);
    if making.draw.chance(50) {
        let mut elements = BTreeMap::new();
        for _ in 0..=making.draw.count(70, 5) {
            let key = format!("{} . {}", making.draw.source(version), making.draw.port());
            elements.insert(key, verdict(making, scope));
        }
        let elements = elements.iter().map(|(key, verdict)| format!("{key} : {verdict}")).collect();
        let name = making.set("map", format!("type {kind} . inet_service : verdict"), elements);
        return one("vmap @map", format!("{word} saddr . {transport} dport vmap @{name}"));
    }
    let (address, length) = making.draw.prefix(version);
    let mut elements = vec![format!("{address}/{length} : {}", verdict(making, scope))];
    if making.draw.chance(40) {
        elements.push(format!("* : {}", verdict(making, scope)));
    }
    let name = making.set("map", format!("type {kind} : verdict; flags interval"), elements);
    one("vmap @map", format!("{word} saddr vmap @{name}"))
}

fn set_mark(making: &mut Making<'_>, _: &Scope) -> Option<Vec<Part>> {
    let mark =
        making.draw.pick(&["1", "2", "0x10", "meta mark | 0x1", "meta mark & 0xfffffff0", "meta mark ^ 0x3", "0"]);
    one("meta mark set", format!("meta mark set {mark}"))
}

/// Connections have marks only where they are tracked.
fn tracked(scope: &Scope) -> Option<()> {
    (!scope.place.hook.is_of_device()).then_some(())
}

fn set_connection_mark(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    tracked(scope)?;
    let mark = making.draw.pick(&["1", "2", "meta mark", "ct mark | 0x1", "0x10"]);
    one("ct mark set", format!("ct mark set {mark}"))
}

fn restore_mark(_: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    tracked(scope)?;
    one("meta mark set ct mark", "meta mark set ct mark")
}

fn no_track(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let fits = matches!(scope.place.hook, Hook::Prerouting | Hook::Output)
        && (scope.place.priority < -200 || making.draw.chance(5));
    if fits { one("notrack", "notrack") } else { None }
}

/// A set that packets add to.
fn remember(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    let (word, kind) = if version == Version::V4 { ("ip", "ipv4_addr") } else { ("ip6", "ipv6_addr") };
    let name = making.set("set", format!("type {kind}; size 65535; flags dynamic,timeout; timeout 1m"), Vec::new());
    let verb = making.draw.pick(&["add", "update"]);
    one("dynset", format!("{verb} @{name} {{ {word} saddr }}"))
}

/// The rule must say the protocol where a port is translated.
fn protocol_part(scope: &Scope) -> Option<Part> {
    scope.transport?;
    Some(Part::new("l4proto", format!("meta l4proto {}", transport_word(scope))))
}

/// In a table of both IP versions the statement says which one.
fn nat_word(scope: &Scope, version: Version) -> &'static str {
    match (scope.place.family, version) {
        (Family::Inet, Version::V4) => " ip",
        (Family::Inet, Version::V6) => " ip6",
        _ => "",
    }
}

fn nat_target(making: &mut Making<'_>, version: Version) -> std::net::IpAddr {
    if making.draw.chance(55) { making.draw.own(version) } else { making.draw.behind(version) }
}

fn with_port(address: std::net::IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

fn destination_nat(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    let word = nat_word(scope, version);
    let target = nat_target(making, version);
    if let (true, Some(protocol)) = (making.draw.chance(65), protocol_part(scope)) {
        let to = with_port(target, making.draw.port());
        return Some(vec![protocol, Part::new("dnat", format!("dnat{word} to {to}"))]);
    }
    one("dnat", format!("dnat{word} to {target}"))
}

fn destination_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let version = scope.version?;
    let protocol = protocol_part(scope)?;
    let (word, transport) = (nat_word(scope, version), transport_word(scope));
    let with_ports = making.draw.chance(50);
    let mut elements = BTreeMap::new();
    for _ in 0..=making.draw.count(70, 4) {
        let target = nat_target(making, version);
        let to = if with_ports { format!("{target} . {}", making.draw.port()) } else { target.to_string() };
        elements.insert(making.draw.port(), to);
    }
    let elements: Vec<String> = elements.iter().map(|(port, to)| format!("{port} : {to}")).collect();
    let what = match (with_ports, scope.place.family) {
        (false, _) => word.to_string(),
        (true, Family::Inet) => format!("{word} addr . port"),
        (true, Family::Ip) => " ip addr . port".to_string(),
        (true, _) => " ip6 addr . port".to_string(),
    };
    let text = format!("dnat{what} to {transport} dport map {{ {} }}", elements.join(", "));
    Some(vec![protocol, Part::new("dnat map", text)])
}

fn redirect(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    if let (true, Some(protocol)) = (making.draw.chance(80), protocol_part(scope)) {
        return Some(vec![protocol, Part::new("redirect", format!("redirect to :{}", making.draw.port()))]);
    }
    one("redirect", "redirect")
}

fn redirect_map(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    let protocol = protocol_part(scope)?;
    let transport = transport_word(scope);
    let (from, to) = (making.draw.port(), making.draw.port());
    Some(vec![protocol, Part::new("redirect map", format!("redirect to :{transport} dport map {{ {from} : {to} }}"))])
}

fn masquerade(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    if scope.place.hook != Hook::Postrouting {
        return None;
    }
    let flags = making.draw.pick(&["", "", " random"]);
    one("masquerade", format!("masquerade{flags}"))
}

fn source_nat(making: &mut Making<'_>, scope: &Scope) -> Option<Vec<Part>> {
    // As source translation on input the most unusual of all, and the evaluator does not follow it.
    if scope.place.hook == Hook::Input && making.draw.chance(80) {
        return None;
    }
    let version = scope.version?;
    let word = nat_word(scope, version);
    let to = making.draw.own_outside(version);
    one("snat", format!("snat{word} to {to}"))
}
