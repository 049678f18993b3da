//! Matches that ask an `ipset(8)` (`xt_set.h`, `ipset/ip_set.h`).

use super::super::Structure;
use super::obscure;
use crate::rule::{End, Op};

/// A set, as a match names it (`struct xt_set_info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetReference {
    /// The number that the kernel has given to the set.
    pub index: u16,
    /// What the parts of the key are made of: the source or the destination of the packet.
    pub parts: Vec<End>,
    /// The match is inverted.
    pub inverted: bool,
    /// Elements marked `nomatch` count as found (`--return-nomatch`).
    pub return_nomatch: bool,
}

/// `struct xt_set_info`.
pub(super) fn reference(structure: &mut Structure<'_>) -> Option<SetReference> {
    const INVERTED: u8 = 1;
    const RETURN_NOMATCH: u8 = 1 << 7;
    /// The flags have room for no more (`enum ip_set_kopt`).
    const MOST_PARTS: u8 = 6;
    let (index, parts, flags) = (structure.u16()?, structure.u8()?, structure.u8()?);
    if !(1..=MOST_PARTS).contains(&parts) {
        return None;
    }
    let part = |number: u8| if flags & 1 << number == 0 { End::Destination } else { End::Source };
    Some(SetReference {
        index,
        parts: (1..=parts).map(part).collect(),
        inverted: flags & INVERTED != 0,
        return_nomatch: flags & RETURN_NOMATCH != 0,
    })
}

/// `struct xt_set_info_match_v1`.
pub(super) fn plain(structure: &mut Structure<'_>) -> Option<Op> {
    reference(structure).map(|set| op(&set, ""))
}

/// `struct xt_set_info_match_v3`: the operator of a counter comes first.
pub(super) fn with_counters_3(structure: &mut Structure<'_>) -> Option<Op> {
    with_counters(structure, 0)
}

/// `struct xt_set_info_match_v4`: the value of a counter comes first.
pub(super) fn with_counters_4(structure: &mut Structure<'_>) -> Option<Op> {
    with_counters(structure, 8)
}

fn with_counters(structure: &mut Structure<'_>, operator_at: usize) -> Option<Op> {
    const COUNTER: usize = 16;
    let set = reference(structure)?;
    structure.skip(4)?;
    let counters = structure.bytes(2 * COUNTER)?;
    let is_asked = |counter: &[u8]| counter.get(operator_at).is_some_and(|&operator| operator != 0);
    Some(op(&set, if counters.chunks(COUNTER).any(is_asked) { " with counters" } else { "" }))
}

fn op(set: &SetReference, more: &str) -> Op {
    let part = |end: &End| match end {
        End::Source => "src",
        End::Destination => "dst",
    };
    let parts: Vec<_> = set.parts.iter().map(part).collect();
    obscure(format!("-m set --match-set (number {}) {}{more}", set.index, parts.join(",")), set.inverted)
}
