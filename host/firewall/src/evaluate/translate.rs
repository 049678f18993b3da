//! Address translation of the destination.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{IpVersion, number};
use crate::rule::{Direction, End, Operand, Target, Translation};
use crate::ruleset::Hook;

use super::flow::Flow;
use super::journal::Fate;
use super::machine::{Device, Machine};
use super::packet::{Endpoint, Place, State};
use super::registers::Registers;
use super::symbol::values;

/// The most addresses of a range that are followed one by one.
const MAX_TARGETS: u128 = 16;

/// The packets as a rule translates them: several flows where it chooses among several addresses.
///
/// Translations of the source happen when the packet has found its way, and do not change it. On its way to a socket of
/// this machine one decides where the answer is routed to at first, which is not followed.
pub(super) fn translate(
    translation: &Translation,
    flow: &Flow,
    registers: &Registers,
    machine: &Machine<'_>,
    place: &Place<'_>,
) -> Result<Vec<Flow>, Fate> {
    if flow.state.direction == Direction::Reply {
        // Of a packet that was not tracked: the answer begins a connection of its own.
        return Err(unknown("a translation of the answer"));
    }
    if end_at(translation, place.hook) == End::Source {
        return match place.hook {
            Hook::Input => Err(unknown("a translation of the source on input")),
            _ => Ok(vec![flow.clone().with_state(State {
                sender_hidden: true,
                source_mapped: true,
                ..(*flow.state).clone()
            })]),
        };
    }
    let state = &flow.state;
    let port = match &translation.ports {
        None => state.endpoint.port,
        Some((low, high)) => chosen_port(port(low, registers)?..=port(high, registers)?, state.endpoint.port)?,
    };
    let addresses = addresses(&translation.target, state, registers, machine, place)?;
    let translated = |address| {
        let state = State { endpoint: Endpoint { address, port }, mapped: true, ..(**state).clone() };
        flow.clone().with_state(state)
    };
    Ok(addresses.into_iter().map(translated).collect())
}

/// Which end is translated. A prefix of iptables is of that end which the hook can translate (`netmap_tg4`,
/// `net/netfilter/xt_NETMAP.c`), and no other tool translates the other one there.
pub(super) fn end_at(translation: &Translation, hook: Hook) -> End {
    match (&translation.target, hook) {
        (Target::Prefix(..), Hook::Prerouting | Hook::Output) => End::Destination,
        (Target::Prefix(..), _) => End::Source,
        _ => translation.end,
    }
}

fn unknown(what: impl Into<Untrusted>) -> Fate {
    Fate::Unknown(what.into())
}

/// A range keeps the port where it holds it; which other one is taken depends on what is in use
/// (`nf_nat_l4proto_unique_tuple`, `net/netfilter/nf_nat_core.c`).
fn chosen_port(range: RangeInclusive<u16>, port: u16) -> Result<u16, Fate> {
    if range.start() == range.end() || range.contains(&port) && *range.start() != 0 {
        return Ok(if range.start() == range.end() { *range.start() } else { port });
    }
    Err(unknown(format!("which of the ports {} to {} it is translated to", range.start(), range.end())))
}

fn addresses(
    target: &Target,
    state: &State,
    registers: &Registers,
    machine: &Machine<'_>,
    place: &Place<'_>,
) -> Result<Vec<IpAddr>, Fate> {
    let version = state.version;
    match target {
        Target::Addresses(None) => Ok(vec![state.endpoint.address]),
        Target::Addresses(Some((low, high))) => {
            range(number(address(low, version, registers)?)..=number(address(high, version, registers)?), version)
        }
        Target::Redirect => redirected(state, machine, place).map(|address| vec![address]),
        Target::Masquerade => Err(unknown("a masquerade of the destination")),
        Target::Prefix(to, mask) => {
            let (to, mask) = (number(*to), number(*mask));
            Ok(vec![version.address((to & mask) | (number(state.endpoint.address) & !mask))])
        }
        Target::Unknown(what) => Err(unknown(what.clone())),
    }
}

fn range(numbers: RangeInclusive<u128>, version: IpVersion) -> Result<Vec<IpAddr>, Fate> {
    if numbers.end().saturating_sub(*numbers.start()) >= MAX_TARGETS || numbers.is_empty() {
        return Err(unknown("which of many addresses it is translated to"));
    }
    Ok(numbers.map(|number| version.address(number)).collect())
}

/// The first address of the interface that the packet came in by, and loopback for packets of this machine
/// (`nf_nat_redirect_ipv4` and `nf_nat_redirect_ipv6`, `net/netfilter/nf_nat_redirect.c`). Without an address the
/// packet is dropped.
fn redirected(state: &State, machine: &Machine<'_>, place: &Place<'_>) -> Result<IpAddr, Fate> {
    if place.hook == Hook::Output {
        return Ok(match state.version {
            IpVersion::V4 => Ipv4Addr::LOCALHOST.into(),
            IpVersion::V6 => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let device = place.input.and_then(|input| machine.device(input.index));
    let first = device.and_then(|device| first_address(device, state));
    first.ok_or(Fate::Blocked(BlockReason::Dropped))
}

/// For IPv6, one of the scope that the packet was sent to: link-local for link-local.
fn first_address(device: &Device, state: &State) -> Option<IpAddr> {
    let link_local = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let wanted = link_local(&state.endpoint.address);
    let mut own = device.addresses.iter().filter(|address| IpVersion::of(**address) == state.version);
    own.find(|address| !wanted || link_local(address)).copied()
}

fn port(operand: &Operand, registers: &Registers) -> Result<u16, Fate> {
    match operand {
        Operand::Port(port) => Ok(*port),
        Operand::Register(register) => {
            let bytes = registers.read(*register, 2).and_then(values);
            let bytes = bytes.as_deref().and_then(<[u8]>::first_chunk).copied();
            bytes.map(u16::from_be_bytes).ok_or_else(|| unknown("the port it is translated to"))
        }
        Operand::Address(_) => Err(unknown("an address where a port belongs")),
    }
}

fn address(operand: &Operand, version: IpVersion, registers: &Registers) -> Result<IpAddr, Fate> {
    let found = match operand {
        Operand::Address(address) => Some(*address),
        Operand::Port(_) => None,
        Operand::Register(register) => {
            let bytes = registers.read(*register, version.address_length()).and_then(values);
            bytes.map(|bytes| version.address(bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))))
        }
    };
    let found = found.filter(|address| IpVersion::of(*address) == version);
    found.ok_or_else(|| unknown("the address it is translated to"))
}
