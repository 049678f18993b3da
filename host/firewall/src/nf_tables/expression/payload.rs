//! Bytes of the packet.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{Load, PayloadBase};

/// `enum nft_payload_attributes`; `net/netfilter/nft_payload.c`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_PAYLOAD_DREG: u16 = 1;
    const NFTA_PAYLOAD_BASE: u16 = 2;
    const NFTA_PAYLOAD_OFFSET: u16 = 3;
    const NFTA_PAYLOAD_LEN: u16 = 4;
    const NFTA_PAYLOAD_SREG: u16 = 5;
    let (offset, length) = (fields.u32(NFTA_PAYLOAD_OFFSET)?, fields.u32(NFTA_PAYLOAD_LEN)?);
    offset.checked_add(length).ok_or(Flaw::Length)?;
    let (short, base) = match fields.u32(NFTA_PAYLOAD_BASE)? {
        0 => ("ll", PayloadBase::Link),
        1 => ("nh", PayloadBase::Network),
        2 => ("th", PayloadBase::Transport),
        3 => ("ih", PayloadBase::Inner),
        _ => return Err(fields.unknown_value(NFTA_PAYLOAD_BASE)),
    };
    if fields.optional_register(NFTA_PAYLOAD_SREG, length)?.is_some() {
        let bits = |bytes: u32| u64::from(bytes) * 8;
        context.write(Some((base, offset, length)), format!("@{short},{},{}", bits(offset), bits(length)));
    } else {
        let to = fields.register(NFTA_PAYLOAD_DREG, length)?;
        context.load(Load::Payload { base, offset, length }, to);
    }
    Ok(())
}
