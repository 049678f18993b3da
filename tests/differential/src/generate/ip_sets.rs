//! Sets of `ipset(8)`, and what rules ask them.

use crate::generate::draw::{Draw, Version};
use crate::ruleset::{Part, Set, Table, Tool};

/// A set that rules can ask.
#[derive(Clone, Debug)]
pub(crate) struct IpSet {
    key: &'static str,
    /// `None`: both.
    version: Option<Version>,
    shape: &'static [What],
    set: Set,
}

/// What a part of a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Address,
    Network,
    Service,
    Port,
    Interface,
    HardwareAddress,
    Sets,
}

use What::{Address, HardwareAddress, Interface, Network, Port, Service, Sets};

/// How often, the type, and what its members are made of.
const KINDS: [(u32, (&str, &[What])); 11] = [
    (30, ("hash:ip", &[Address])),
    (40, ("hash:net", &[Network])),
    (16, ("hash:ip,port", &[Address, Service])),
    (8, ("hash:ip,port,ip", &[Address, Service, Address])),
    (14, ("hash:ip,port,net", &[Address, Service, Network])),
    (20, ("hash:net,port", &[Network, Service])),
    (24, ("hash:net,iface", &[Network, Interface])),
    (8, ("bitmap:ip", &[Address])),
    (1, ("bitmap:ip,mac", &[Address, HardwareAddress])),
    (10, ("bitmap:port", &[Port])),
    (18, ("list:set", &[Sets])),
];

/// The sets of a ruleset as a table.
pub(crate) fn table(sets: &[IpSet]) -> Option<Table> {
    if sets.is_empty() {
        return None;
    }
    let headers = [(Version::V4, "hash:ip"), (Version::V6, "hash:ip family inet6")];
    let added = headers.map(|(version, header)| Set {
        name: added(version).into(),
        header: header.into(),
        elements: Vec::new(),
    });
    let sets = sets.iter().map(|set| set.set.clone()).chain(added).collect();
    Some(Table { tool: Tool::Ipset, name: "sets".into(), sets, chains: Vec::new() })
}

/// The set that rules add to. None asks it: what is in it depends on the packets that came before.
fn added(version: Version) -> &'static str {
    match version {
        Version::V4 => "added4",
        Version::V6 => "added6",
    }
}

/// A target that adds to a set, where there are sets.
pub(crate) fn change(draw: &mut Draw, sets: &[IpSet], version: Version) -> Option<Part> {
    let option = draw.pick(&["--add-set", "--del-set"]);
    (!sets.is_empty()).then(|| Part::new("SET", format!("-j SET {option} {} src", added(version))))
}

/// Sets, of which none names one that comes later.
pub(crate) fn sets(draw: &mut Draw) -> Vec<IpSet> {
    let mut sets = Vec::new();
    for number in 0..3 + draw.count(70, 6) {
        let set = set(draw, number, &sets);
        sets.push(set);
    }
    sets
}

fn set(draw: &mut Draw, number: usize, others: &[IpSet]) -> IpSet {
    let (key, shape) = draw.weighted(&KINDS);
    let version = match shape {
        [Sets | Port] => None,
        _ if key.starts_with("bitmap") || draw.chance(62) => Some(Version::V4),
        _ => Some(Version::V6),
    };
    let mut header = format!("{key}{}", options(draw, key, version));
    for (percent, option) in [(15, " timeout 3600"), (10, " counters"), (8, " comment"), (5, " skbinfo")] {
        if draw.chance(percent) {
            header.push_str(option);
        }
    }
    let count = if shape == [Port] { 3 } else { draw.count(86, 12) };
    let mut elements = Vec::new();
    for _ in 0..count {
        let element = element(draw, (key, shape), version.unwrap_or(Version::V4), others);
        elements.extend(element.filter(|element| !elements.contains(element)));
    }
    IpSet { key, version, shape, set: Set { name: format!("set{number}"), header, elements } }
}

fn options(draw: &mut Draw, key: &str, version: Option<Version>) -> String {
    match (key, version) {
        // All addresses of the plan that lie closer than that to each other.
        ("bitmap:ip", _) => draw.pick(&[" range 10.9.0.0/16", " range 10.0.0.0/8 netmask 24"]).into(),
        ("bitmap:ip,mac", _) => " range 10.9.0.0/16".into(),
        ("bitmap:port", _) => " range 0-65535".into(),
        ("hash:ip", Some(Version::V4)) => draw.weighted(&[(70, ""), (15, " netmask 24"), (5, " netmask 31")]).into(),
        ("hash:ip", Some(Version::V6)) => {
            draw.weighted(&[(70, " family inet6"), (20, " family inet6 netmask 64")]).into()
        }
        (_, Some(Version::V6)) => " family inet6".into(),
        _ => String::new(),
    }
}

