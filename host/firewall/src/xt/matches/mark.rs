//! Marks (`xt_mark.h`, `xt_connmark.h`): equal under a mask.

use super::super::Structure;
use super::conntrack::with_connection;
use super::{all, single, test};
use crate::rule::{Op, Predicate};

/// `struct xt_mark_mtinfo1`; `mark_mt`, `net/netfilter/xt_mark.c`.
pub(super) fn packet(structure: &mut Structure<'_>) -> Option<Op> {
    let (value, mask) = (structure.u32()?, structure.u32()?);
    Some(single(Predicate::Mark { value, mask }, structure.flag()?))
}

/// `struct xt_connmark_mtinfo1`; `connmark_mt`, `net/netfilter/xt_connmark.c`, says no for a packet without a
/// connection.
pub(super) fn connection(structure: &mut Structure<'_>) -> Option<Op> {
    let (value, mask) = (structure.u32()?, structure.u32()?);
    let equal = test(Predicate::ConntrackMark { value, mask }, structure.flag()?);
    Some(all(with_connection(vec![equal])))
}
