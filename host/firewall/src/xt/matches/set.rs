//! Matches that ask an `ipset(8)` (`xt_set.h`, `ipset/ip_set.h`, `net/netfilter/xt_set.c`).

use super::super::Structure;
use super::single;
use crate::ip_set::IpSetId;
use crate::rule::{End, IpSetQuestion, IpSetReference, Op, Predicate};
use crate::ruleset::Family;

/// `struct xt_set_info`, with the flags of `enum ip_set_kopt`.
pub(in crate::xt) fn reference(structure: &mut Structure<'_>) -> Option<(IpSetReference, u8)> {
    let (number, parts, flags) = (structure.u16()?, structure.u8()?, structure.u8()?);
    // A set has packets of its own family only, and these are of one or of the other.
    if !matches!(structure.family(), Family::Ip | Family::Ip6) {
        return None;
    }
    of_parts(number, parts, flags)
}

/// A set that is asked for nothing never has it, and the flags have room for six parts only.
fn of_parts(number: u16, parts: u8, flags: u8) -> Option<(IpSetReference, u8)> {
    const MOST_PARTS: u8 = 6;
    if !(1..=MOST_PARTS).contains(&parts) {
        return None;
    }
    let end = |part: u8| if flags & 1 << part == 0 { End::Destination } else { End::Source };
    Some((IpSetReference { id: IpSetId::Number(number), ends: (1..=parts).map(end).collect() }, flags))
}

const INVERTED: u8 = 1;

/// `struct xt_set_info_match_v0`, in which the kernel has written what the other revisions have behind the first words
/// of its flags (`compat_flags`).
pub(super) fn revision_0(structure: &mut Structure<'_>) -> Option<Op> {
    const WORDS: usize = 6 * 4;
    let number = structure.u16()?;
    structure.skip(2 + WORDS)?;
    let (parts, flags) = (structure.u8()?, structure.u8()?);
    let (set, flags) = of_parts(number, parts, flags)?;
    Some(op(set, flags, false, false))
}

/// `struct xt_set_info_match_v1`.
pub(super) fn plain(structure: &mut Structure<'_>) -> Option<Op> {
    const RETURN_NOMATCH: u8 = 1 << 7;
    let (set, flags) = reference(structure)?;
    Some(op(set, flags, flags & RETURN_NOMATCH != 0, false))
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
    let (set, inverted) = reference(structure)?;
    structure.skip(4)?;
    let counters = structure.bytes(2 * COUNTER)?;
    let is_asked = |counter: &[u8]| counter.get(operator_at).is_some_and(|&operator| operator != 0);
    let counters = counters.chunks(COUNTER).any(is_asked);
    let (return_nomatch, more) = flags(structure.u32()?)?;
    Some(op(set, inverted, return_nomatch, counters || more))
}

/// `enum ipset_cmd_flags`: whether exceptions are asked for, and whether counters are. What else there is decides what
/// is counted only.
fn flags(flags: u32) -> Option<(bool, bool)> {
    const SKIPPED_COUNTERS: u32 = 1 << 3 | 1 << 4;
    const MATCH_COUNTERS: u32 = 1 << 5;
    const RETURN_NOMATCH: u32 = 1 << 7;
    let known = flags & !(SKIPPED_COUNTERS | MATCH_COUNTERS | RETURN_NOMATCH) == 0;
    known.then_some((flags & RETURN_NOMATCH != 0, flags & MATCH_COUNTERS != 0))
}

fn op(set: IpSetReference, flags: u8, return_nomatch: bool, counters: bool) -> Op {
    single(Predicate::InIpSet(IpSetQuestion { set, return_nomatch, counters }), flags & INVERTED != 0)
}
