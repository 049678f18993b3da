//! Rules of unknown effect, which stand for what is not a rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::{Prefix, Untrusted};
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::IpVersion;
use loopgate_firewall::rule::{End, Op, Predicate, Test, Unknown};
use loopgate_firewall::ruleset::{
    Backend, Base, Chain, ChainKind, Family, Hook, Notation, Policy, Rule, Table, TableId,
};

/// Which packets something concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Concerned {
    pub(super) source: Option<Prefix>,
    pub(super) destination: Option<Prefix>,
    pub(super) protocol: Option<u8>,
    /// Destination port.
    pub(super) port: Option<u16>,
    pub(super) mark: Option<u32>,
}

impl Concerned {
    fn rule(&self, what: &Untrusted) -> Rule {
        let unknown = Op::Unknown(Unknown { construct: what.clone(), only_matches: false });
        let ops = vec![Op::Match { inverted: false, all: self.tests() }, unknown];
        Rule { ops, text: Some(what.clone()), ..Rule::default() }
    }

    fn tests(&self) -> Vec<Test> {
        let ends = [(End::Source, self.source), (End::Destination, self.destination)];
        let addresses = ends.into_iter().filter_map(|(end, prefix)| Some(within(end, prefix?)));
        let ports = |port| Predicate::Ports { ends: vec![End::Destination], ranges: vec![port..=port] };
        let others = [
            self.protocol.map(Predicate::Protocol),
            self.port.map(ports),
            self.mark.map(|value| Predicate::Mark { value, mask: u32::MAX }),
        ];
        addresses.chain(others.into_iter().flatten()).map(|predicate| Test { inverted: false, predicate }).collect()
    }
}

fn within(end: End, prefix: Prefix) -> Predicate {
    let ones = |bits: u32| u128::MAX.checked_shl(bits.saturating_sub(u32::from(prefix.length()))).unwrap_or(0);
    let mask = match prefix.address() {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(ones(32) & u128::from(u32::MAX)).unwrap_or(0)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(ones(128)).into(),
    };
    Predicate::AddressMask { end, address: prefix.address(), mask }
}

/// The family of tables that sees packets of one version.
pub(super) fn family(version: IpVersion) -> Family {
    match version {
        IpVersion::V4 => Family::Ip,
        IpVersion::V6 => Family::Ip6,
    }
}

/// A chain of rules of unknown effect.
pub(super) fn chain(
    family: Family,
    (hook, priority): (Hook, i32),
    rules: impl IntoIterator<Item = (Concerned, Untrusted)>,
) -> Ruleset {
    let rules: Vec<_> = rules.into_iter().map(|(concerned, what)| concerned.rule(&what)).collect();
    if rules.is_empty() {
        return Ruleset::default();
    }
    let name = Untrusted::from("beside netfilter");
    let table = Table { backend: Backend::Beside, family, name: name.clone(), dormant: false, notation: Notation::Nft };
    let (kind, policy, devices, registered) = (ChainKind::Filter, Policy::Accept, Vec::new(), 0);
    let base = Some(Base { hook, priority, kind, policy, devices, registered });
    let chain = Chain { table: TableId(0), name, base, rules };
    Ruleset { tables: vec![table], chains: vec![chain], ..Ruleset::default() }
}
