//! `-j NFQUEUE` (`xt_NFQUEUE.h`).

use super::super::Structure;
use crate::rule::{Op, Verdict};

/// `struct xt_NFQ_info_v2` and `struct xt_NFQ_info_v3`: what is 0 or 1 in one is a bit in the other.
pub(super) fn with_bypass(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    structure.skip(4)?;
    Some(queue(structure.u16()? & 1 != 0))
}

/// Without a program, `bypass` accepts. `struct xt_NFQ_info` and `struct xt_NFQ_info_v1` do not have it.
pub(super) fn queue(bypass: bool) -> Vec<Op> {
    vec![Op::Verdict(Verdict::Queue { bypass })]
}
