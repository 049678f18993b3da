//! Address translation (`nf_nat.h`, `xt_TPROXY.h`; `net/netfilter/xt_nat.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::Structure;
use super::mark;
use crate::rule::{End, Op, Operand, Target, Translation, Verdict};

// Flags of `NF_NAT_RANGE_*`.
const ADDRESSES: u32 = 1 << 0;
const PORTS: u32 = 1 << 1;
/// Ports are shifted: the first of the range stands for the base.
const SHIFTED: u32 = 1 << 5;
/// How a port or an address is chosen from the range: at random, or the same for the same peer.
const CHOICE: u32 = 1 << 2 | 1 << 3 | 1 << 4;

/// What a packet is translated to.
struct Range {
    flags: u32,
    addresses: (IpAddr, IpAddr),
    ports: (u16, u16),
    /// Of what port the first of the range stands for.
    base: Option<u16>,
}

/// `struct nf_nat_ipv4_multi_range_compat`.
fn compatible(structure: &mut Structure<'_>) -> Option<Range> {
    if structure.u32()? != 1 {
        return None;
    }
    let flags = structure.u32()?;
    let addresses = (structure.ipv4()?, structure.ipv4()?);
    Some(Range { flags, addresses, ports: (structure.be16()?, structure.be16()?), base: None })
}

/// `struct nf_nat_range`.
fn range(structure: &mut Structure<'_>) -> Option<Range> {
    let flags = structure.u32()?;
    let addresses = (structure.address()?, structure.address()?);
    Some(Range { flags, addresses, ports: (structure.be16()?, structure.be16()?), base: None })
}

/// `struct nf_nat_range2`, which has one field more.
fn range_with_base(structure: &mut Structure<'_>) -> Option<Range> {
    let range = range(structure)?;
    Some(Range { base: Some(structure.be16()?), ..range })
}

impl Range {
    /// Ports that are shifted and prefixes that are replaced are not understood, nor are ranges turned round.
    fn is_plain(&self) -> bool {
        self.flags & !(ADDRESSES | PORTS | CHOICE) == 0
            && (self.flags & ADDRESSES == 0 || self.addresses.0 <= self.addresses.1)
            && (self.flags & PORTS == 0 || self.ports.0 <= self.ports.1)
    }

    fn addresses(&self) -> Target {
        let (lowest, highest) = self.addresses;
        let addresses = (Operand::Address(lowest), Operand::Address(highest));
        Target::Addresses((self.flags & ADDRESSES != 0).then_some(addresses))
    }

    fn to(&self, end: End, target: Target) -> Vec<Op> {
        let (lowest, highest) = self.ports;
        let ports = (self.flags & PORTS != 0).then_some((Operand::Port(lowest), Operand::Port(highest)));
        let translation = if self.is_plain() {
            Translation { end, target, ports }
        } else {
            Translation { end, target: Target::Unknown(self.words(end, &target).into()), ports: None }
        };
        vec![Op::Verdict(Verdict::Translate(translation))]
    }
}

impl Range {
    /// As `iptables-save(8)` has it, and the flags that it does not know.
    fn words(&self, end: End, target: &Target) -> String {
        let option = match (target, end) {
            (Target::Redirect, _) => "REDIRECT --to-ports ",
            (Target::Masquerade, _) => "MASQUERADE --to-ports ",
            (_, End::Destination) => "DNAT --to-destination ",
            (_, End::Source) => "SNAT --to-source ",
        };
        let (address, port) = (self.addresses_in_words(), self.ports_in_words());
        let to = match (address.contains(':'), address.is_empty() || port.is_empty()) {
            (true, false) => format!("[{address}]:{port}"),
            (false, false) => format!("{address}:{port}"),
            _ if address.is_empty() && option.contains("--to-ports") => port,
            _ if address.is_empty() => format!(":{port}"),
            _ => address,
        };
        let known = ADDRESSES | PORTS | CHOICE | SHIFTED;
        let more = if self.flags & !known == 0 { String::new() } else { format!(" (flags {:#x})", self.flags) };
        format!("{option}{to}{more}")
    }

