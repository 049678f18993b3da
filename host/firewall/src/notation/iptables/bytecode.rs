//! Recognises the tests that `iptables-nft` writes as bytecode.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::rule::{Comparison, End, InterfaceEnd, Load, Meta, Op, PayloadBase, Predicate, Register, Test};
use crate::ruleset::Family;

/// A load with what is asked of it.
struct Question<'o> {
    what: &'o Load,
    /// Bits that count; `None` for all.
    mask: Option<&'o [u8]>,
    inverted: bool,
    answer: Answer<'o>,
}

enum Answer<'o> {
    Value(&'o [u8]),
    Range(&'o [u8], &'o [u8]),
    From(&'o [u8]),
    UpTo(&'o [u8]),
    Above(&'o [u8]),
}

/// The test at the beginning of some operations, and what follows it.
pub(super) fn test(ops: &[Op], family: Family) -> Option<(Test, &[Op])> {
    let (question, rest) = question(ops)?;
    let predicate = match question.what {
        Load::Meta(meta) => meta_test(*meta, &question)?,
        Load::Payload { base: PayloadBase::Network, offset, length } => {
            return Some((network_test(&question, (*offset, *length), family)?, rest));
        }
        Load::Payload { base: PayloadBase::Transport, offset, length } => {
            transport_test(&question, (*offset, *length))?
        }
        _ => return None,
    };
    Some((Test { inverted: question.inverted, predicate }, rest))
}

/// The bytecode that operations begin with, up to a test that is recognised.
pub(super) fn unread(ops: &[Op], family: Family) -> &[Op] {
    let is_code = |op: &Op| {
        use Op::{Combine, Compare, Immediate, Load, Lookup, Mask, Range, Shift, SwapBytes, Update};
        matches!(
            op,
            Load { .. }
                | Immediate { .. }
                | Mask { .. }
                | Shift { .. }
                | SwapBytes { .. }
                | Combine { .. }
                | Compare { .. }
                | Range { .. }
                | Lookup { .. }
                | Update { .. }
        )
    };
    let ends = |at: &usize| {
        ops.get(*at..).is_none_or(|rest| !rest.first().is_some_and(is_code) || test(rest, family).is_some())
    };
    ops.get(..(0..ops.len()).find(ends).unwrap_or(ops.len())).unwrap_or_default()
}

/// The protocol that operations begin with testing for.
pub(super) fn protocol(ops: &[Op]) -> Option<u8> {
    match test(ops, Family::Ip)?.0 {
        Test { inverted: false, predicate: Predicate::Protocol(number) } => Some(number),
        _ => None,
    }
}

/// A load, a mask perhaps, and a comparison of the same register.
fn question(ops: &[Op]) -> Option<(Question<'_>, &[Op])> {
    let [Op::Load { what, to }, rest @ ..] = ops else { return None };
    let (mask, rest) = match rest {
        [Op::Mask { from, to: masked, mask, xor }, rest @ ..] => {
            let plain = from == to && masked == to && xor.iter().all(|byte| *byte == 0);
            (Some(plain.then_some(&**mask)?), rest)
        }
        _ => (None, rest),
    };
    let (inverted, answer, rest) = answer(rest, *to)?;
    Some((Question { what, mask, inverted, answer }, rest))
}

/// A comparison of a register, or two that are a range.
fn answer(ops: &[Op], of: Register) -> Option<(bool, Answer<'_>, &[Op])> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    match ops {
        [
            Op::Compare { register: low, how: GreaterOrEqual, value: from },
            Op::Compare { register: high, how: LessOrEqual, value: to },
            rest @ ..,
        ] if *low == of && *high == of => Some((false, Answer::Range(from, to), rest)),
        [Op::Range { register, inverted, from, to }, rest @ ..] if *register == of => {
            Some((*inverted, Answer::Range(from, to), rest))
        }
        [Op::Compare { register, how, value }, rest @ ..] if *register == of => {
            let (inverted, answer) = match how {
                Equal => (false, Answer::Value(value)),
                NotEqual => (true, Answer::Value(value)),
                GreaterOrEqual => (false, Answer::From(value)),
                Less => (true, Answer::From(value)),
                LessOrEqual => (false, Answer::UpTo(value)),
                Greater => (false, Answer::Above(value)),
            };
            Some((inverted, answer, rest))
        }
        _ => None,
    }
}

impl<'o> Question<'o> {
    /// The value that a load is compared with.
    fn value(&self) -> Option<&'o [u8]> {
        match self.answer {
            Answer::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The same, where no bits are masked.
    fn plain(&self) -> Option<&'o [u8]> {
        self.value().filter(|_| self.mask.is_none())
    }

    fn byte(&self) -> Option<u8> {
        match self.plain()? {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

fn meta_test(meta: Meta, question: &Question<'_>) -> Option<Predicate> {
    match meta {
        Meta::InputInterfaceName => interface(question.plain()?, InterfaceEnd::Input),
        Meta::OutputInterfaceName => interface(question.plain()?, InterfaceEnd::Output),
        Meta::TransportProtocol => question.byte().map(Predicate::Protocol),
        Meta::Mark => {
            let word = |bytes: &[u8]| Some(u32::from_ne_bytes(bytes.try_into().ok()?));
            let mask = question.mask.map_or(Some(u32::MAX), word)?;
            Some(Predicate::Mark { value: word(question.value()?)?, mask })
        }
        _ => None,
    }
}

/// With the zero behind it a name is compared whole, without it only so far.
fn interface(value: &[u8], end: InterfaceEnd) -> Option<Predicate> {
    let length = value.iter().position(|byte| *byte == 0);
    let (name, padding) = value.split_at_checked(length.unwrap_or(value.len()))?;
    let is_name = !name.is_empty() && padding.iter().all(|byte| *byte == 0);
    is_name.then(|| Predicate::Interface { end, name: name.to_vec(), prefix: length.is_none() })
}

fn network_test(question: &Question<'_>, (offset, length): (u32, u32), family: Family) -> Option<Test> {
    let inverted = question.inverted;
    match (family, offset, length) {
        (Family::Ip, 9, 1) => Some(Test { inverted, predicate: Predicate::Protocol(question.byte()?) }),
        (Family::Ip, 6, 2) => fragment(question),
        (Family::Ip, 12..=15, _) => address::<4>(question, End::Source, (offset, length, 12)),
        (Family::Ip, 16..=19, _) => address::<4>(question, End::Destination, (offset, length, 16)),
        (Family::Ip6, 8..=23, _) => address::<16>(question, End::Source, (offset, length, 8)),
        (Family::Ip6, 24..=39, _) => address::<16>(question, End::Destination, (offset, length, 24)),
        _ => None,
    }
}

/// The offset of a fragment is not 0.
fn fragment(question: &Question<'_>) -> Option<Test> {
    let whole = question.mask == Some(&[0x1f, 0xff]) && question.value()? == [0, 0];
    whole.then_some(Test { inverted: !question.inverted, predicate: Predicate::Fragment })
}

/// An address from its first byte on. Prefixes of whole bytes are not masked but loaded in part.
fn address<const N: usize>(
    question: &Question<'_>,
    end: End,
    (offset, length, start): (u32, u32, u32),
) -> Option<Test> {
    let value = question.value()?;
    let length = usize::try_from(length).ok()?;
    if offset != start || length == 0 || length > N || value.len() != length {
        return None;
    }
    let (mut address, mut mask) = ([0; N], [0; N]);
    address.get_mut(..length)?.copy_from_slice(value);
    match question.mask {
        Some(bits) if bits.len() == length => mask.get_mut(..length)?.copy_from_slice(bits),
        Some(_) => return None,
        None => mask.get_mut(..length)?.fill(u8::MAX),
    }
    let inside = address.iter().zip(&mask).all(|(bits, mask)| bits & !mask == 0);
    let predicate = Predicate::AddressMask { end, address: ip(&address)?, mask: ip(&mask)? };
    inside.then_some(Test { inverted: question.inverted, predicate })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
    }
}

fn transport_test(question: &Question<'_>, place: (u32, u32)) -> Option<Predicate> {
    match place {
        (0, 2) => ports(question, End::Source),
        (2, 2) => ports(question, End::Destination),
        (13, 1) => match (question.mask?, question.value()?) {
            ([mask], [set]) => Some(Predicate::TcpFlags { mask: *mask, set: *set }),
            _ => None,
        },
        _ => None,
    }
}

fn ports(question: &Question<'_>, end: End) -> Option<Predicate> {
    let port = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
    let range: RangeInclusive<u16> = match question.answer {
        Answer::Value(value) => port(value)?..=port(value)?,
        Answer::Range(from, to) => port(from)?..=port(to)?,
        Answer::From(from) => port(from)?..=u16::MAX,
        Answer::UpTo(to) => 0..=port(to)?,
        Answer::Above(below) => port(below)?.checked_add(1)?..=u16::MAX,
    };
    let whole = question.mask.is_none() && !range.is_empty();
    whole.then(|| Predicate::Ports { ends: vec![end], ranges: vec![range] })
}
