//! Tables in the format of `iptables-save(8)`, for `iptables-nft` and for `iptables-legacy`.

mod header;

use crate::generate::draw::{Draw, Version};
use crate::generate::ip_sets::{self, IpSet};
use crate::packet::Protocol;
use crate::ruleset::{Chain, Part, Rule, Table, Tool};

/// A built-in chain that rules are being made for.
#[derive(Clone, Copy)]
struct Place {
    table: &'static str,
    chain: &'static str,
    /// In how many of a hundred its policy is to drop.
    drops: u32,
}

const fn place(table: &'static str, chain: &'static str, drops: u32) -> Place {
    Place { table, chain, drops }
}

/// Of each table the chains that get rules, and how often.
const PLACES: [(u32, Place); 12] = [
    (100, place("filter", "INPUT", 45)),
    (45, place("filter", "FORWARD", 40)),
    (35, place("filter", "OUTPUT", 20)),
    (100, place("nat", "PREROUTING", 0)),
    (15, place("nat", "INPUT", 0)),
    (20, place("nat", "OUTPUT", 0)),
    (40, place("nat", "POSTROUTING", 0)),
    (100, place("raw", "PREROUTING", 2)),
    (20, place("raw", "OUTPUT", 2)),
    (80, place("mangle", "PREROUTING", 2)),
    (40, place("mangle", "INPUT", 2)),
    (20, place("mangle", "FORWARD", 2)),
];

const BUILT_IN: [(&str, &[&str]); 4] = [
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
];

/// The tables of one tool.
pub(crate) fn tables(draw: &mut Draw, tool: Tool, sets: &[IpSet]) -> Vec<Table> {
    let often = [("filter", 100), ("nat", 45), ("raw", 25), ("mangle", 25)];
    let names = often.into_iter().filter(|(_, percent)| draw.chance(*percent)).map(|(name, _)| name);
    let names: Vec<&str> = names.collect();
    names.into_iter().map(|name| table(draw, tool, name, sets)).collect()
}

fn table(draw: &mut Draw, tool: Tool, name: &str, sets: &[IpSet]) -> Table {
    let version = match tool {
        Tool::Ip6tablesNft | Tool::Ip6tablesLegacy => Version::V6,
        _ => Version::V4,
    };
    let built_in = BUILT_IN.iter().find(|(table, _)| *table == name).map_or(&[] as &[&str], |(_, chains)| chains);
    let mut chains = Vec::new();
    let mut own = Vec::new();
    for chain in built_in {
        let place = PLACES.into_iter().find(|(_, place)| place.table == name && place.chain == *chain);
        let (often, place) = place.unwrap_or((5, Place { table: "mangle", chain: "POSTROUTING", drops: 0 }));
        let mut making = Making { draw, version, place, targets: Vec::new(), sets };
        if !making.draw.chance(often) {
            chains.push(Chain { name: (*chain).into(), base: String::new(), drops: false, rules: Vec::new() });
            continue;
        }
        for _ in 0..making.draw.count(55, 3) {
            let name = format!("own-{}-{}", chain.to_lowercase(), making.targets.len());
            own.push(Chain { name: name.clone(), base: String::new(), drops: false, rules: making.rules() });
            making.targets.push(name);
        }
        let rules = making.rules();
        let drops = making.draw.chance(place.drops);
        chains.push(Chain { name: (*chain).into(), base: String::new(), drops, rules });
    }
    chains.extend(own);
    Table { tool, name: name.into(), sets: Vec::new(), chains }
}

struct Making<'d> {
    draw: &'d mut Draw,
    version: Version,
    place: Place,
    targets: Vec<String>,
    sets: &'d [IpSet],
}

/// A rule that is being made: ports and other things depend on `-p`.
struct Scope {
    transport: Option<Protocol>,
}

