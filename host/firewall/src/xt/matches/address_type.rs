//! The type of an address in the routing table (`xt_addrtype.h`; `net/netfilter/xt_addrtype.c`).

use std::net::{IpAddr, Ipv6Addr};

use super::super::Structure;
use super::{all, test};
use crate::rule::{End, Op, Predicate, Test};
use crate::ruleset::Family;

// `XT_ADDRTYPE_*`.
const UNSPECIFIED: u16 = 1 << 0;
const UNICAST: u16 = 1 << 1;
const LOCAL: u16 = 1 << 2;
const MULTICAST: u16 = 1 << 5;

/// One end of the packet, as it is asked about.
#[derive(Clone, Copy)]
struct Question {
    end: End,
    types: u16,
    inverted: bool,
    input_interface: bool,
    output_interface: bool,
}

/// `struct xt_addrtype_info`.
pub(super) fn revision_0(structure: &mut Structure<'_>) -> Option<Op> {
    let (source, destination) = (structure.u16()?, structure.u16()?);
    let inverted = [structure.flag32()?, structure.flag32()?];
    Some(op(structure.family(), [source, destination], inverted, [false; 2]))
}

/// `struct xt_addrtype_info_v1`.
pub(super) fn revision_1(structure: &mut Structure<'_>) -> Option<Op> {
    let types = [structure.u16()?, structure.u16()?];
    let flags = structure.u32()?;
    let family = structure.family();
    if flags > 0b1111 || !matches!(family, Family::Ip | Family::Ip6) {
        return None;
    }
    let [source, destination, input, output] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
    // The kernel looks for the interface of arrival first, and then does not look for the other.
    Some(op(family, types, [source, destination], [input, output && !input]))
}

/// What is asked of the source and of the destination: types as bits, 0 for none; whether it is inverted; and whether
/// only routes over the interface of arrival or of departure count.
pub(crate) fn op(family: Family, types: [u16; 2], inverted: [bool; 2], [input, output]: [bool; 2]) -> Op {
    let ends = [End::Source, End::Destination].into_iter().zip(types).zip(inverted);
    let questions = ends.filter(|((_, types), _)| *types != 0).map(|((end, types), inverted)| Question {
        end,
        types,
        inverted,
        input_interface: input,
        output_interface: output,
    });
    let questions: Vec<_> = questions.collect();
    match questions.as_slice() {
        [question] if family == Family::Ip6 && question.inverted && ipv6(*question).len() > 1 => {
            Op::Match { inverted: true, all: ipv6(*question) }
        }
        questions if family == Family::Ip6 => all(questions.iter().copied().flat_map(ipv6_part).collect()),
        questions => all(questions.iter().copied().map(Question::test).collect()),
    }
}

impl Question {
    fn test(self) -> Test {
        let Self { end, types, inverted, input_interface, output_interface } = self;
        test(Predicate::AddressType { end, types, input_interface, output_interface }, inverted)
    }

    fn unknown(self, inverted: bool) -> Test {
        let text = format!("-m addrtype with the types {:#x}", self.types);
        test(Predicate::Unknown(text.into()), inverted)
    }

    fn prefix(self, address: Ipv6Addr, length: u32, inverted: bool) -> Test {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or_default();
        let (address, mask) = (IpAddr::V6(address), IpAddr::V6(mask.into()));
        test(Predicate::AddressMask { end: self.end, address, mask }, inverted)
    }
}

/// One of several questions, which cannot be inverted as a whole if it takes several tests.
fn ipv6_part(question: Question) -> Vec<Test> {
    let tests = ipv6(question);
    match (tests.as_slice(), question.inverted) {
        (_, false) => tests,
        ([only], true) => vec![test(only.predicate.clone(), !only.inverted)],
        (_, true) => vec![question.unknown(true)],
    }
}

/// What a question comes to before it is inverted. For IPv6 several types must all hold, and most are a matter of the
/// address alone (`addrtype_match_v6` there; `__ipv6_addr_type`, `net/ipv6/addrconf_core.c`).
fn ipv6(question: Question) -> Vec<Test> {
    const MULTICASTS: Ipv6Addr = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);
    const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);
    if question.types & !(UNSPECIFIED | UNICAST | LOCAL | MULTICAST) != 0 {
        return vec![question.unknown(false)];
    }
    let mut tests = Vec::new();
    if question.types & MULTICAST != 0 {
        tests.push(question.prefix(MULTICASTS, 8, false));
    }
    if question.types & UNICAST != 0 {
        let others = [(MULTICASTS, 8), (Ipv6Addr::UNSPECIFIED, 128), (MAPPED, 96)];
        tests.extend(others.map(|(address, length)| question.prefix(address, length, true)));
    }
    if question.types & UNSPECIFIED != 0 {
        tests.push(question.prefix(Ipv6Addr::UNSPECIFIED, 128, false));
    }
    if question.types & LOCAL != 0 {
        tests.push(Question { types: LOCAL, inverted: false, ..question }.test());
    }
    tests
}
