//! Address translation, and packets that are handed to a local socket without it.

use std::net::IpAddr;

use loopgate_facts::Prefix;
use serde_json::Value;

use super::matches::{FIRST, RuleReader};
use super::prototype::Form;
use super::statements::{flags, same_layout};
use super::{Lowered, Trouble, only_member, text, unclear};
use crate::address_set::{AddressSet, IpVersion};
use crate::notation::names::{Kind, Network};
use crate::rule::{End, LookupResult, Operand, Register, Target, Translation, Verdict};
use crate::ruleset::Family;

impl RuleReader<'_, '_> {
    pub(super) fn translate(&mut self, end: End, value: &Value) -> Lowered<()> {
        let family = self.translation_family(value)?;
        // A translation of one family leaves packets of another alone (`nft_nat_inet_eval`, `net/netfilter/nft_nat.c`).
        if let (Some(network), Family::Inet) = (family, self.family) {
            self.require_network(network)?;
        }
        let flags = flags(value);
        let (target, ports) = match value.get("addr").map(|address| (address, only_member(address))) {
            None => (Target::Addresses(None), None),
            Some((_, Some(("map", map)))) => self.mapped(family, map, &flags)?,
            Some((address, _)) => (constant_target(family, address, &flags)?, None),
        };
        let ports = match (value.get("port"), ports) {
            (Some(port), None) => Some(self.ports(port)?),
            (None, ports) => ports,
            (Some(_), Some(_)) => return unclear("dnat"),
        };
        self.end(Verdict::Translate(Translation { end, target, ports }))
    }

    fn translation_family(&self, value: &Value) -> Lowered<Option<Network>> {
        match (text(value, "family"), self.family) {
            (Some("ip"), _) | (None, Family::Ip) => Ok(Some(Network::Ipv4)),
            (Some("ip6"), _) | (None, Family::Ip6) => Ok(Some(Network::Ipv6)),
            (None, _) => Ok(self.known.network),
            _ => unclear("family of a translation"),
        }
    }

    /// Where a map says to translate to: an address, an address and a port, or a range of addresses.
    fn mapped(
        &mut self,
        family: Option<Network>,
        map: &Value,
        flags: &[&str],
    ) -> Lowered<(Target, Option<(Operand, Operand)>)> {
        let (Some((key, data)), Some(address)) = (map.get("key").zip(map.get("data")), family.and_then(address_form))
        else {
            return unclear("map of a translation");
        };
        let prefix = flags.contains(&"netmap");
        let shape = self.data_shape(data, &address).ok_or_else(|| Trouble::Unclear("map of a translation".into()))?;
        self.map(key, data, &shape.forms(address), LookupResult::Register(FIRST))?;
        let width = u8::try_from(address.padded() / 4).unwrap_or(u8::MAX);
        let (first, second) = (Operand::Register(FIRST), Operand::Register(Register(width)));
        Ok(match shape {
            MapShape::Address => (Target::Addresses(Some((first.clone(), first))), None),
            MapShape::AddressAndPort => {
                (Target::Addresses(Some((first.clone(), first))), Some((second.clone(), second)))
            }
            MapShape::Range if prefix => (Target::Unknown("translation of prefixes by a map".into()), None),
            MapShape::Range => (Target::Addresses(Some((first, second))), None),
        })
    }

    fn data_shape(&self, data: &Value, address: &Form) -> Option<MapShape> {
        if let Some(name) = data.as_str().and_then(|name| name.strip_prefix('@')) {
            let prototype = self.reader.prototype(self.reader.set(self.table, name, &self.pointer).ok()?)?;
            let shapes = [MapShape::Address, MapShape::AddressAndPort, MapShape::Range];
            return shapes.into_iter().find(|shape| same_layout(&prototype.data, &shape.forms(*address)));
        }
        let (_, elements) = only_member(data).filter(|(kind, _)| *kind == "set")?;
        let kinds = elements.as_array()?.iter().filter_map(|pair| pair.get(1)).map(only_member);
        let all: Vec<_> = kinds.map(|member| member.map(|(kind, _)| kind)).collect();
        Some(match all.as_slice() {
            kinds if kinds.iter().any(|kind| matches!(kind, Some("range" | "prefix"))) => MapShape::Range,
            kinds if !kinds.is_empty() && kinds.iter().all(|kind| *kind == Some("concat")) => MapShape::AddressAndPort,
            _ => MapShape::Address,
        })
    }

    pub(super) fn redirect(&mut self, end: End, target: Target, value: &Value) -> Lowered<()> {
        let ports = value.get("port").map(|port| self.ports(port)).transpose()?;
        self.end(Verdict::Translate(Translation { end, target, ports }))
    }