    fn addresses_in_words(&self) -> String {
        match self.addresses {
            _ if self.flags & ADDRESSES == 0 => String::new(),
            (low, high) if low == high => low.to_string(),
            (low, high) => format!("{low}-{high}"),
        }
    }

    fn ports_in_words(&self) -> String {
        let ports = match self.ports {
            _ if self.flags & PORTS == 0 => return String::new(),
            (low, high) if low == high => low.to_string(),
            (low, high) => format!("{low}-{high}"),
        };
        match self.base {
            Some(base) if self.flags & SHIFTED != 0 => format!("{ports}/{base}"),
            _ => ports,
        }
    }
}

fn to_addresses(range: &Range, end: End) -> Vec<Op> {
    range.to(end, range.addresses())
}

pub(super) fn destination_0(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&compatible(structure)?, End::Destination))
}

pub(super) fn destination_1(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&range(structure)?, End::Destination))
}

pub(super) fn destination_2(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&range_with_base(structure)?, End::Destination))
}

pub(super) fn source_0(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&compatible(structure)?, End::Source))
}

pub(super) fn source_1(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&range(structure)?, End::Source))
}

pub(super) fn source_2(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(to_addresses(&range_with_base(structure)?, End::Source))
}

pub(super) fn redirect_ipv4(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(compatible(structure)?.to(End::Destination, Target::Redirect))
}

pub(super) fn redirect_ipv6(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(range(structure)?.to(End::Destination, Target::Redirect))
}

pub(super) fn masquerade_ipv4(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(compatible(structure)?.to(End::Source, Target::Masquerade))
}

pub(super) fn masquerade_ipv6(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    Some(range(structure)?.to(End::Source, Target::Masquerade))
}

/// The bits in which the lowest and the highest address agree are replaced (`netmap_tg4`, `net/netfilter/xt_NETMAP.c`).
pub(super) fn prefix_ipv4(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    prefix(&compatible(structure)?)
}

pub(super) fn prefix_ipv6(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    prefix(&range(structure)?)
}

fn prefix(range: &Range) -> Option<Vec<Op>> {
    if range.flags & !CHOICE != ADDRESSES {
        return None;
    }
    let target = match range.addresses {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            let mask = !(low.to_bits() ^ high.to_bits());
            Target::Prefix(Ipv4Addr::from_bits(low.to_bits() & mask).into(), Ipv4Addr::from_bits(mask).into())
        }
        (IpAddr::V6(low), IpAddr::V6(high)) => {
            let mask = !(low.to_bits() ^ high.to_bits());
            Target::Prefix(Ipv6Addr::from_bits(low.to_bits() & mask).into(), Ipv6Addr::from_bits(mask).into())
        }
        _ => return None,
    };
    // Of which end it is, the hook tells.
    let translation = Translation { end: End::Destination, target, ports: None };
    Some(vec![Op::Verdict(Verdict::Translate(translation))])
}

/// `struct xt_tproxy_target_info`.
pub(super) fn transparent_proxy_0(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let (mask, value) = (structure.u32()?, structure.u32()?);
    let address = structure.ipv4()?;
    Some(transparent_proxy(mark::set(value, mask), address, structure.be16()?))
}

/// `struct xt_tproxy_target_info_v1`.
pub(super) fn transparent_proxy_1(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let (mask, value) = (structure.u32()?, structure.u32()?);
    let address = structure.address()?;
    Some(transparent_proxy(mark::set(value, mask), address, structure.be16()?))
}

/// The packet is marked and accepted with a transparent socket, and dropped without (`tproxy_tg4`,
/// `net/netfilter/xt_TPROXY.c`).
fn transparent_proxy(mark: Op, address: IpAddr, port: u16) -> Vec<Op> {
    let proxy = Verdict::TransparentProxy {
        address: (!address.is_unspecified()).then_some(Operand::Address(address)),
        port: (port != 0).then_some(Operand::Port(port)),
    };
    vec![mark, Op::Verdict(proxy), Op::Verdict(Verdict::Accept)]
}
