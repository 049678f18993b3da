//! Fields of the IP header that are no address (`xt_length.h`, `ipt_ttl.h`, `ip6t_hl.h`, `xt_dscp.h`).

use super::super::Structure;
use super::single;
use crate::rule::{Comparison, Op, Predicate};

/// `struct xt_length_info`. A range that is turned round holds no length.
pub(super) fn length(structure: &mut Structure<'_>) -> Option<Op> {
    let range = structure.u16()?..=structure.u16()?;
    Some(single(Predicate::Length(range), structure.flag()?))
}

/// `struct ipt_ttl_info` and `struct ip6t_hl_info`, whose modes have the same numbers.
pub(super) fn time_to_live(structure: &mut Structure<'_>) -> Option<Op> {
    let (mode, value) = (structure.u8()?, structure.u8()?);
    let (how, inverted) = match mode {
        0 => (Comparison::Equal, false),
        1 => (Comparison::Equal, true),
        2 => (Comparison::Less, false),
        3 => (Comparison::Greater, false),
        _ => return None,
    };
    Some(single(Predicate::TimeToLive { how, value }, inverted))
}

/// `struct xt_dscp_info`.
pub(super) fn differentiated_services(structure: &mut Structure<'_>) -> Option<Op> {
    let value = structure.u8()?;
    Some(single(Predicate::DifferentiatedServices(value), structure.flag()?))
}

/// `struct xt_tos_match_info`.
pub(super) fn type_of_service(structure: &mut Structure<'_>) -> Option<Op> {
    let (mask, value) = (structure.u8()?, structure.u8()?);
    Some(single(Predicate::TypeOfService { value, mask }, structure.flag()?))
}