    fn ports(&mut self, value: &Value) -> Lowered<(Operand, Operand)> {
        if let Some(("map", map)) = only_member(value) {
            let (Some((key, data)), Some(port)) = (map.get("key").zip(map.get("data")), Form::of(Kind::Service)) else {
                return unclear("map of ports");
            };
            self.map(key, data, &[port], LookupResult::Register(FIRST))?;
            return Ok((Operand::Register(FIRST), Operand::Register(FIRST)));
        }
        let ends = range_ends(value).and_then(|(low, high)| Some((port_of(low)?, port_of(high)?)));
        ends.map_or_else(|| unclear("port"), |(low, high)| Ok((Operand::Port(low), Operand::Port(high))))
    }

    pub(super) fn tproxy(&mut self, value: &Value) -> Lowered<()> {
        let address = match value.get("addr") {
            None => None,
            Some(address) => match address.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
                Some(address) => Some(Operand::Address(address)),
                None => return unclear("tproxy"),
            },
        };
        let port = match value.get("port") {
            None => None,
            Some(port) => match port_of(port) {
                Some(port) => Some(Operand::Port(port)),
                None => return unclear("tproxy"),
            },
        };
        // The expression applies to packets of its family alone (`nft_tproxy_eval`, `net/netfilter/nft_tproxy.c`).
        if self.family == Family::Inet {
            match text(value, "family") {
                Some("ip") => self.require_network(Network::Ipv4)?,
                Some("ip6") => self.require_network(Network::Ipv6)?,
                _ => {}
            }
        }
        self.end(Verdict::TransparentProxy { address, port })
    }
}

/// What the data of a map for a translation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MapShape {
    Address,
    AddressAndPort,
    Range,
}

impl MapShape {
    fn forms(self, address: Form) -> Vec<Form> {
        match self {
            Self::Address => vec![address],
            Self::AddressAndPort => vec![address, Form::whole(Kind::Service, 2)],
            Self::Range => vec![address, address],
        }
    }
}

fn address_form(network: Network) -> Option<Form> {
    match network {
        Network::Ipv4 => Form::of(Kind::Ipv4),
        Network::Ipv6 => Form::of(Kind::Ipv6),
        Network::Arp => None,
    }
}

fn constant_target(family: Option<Network>, address: &Value, flags: &[&str]) -> Lowered<Target> {
    let of_family = |text: &Value| {
        let address = text.as_str()?.parse::<IpAddr>().ok()?;
        let fits = family.is_none_or(|family| (family == Network::Ipv4) == address.is_ipv4());
        fits.then_some(Operand::Address(address))
    };
    let ends = match only_member(address) {
        Some(("prefix", prefix)) => prefix_ends(family, prefix).map(|(low, high)| (address_of(low), address_of(high))),
        _ => range_ends(address).and_then(|(low, high)| Some((of_family(low)?, of_family(high)?))),
    };
    match (ends, flags.contains(&"netmap")) {
        (Some(ends), false) => Ok(Target::Addresses(Some(ends))),
        (Some((Operand::Address(low), Operand::Address(high))), true) => replaced(low, high),
        // Whatever it is, it is a translation.
        _ => Ok(Target::Unknown("address of a translation".into())),
    }
}

fn address_of(address: IpAddr) -> Operand {
    Operand::Address(address)
}

/// The first and the last address of a prefix, which is how `nft` prints a range that is one.
fn prefix_ends(family: Option<Network>, prefix: &Value) -> Option<(IpAddr, IpAddr)> {
    let address = text(prefix, "addr")?.parse::<IpAddr>().ok()?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    let fits = family.is_none_or(|family| (family == Network::Ipv4) == address.is_ipv4());
    let range = AddressSet::prefix(Prefix::new(address, length).ok()?).ranges().next()?;
    let version = IpVersion::of(address);
    fits.then(|| (version.address(*range.start()), version.address(*range.end())))
}

/// The bits in which the lowest and the highest address agree (`nft_nat_setup_netmap`, `net/netfilter/nft_nat.c`).
fn replaced(low: IpAddr, high: IpAddr) -> Lowered<Target> {
    match (low, high) {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            let mask = !(low.to_bits() ^ high.to_bits());
            Ok(Target::Prefix(low.into(), IpAddr::V4(mask.into())))
        }
        (IpAddr::V6(low), IpAddr::V6(high)) => {
            let mask = !(low.to_bits() ^ high.to_bits());
            Ok(Target::Prefix(low.into(), IpAddr::V6(mask.into())))
        }
        _ => unclear("translation of a prefix"),
    }
}

/// A value is a range from itself to itself.
fn range_ends(value: &Value) -> Option<(&Value, &Value)> {
    match only_member(value) {
        Some(("range", range)) => match range.as_array()?.as_slice() {
            [low, high] => Some((low, high)),
            _ => None,
        },
        Some(_) => None,
        None => Some((value, value)),
    }
}

fn port_of(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok()
}
