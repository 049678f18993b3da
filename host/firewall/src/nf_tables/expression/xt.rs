//! The matches and targets of iptables, as expressions.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::xt::{Extension, match_op, target_ops};

// `enum nft_match_attributes`; those of a target are the same.
const NAME: u16 = 1;
const REVISION: u16 = 2;
const INFO: u16 = 3;

pub(super) fn matching(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    let op = match_op(&extension(context, fields)?);
    context.ops.push(op);
    Ok(())
}

pub(super) fn target(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    let ops = target_ops(&extension(context, fields)?);
    context.ops.extend(ops);
    Ok(())
}

fn extension<'a>(context: &Context<'_>, fields: &Fields<'a>) -> Result<Extension<'a>, Flaw> {
    let revision = u8::try_from(fields.u32(REVISION)?).map_err(|_| fields.unknown_value(REVISION))?;
    Ok(Extension { name: fields.text(NAME)?, revision, family: context.family, info: fields.bytes(INFO)? })
}
