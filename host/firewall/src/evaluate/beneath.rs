//! What decides about packets of a device before it has them.
//!
//! Packets by a bridge have come in by one of its ports first, those by a VLAN by its parent. The chains of that device
//! see them there, as does what handles packets beside netfilter. Which port it was is not known, so what these do is
//! not followed: where there are any, packets by the upper device are unknown.
//!
//! What comes in by a port of a VRF comes in by the port at prerouting, and by the VRF there again and at every later
//! hook (`vrf_ip_rcv`, `drivers/net/vrf.c`). That is not followed either.

use std::collections::{BTreeMap, BTreeSet};

use loopgate_facts::Untrusted;

use super::machine::{Device, Machine};
use crate::Ruleset;
use crate::ruleset::{Base, Chain, Hook, Policy};

/// Why nothing is known about packets that come in by a device, by its index.
#[derive(Debug)]
pub(super) struct Beneath(BTreeMap<u32, Untrusted>);

impl Beneath {
    pub(super) fn of(machine: &Machine<'_>) -> Self {
        let devices = machine.devices.iter();
        Self(devices.filter_map(|device| Some((device.index, obstacle(machine, device)?))).collect())
    }

    pub(super) fn obstacle(&self, device: &Device) -> Option<&Untrusted> {
        self.0.get(&device.index)
    }
}

fn obstacle(machine: &Machine<'_>, device: &Device) -> Option<Untrusted> {
    let in_vrf = || {
        let is_seen = device.in_vrf && machine.ruleset.chains.iter().any(decides);
        is_seen.then(|| "rules see what comes in by a port of a VRF as coming in by the VRF".into())
    };
    let below = || lower(machine, device).into_iter().find_map(|lower| at(machine, lower));
    device.bypasses.first().cloned().or_else(in_vrf).or_else(below)
}

/// Whether a chain is entered by the kernel and does anything.
fn decides(chain: &Chain) -> bool {
    chain.base.as_ref().is_some_and(|base| base.policy == Policy::Drop || !chain.rules.is_empty())
}

/// All devices below one, however far.
fn lower<'m>(machine: &Machine<'m>, device: &Device) -> Vec<&'m Device> {
    let mut seen = BTreeSet::from([device.index]);
    let mut found = Vec::new();
    let mut next = device.lower.clone();
    while let Some(index) = next.pop() {
        if let Some(device) = machine.device(index).filter(|_| seen.insert(index)) {
            next.extend(&device.lower);
            found.push(device);
        }
    }
    found.sort_by_key(|device| device.index);
    found
}

fn at(machine: &Machine<'_>, lower: &Device) -> Option<Untrusted> {
    let name = String::from_utf8_lossy(&lower.name);
    let bypass = lower.bypasses.first().map(|bypass| format!("{} (at {name}, below)", bypass.as_str()));
    let by_chain = || chain(machine.ruleset, &lower.name).map(|chain| format!("{} at {name}, below", chain.as_str()));
    bypass.or_else(by_chain).map(Untrusted::from)
}

/// A chain that may decide about packets at a device.
fn chain(ruleset: &Ruleset, device: &[u8]) -> Option<Untrusted> {
    let sees = |chain: &&Chain| {
        let is_active = ruleset.table(chain.table).is_some_and(|table| !table.dormant);
        is_active && decides(chain) && chain.base.as_ref().is_some_and(|base| is_at(base, device))
    };
    let found = ruleset.chains.iter().find(sees)?;
    Some(format!("the chain {} decides about packets", found.name.as_str()).into())
}

fn is_at(base: &Base, device: &[u8]) -> bool {
    matches!(base.hook, Hook::Ingress | Hook::Egress) && base.devices.iter().any(|wanted| wanted.means(device))
}