type Match = fn(&mut Making<'_>, &Scope) -> Option<Part>;

const MATCHES: [(u32, Match); 21] = [
    (40, source),
    (25, destination),
    (30, input_interface),
    (10, output_interface),
    (45, destination_port),
    (6, source_port),
    (20, ports),
    (30, connection),
    (14, address_type),
    (12, address_range),
    (10, mark),
    (6, connection_mark),
    (5, packet_type),
    (10, tcp_flags),
    (5, limit),
    (6, comment),
    (4, mac),
    (10, header::field),
    (6, header::way),
    (4, unusual),
    (90, ip_set),
];

impl Making<'_> {
    fn rules(&mut self) -> Vec<Rule> {
        let rules = 1 + self.draw.count(72, 8);
        (0..rules).map(|_| self.rule()).collect()
    }

    fn rule(&mut self) -> Rule {
        let transport = if self.draw.chance(60) { Some(self.draw.protocol()) } else { None };
        let scope = Scope { transport };
        let mut parts = Vec::new();
        if let Some(transport) = transport {
            parts.push(Part::new("-p", format!("-p {}", word(transport))));
        } else if self.draw.chance(5) {
            parts.push(Part::new("-p", self.draw.pick(&["! -p tcp", "! -p udp"])));
        }
        let wanted = self.draw.weighted(&[(12, 0), (50, 1), (28, 2), (10, 3)]);
        for _ in 0..wanted {
            let part = self.draw.weighted(&MATCHES)(self, &scope);
            // Options of the rule itself, and ports, can be given once.
            parts.extend(part.filter(|part| parts.iter().all(|other: &Part| !excludes(other.key, part.key))));
        }
        parts.extend(self.target(&scope));
        Rule { parts }
    }

    fn own_interface(&mut self) -> &'static str {
        self.draw.weighted(&[
            (40, "eth0"),
            (14, "eth1"),
            (14, "eth2"),
            (18, "lo"),
            (8, "eth+"),
            (4, "docker0"),
            (2, "e+"),
        ])
    }

    fn not(&mut self, percent: u32) -> &'static str {
        if self.draw.chance(percent) { "! " } else { "" }
    }

    /// The chain sees packets that came in by a device.
    fn has_input(&self) -> bool {
        matches!(self.place.chain, "PREROUTING" | "INPUT" | "FORWARD")
    }

    fn has_output(&self) -> bool {
        matches!(self.place.chain, "FORWARD" | "OUTPUT" | "POSTROUTING")
    }

    fn prefix(&mut self) -> String {
        let (address, length) = self.draw.prefix(self.version);
        format!("{address}/{length}")
    }
}

/// Options that are the same, or that `iptables(8)` mistakes for each other.
fn excludes(one: &str, other: &str) -> bool {
    let ports = |key: &str| matches!(key, "multiport" | "--dport" | "--sport");
    one == other || ports(one) && ports(other) && (one == "multiport" || other == "multiport")
}

fn word(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Tcp { "tcp" } else { "udp" }
}

fn source(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, prefix) = (making.not(14), making.prefix());
    let option = if making.has_input() { "-s" } else { "-d" };
    let key = if making.has_input() { "-s" } else { "-d" };
    Some(Part::new(key, format!("{not}{option} {prefix}")))
}

fn destination(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(14);
    let address =
        if making.draw.chance(75) { making.draw.own(making.version) } else { making.draw.behind(making.version) };
    let option = if making.has_input() { "-d" } else { "-s" };
    let key = if making.has_input() { "-d" } else { "-s" };
    Some(Part::new(key, format!("{not}{option} {address}")))
}

fn ip_set(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let has_input = making.has_input();
    ip_sets::question(making.draw, making.sets, making.version, has_input)
}

fn input_interface(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, name) = (making.not(20), making.own_interface());
    making.has_input().then(|| Part::new("-i", format!("{not}-i {name}")))
}

fn output_interface(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, name) = (making.not(20), making.own_interface());
    making.has_output().then(|| Part::new("-o", format!("{not}-o {name}")))
}

fn port_range(making: &mut Making<'_>) -> String {
    let (a, b) = (making.draw.port(), making.draw.port());
    if a == b || making.draw.chance(65) { a.to_string() } else { format!("{}:{}", a.min(b), a.max(b)) }
}

fn destination_port(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let (not, port) = (making.not(10), port_range(making));
    scope.transport.map(|_| Part::new("--dport", format!("{not}--dport {port}")))
}

fn source_port(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let port = making.draw.source_port();
    let range = making.draw.pick(&["", ":65535"]);
    scope.transport.map(|_| Part::new("--sport", format!("--sport {port}{range}")))
}

