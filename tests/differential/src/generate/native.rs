//! Tables in the syntax of `nft(8)`.

use crate::generate::actions;
use crate::generate::draw::{Draw, Version};
use crate::generate::matches;
use crate::packet::Protocol;
use crate::ruleset::{Chain, Rule, Set, Table, Tool};

/// The family of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ip,
    Ip6,
    Inet,
    Netdev,
}

impl Family {
    fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        }
    }

    fn sees(self, version: Version) -> bool {
        match self {
            Self::Ip => version == Version::V4,
            Self::Ip6 => version == Version::V6,
            Self::Inet | Self::Netdev => true,
        }
    }
}

/// The hook of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Ingress,
    Egress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    /// Packets have come in by a device.
    pub(crate) fn has_input(self) -> bool {
        matches!(self, Self::Ingress | Self::Prerouting | Self::Input | Self::Forward)
    }

    /// Packets will leave by a device.
    pub(crate) fn has_output(self) -> bool {
        matches!(self, Self::Forward | Self::Output | Self::Postrouting | Self::Egress)
    }

    /// Conntrack has not seen packets at the hooks of devices.
    pub(crate) fn is_of_device(self) -> bool {
        matches!(self, Self::Ingress | Self::Egress)
    }
}

/// What a base chain is, and with it those that are jumped to from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) family: Family,
    pub(crate) kind: &'static str,
    pub(crate) hook: Hook,
    pub(crate) priority: i32,
    /// In how many of a hundred its policy is to drop.
    drops: u32,
    /// For hooks of devices, which ones.
    devices: &'static str,
}

/// A rule that is being made: what its parts must agree on.
pub(crate) struct Scope {
    pub(crate) place: Place,
    /// The IP version; `None` for a rule of both.
    pub(crate) version: Option<Version>,
    /// The transport protocol; `None` for a rule of any.
    pub(crate) transport: Option<Protocol>,
    /// The rule is about ICMP, which has no ports.
    pub(crate) icmp: bool,
}

/// A table that is being made.
pub(crate) struct Making<'d> {
    pub(crate) draw: &'d mut Draw,
    pub(crate) sets: Vec<Set>,
    /// The chains that rules of each later one may jump to: those of the same place made before.
    pub(crate) targets: Vec<(Place, String)>,
}

type Site = (u32, (Hook, &'static str, i32, u32));

/// Where base chains are, as real rulesets have them, and then some.
const SITES: [Site; 22] = [
    (60, (Hook::Input, "filter", 0, 40)),
    (6, (Hook::Input, "filter", -1, 20)),
    (5, (Hook::Input, "filter", 10, 30)),
    (4, (Hook::Input, "filter", -150, 10)),
    (3, (Hook::Input, "filter", 50, 10)),
    (2, (Hook::Input, "nat", 100, 2)),
    (18, (Hook::Forward, "filter", 0, 40)),
    (8, (Hook::Prerouting, "filter", -300, 4)),
    (3, (Hook::Prerouting, "filter", -450, 4)),
    (6, (Hook::Prerouting, "filter", -150, 4)),
    (4, (Hook::Prerouting, "filter", -100, 4)),
    (4, (Hook::Prerouting, "filter", 0, 8)),
    (1, (Hook::Prerouting, "filter", -200, 4)),
    (22, (Hook::Prerouting, "nat", -100, 1)),
    (3, (Hook::Prerouting, "nat", -90, 1)),
    (12, (Hook::Output, "filter", 0, 25)),
    (2, (Hook::Output, "filter", -300, 4)),
    (2, (Hook::Output, "route", -150, 4)),
    (3, (Hook::Output, "nat", -100, 1)),
    (8, (Hook::Postrouting, "nat", 100, 1)),
    (3, (Hook::Postrouting, "filter", 0, 6)),
    (5, (Hook::Ingress, "filter", -500, 4)),
];

/// A table with base chains, chains that they jump to, and sets.
pub(crate) fn table(draw: &mut Draw, number: usize) -> Table {
    let family = draw.weighted(&[(60, Family::Inet), (18, Family::Ip), (14, Family::Ip6), (6, Family::Netdev)]);
    let mut making = Making { draw, sets: Vec::new(), targets: Vec::new() };
    let bases = 1 + making.draw.count(55, 4);
    let mut chains = Vec::new();
    for base in 0..bases {
        let place = making.place(family);
        for _ in 0..making.draw.count(55, 4) {
            let name = format!("c{}", chains.len());
            let rules = making.rules(place);
            making.targets.push((place, name.clone()));
            chains.push(Chain { name, base: String::new(), drops: false, rules });
        }
        let rules = making.rules(place);
        let drops = making.draw.chance(place.drops);
        chains.push(Chain { name: format!("base{base}"), base: place.header(), drops, rules });
    }
    Table { tool: Tool::Nft, name: format!("{} t{number}", family.word()), sets: making.sets, chains }
}

impl Place {
    fn header(&self) -> String {
        format!("type {} hook {}{} priority {}", self.kind, self.hook.word(), self.devices, self.priority)
    }
}

impl Making<'_> {
    fn place(&mut self, family: Family) -> Place {
        loop {
            let (hook, kind, priority, drops) = self.draw.weighted(&SITES);
            let fits = match family {
                Family::Netdev => {
                    let hook = self.draw.weighted(&[(65, Hook::Ingress), (35, Hook::Egress)]);
                    return Place { family, kind: "filter", hook, priority: 0, drops: 4, devices: self.devices() };
                }
                Family::Ip | Family::Ip6 => hook != Hook::Ingress,
                Family::Inet => true,
            };
            if fits {
                let devices = if hook == Hook::Ingress { self.devices() } else { "" };
                return Place { family, kind, hook, priority, drops, devices };
            }
        }
    }

    fn devices(&mut self) -> &'static str {
        let one = " device \"eth0\"";
        self.draw.weighted(&[
            (6, one),
            (2, " device \"eth1\""),
            (3, " devices = { \"eth0\", \"eth1\" }"),
            (1, " device \"lo\""),
        ])
    }

    fn rules(&mut self, place: Place) -> Vec<Rule> {
        let rules = 1 + self.draw.count(75, 9);
        (0..rules).map(|_| self.rule(place)).collect()
    }

    fn rule(&mut self, place: Place) -> Rule {
        let scope = self.scope(place);
        let wanted = self.draw.weighted(&[(8, 0), (45, 1), (32, 2), (15, 3)]);
        let mut parts = Vec::new();
        for _ in 0..wanted {
            parts.extend(matches::any(self, &scope));
        }
        parts.extend(actions::any(self, &scope));
        Rule { parts }
    }

    fn scope(&mut self, place: Place) -> Scope {
        let versions = [Version::V4, Version::V6].into_iter().filter(|version| place.family.sees(*version));
        let versions: Vec<Version> = versions.collect();
        let version = if versions.len() == 1 || self.draw.chance(75) { Some(self.draw.pick(&versions)) } else { None };
        let transport = if self.draw.chance(60) { Some(self.draw.protocol()) } else { None };
        let icmp = transport.is_none() && version.is_some() && self.draw.chance(6);
        Scope { place, version, transport, icmp }
    }

    /// Adds a set of the table, and gives its name.
    pub(crate) fn set(&mut self, kind: &str, header: String, elements: Vec<String>) -> String {
        let name = format!("s{}", self.sets.len());
        self.sets.push(Set { name: format!("{kind} {name}"), header, elements });
        name
    }
}
