//! Limits, quotas, counts of connections, and what only counts or logs.

use loopgate_facts::Untrusted;

use super::{Context, parts, unknown, unknown_match};
use crate::nf_tables::fields::{Fields, Flaw};
use crate::nf_tables::object::{
    NFT_OBJECT_CONNLIMIT, NFT_OBJECT_COUNTER, NFT_OBJECT_CT_EXPECT, NFT_OBJECT_CT_HELPER, NFT_OBJECT_CT_TIMEOUT,
    NFT_OBJECT_LIMIT, NFT_OBJECT_QUOTA, NFT_OBJECT_SECMARK, NFT_OBJECT_SYNPROXY,
};
use crate::rule::{Effect, Note, Op, Rate};

type Read = fn(&Fields<'_>) -> Result<Op, Flaw>;

/// The objects that are rates too: type, highest attribute, and what reads them.
const RATES: &[(u32, u16, Read)] =
    &[(NFT_OBJECT_QUOTA, 4, quota_op), (NFT_OBJECT_LIMIT, 6, limit_op), (NFT_OBJECT_CONNLIMIT, 2, connlimit_op)];

pub(super) fn is_rate(kind: u32) -> bool {
    RATES.iter().any(|(known, ..)| *known == kind)
}

/// What a rule does that uses an object.
pub(in crate::nf_tables) fn of_object(kind: u32, name: &[u8], data: &[u8]) -> Op {
    let name = Untrusted::from_bytes(name);
    let named = |what: &str| format!("{what} {}", name.as_str()).into();
    if let Some((_, highest, read)) = RATES.iter().find(|(known, ..)| *known == kind) {
        let read = Fields::strict(data, *highest).and_then(|fields| read(&fields));
        return read.unwrap_or_else(|flaw| unknown_match(&format!("object \"{}\": {flaw}", name.as_str())));
    }
    let written = match kind {
        NFT_OBJECT_COUNTER => return Op::Note(Note::Other(named("counter name"))),
        NFT_OBJECT_CT_HELPER => "ct helper",
        NFT_OBJECT_CT_TIMEOUT => "ct timeout",
        NFT_OBJECT_CT_EXPECT => "ct expectation",
        NFT_OBJECT_SECMARK => "meta secmark",
        NFT_OBJECT_SYNPROXY => return unknown(&format!("synproxy name \"{}\"", name.as_str())),
        _ => return unknown(&format!("object \"{}\" of type {kind}", name.as_str())),
    };
    Op::Effect(Effect::Write { payload: None, name: named(written) })
}

/// An expression on an element: what can keep it from matching, `None` for what only counts.
pub(in crate::nf_tables) fn of_element(expression: &[u8]) -> Result<Option<Rate>, Flaw> {
    let (name, data) = parts(expression)?;
    let op = match name {
        b"counter" | b"last" => return Ok(None),
        b"limit" => limit_op(&Fields::strict(data, 6)?)?,
        b"quota" => quota_op(&Fields::strict(data, 4)?)?,
        b"connlimit" => connlimit_op(&Fields::strict(data, 2)?)?,
        _ => return Err(Flaw::Unknown),
    };
    if let Op::Rate(rate) = op { Ok(Some(rate)) } else { Err(Flaw::Unknown) }
}

/// Larger than any packet that a first one of a connection is.
const LARGEST: u64 = 65_536;

/// Smaller than any packet: an IPv4 header.
const SMALLEST: u64 = 20;

fn rate(text: String, usually: bool) -> Op {
    Op::Rate(Rate { text: text.into(), usually })
}

pub(super) fn limit(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    context.ops.push(limit_op(fields)?);
    Ok(())
}

/// `enum nft_limit_attributes`; `net/netfilter/nft_limit.c`. A full bucket of bytes holds those of one unit of time and
/// the burst: a packet that is larger never fits.
fn limit_op(fields: &Fields<'_>) -> Result<Op, Flaw> {
    const NFTA_LIMIT_RATE: u16 = 1;
    const NFTA_LIMIT_UNIT: u16 = 2;
    const NFTA_LIMIT_BURST: u16 = 3;
    const NFTA_LIMIT_TYPE: u16 = 4;
    const NFTA_LIMIT_FLAGS: u16 = 5;
    const NFT_LIMIT_F_INV: u32 = 1;
    let inverted = fields.flags(NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV)? != 0;
    let (amount, burst) = (fields.u64(NFTA_LIMIT_RATE)?, fields.u32_or_0(NFTA_LIMIT_BURST)?);
    let (what, burst_of) = match fields.u32_or_0(NFTA_LIMIT_TYPE)? {
        0 => ("", "packets"),
        1 => (" bytes", "bytes"),
        _ => return Err(fields.unknown_value(NFTA_LIMIT_TYPE)),
    };
    let over = if inverted { "over " } else { "" };
    let text =
        format!("limit rate {over}{amount}{what}/{} burst {burst} {burst_of}", unit(fields.u64(NFTA_LIMIT_UNIT)?));
    let is_tight = !what.is_empty() && amount.saturating_add(burst.into()) < LARGEST;
    Ok(if is_tight || amount == 0 { unknown_match(&text) } else { rate(text, !inverted) })
}

fn unit(seconds: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1, "second"), (60, "minute"), (3600, "hour"), (86_400, "day"), (604_800, "week")];
    let known = UNITS.iter().find(|(length, _)| *length == seconds);
    known.map_or_else(|| format!("{seconds} seconds"), |(_, name)| (*name).to_owned())
}