fn ports(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    scope.transport?;
    let not = making.not(12);
    let list: Vec<String> = (0..=making.draw.count(70, 5)).map(|_| port_range(making)).collect();
    let option = making.draw.weighted(&[(80, "--dports"), (8, "--sports"), (12, "--ports")]);
    Some(Part::new("multiport", format!("-m multiport {not}{option} {}", list.join(","))))
}

fn connection(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = making.not(15);
    let text = match making.draw.number(0..20) {
        0..6 => format!("-m conntrack {not}--ctstate RELATED,ESTABLISHED"),
        6..10 => format!("-m conntrack {not}--ctstate NEW"),
        10 => format!("-m conntrack {not}--ctstate INVALID"),
        11 => format!("-m conntrack {not}--ctstate RELATED,ESTABLISHED,DNAT"),
        12 => format!("-m conntrack {not}--ctstate DNAT"),
        13 => format!("-m conntrack {not}--ctstate NEW,UNTRACKED"),
        14 => format!("-m state {not}--state NEW"),
        15 => format!("-m state {not}--state RELATED,ESTABLISHED"),
        16 => {
            format!("-m conntrack {not}--ctstatus {}", making.draw.pick(&["NONE", "CONFIRMED", "ASSURED,SEEN_REPLY"]))
        }
        17 => format!("-m conntrack {not}--ctorigdst {}", making.draw.own(making.version)),
        18 if scope.transport.is_some() => {
            let port = making.draw.port();
            format!("-m conntrack --ctproto {} {not}--ctorigdstport {port}", scope.transport.map_or("tcp", word))
        }
        18 => format!("-m conntrack --ctdir {}", making.draw.pick(&["ORIGINAL", "REPLY"])),
        _ => format!("-m conntrack {not}--ctorigsrc {}", making.prefix()),
    };
    Some(Part::new(if text.contains("-m state") { "state" } else { "conntrack" }, text))
}

fn address_type(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(20);
    let limit = if matches!(making.place.chain, "PREROUTING" | "INPUT") && making.draw.chance(15) {
        " --limit-iface-in"
    } else {
        ""
    };
    let text = making.draw.weighted(&[
        (40, "--dst-type LOCAL"),
        (10, "--src-type LOCAL"),
        (10, "--src-type UNICAST"),
        (6, "--dst-type UNICAST"),
        (6, "--dst-type MULTICAST,BROADCAST"),
        (6, "--src-type UNICAST,LOCAL"),
    ]);
    Some(Part::new("addrtype", format!("-m addrtype {not}{text}{limit}")))
}

fn address_range(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(14);
    let (first, last) = making.draw.range(making.version);
    let option = if making.has_input() { "--src-range" } else { "--dst-range" };
    Some(Part::new("iprange", format!("-m iprange {not}{option} {first}-{last}")))
}

fn mark(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, mark) = (making.not(20), making.draw.pick(&["0x1", "0x1/0xf", "0x0", "0x10/0x10", "0x2"]));
    Some(Part::new("mark", format!("-m mark {not}--mark {mark}")))
}

fn connection_mark(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, mark) = (making.not(20), making.draw.pick(&["0x1", "0x1/0xf", "0x0", "0x10/0x10"]));
    Some(Part::new("connmark", format!("-m connmark {not}--mark {mark}")))
}

fn packet_type(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let (not, kind) = (making.not(20), making.draw.pick(&["unicast", "broadcast", "multicast"]));
    Some(Part::new("pkttype", format!("-m pkttype {not}--pkt-type {kind}")))
}

fn tcp_flags(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let flags = making.draw.pick(&[
        "--syn",
        "! --syn",
        "--tcp-flags FIN,SYN FIN,SYN",
        "--tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE",
        "--tcp-flags SYN,RST SYN,RST",
        "! --tcp-flags SYN,ACK SYN",
    ]);
    (scope.transport == Some(Protocol::Tcp)).then(|| Part::new("--tcp-flags", flags))
}

/// A limit that the few packets of the tests do not reach.
fn limit(_: &mut Making<'_>, _: &Scope) -> Option<Part> {
    Some(Part::new("limit", "-m limit --limit 10000/sec --limit-burst 10000"))
}

fn comment(_: &mut Making<'_>, _: &Scope) -> Option<Part> {
    Some(Part::new("comment", "-m comment --comment \"said of it\""))
}

