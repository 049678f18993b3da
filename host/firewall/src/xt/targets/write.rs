//! Targets that change something of the packet that no address, port or mark is (`xt_DSCP.h`, `ipt_TTL.h`,
//! `ip6t_HL.h`).

use super::super::Structure;
use crate::rule::{Effect, Op, PayloadBase};
use crate::ruleset::Family;

pub(super) fn other(name: &str) -> Vec<Op> {
    write(None, name)
}

fn write(payload: Option<(PayloadBase, u32, u32)>, name: &str) -> Vec<Op> {
    vec![Op::Effect(Effect::Write { payload, name: name.into() })]
}

/// `struct xt_DSCP_info` and `struct xt_tos_target_info`: the second byte of IPv4, the first two of IPv6.
pub(super) fn traffic_class(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    match structure.family() {
        Family::Ip => Some(write(Some((PayloadBase::Network, 1, 1)), "ip dscp")),
        Family::Ip6 => Some(write(Some((PayloadBase::Network, 0, 2)), "ip6 dscp")),
        _ => None,
    }
}

/// `struct ipt_TTL_info`.
pub(super) fn ttl() -> Vec<Op> {
    write(Some((PayloadBase::Network, 8, 1)), "ip ttl")
}

/// `struct ip6t_HL_info`.
pub(super) fn hop_limit() -> Vec<Op> {
    write(Some((PayloadBase::Network, 7, 1)), "ip6 hoplimit")
}
