//! Address translation and transparent proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{Comparison, End, Load, Meta, Op, Operand, Predicate, Register, Target, Test, Translation, Verdict};
use crate::ruleset::Family;

// `NFPROTO_*`.
const NFPROTO_UNSPEC: u32 = 0;
const NFPROTO_INET: u32 = 1;
pub(super) const NFPROTO_IPV4: u32 = 2;
pub(super) const NFPROTO_IPV6: u32 = 10;

// `NF_NAT_RANGE_*` (`include/uapi/linux/netfilter/nf_nat.h`). The others say how an address or port is chosen.
const NF_NAT_RANGE_PROTO_OFFSET: u32 = 1 << 5;
const NF_NAT_RANGE_NETMAP: u32 = 1 << 6;
const KNOWN_FLAGS: u32 = (1 << 7) - 1;

// `enum nft_nat_attributes`.
const NFTA_NAT_TYPE: u16 = 1;
const NFTA_NAT_FAMILY: u16 = 2;
const NFTA_NAT_REG_ADDR_MIN: u16 = 3;
const NFTA_NAT_REG_ADDR_MAX: u16 = 4;
const NFTA_NAT_REG_PROTO_MIN: u16 = 5;
const NFTA_NAT_REG_PROTO_MAX: u16 = 6;
const NFTA_NAT_FLAGS: u16 = 7;

/// `net/netfilter/nft_nat.c`.
pub(super) fn nat(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    let end = match fields.u32(NFTA_NAT_TYPE)? {
        0 => End::Source,
        1 => End::Destination,
        _ => return Err(fields.unknown_value(NFTA_NAT_TYPE)),
    };
    let family = fields.u32(NFTA_NAT_FAMILY)?;
    let addresses = addresses(fields, family)?;
    let target = match fields.flags(NFTA_NAT_FLAGS, KNOWN_FLAGS)? {
        flags if flags & NF_NAT_RANGE_PROTO_OFFSET != 0 => Target::Unknown("ports with an offset".into()),
        flags if flags & NF_NAT_RANGE_NETMAP != 0 => prefix(context, addresses, family)?,
        _ => Target::Addresses(addresses.map(|(low, high)| (Operand::Register(low), Operand::Register(high)))),
    };
    let ports = ports(fields, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX)?;
    guard(context, family, NFTA_NAT_FAMILY)?;
    context.ops.push(Op::Verdict(Verdict::Translate(Translation { end, target, ports })));
    Ok(())
}

fn addresses(fields: &Fields<'_>, family: u32) -> Result<Option<(Register, Register)>, Flaw> {
    if !fields.has(NFTA_NAT_REG_ADDR_MIN) {
        return Ok(None);
    }
    let length = address_length(family).ok_or_else(|| fields.unknown_value(NFTA_NAT_FAMILY))?;
    let low = fields.register(NFTA_NAT_REG_ADDR_MIN, length)?;
    Ok(Some((low, fields.optional_register(NFTA_NAT_REG_ADDR_MAX, length)?.unwrap_or(low))))
}

fn address_length(family: u32) -> Option<u32> {
    match family {
        NFPROTO_IPV4 => Some(4),
        NFPROTO_IPV6 => Some(16),
        _ => None,
    }
}

/// The lowest and the highest port of a range; one register stands for both.
fn ports(fields: &Fields<'_>, low: u16, high: u16) -> Result<Option<(Operand, Operand)>, Flaw> {
    const LENGTH: u32 = 2;
    let Some(low) = fields.optional_register(low, LENGTH)? else { return Ok(None) };
    let high = fields.optional_register(high, LENGTH)?.unwrap_or(low);
    Ok(Some((Operand::Register(low), Operand::Register(high))))
}

/// Of a prefix, the registers hold the first address and the last (`nft_nat_setup_netmap`): bits in which these agree
/// are replaced.
fn prefix(context: &Context<'_>, addresses: Option<(Register, Register)>, family: u32) -> Result<Target, Flaw> {
    let Some((low, high)) = addresses else { return Err(Flaw::Length) };
    let length = address_length(family).ok_or(Flaw::Length)?;
    let Some((low, high)) = constant(context, low, length).zip(constant(context, high, length)) else {
        return Ok(Target::Unknown("a prefix from a map".into()));
    };
    let mask: Vec<_> = low.iter().zip(high).map(|(low, high)| !(low ^ high)).collect();
    Ok(Target::Prefix(address(low)?, address(&mask)?))
}

fn address(bytes: &[u8]) -> Result<IpAddr, Flaw> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    ipv4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).map_err(|_| Flaw::Length)
}

