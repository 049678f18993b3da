//! Matches that depend on how much traffic there was (`xt_limit.h`, `xt_hashlimit.h`, `xt_connlimit.h`, `xt_recent.h`).

use super::super::Structure;
use crate::rule::{Op, Rate};

fn rate(text: String, usually: bool) -> Op {
    Op::Rate(Rate { text: text.into(), usually })
}

/// `struct xt_rateinfo`.
pub(super) fn limit(structure: &mut Structure<'_>) -> Option<Op> {
    let (period, burst) = (structure.u32()?, structure.u32()?);
    let rate_text = per_period(period.into(), SCALE);
    Some(rate(format!("-m limit --limit {rate_text} --limit-burst {burst}"), true))
}

/// Units of a period in a second: `XT_LIMIT_SCALE` and `XT_HASHLIMIT_SCALE`.
const SCALE: u64 = 10_000;
/// `XT_HASHLIMIT_SCALE_v2`.
const SCALE_2: u64 = 1_000_000;

/// The rate that a period comes to, in the greatest unit that gives a whole number, as near as it can be.
fn per_period(period: u64, scale: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400)];
    let exact = |(_, seconds): &&(&str, u64)| {
        let unit = seconds * scale;
        period != 0 && period <= unit && unit / period >= unit % period
    };
    match UNITS.iter().find(exact) {
        Some((name, seconds)) => format!("{}/{name}", seconds * scale / period.max(1)),
        None => format!("1 in {period}/{scale} seconds"),
    }
}

/// `struct xt_hashlimit_mtinfo1`.
pub(super) fn hashlimit_1(structure: &mut Structure<'_>) -> Option<Op> {
    const NAME: usize = 16;
    let name = structure.text(NAME)?;
    let (mode, average) = (structure.u32()?, structure.u32()?);
    hashlimit(name.as_str(), mode, average.into(), SCALE)
}

/// `struct xt_hashlimit_mtinfo2`, whose configuration begins at a multiple of eight.
pub(super) fn hashlimit_2(structure: &mut Structure<'_>) -> Option<Op> {
    const NAME: usize = 255;
    let name = structure.text(NAME)?;
    structure.skip(1)?;
    let average = structure.u64()?;
    let _burst = structure.u64()?;
    hashlimit(name.as_str(), structure.u32()?, average, SCALE_2)
}

/// `struct xt_hashlimit_mtinfo3`, which differs behind what is read.
pub(super) fn hashlimit_3(structure: &mut Structure<'_>) -> Option<Op> {
    hashlimit_2(structure)
}

fn hashlimit(name: &str, mode: u32, average: u64, scale: u64) -> Option<Op> {
    const ABOVE: u32 = 1 << 4;
    const BYTES: u32 = 1 << 5;
    const ALL: u32 = (1 << 7) - 1;
    if mode & !ALL != 0 {
        return None;
    }
    let above = mode & ABOVE != 0;
    let option = if above { "above" } else { "upto" };
    let amount = if mode & BYTES == 0 { per_period(average, scale) } else { "a number of bytes".to_owned() };
    Some(rate(format!("-m hashlimit --hashlimit-{option} {amount} --hashlimit-name {name}"), !above))
}

/// `struct xt_connlimit_info`. Revision 0 has the flags too: its `inverse` is bit 0 of them.
pub(super) fn connlimit(structure: &mut Structure<'_>) -> Option<Op> {
    const INVERTED: u32 = 1;
    const DESTINATION: u32 = 2;
    structure.skip(16)?;
    let (limit, flags) = (structure.u32()?, structure.u32()?);
    if flags & !(INVERTED | DESTINATION) != 0 {
        return None;
    }
    let inverted = flags & INVERTED != 0;
    let option = if inverted { "upto" } else { "above" };
    // `connlimit_mt` (`net/netfilter/xt_connlimit.c`) counts the new connection too.
    let first_is_above = limit < 1;
    Some(rate(format!("-m connlimit --connlimit-{option} {limit}"), first_is_above != inverted))
}

/// `struct xt_recent_mtinfo` and `struct xt_recent_mtinfo_v1`; `recent_mt`, `net/netfilter/xt_recent.c`. A peer that
/// was not seen is added by `--set`, which then holds, and is not found by the others.
pub(super) fn recent(structure: &mut Structure<'_>) -> Option<Op> {
    const CHECKS: [(u8, &str); 4] = [(1, "--rcheck"), (2, "--set"), (4, "--update"), (8, "--remove")];
    const SET: u8 = 2;
    const MODIFIERS: u8 = 0b11_0000;
    const NAME: usize = 200;
    let (seconds, hits) = (structure.u32()?, structure.u32()?);
    let (check, inverted) = (structure.u8()?, structure.flag()?);
    let name = structure.text(NAME)?;
    let (check, option) = CHECKS.into_iter().find(|(bit, _)| *bit == check & !MODIFIERS)?;
    let not = if inverted { "! " } else { "" };
    let mut text = format!("-m recent {not}{option} --name {}", name.as_str());
    for (option, value) in [("--seconds", seconds), ("--hitcount", hits)] {
        if value != 0 {
            text = format!("{text} {option} {value}");
        }
    }
    Some(rate(text, (check == SET) != inverted))
}