fn mac(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(20);
    (making.has_input() && making.draw.chance(25))
        .then(|| Part::new("mac", format!("-m mac {not}--mac-source 02:00:00:00:09:02")))
}

/// What real rulesets use now and then. Many are not understood in full.
fn unusual(making: &mut Making<'_>, scope: &Scope) -> Option<Part> {
    let not = making.not(20);
    let tcp = scope.transport == Some(Protocol::Tcp);
    let port = making.draw.port();
    let (key, text) = match making.draw.number(0..13) {
        0 => {
            ("recent", format!("-m recent --name seen{} --rcheck --seconds 60 --hitcount 4", making.draw.number(0..3)))
        }
        1 => ("connlimit", "-m connlimit --connlimit-above 60000".into()),
        2 => (
            "hashlimit",
            "-m hashlimit --hashlimit-upto 10000/sec --hashlimit-burst 10000 --hashlimit-mode srcip --hashlimit-name h"
                .into(),
        ),
        3 if making.place.chain == "PREROUTING" && making.place.table != "nat" => {
            ("rpfilter", format!("-m rpfilter {}", making.draw.pick(&["", "--loose", "--invert"])))
        }
        4 if making.has_input() => ("devgroup", format!("-m devgroup {not}--src-group 0")),
        5 if scope.transport.is_none() && making.version == Version::V4 => {
            ("-p icmp", "-p icmp -m icmp --icmp-type echo-request".into())
        }
        5 if scope.transport.is_none() => ("-p icmpv6", "-p ipv6-icmp -m icmp6 --icmpv6-type echo-request".into()),
        6 if making.version == Version::V4 => ("-f", format!("{not}-f")),
        7 if tcp => ("tcp-option", "--tcp-option 2".into()),
        8 => ("statistic", "-m statistic --mode random --probability 0.5".into()),
        9 => ("helper", "-m helper --helper ftp".into()),
        10 => ("connbytes", "-m connbytes --connbytes 1000: --connbytes-dir both --connbytes-mode packets".into()),
        11 if scope.transport.is_some() => ("--dport", format!("{not}--dport {port}:65535")),
        12 if making.place.chain == "OUTPUT" => ("owner", format!("-m owner {not}--uid-owner 0")),
        _ => return None,
    };
    Some(Part::new(key, text))
}

