//! ICMP messages and packet types (`ip_tables.h`, `ip6_tables.h`, `xt_pkttype.h`).

use super::super::Structure;
use super::{all, single, test};
use crate::rule::{InterfaceEnd, Op, Predicate};

/// `struct ipt_icmp`; type 255 stands for any (`icmp_type_code_match`, `net/ipv4/netfilter/ip_tables.c`).
pub(super) fn icmp(structure: &mut Structure<'_>) -> Option<Op> {
    const ANY: u8 = 255;
    let Icmp { kind, codes, inverted } = Icmp::read(structure)?;
    let (kinds, codes) = if kind == ANY { (0..=ANY, 0..=ANY) } else { (kind..=kind, codes) };
    Some(single(Predicate::Icmp { protocol: 1, kinds, codes }, inverted))
}

/// `struct ip6t_icmp`.
pub(super) fn icmpv6(structure: &mut Structure<'_>) -> Option<Op> {
    let Icmp { kind, codes, inverted } = Icmp::read(structure)?;
    Some(single(Predicate::Icmp { protocol: 58, kinds: kind..=kind, codes }, inverted))
}

struct Icmp {
    kind: u8,
    codes: std::ops::RangeInclusive<u8>,
    inverted: bool,
}

impl Icmp {
    fn read(structure: &mut Structure<'_>) -> Option<Self> {
        let (kind, codes) = (structure.u8()?, structure.u8()?..=structure.u8()?);
        Some(Self { kind, codes, inverted: structure.flag()? })
    }
}

/// `struct xt_pkttype_info`.
pub(super) fn packet_type(structure: &mut Structure<'_>) -> Option<Op> {
    let kind = structure.u32()?;
    Some(single(Predicate::PacketType(kind), structure.flag32()?))
}

/// `struct xt_devgroup_info` (`xt_devgroup.h`): each end with its own inversion.
pub(super) fn device_group(structure: &mut Structure<'_>) -> Option<Op> {
    const ALL: u32 = 0b1111;
    let flags = structure.u32()?;
    let mut group = || Some((structure.u32()?, structure.u32()?));
    let groups = [(InterfaceEnd::Input, 1, group()?), (InterfaceEnd::Output, 4, group()?)];
    let asked = groups.into_iter().filter(|(_, flag, _)| flags & flag != 0);
    let tests = asked
        .map(|(end, flag, (group, mask))| test(Predicate::InterfaceGroup { end, group, mask }, flags & flag << 1 != 0));
    (flags & !ALL == 0).then(|| all(tests.collect()))
}

/// `struct ip6t_rt`, `struct ip6t_opts` and `struct ip6t_frag`: whatever they ask of a header, inverted or not, none of
/// them holds where it is not there (`rt_mt6`, `net/ipv6/netfilter/ip6t_rt.c`; `hbh_mt6` and `frag_mt6` beside it).
pub(crate) fn extension_header(text: &str) -> Op {
    let (present, fields) = (Predicate::HeaderPresent(text.into()), Predicate::Unknown(text.into()));
    all(vec![test(present, false), test(fields, false)])
}
