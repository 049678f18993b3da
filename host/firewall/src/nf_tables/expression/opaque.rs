//! Values that depend on what is not modelled, and numbers that go round.

use super::{Context, lower_named, meta, parts};
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{Load, Op};

/// A value whose key has a name and a length.
type Key = (&'static str, u32);

/// Loads the value that a key stands for.
fn keyed(context: &mut Context<'_>, fields: &Fields<'_>, key: u16, to: u16, keys: &[Key]) -> Result<(), Flaw> {
    let number = fields.u32(key)?;
    let (name, length) = keys.get(number as usize).ok_or(Flaw::Value { kind: key, value: number.into() })?;
    let to = fields.register(to, *length)?;
    context.load_opaque(*name, *length, to);
    Ok(())
}

/// `enum nft_ng_attributes`.
pub(super) fn numgen(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_NG_DREG: u16 = 1;
    const NFTA_NG_MODULUS: u16 = 2;
    const NFTA_NG_OFFSET: u16 = 4;
    number(context, fields, NFTA_NG_DREG, NFTA_NG_MODULUS, NFTA_NG_OFFSET)
}

/// `enum nft_hash_attributes`.
pub(super) fn hash(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_HASH_DREG: u16 = 2;
    const NFTA_HASH_MODULUS: u16 = 4;
    const NFTA_HASH_OFFSET: u16 = 6;
    number(context, fields, NFTA_HASH_DREG, NFTA_HASH_MODULUS, NFTA_HASH_OFFSET)
}

/// A number from `offset` to `offset + modulus - 1`, or any where there is no modulus.
fn number(context: &mut Context<'_>, fields: &Fields<'_>, to: u16, modulus: u16, offset: u16) -> Result<(), Flaw> {
    const LENGTH: u32 = 4;
    let to = fields.register(to, LENGTH)?;
    let (modulus, offset) = (fields.u32_or_0(modulus)?, fields.u32_or_0(offset)?);
    if modulus == 0 {
        context.load_opaque("hash", LENGTH, to);
        return Ok(());
    }
    offset.checked_add(modulus - 1).ok_or(Flaw::Length)?;
    context.load(Load::Number { modulus, offset }, to);
    Ok(())
}

/// `enum nft_socket_attributes`, `nft_socket_keys`.
pub(super) fn socket(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_SOCKET_KEY: u16 = 1;
    const NFTA_SOCKET_DREG: u16 = 2;
    const KEYS: &[Key] =
        &[("socket transparent", 1), ("socket mark", 4), ("socket wildcard", 1), ("socket cgroupv2", 8)];
    keyed(context, fields, NFTA_SOCKET_KEY, NFTA_SOCKET_DREG, KEYS)
}

/// `enum nft_rt_attributes`, `nft_rt_keys`.
pub(super) fn route(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_RT_DREG: u16 = 1;
    const NFTA_RT_KEY: u16 = 2;
    const KEYS: &[Key] =
        &[("rt classid", 4), ("rt ip nexthop", 4), ("rt ip6 nexthop", 16), ("rt mtu", 2), ("rt ipsec", 1)];
    keyed(context, fields, NFTA_RT_KEY, NFTA_RT_DREG, KEYS)
}

/// `enum nft_osf_attributes`; `NFT_OSF_MAXGENRELEN`.
pub(super) fn osf(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_OSF_DREG: u16 = 1;
    const LENGTH: u32 = 16;
    let to = fields.register(NFTA_OSF_DREG, LENGTH)?;
    context.load_opaque("osf name", LENGTH, to);
    Ok(())
}

/// `enum nft_xfrm_attributes`, `nft_xfrm_keys`, of which 0 is none.
pub(super) fn xfrm(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_XFRM_DREG: u16 = 1;
    const NFTA_XFRM_KEY: u16 = 2;
    const KEYS: &[Key] = &[
        ("ipsec", 0),
        ("ipsec ip daddr", 4),
        ("ipsec ip6 daddr", 16),
        ("ipsec ip saddr", 4),
        ("ipsec ip6 saddr", 16),
        ("ipsec reqid", 4),
        ("ipsec spi", 4),
    ];
    keyed(context, fields, NFTA_XFRM_KEY, NFTA_XFRM_DREG, KEYS)
}

/// `enum nft_tunnel_attributes`, `nft_tunnel_keys`.
pub(super) fn tunnel(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_TUNNEL_KEY: u16 = 1;
    const NFTA_TUNNEL_DREG: u16 = 2;
    const KEYS: &[Key] = &[("tunnel path", 1), ("tunnel id", 4)];
    keyed(context, fields, NFTA_TUNNEL_KEY, NFTA_TUNNEL_DREG, KEYS)
}

/// A load from the packet inside a tunnel's (`enum nft_inner_attributes`, `net/netfilter/nft_inner.c`): the kernel
/// allows `payload` and `meta` there.
pub(super) fn inner(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_INNER_EXPR: u16 = 5;
    let (name, data) = parts(fields.bytes(NFTA_INNER_EXPR)?)?;
    if ![&b"payload"[..], b"meta"].contains(&name) {
        return Err(Flaw::Unknown);
    }
    lower_named(context, name, data)?;
    let Some(Op::Load { what, to }) = context.ops.pop() else { return Err(Flaw::Unknown) };
    let length = match what {
        Load::Payload { length, .. } | Load::Opaque { length, .. } => length,
        Load::Meta(key) => meta::length(key).ok_or(Flaw::Unknown)?,
        _ => return Err(Flaw::Unknown),
    };
    context.load_opaque("header of a tunnelled packet", length, to);
    Ok(())
}