pub(super) fn quota(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    context.ops.push(quota_op(fields)?);
    Ok(())
}

/// `enum nft_quota_attributes`; `net/netfilter/nft_quota.c`: matches until the quota is used up, with the flag from
/// then on. Where the next packet could be the one that uses it up, nothing can be said.
fn quota_op(fields: &Fields<'_>) -> Result<Op, Flaw> {
    const NFTA_QUOTA_BYTES: u16 = 1;
    const NFTA_QUOTA_FLAGS: u16 = 2;
    const NFTA_QUOTA_CONSUMED: u16 = 4;
    const NFT_QUOTA_F_INV: u32 = 1;
    const NFT_QUOTA_F_DEPLETED: u32 = 2;
    let flags = fields.flags(NFTA_QUOTA_FLAGS, NFT_QUOTA_F_INV | NFT_QUOTA_F_DEPLETED)?;
    let bytes = fields.u64(NFTA_QUOTA_BYTES)?;
    let consumed = if fields.has(NFTA_QUOTA_CONSUMED) { fields.u64(NFTA_QUOTA_CONSUMED)? } else { 0 };
    let over = flags & NFT_QUOTA_F_INV != 0;
    let text = format!("quota {} {bytes} bytes used {consumed} bytes", if over { "over" } else { "until" });
    Ok(if consumed.saturating_add(SMALLEST) > bytes {
        rate(text, over)
    } else if consumed.saturating_add(LARGEST) < bytes {
        rate(text, !over)
    } else {
        unknown_match(&text)
    })
}

pub(super) fn connlimit(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    context.ops.push(connlimit_op(fields)?);
    Ok(())
}

/// `enum nft_connlimit_attributes`; `net/netfilter/nft_connlimit.c`: matches up to this many connections, with the flag
/// beyond. The packet that is asked about is of the first.
fn connlimit_op(fields: &Fields<'_>) -> Result<Op, Flaw> {
    const NFTA_CONNLIMIT_COUNT: u16 = 1;
    const NFTA_CONNLIMIT_FLAGS: u16 = 2;
    const NFT_CONNLIMIT_F_INV: u32 = 1;
    let over = fields.flags(NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV)? != 0;
    let count = fields.u32(NFTA_CONNLIMIT_COUNT)?;
    let text = format!("ct count {}{count}", if over { "over " } else { "" });
    Ok(rate(text, (count == 0) == over))
}

/// `enum nft_counter_attributes`.
pub(super) fn counter(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_COUNTER_BYTES: u16 = 1;
    const NFTA_COUNTER_PACKETS: u16 = 2;
    let (packets, bytes) = (fields.u64(NFTA_COUNTER_PACKETS)?, fields.u64(NFTA_COUNTER_BYTES)?);
    context.ops.push(Op::Note(Note::Counter { packets, bytes }));
    Ok(())
}

/// `enum nft_log_attributes`.
pub(super) fn log(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_LOG_PREFIX: u16 = 2;
    if !fields.has(NFTA_LOG_PREFIX) {
        context.note("log");
        return Ok(());
    }
    let prefix = fields.text(NFTA_LOG_PREFIX)?;
    context.note(Untrusted::from_bytes(&[b"log prefix \"", prefix, b"\""].concat()));
    Ok(())
}

/// `last` remembers when it was last reached.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the table of expressions")]
pub(super) fn last(context: &mut Context<'_>, _: &Fields<'_>) -> Result<(), Flaw> {
    context.note("last");
    Ok(())
}