/// The constant that a register holds, where only constants were loaded since.
fn constant<'a>(context: &'a Context<'_>, register: Register, length: u32) -> Option<&'a [u8]> {
    let loaded = context.ops.iter().rev().map_while(|op| match op {
        Op::Immediate { to, data } => Some((*to, data)),
        _ => None,
    });
    let mut overlapping = loaded.filter(|(to, data)| {
        let end = |from: Register, length: u32| u32::from(from.0) + length.div_ceil(4);
        let data_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        u32::from(to.0) < end(register, length) && u32::from(register.0) < end(*to, data_length)
    });
    let (to, data) = overlapping.next()?;
    (to == register && data.len() == length as usize).then_some(data)
}

/// In a table of both families the kernel passes over a translation of the other (`nft_nat_inet_eval`). `nft` compares
/// the family before; where nothing did, a test is put in, after which the rule ends instead of going on.
fn guard(context: &mut Context<'_>, family: u32, kind: u16) -> Result<(), Flaw> {
    let own = match context.family {
        Family::Ip => NFPROTO_IPV4,
        Family::Ip6 => NFPROTO_IPV6,
        Family::Inet => NFPROTO_INET,
        _ => return Err(Flaw::Value { kind, value: family.into() }),
    };
    let any = match family {
        _ if family == own => return Ok(()),
        NFPROTO_IPV4 if own == NFPROTO_INET => IpAddr::from(Ipv4Addr::UNSPECIFIED)..=Ipv4Addr::BROADCAST.into(),
        NFPROTO_IPV6 if own == NFPROTO_INET => IpAddr::from(Ipv6Addr::UNSPECIFIED)..=Ipv6Addr::from(u128::MAX).into(),
        _ => return Err(Flaw::Value { kind, value: family.into() }),
    };
    if !compares_family(&context.ops, family) {
        let predicate = Predicate::AddressRange { end: End::Source, range: any };
        context.ops.push(Op::Match { inverted: false, all: vec![Test { inverted: false, predicate }] });
    }
    Ok(())
}

/// Whether a rule has compared the family already.
pub(super) fn compares_family(ops: &[Op], family: u32) -> bool {
    ops.windows(2).any(|pair| match pair {
        [
            Op::Load { what: Load::Meta(Meta::NetworkFamily), to },
            Op::Compare { register, how: Comparison::Equal, value },
        ] => to == register && matches!(**value, [byte] if u32::from(byte) == family),
        _ => false,
    })
}

/// `enum nft_masq_attributes`.
pub(super) fn masquerade(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_MASQ_FLAGS: u16 = 1;
    const NFTA_MASQ_REG_PROTO_MIN: u16 = 2;
    const NFTA_MASQ_REG_PROTO_MAX: u16 = 3;
    fields.flags(NFTA_MASQ_FLAGS, KNOWN_FLAGS & !NF_NAT_RANGE_PROTO_OFFSET & !NF_NAT_RANGE_NETMAP)?;
    let ports = ports(fields, NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX)?;
    let translation = Translation { end: End::Source, target: Target::Masquerade, ports };
    context.ops.push(Op::Verdict(Verdict::Translate(translation)));
    Ok(())
}

/// `enum nft_redir_attributes`.
pub(super) fn redirect(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
    const NFTA_REDIR_REG_PROTO_MAX: u16 = 2;
    const NFTA_REDIR_FLAGS: u16 = 3;
    fields.flags(NFTA_REDIR_FLAGS, KNOWN_FLAGS & !NF_NAT_RANGE_PROTO_OFFSET & !NF_NAT_RANGE_NETMAP)?;
    let ports = ports(fields, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX)?;
    let translation = Translation { end: End::Destination, target: Target::Redirect, ports };
    context.ops.push(Op::Verdict(Verdict::Translate(translation)));
    Ok(())
}

/// `enum nft_tproxy_attributes`; `net/netfilter/nft_tproxy.c`.
pub(super) fn transparent_proxy(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_TPROXY_FAMILY: u16 = 1;
    const NFTA_TPROXY_REG_ADDR: u16 = 2;
    const NFTA_TPROXY_REG_PORT: u16 = 3;
    let family = fields.u32_or_0(NFTA_TPROXY_FAMILY)?;
    let address = if fields.has(NFTA_TPROXY_REG_ADDR) {
        let length = address_length(family).ok_or_else(|| fields.unknown_value(NFTA_TPROXY_FAMILY))?;
        Some(Operand::Register(fields.register(NFTA_TPROXY_REG_ADDR, length)?))
    } else {
        None
    };
    let port = fields.optional_register(NFTA_TPROXY_REG_PORT, 2)?.map(Operand::Register);
    if ![NFPROTO_UNSPEC, NFPROTO_INET].contains(&family) {
        guard(context, family, NFTA_TPROXY_FAMILY)?;
    }
    context.ops.push(Op::Verdict(Verdict::TransparentProxy { address, port }));
    Ok(())
}
