//! Targets that set marks (`xt_mark.h`, `xt_connmark.h`).

use super::super::Structure;
use crate::rule::{Effect, Op};

/// `struct xt_mark_tginfo2`; `mark_tg`, `net/netfilter/xt_mark.c`.
pub(super) fn packet(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let (value, mask) = (structure.u32()?, structure.u32()?);
    Some(vec![set(value, mask)])
}

/// `mark = (mark & ~mask) ^ value`.
pub(super) fn set(value: u32, mask: u32) -> Op {
    Op::Effect(Effect::SetMark { keep: !mask, xor: value })
}

/// `struct xt_connmark_tginfo1`.
pub(super) fn connection_1(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let masks = Masks::read(structure)?;
    masks.effect(structure.u8()?)
}

/// `struct xt_connmark_tginfo2`. A mark that is shifted on the way is not understood.
pub(super) fn connection_2(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let masks = Masks::read(structure)?;
    let _direction = structure.u8()?;
    let bits = structure.u8()?;
    let mode = structure.u8()?;
    (bits == 0).then(|| masks.effect(mode))?
}

struct Masks {
    value: u32,
    connection: u32,
    packet: u32,
}

impl Masks {
    fn read(structure: &mut Structure<'_>) -> Option<Self> {
        Some(Self { value: structure.u32()?, connection: structure.u32()?, packet: structure.u32()? })
    }

    /// `connmark_tg_shift`, `net/netfilter/xt_connmark.c`.
    fn effect(&self, mode: u8) -> Option<Vec<Op>> {
        let effect = match mode {
            0 => Effect::SetConntrackMark { keep: !self.connection, xor: self.value },
            1 => Effect::SaveMark { keep: !self.connection, mask: self.packet },
            2 => Effect::RestoreMark { keep: !self.packet, mask: self.connection },
            _ => return None,
        };
        Some(vec![Op::Effect(effect)])
    }
}
