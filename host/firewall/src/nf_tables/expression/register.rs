//! Constants, and what is done with registers.

use super::Context;
use super::verdict;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{Combination, Comparison, Op, Register};

/// `enum nft_immediate_attributes`.
pub(super) fn immediate(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_IMMEDIATE_DREG: u16 = 1;
    const NFTA_IMMEDIATE_DATA: u16 = 2;
    if fields.u32(NFTA_IMMEDIATE_DREG)? == verdict::NFT_REG_VERDICT {
        let verdict = verdict::nested(fields.bytes(NFTA_IMMEDIATE_DATA)?, context.names)?;
        context.ops.push(Op::Verdict(verdict));
        return Ok(());
    }
    let data = fields.data(NFTA_IMMEDIATE_DATA)?;
    let to = fields.register(NFTA_IMMEDIATE_DREG, size(data)?)?;
    context.ops.push(Op::Immediate { to, data: data.into() });
    Ok(())
}

fn size(data: &[u8]) -> Result<u32, Flaw> {
    u32::try_from(data.len()).map_err(|_| Flaw::Length)
}

/// `enum nft_cmp_attributes`.
pub(super) fn compare(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_CMP_SREG: u16 = 1;
    const NFTA_CMP_OP: u16 = 2;
    const NFTA_CMP_DATA: u16 = 3;
    let how = match fields.u32(NFTA_CMP_OP)? {
        0 => Comparison::Equal,
        1 => Comparison::NotEqual,
        2 => Comparison::Less,
        3 => Comparison::LessOrEqual,
        4 => Comparison::Greater,
        5 => Comparison::GreaterOrEqual,
        _ => return Err(fields.unknown_value(NFTA_CMP_OP)),
    };
    let value = fields.data(NFTA_CMP_DATA)?;
    let register = fields.register(NFTA_CMP_SREG, size(value)?)?;
    context.ops.push(Op::Compare { register, how, value: value.into() });
    Ok(())
}

/// `enum nft_range_attributes`.
pub(super) fn range(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_RANGE_SREG: u16 = 1;
    const NFTA_RANGE_OP: u16 = 2;
    const NFTA_RANGE_FROM_DATA: u16 = 3;
    const NFTA_RANGE_TO_DATA: u16 = 4;
    let inverted = match fields.u32(NFTA_RANGE_OP)? {
        0 => false,
        1 => true,
        _ => return Err(fields.unknown_value(NFTA_RANGE_OP)),
    };
    let (from, to) = (fields.data(NFTA_RANGE_FROM_DATA)?, fields.data(NFTA_RANGE_TO_DATA)?);
    if from.len() != to.len() {
        return Err(Flaw::Length);
    }
    let register = fields.register(NFTA_RANGE_SREG, size(from)?)?;
    context.ops.push(Op::Range { register, inverted, from: from.into(), to: to.into() });
    Ok(())
}

// `enum nft_bitwise_attributes`.
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_BITWISE_OP: u16 = 6;
const NFTA_BITWISE_DATA: u16 = 7;
const NFTA_BITWISE_SREG2: u16 = 8;

/// `net/netfilter/nft_bitwise.c`.
pub(super) fn bitwise(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    let length = fields.u32(NFTA_BITWISE_LEN)?;
    let from = fields.register(NFTA_BITWISE_SREG, length)?;
    let to = fields.register(NFTA_BITWISE_DREG, length)?;
    let op = match fields.u32_or_0(NFTA_BITWISE_OP)? {
        0 => {
            let mask = operand(fields, NFTA_BITWISE_MASK, length)?.into();
            Op::Mask { from, to, mask, xor: operand(fields, NFTA_BITWISE_XOR, length)?.into() }
        }
        1 => shift(fields, from, to, length, true)?,
        2 => shift(fields, from, to, length, false)?,
        3 => combine(fields, from, to, length, Combination::And)?,
        4 => combine(fields, from, to, length, Combination::Or)?,
        5 => combine(fields, from, to, length, Combination::Xor)?,
        _ => return Err(fields.unknown_value(NFTA_BITWISE_OP)),
    };
    context.ops.push(op);
    Ok(())
}

fn operand<'a>(fields: &Fields<'a>, kind: u16, length: u32) -> Result<&'a [u8], Flaw> {
    let data = fields.data(kind)?;
    if size(data)? == length { Ok(data) } else { Err(Flaw::Length) }
}

/// The number of bits is in the order of the machine.
fn shift(fields: &Fields<'_>, from: Register, to: Register, length: u32, left: bool) -> Result<Op, Flaw> {
    let bits = fields.data(NFTA_BITWISE_DATA)?.try_into().map_err(|_| Flaw::Length)?;
    match u32::from_ne_bytes(bits) {
        by @ 0..=31 => Ok(Op::Shift { from, to, length, left, by }),
        by => Err(Flaw::Value { kind: NFTA_BITWISE_DATA, value: by.into() }),
    }
}

/// The other operand is a register or a constant; a constant makes it a mask and bits to flip.
fn combine(fields: &Fields<'_>, from: Register, to: Register, length: u32, how: Combination) -> Result<Op, Flaw> {
    if let Some(other) = fields.optional_register(NFTA_BITWISE_SREG2, length)? {
        return Ok(Op::Combine { from, other, to, length, how });
    }
    let constant = operand(fields, NFTA_BITWISE_DATA, length)?;
    let filled = |byte: u8| vec![byte; constant.len()].into_boxed_slice();
    let (mask, xor): (Box<[u8]>, Box<[u8]>) = match how {
        Combination::And => (constant.into(), filled(0)),
        Combination::Or => (constant.iter().map(|byte| !byte).collect(), constant.into()),
        Combination::Xor => (filled(u8::MAX), constant.into()),
    };
    Ok(Op::Mask { from, to, mask, xor })
}

/// `enum nft_byteorder_attributes`; `net/netfilter/nft_byteorder.c`. Both directions are the same swap, or none on a
/// machine whose order is that of the network.
pub(super) fn byteorder(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_BYTEORDER_SREG: u16 = 1;
    const NFTA_BYTEORDER_DREG: u16 = 2;
    const NFTA_BYTEORDER_OP: u16 = 3;
    const NFTA_BYTEORDER_LEN: u16 = 4;
    const NFTA_BYTEORDER_SIZE: u16 = 5;
    let (length, size) = (fields.u32(NFTA_BYTEORDER_LEN)?, fields.u32(NFTA_BYTEORDER_SIZE)?);
    if ![2, 4, 8].contains(&size) || length % size != 0 {
        return Err(Flaw::Length);
    }
    if fields.u32(NFTA_BYTEORDER_OP)? > 1 {
        return Err(fields.unknown_value(NFTA_BYTEORDER_OP));
    }
    let from = fields.register(NFTA_BYTEORDER_SREG, length)?;
    let to = fields.register(NFTA_BYTEORDER_DREG, length)?;
    context.ops.push(if cfg!(target_endian = "little") {
        Op::SwapBytes { from, to, length, size }
    } else {
        let filled = |byte: u8| vec![byte; length as usize].into_boxed_slice();
        Op::Mask { from, to, mask: filled(u8::MAX), xor: filled(0) }
    });
    Ok(())
}