impl Making<'_> {
    fn target(&mut self, scope: &Scope) -> Option<Part> {
        match (self.place.table, self.place.chain) {
            ("nat", "PREROUTING" | "OUTPUT") => self.destination_nat(scope),
            ("nat", _) => self.source_nat(),
            ("raw", _) => self.raw(),
            ("mangle", _) => self.mangle(scope),
            _ => self.filter(scope),
        }
    }

    fn jump(&mut self) -> Option<Part> {
        if self.targets.is_empty() {
            return None;
        }
        let at: Vec<usize> = (0..self.targets.len()).collect();
        let name = self.targets[self.draw.pick(&at)].clone();
        let (key, option) = self.draw.weighted(&[(75, ("jump", "-j")), (25, ("goto", "-g"))]);
        Some(Part::new(key, format!("{option} {name}")))
    }

    fn filter(&mut self, scope: &Scope) -> Option<Part> {
        if self.draw.chance(5)
            && let Some(change) = ip_sets::change(self.draw, self.sets, self.version)
        {
            return Some(change);
        }
        if self.draw.chance(25)
            && let Some(jump) = self.jump()
        {
            return Some(jump);
        }
        let (key, text) = self.draw.weighted(&[
            (45, ("ACCEPT", "-j ACCEPT")),
            (22, ("DROP", "-j DROP")),
            (8, ("REJECT", "-j REJECT")),
            (7, ("RETURN", "-j RETURN")),
            (3, ("LOG", "-j LOG --log-prefix \"seen \"")),
            (1, ("NFLOG", "-j NFLOG --nflog-group 5")),
            (3, ("", "")),
        ]);
        match key {
            "" => None,
            "REJECT" if scope.transport == Some(Protocol::Tcp) && self.draw.chance(40) => {
                Some(Part::new(key, "-j REJECT --reject-with tcp-reset"))
            }
            _ => Some(Part::new(key, text)),
        }
    }

    fn raw(&mut self) -> Option<Part> {
        if self.draw.chance(20)
            && let Some(jump) = self.jump()
        {
            return Some(jump);
        }
        let (key, text) = self.draw.weighted(&[
            (35, ("CT", "-j CT --notrack")),
            (20, ("NOTRACK", "-j NOTRACK")),
            (1, ("CT --zone", "-j CT --zone 3")),
            (20, ("DROP", "-j DROP")),
            (25, ("ACCEPT", "-j ACCEPT")),
            (10, ("RETURN", "-j RETURN")),
        ]);
        Some(Part::new(key, text))
    }

    fn mangle(&mut self, scope: &Scope) -> Option<Part> {
        if self.draw.chance(20)
            && let Some(jump) = self.jump()
        {
            return Some(jump);
        }
        let (key, text) = self.draw.weighted(&[
            (25, ("MARK", "-j MARK --set-xmark 0x1/0xffffffff")),
            (10, ("MARK", "-j MARK --or-mark 0x10")),
            (10, ("MARK", "-j MARK --set-mark 0x2")),
            (10, ("MARK", "-j MARK --and-mark 0xfffffff0")),
            (10, ("CONNMARK", "-j CONNMARK --save-mark")),
            (10, ("CONNMARK", "-j CONNMARK --restore-mark")),
            (10, ("CONNMARK", "-j CONNMARK --set-xmark 0x1/0xf")),
            (12, ("DROP", "-j DROP")),
            (18, ("ACCEPT", "-j ACCEPT")),
            (5, ("RETURN", "-j RETURN")),
            (2, ("DSCP", "-j DSCP --set-dscp 8")),
            (2, ("CLASSIFY", "-j CLASSIFY --set-class 1:2")),
            (1, ("TPROXY", "TPROXY")),
        ]);
        match key {
            "TPROXY" => self.transparent_proxy(scope),
            _ => Some(Part::new(key, text)),
        }
    }

    fn transparent_proxy(&mut self, scope: &Scope) -> Option<Part> {
        (scope.transport.is_some() && self.place.chain == "PREROUTING").then_some(())?;
        Some(Part::new("TPROXY", format!("-j TPROXY --on-port {} --tproxy-mark 0x1/0x1", self.draw.port())))
    }

    fn destination_nat(&mut self, scope: &Scope) -> Option<Part> {
        if self.draw.chance(20)
            && let Some(jump) = self.jump()
        {
            return Some(jump);
        }
        let target = if self.draw.chance(55) { self.draw.own(self.version) } else { self.draw.behind(self.version) };
        let port = self.draw.port();
        let key = self.draw.weighted(&[(55, "DNAT"), (25, "REDIRECT"), (12, "ACCEPT"), (10, "RETURN")]);
        // The kernel's form of it is not understood, and it takes whatever comes.
        let key = if self.draw.chance(1) { "NETMAP" } else { key };
        let text = match (key, scope.transport, self.draw.chance(75)) {
            ("DNAT", Some(_), true) => format!("-j DNAT --to-destination {}", std::net::SocketAddr::new(target, port)),
            ("DNAT", ..) => format!("-j DNAT --to-destination {target}"),
            ("NETMAP", ..) if self.version == Version::V4 => "-j NETMAP --to 10.77.0.0/24".into(),
            ("NETMAP", ..) => "-j NETMAP --to fd77::/64".into(),
            ("REDIRECT", Some(_), true) => format!("-j REDIRECT --to-ports {port}"),
            _ => format!("-j {key}"),
        };
        Some(Part::new(key, text))
    }

    fn source_nat(&mut self) -> Option<Part> {
        let own = self.draw.own_outside(self.version);
        if self.place.chain == "POSTROUTING" && self.draw.chance(65) {
            return Some(Part::new("MASQUERADE", "-j MASQUERADE"));
        }
        // On input the most unusual of all, and the evaluator does not follow it.
        let often = if self.place.chain == "INPUT" { 8 } else { 40 };
        let key = self.draw.weighted(&[(often, "SNAT"), (30, "ACCEPT"), (20, "RETURN")]);
        Some(Part::new(key, if key == "SNAT" { format!("-j SNAT --to-source {own}") } else { format!("-j {key}") }))
    }
}
