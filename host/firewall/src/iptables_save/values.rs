//! Reads the values of options: numbers, ranges, addresses, lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A number as iptables reads it: decimal, `0x` hexadecimal, or octal behind a 0 (`xtables_strtoul`).
pub(super) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let value = match digits {
        Some(digits) => u64::from_str_radix(plain(digits)?, 16),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(plain(text)?, 8),
        None => u64::from_str(plain(text)?),
    };
    T::try_from(value.ok()?).ok()
}

/// Rust takes a sign, which no value of iptables has.
fn plain(digits: &str) -> Option<&str> {
    digits.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(digits)
}

/// `a` or `a<separator>b`; with `open`, either end can be missing.
pub(super) fn range<T>(text: &str, separator: char, open: Option<(T, T)>) -> Option<RangeInclusive<T>>
where
    T: TryFrom<u64> + Copy + PartialOrd,
{
    let Some((low, high)) = text.split_once(separator) else {
        let only = number(text)?;
        return Some(only..=only);
    };
    let end = |text: &str, open: Option<T>| if text.is_empty() { open } else { number(text) };
    let (low, high) = (end(low, open.map(|open| open.0))?, end(high, open.map(|open| open.1))?);
    (low <= high).then_some(low..=high)
}

/// A port or a range of them: `80`, `80:90`, `:1023`, `1024:`.
pub(super) fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    range(text, ':', Some((0, u16::MAX)))
}

/// An address with its mask: `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1`. The bits outside the mask are gone, as
/// iptables stores it.
pub(super) fn masked(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (address, mask) = text.split_once('/').map_or((text, None), |(address, mask)| (address, Some(mask)));
    match IpAddr::from_str(address).ok()? {
        IpAddr::V4(address) => {
            let mask = mask.map_or(Some(u32::MAX), |mask| mask_of(mask, 32).map(|bits| (bits >> 96) as u32))?;
            Some((Ipv4Addr::from_bits(address.to_bits() & mask).into(), Ipv4Addr::from_bits(mask).into()))
        }
        IpAddr::V6(address) => {
            let mask = mask.map_or(Some(u128::MAX), |mask| mask_of(mask, 128))?;
            Some((Ipv6Addr::from_bits(address.to_bits() & mask).into(), Ipv6Addr::from_bits(mask).into()))
        }
    }
}

/// A mask of `bits` bits, at the top of 128: a length, or an address.
fn mask_of(text: &str, bits: u32) -> Option<u128> {
    if let Ok(length) = u32::from_str(plain(text).unwrap_or_default()) {
        return (length <= bits).then(|| u128::MAX.checked_shl(128 - length).unwrap_or(0));
    }
    match IpAddr::from_str(text).ok()? {
        IpAddr::V4(mask) if bits == 32 => Some(u128::from(mask.to_bits()) << 96),
        IpAddr::V6(mask) if bits == 128 => Some(mask.to_bits()),
        _ => None,
    }
}

/// Addresses `a-b`, or one, all of one family.
pub(super) fn addresses(text: &str) -> Option<RangeInclusive<IpAddr>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (IpAddr::from_str(low).ok()?, IpAddr::from_str(high).ok()?);
    (low.is_ipv4() == high.is_ipv4() && low <= high).then_some(low..=high)
}

/// `value` or `value/mask` of a mark.
pub(super) fn mark(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

/// The bits of the names of a list, added up; `None` if one is not in the table.
pub(super) fn bits<T>(text: &str, table: &[(&str, T)]) -> Option<T>
where
    T: Copy + Default + std::ops::BitOr<Output = T>,
{
    text.split(',').try_fold(T::default(), |sum, name| Some(sum | find(name, table)?))
}

/// What a table has for a name, whatever the case.
pub(super) fn find<T: Copy>(name: &str, table: &[(&str, T)]) -> Option<T> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}