fn element(draw: &mut Draw, (key, shape): (&str, &[What]), version: Version, others: &[IpSet]) -> Option<String> {
    let within = key.starts_with("bitmap");
    let parts: Option<Vec<_>> = shape
        .iter()
        .map(|what| match what {
            // A bitmap has a range.
            Address if within => Some(format!("10.9.0.{}", draw.pick(&[2, 3, 7, 20, 64, 130, 200]))),
            what => part(draw, *what, version, others),
        })
        .collect();
    let mut text = parts?.join(",");
    if shape.contains(&Interface) && text.ends_with("eth") {
        text.push_str(" wildcard");
    }
    if shape.contains(&Network) && draw.chance(30) {
        text.push_str(" nomatch");
    }
    Some(text)
}

fn part(draw: &mut Draw, what: What, version: Version, others: &[IpSet]) -> Option<String> {
    Some(match what {
        Address => address(draw, version),
        Network => {
            let (address, length) = draw.prefix(version);
            format!("{address}/{length}")
        }
        Service => service(draw, version),
        Port if draw.chance(50) => draw.port().to_string(),
        Port => draw.pick(&["0-1023", "1024-65535", "9000-11000"]).into(),
        Interface => draw.weighted(&[(40, "eth0"), (14, "eth1"), (14, "eth2"), (18, "lo"), (8, "eth")]).into(),
        HardwareAddress => "02:00:00:00:09:02".into(),
        Sets => {
            let inner: Vec<_> =
                others.iter().filter(|set| set.shape != [Sets]).map(|set| set.set.name.clone()).collect();
            let position = draw.number(0..u32::try_from(inner.len().max(1)).ok()?) as usize;
            inner.get(position)?.clone()
        }
    })
}

fn address(draw: &mut Draw, version: Version) -> String {
    // There is no member for nobody.
    let address = if draw.chance(80) { draw.source(version) } else { draw.own(version) };
    if address.is_unspecified() { draw.own(version).to_string() } else { address.to_string() }
}

fn service(draw: &mut Draw, version: Version) -> String {
    let port = if draw.chance(85) { draw.port() } else { draw.source_port() };
    match draw.number(0..20) {
        0 => format!("sctp:{port}"),
        1 => "vrrp:0".into(),
        2 if version == Version::V4 => "icmp:echo-request".into(),
        2 => "icmpv6:echo-request".into(),
        3..9 => format!("udp:{port}"),
        _ => format!("tcp:{port}"),
    }
}

/// A question to one of the sets that a rule of this version can name.
pub(crate) fn question(draw: &mut Draw, sets: &[IpSet], version: Version, has_input: bool) -> Option<Part> {
    let fitting: Vec<_> = sets.iter().filter(|set| set.version.is_none_or(|own| own == version)).collect();
    let position = draw.number(0..u32::try_from(fitting.len().max(1)).ok()?) as usize;
    let set = fitting.get(position)?;
    let not = if draw.chance(22) { "! " } else { "" };
    let inner;
    let shape = match set.set.elements.first() {
        // As its first set needs it.
        Some(name) if set.shape == [Sets] => {
            inner = sets.iter().find(|set| set.set.name == *name)?;
            inner.shape
        }
        _ => set.shape,
    };
    let mut ends: Vec<_> = shape.iter().map(|what| end(draw, *what, has_input)).collect();
    if draw.chance(5) {
        ends.pop();
    } else if draw.chance(10) {
        ends.push("src");
    }
    if ends.is_empty() {
        ends.push("dst");
    }
    let more = if draw.chance(14) { " --return-nomatch" } else { "" };
    let more = if draw.chance(1) { " --packets-gt 1000" } else { more };
    Some(Part::new(set.key, format!("-m set {not}--match-set {} {}{more}", set.set.name, ends.join(","))))
}

/// The end of the packet that a part is compared with, mostly one that makes a difference.
fn end(draw: &mut Draw, what: What, has_input: bool) -> &'static str {
    let sender = match what {
        Service | Port => !has_input,
        _ => has_input,
    };
    if sender == draw.chance(85) { "src" } else { "dst" }
}
