//! `-j REJECT` (`ipt_REJECT.h`, `ip6t_REJECT.h`).

use super::super::Structure;
use crate::rule::{Op, Verdict};

/// `enum ipt_reject_with`, as `--reject-with` has it; the kernel takes no other (`reject_tg_check`,
/// `net/ipv4/netfilter/ipt_REJECT.c`).
const IPV4: [(u32, &str); 8] = [
    (0, "icmp-net-unreachable"),
    (1, "icmp-host-unreachable"),
    (2, "icmp-proto-unreachable"),
    (3, "icmp-port-unreachable"),
    (5, "icmp-net-prohibited"),
    (6, "icmp-host-prohibited"),
    (7, "tcp-reset"),
    (8, "icmp-admin-prohibited"),
];

/// `enum ip6t_reject_with`.
const IPV6: [(u32, &str); 8] = [
    (0, "icmp6-no-route"),
    (1, "icmp6-adm-prohibited"),
    (2, "icmp6-beyond-scope"),
    (3, "icmp6-addr-unreachable"),
    (4, "icmp6-port-unreachable"),
    (6, "tcp-reset"),
    (7, "icmp6-policy-fail"),
    (8, "icmp6-reject-route"),
];

/// `struct ipt_reject_info`.
pub(super) fn ipv4(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    reject(structure, &IPV4)
}

/// `struct ip6t_reject_info`.
pub(super) fn ipv6(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    reject(structure, &IPV6)
}

fn reject(structure: &mut Structure<'_>, words: &[(u32, &str)]) -> Option<Vec<Op>> {
    let with = structure.u32()?;
    let (_, word) = words.iter().find(|(number, _)| *number == with)?;
    Some(vec![Op::Verdict(Verdict::Reject((*word).into()))])
}
