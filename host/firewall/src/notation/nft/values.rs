//! Bytes, as `nft` writes them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::notation::names::{Kind, Order, Shape};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: Kind,
    /// Its length in bits.
    pub(super) bits: u32,
    /// Its length in bytes, as it stands in the register.
    pub(super) bytes: u32,
    /// How far it stands to the left within those.
    pub(super) shift: u32,
    /// The most significant byte comes first although its kind has the order of the machine.
    pub(super) swapped: bool,
    /// It has no data type: numbers are hexadecimal.
    pub(super) raw: bool,
}

impl Form {
    pub(super) fn whole(kind: Kind, bytes: u32) -> Self {
        Self { kind, bits: bytes.saturating_mul(8), bytes, shift: 0, swapped: false, raw: false }
    }

    fn order(&self) -> Order {
        if self.swapped { Order::Network } else { self.kind.order() }
    }

    /// The number that bytes of this form hold; `None` if they are of another length or hold more.
    pub(super) fn number(&self, bytes: &[u8]) -> Option<u128> {
        (bytes.len() == self.bytes as usize && bytes.len() <= 16).then_some(())?;
        let join = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
        let number = match self.order() {
            Order::Host if cfg!(target_endian = "little") => bytes.iter().rev().fold(0, join),
            _ => bytes.iter().fold(0, join),
        };
        let shifted = number >> self.shift;
        (shifted << self.shift == number && (self.bits >= 128 || shifted >> self.bits == 0)).then_some(shifted)
    }
}

/// A value; `None` if it has no notation.
pub(super) fn value(form: &Form, bytes: &[u8]) -> Option<String> {
    match form.kind.shape() {
        Shape::Ipv4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        Shape::Ipv6 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        Shape::Ether => (bytes.len() == 6).then(|| {
            let parts: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            parts.join(":")
        }),
        Shape::Text => text(form, bytes),
        Shape::Local => None,
        _ => number(form, form.number(bytes)?),
    }
}

/// A name that fills its bytes with zeros. A `*` at its end is a character like others.
fn text(form: &Form, bytes: &[u8]) -> Option<String> {
    (bytes.len() == form.bytes as usize).then_some(())?;
    let length = bytes.iter().position(|byte| *byte == 0)?;
    let (name, rest) = bytes.split_at_checked(length)?;
    rest.iter().all(|byte| *byte == 0).then_some(())?;
    let name = name_text(name);
    Some(match name.strip_suffix('*') {
        Some(start) => format!("\"{start}\\*\""),
        None => format!("\"{name}\""),
    })
}

fn name_text(name: &[u8]) -> String {
    loopgate_facts::Untrusted::from_bytes(name).as_str().to_owned()
}

/// The beginning of a name.
pub(super) fn beginning(name: &[u8]) -> Option<String> {
    (!name.contains(&0)).then(|| format!("\"{}*\"", name_text(name)))
}

fn number(form: &Form, number: u128) -> Option<String> {
    if form.raw {
        return Some(format!("{number:#x}"));
    }
    let small = u64::try_from(number).ok();
    let symbol = small.and_then(|number| form.kind.symbol(number));
    Some(match form.kind.shape() {
        Shape::Flags => symbol.map_or_else(|| format!("{number:#x}"), ToOwned::to_owned),
        Shape::Boolean => match number {
            0 => "missing".to_owned(),
            1 => "exists".to_owned(),
            _ => return None,
        },
        Shape::ClassId => format!("{:x}:{:x}", number >> 16, number & 0xffff),
        shape => match symbol {
            // Names that come from files are quoted.
            Some(symbol) if matches!(form.kind, Kind::InterfaceGroup | Kind::Day) => format!("\"{symbol}\""),
            Some(symbol) => symbol.to_owned(),
            None if shape == Shape::Hexadecimal => {
                format!("0x{number:0width$x}", width = form.bits.div_ceil(4) as usize)
            }
            None => number.to_string(),
        },
    })
}

/// Flags that are set, as a mask lists them.
pub(super) fn flags(form: &Form, bytes: &[u8]) -> Option<Vec<&'static str>> {
    (form.kind.shape() == Shape::Flags).then_some(())?;
    form.kind.flags(u64::try_from(form.number(bytes)?).ok()?)
}

/// From one value to another: as a prefix where it is one, or as the beginning of a name.
pub(super) fn range(form: &Form, from: &[u8], to: &[u8]) -> Option<String> {
    match form.kind.shape() {
        Shape::Text => beginning_of_range(from, to),
        Shape::Ipv4 | Shape::Ipv6 => match prefix_length(from, to) {
            Some(length) => Some(format!("{}/{length}", value(form, from)?)),
            None => span(form, from, to),
        },
        _ => span(form, from, to),
    }
}

/// From one value to another; numbers there have no names.
pub(super) fn span(form: &Form, from: &[u8], to: &[u8]) -> Option<String> {
    let end = |bytes: &[u8]| match form.kind.shape() {
        Shape::Decimal => Some(form.number(bytes)?.to_string()),
        _ => value(form, bytes),
    };
    Some(format!("{}-{}", end(from)?, end(to)?))
}

fn beginning_of_range(from: &[u8], to: &[u8]) -> Option<String> {
    let length = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let (start, zeros) = from.split_at_checked(length)?;
    let ones = to.get(length..)?;
    let is_any = zeros.iter().all(|byte| *byte == 0) && ones.iter().all(|byte| *byte == 0xff);
    if is_any { beginning(start) } else { None }
}

/// The length of the prefix that holds all from one value to another and nothing else.
pub(super) fn prefix_length(from: &[u8], to: &[u8]) -> Option<u32> {
    let mask: Vec<u8> = from.iter().zip(to).map(|(from, to)| !(from ^ to)).collect();
    let rest_is_whole = from.iter().zip(to).all(|(from, to)| from & to == *from);
    let length = mask_length(&mask)?;
    rest_is_whole.then_some(length)
}

/// The length of the prefix that a mask keeps.
pub(super) fn mask_length(mask: &[u8]) -> Option<u32> {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let whole = mask.iter().take_while(|byte| **byte == 0xff).count();
    let leading = mask.get(whole).map_or(0, |byte| byte.leading_ones());
    (u32::try_from(whole).ok()?.checked_mul(8)?.checked_add(leading)? == ones).then_some(ones)
}

/// Bytes as they are.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
