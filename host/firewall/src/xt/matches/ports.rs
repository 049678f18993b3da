//! Ports and what else the transport's header says (`xt_tcpudp.h`, `xt_sctp.h`, `xt_dccp.h`, `xt_multiport.h`).
//!
//! That the packet is of the protocol is a test of its own, which the kernel requires of the rule. None of these match
//! a fragment behind the first, not even inverted; conntrack puts fragments together before.

use std::ops::RangeInclusive;

use super::super::Structure;
use super::{all, single, test};
use crate::rule::{End, Op, Predicate, Test};

/// `struct xt_tcp`; `tcp_mt`, `net/netfilter/xt_tcpudp.c`.
pub(super) fn tcp(structure: &mut Structure<'_>) -> Option<Op> {
    let (source, destination) = (structure.ports()?, structure.ports()?);
    let (option, mask, set) = (structure.u8()?, structure.u8()?, structure.u8()?);
    let inverted = bits(structure.u8()?, 0b1111)?;
    let mut tests = ports(source, destination, inverted);
    if mask != 0 || set != 0 || inverted & 4 != 0 {
        tests.push(test(Predicate::TcpFlags { mask, set }, inverted & 4 != 0));
    }
    if option != 0 {
        tests.push(test(Predicate::TcpOption(option), inverted & 8 != 0));
    }
    Some(all(tests))
}

/// `struct xt_udp`; `udp_mt` there.
pub(super) fn udp(structure: &mut Structure<'_>) -> Option<Op> {
    let (source, destination) = (structure.ports()?, structure.ports()?);
    Some(all(ports(source, destination, bits(structure.u8()?, 0b11)?)))
}

/// `struct xt_sctp_info`; `sctp_mt`, `net/netfilter/xt_sctp.c`.
pub(super) fn sctp(structure: &mut Structure<'_>) -> Option<Op> {
    const CHUNKS: u16 = 4;
    let (destination, source) = (structure.ports()?, structure.ports()?);
    structure.skip(CHUNK_MAP + 4 + FLAG_INFO + 4)?;
    let (flags, inverted) = (structure.u32()?, structure.u32()?);
    let (flags, inverted) = (few(flags, 0b111)?, few(inverted, 0b111)?);
    let mut tests = asked_ports(source, destination, flags, inverted);
    if flags & CHUNKS != 0 {
        tests.push(test(Predicate::Unknown("-m sctp --chunk-types".into()), inverted & CHUNKS != 0));
    }
    Some(all(tests))
}

const CHUNK_MAP: usize = 256;
const FLAG_INFO: usize = 12;

/// `struct xt_dccp_info`; `dccp_mt`, `net/netfilter/xt_dccp.c`.
pub(super) fn dccp(structure: &mut Structure<'_>) -> Option<Op> {
    const TYPE: u16 = 4;
    const OPTION: u16 = 8;
    let (destination, source) = (structure.ports()?, structure.ports()?);
    let (flags, inverted) = (few(structure.u16()?.into(), 0b1111)?, few(structure.u16()?.into(), 0b1111)?);
    let mut tests = asked_ports(source, destination, flags, inverted);
    for (flag, text) in [(TYPE, "-m dccp --dccp-types"), (OPTION, "-m dccp --dccp-option")] {
        if flags & flag != 0 {
            tests.push(test(Predicate::Unknown(text.into()), inverted & flag != 0));
        }
    }
    Some(all(tests))
}

/// The ports that flags say are asked for, both for SCTP and DCCP.
fn asked_ports(source: RangeInclusive<u16>, destination: RangeInclusive<u16>, flags: u16, inverted: u16) -> Vec<Test> {
    let ends = [(End::Source, source, 1), (End::Destination, destination, 2)];
    let asked = ends.into_iter().filter(|(.., flag)| flags & flag != 0);
    asked.map(|(end, range, flag)| test(of(vec![end], vec![range]), inverted & flag != 0)).collect()
}

fn ports(source: RangeInclusive<u16>, destination: RangeInclusive<u16>, inverted: u8) -> Vec<Test> {
    let ends = [(End::Source, source, 1), (End::Destination, destination, 2)];
    let asked = ends.into_iter().filter(|(_, range, flag)| *range != (0..=u16::MAX) || inverted & flag != 0);
    asked.map(|(end, range, flag)| test(of(vec![end], vec![range]), inverted & flag != 0)).collect()
}

/// A range that is turned round holds no port.
fn of(ends: Vec<End>, mut ranges: Vec<RangeInclusive<u16>>) -> Predicate {
    ranges.retain(|range| range.start() <= range.end());
    Predicate::Ports { ends, ranges }
}

/// `struct xt_multiport_v1`; `ports_match_v1`, `net/netfilter/xt_multiport.c`.
pub(super) fn multiport(structure: &mut Structure<'_>) -> Option<Op> {
    let (ends, count) = (structure.u8()?, usize::from(structure.u8()?));
    let ends = match ends {
        0 => vec![End::Source],
        1 => vec![End::Destination],
        2 => vec![End::Source, End::Destination],
        _ => return None,
    };
    let mut ports = [0; MOST_PORTS];
    for port in &mut ports {
        *port = structure.u16()?;
    }
    let begins_range = structure.array::<MOST_PORTS>()?.map(|flag| flag != 0);
    let ranges = ranges(ports.get(..count)?, &begins_range)?;
    Some(single(of(ends, ranges), structure.flag()?))
}

const MOST_PORTS: usize = 15;

/// A port whose flag is set and the next are the ends of a range.
fn ranges(ports: &[u16], begins_range: &[bool]) -> Option<Vec<RangeInclusive<u16>>> {
    let mut ranges = Vec::new();
    let mut ports = ports.iter().zip(begins_range);
    while let Some((&port, &begins_range)) = ports.next() {
        let last = if begins_range { *ports.next()?.0 } else { port };
        ranges.push(port..=last);
    }
    Some(ranges)
}

/// Flags of which only these are understood.
fn bits(flags: u8, understood: u8) -> Option<u8> {
    (flags & !understood == 0).then_some(flags)
}

fn few(flags: u32, understood: u32) -> Option<u16> {
    u16::try_from(flags).ok().filter(|_| flags & !understood == 0)
}
