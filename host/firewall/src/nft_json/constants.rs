//! Values, as the bytes that a register holds.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::only_member;
use super::prototype::Form;
use crate::notation::names::{Kind, Order, Shape};

/// What a value covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    One(Vec<u8>),
    /// Both ends included.
    Range(Vec<u8>, Vec<u8>),
}

/// A value, a prefix or a range. `ordered`: among values that are compared by size; then a `*` at the end of an
/// interface name stands for any rest (`nft(8)`, "Meta expressions").
pub(super) fn piece(value: &Value, form: &Form, ordered: bool) -> Option<Piece> {
    match only_member(value) {
        Some(("prefix", prefix)) => prefix_range(prefix, form, ordered),
        Some(("range", range)) => {
            let [from, to] = range.as_array()?.as_slice() else { return None };
            let (from, to) = (constant(from, form, ordered)?, constant(to, form, ordered)?);
            (from <= to).then_some(Piece::Range(from, to))
        }
        _ if ordered && form.kind.shape() == Shape::Text && !form.literal => text_piece(value.as_str()?, form),
        _ => constant(value, form, ordered).map(Piece::One),
    }
}

fn text_piece(text: &str, form: &Form) -> Option<Piece> {
    match beginning(text) {
        Some(start) => {
            let length = form.bytes as usize;
            let padded = |fill| (start.len() < length).then(|| [start, &vec![fill; length - start.len()]].concat());
            Some(Piece::Range(padded(0)?, padded(0xff)?))
        }
        None => text_bytes(text, form).map(Piece::One),
    }
}

/// What comes before a `*` that stands for any rest. `\*` is the character itself.
pub(super) fn beginning(text: &str) -> Option<&[u8]> {
    let start = text.strip_suffix('*')?;
    (!start.ends_with('\\')).then_some(start.as_bytes())
}

/// Text, filled with zeros.
pub(super) fn text_bytes(text: &str, form: &Form) -> Option<Vec<u8>> {
    let text = text.strip_suffix("\\*").map_or_else(|| text.to_owned(), |start| format!("{start}*"));
    let mut bytes = text.into_bytes();
    let fits = bytes.len() < form.bytes as usize && !bytes.contains(&0);
    bytes.resize(form.bytes as usize, 0);
    fits.then_some(bytes)
}

fn prefix_range(prefix: &Value, form: &Form, ordered: bool) -> Option<Piece> {
    let address = constant(prefix.get("addr")?, form, ordered)?;
    let mask = prefix_mask(prefix, form)?;
    // Only bytes with the most significant first have prefixes that are ranges.
    (form.order(ordered) == Order::Network || form.bytes == 1).then_some(())?;
    let from: Vec<u8> = address.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    let to: Vec<u8> = address.iter().zip(&mask).map(|(byte, mask)| byte | !mask).collect();
    Some(if from == to { Piece::One(from) } else { Piece::Range(from, to) })
}

/// The mask of a prefix, most significant byte first. `None` where the value is not of whole bytes.
pub(super) fn prefix_mask(prefix: &Value, form: &Form) -> Option<Vec<u8>> {
    let length = u32::try_from(prefix.get("len")?.as_u64()?).ok()?;
    (length <= form.bits && form.bits == form.bytes.checked_mul(8)? && form.shift == 0).then_some(())?;
    Some((0..form.bytes).map(|byte| mask_byte(length.saturating_sub(byte * 8))).collect())
}

fn mask_byte(bits: u32) -> u8 {
    0xff_u8.checked_shr(bits).map_or(0xff, |rest| !rest)
}

/// One value.
pub(super) fn constant(value: &Value, form: &Form, ordered: bool) -> Option<Vec<u8>> {
    match (value, form.kind.shape()) {
        (Value::String(text), Shape::Text) => text_bytes(text, form),
        (Value::String(text), Shape::Ipv4) => same_length(text.parse::<Ipv4Addr>().ok()?.octets().to_vec(), form),
        (Value::String(text), Shape::Ipv6) => same_length(text.parse::<Ipv6Addr>().ok()?.octets().to_vec(), form),
        (Value::String(text), Shape::Ether) => same_length(ether(text)?, form),
        (_, Shape::Local | Shape::Text) => None,
        _ => place(number(value, form.kind)?, form, form.order(ordered)),
    }
}

fn same_length(bytes: Vec<u8>, form: &Form) -> Option<Vec<u8>> {
    (bytes.len() == form.bytes as usize).then_some(bytes)
}

fn ether(text: &str) -> Option<Vec<u8>> {
    let parts: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    parts.filter(|parts| parts.len() == 6)
}

/// A number as it stands within the bytes of a form; `None` if it does not fit.
pub(super) fn place(number: u128, form: &Form, order: Order) -> Option<Vec<u8>> {
    let fits = form.bits >= 128 || number >> form.bits == 0;
    let placed = number.checked_shl(form.shift).filter(|placed| placed >> form.shift == number)?;
    let all = placed.to_be_bytes();
    let length = form.bytes as usize;
    let mut bytes = vec![0; length.saturating_sub(all.len())];
    bytes.extend_from_slice(all.get(all.len().saturating_sub(length)..)?);
    if order == Order::Host && cfg!(target_endian = "little") {
        bytes.reverse();
    }
    fits.then_some(bytes)
}

/// The most flags that are joined; no data type has as many.
const MAX_FLAGS: usize = 256;

/// A number, a name for one, or several flags.
pub(super) fn number(value: &Value, kind: Kind) -> Option<u128> {
    match value {
        Value::Bool(value) => Some(u128::from(*value)),
        Value::Number(number) => number.as_u64().map(u128::from),
        Value::String(text) => symbol(text, kind),
        Value::Array(flags) if flags.len() <= MAX_FLAGS => {
            flags.iter().try_fold(0, |bits, flag| Some(bits | number(flag, kind)?))
        }
        Value::Object(_) => match only_member(value) {
            Some(("|", flags)) => number(flags, kind),
            _ => None,
        },
        _ => None,
    }
}

fn symbol(text: &str, kind: Kind) -> Option<u128> {
    if kind.shape() == Shape::ClassId {
        return class_id(text).map(u128::from);
    }
    kind.value(text).map(u128::from).or_else(|| match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    })
}

/// `TC_H_MAJ` and `TC_H_MIN` in hexadecimal (`include/uapi/linux/pkt_sched.h`).
fn class_id(text: &str) -> Option<u32> {
    let (major, minor) = match text {
        "none" => return Some(0),
        "root" => return Some(u32::MAX),
        _ => text.split_once(':')?,
    };
    let part = |digits: &str| if digits.is_empty() { Some(0) } else { u16::from_str_radix(digits, 16).ok() };
    Some(u32::from(part(major)?) << 16 | u32::from(part(minor)?))
}
