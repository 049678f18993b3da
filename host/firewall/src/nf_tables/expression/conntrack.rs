//! What is known about a connection.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw, rest_behind};
use crate::rule::{ConntrackKey, Direction, Effect, Load, Op};
use crate::ruleset::Family;

/// The keys by number (`enum nft_ct_keys`), with their names (`nft(8)`) and lengths in bytes (`nft_ct_get_init`,
/// `net/netfilter/nft_ct.c`); 0 for an address, whose length is that of its family.
const KEYS: &[(ConntrackKey, &str, u32)] = &[
    (ConntrackKey::State, "state", 4),
    (ConntrackKey::Direction, "direction", 1),
    (ConntrackKey::Status, "status", 4),
    (ConntrackKey::Mark, "mark", 4),
    (ConntrackKey::SecurityMark, "secmark", 4),
    (ConntrackKey::Expiration, "expiration", 4),
    (ConntrackKey::Helper, "helper", 16),
    (ConntrackKey::NetworkFamily, "l3proto", 1),
    (ConntrackKey::Source, "saddr", 0),
    (ConntrackKey::Destination, "daddr", 0),
    (ConntrackKey::TransportProtocol, "protocol", 1),
    (ConntrackKey::SourcePort, "proto-src", 2),
    (ConntrackKey::DestinationPort, "proto-dst", 2),
    (ConntrackKey::Labels, "label", 16),
    (ConntrackKey::Packets, "packets", 8),
    (ConntrackKey::Bytes, "bytes", 8),
    (ConntrackKey::AveragePacket, "avgpkt", 8),
    (ConntrackKey::Zone, "zone", 2),
    (ConntrackKey::EventMask, "event", 4),
    (ConntrackKey::SourceIpv4, "ip saddr", 4),
    (ConntrackKey::DestinationIpv4, "ip daddr", 4),
    (ConntrackKey::SourceIpv6, "ip6 saddr", 16),
    (ConntrackKey::DestinationIpv6, "ip6 daddr", 16),
    (ConntrackKey::Id, "id", 4),
];

/// `enum nft_ct_attributes`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_CT_DREG: u16 = 1;
    const NFTA_CT_KEY: u16 = 2;
    const NFTA_CT_SREG: u16 = 4;
    let number = fields.u32(NFTA_CT_KEY)?;
    let key = KEYS.get(number as usize).map(|(key, name, length)| (*key, *name, known_length(*length, context.family)));
    let direction = direction(fields)?;
    if let Some(from) = fields.optional_register(NFTA_CT_SREG, key.map_or(1, |key| key.2))? {
        match key {
            Some((ConntrackKey::Mark, ..)) => context.ops.push(Op::Effect(Effect::SetConntrackMarkFrom(from))),
            Some((_, name, _)) => context.write(None, format!("ct {name}")),
            None => return Err(Flaw::Value { kind: NFTA_CT_KEY, value: number.into() }),
        }
    } else if let Some((key, _, length)) = key {
        context.load(Load::Conntrack { key, direction }, fields.register(NFTA_CT_DREG, length)?);
    } else {
        let to = fields.register(NFTA_CT_DREG, 1)?;
        context.load_opaque(format!("ct key {number}"), rest_behind(to), to);
    }
    Ok(())
}

fn known_length(length: u32, family: Family) -> u32 {
    match (length, family) {
        (0, Family::Ip) => 4,
        (0, _) => 16,
        _ => length,
    }
}

fn direction(fields: &Fields<'_>) -> Result<Option<Direction>, Flaw> {
    const NFTA_CT_DIRECTION: u16 = 3;
    if !fields.has(NFTA_CT_DIRECTION) {
        return Ok(None);
    }
    match fields.u8(NFTA_CT_DIRECTION)? {
        0 => Ok(Some(Direction::Original)),
        1 => Ok(Some(Direction::Reply)),
        value => Err(Flaw::Value { kind: NFTA_CT_DIRECTION, value: value.into() }),
    }
}

/// `notrack` has no attributes.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the table of expressions")]
pub(super) fn notrack(context: &mut Context<'_>, _: &Fields<'_>) -> Result<(), Flaw> {
    context.ops.push(Op::Effect(Effect::NoTrack));
    Ok(())
}
