//! Targets that say how the packet's connection is tracked (`xt_CT.h`; `net/netfilter/xt_CT.c`).

use super::super::Structure;
use crate::rule::{Effect, Note, Op};

/// `-j NOTRACK`, which has no structure.
pub(super) fn notrack() -> Vec<Op> {
    vec![Op::Effect(Effect::NoTrack)]
}

/// `struct xt_ct_target_info`.
pub(super) fn revision_0(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    const NOTRACK: u16 = 1;
    /// The rule was written with `-j NOTRACK`; it means nothing.
    const NOTRACK_ALIAS: u16 = 2;
    const ZONES: u16 = 0b1_1100;
    let (flags, zone) = (structure.u16()?, structure.u16()?);
    if flags & !(NOTRACK | NOTRACK_ALIAS | ZONES) != 0 {
        return None;
    }
    if flags & NOTRACK != 0 {
        return Some(notrack());
    }
    structure.skip(8)?;
    let helper = structure.text(HELPER)?;
    let mut ops = Vec::new();
    if zone != 0 || flags & ZONES != 0 {
        ops.push(write(format!("ct zone {zone}")));
    }
    if !helper.as_str().is_empty() {
        ops.push(write(format!("ct helper {}", helper.as_str())));
    }
    if ops.is_empty() {
        ops.push(Op::Note(Note::Other("-j CT".into())));
    }
    Some(ops)
}

const HELPER: usize = 16;

/// `struct xt_ct_target_info_v1`, which differs behind what is read.
pub(super) fn revision_1(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    revision_0(structure)
}

fn write(name: String) -> Op {
    Op::Effect(Effect::Write { payload: None, name: name.into() })
}
