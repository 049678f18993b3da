//! Matches that look at what is not known of a packet. They are told apart only so that it can be said what it was.

use loopgate_facts::Untrusted;

use super::super::Structure;
use super::{all, obscure, single, test};
use crate::rule::{Op, Predicate, Unknown};

/// `struct xt_mac_info` (`xt_mac.h`).
pub(super) fn mac(structure: &mut Structure<'_>) -> Option<Op> {
    let address = structure.array::<6>()?.map(|byte| format!("{byte:02x}")).join(":");
    structure.skip(2)?;
    Some(obscure(format!("-m mac --mac-source {address}"), structure.flag32()?))
}

/// `struct xt_statistic_info` (`xt_statistic.h`).
pub(super) fn statistic(structure: &mut Structure<'_>) -> Option<Op> {
    let (mode, inverted) = (structure.u16()?, flag(structure.u16()?.into())?);
    let text = match mode {
        0 => "-m statistic --mode random --probability ".to_owned() + &probability(structure.u32()?),
        1 => format!("-m statistic --mode nth --every {}", u64::from(structure.u32()?) + 1),
        _ => return None,
    };
    Some(obscure(text, inverted))
}

/// A probability in units of 2^-31.
fn probability(value: u32) -> String {
    format!("{:.4}", f64::from(value) / f64::from(1_u32 << 31))
}

/// `struct xt_cpu_info` (`xt_cpu.h`).
pub(super) fn cpu(structure: &mut Structure<'_>) -> Option<Op> {
    let cpu = structure.u32()?;
    Some(obscure(format!("-m cpu --cpu {cpu}"), structure.flag32()?))
}

/// `struct xt_helper_info` (`xt_helper.h`).
pub(super) fn helper(structure: &mut Structure<'_>) -> Option<Op> {
    const NAME: usize = 30;
    let inverted = structure.flag32()?;
    let name = structure.text(NAME)?;
    Some(obscure(format!("-m helper --helper \"{}\"", name.as_str()), inverted))
}

/// `struct xt_owner_match_info` (`xt_owner.h`): each part with its own inversion.
pub(super) fn owner(structure: &mut Structure<'_>) -> Option<Op> {
    let user = (structure.u32()?, structure.u32()?);
    let group = (structure.u32()?, structure.u32()?);
    let (asked, inverted) = (structure.u8()?, structure.u8()?);
    let parts = [
        (1, format!("--uid-owner {}-{}", user.0, user.1)),
        (2, format!("--gid-owner {}-{}", group.0, group.1)),
        (4, "--socket-exists".to_owned()),
    ];
    let asked = parts.into_iter().filter(|(flag, _)| asked & flag != 0);
    let tests =
        asked.map(|(flag, part)| test(Predicate::Unknown(format!("-m owner {part}").into()), inverted & flag != 0));
    Some(all(tests.collect()))
}

/// `struct xt_string_info` (`xt_string.h`).
pub(super) fn string(structure: &mut Structure<'_>) -> Option<Op> {
    const ALGORITHM: usize = 16;
    const PATTERN: usize = 128;
    structure.skip(4 + ALGORITHM)?;
    let pattern = structure.bytes(PATTERN)?;
    let length = usize::from(structure.u8()?);
    let pattern = Untrusted::from_bytes(pattern.get(..length)?);
    Some(obscure(format!("-m string --string \"{}\"", pattern.as_str()), structure.u8()? & 1 != 0))
}

/// `struct xt_socket_mtinfo1` (`xt_socket.h`). With `--restore-skmark` it changes the packet's mark.
pub(super) fn socket(structure: &mut Structure<'_>) -> Option<Op> {
    const RESTORE_MARK: u8 = 4;
    let flags = structure.u8()?;
    if flags & RESTORE_MARK != 0 {
        let construct = "-m socket --restore-skmark".into();
        return Some(Op::Unknown(Unknown { construct, only_matches: false }));
    }
    let option = if flags & 1 == 0 { "" } else { " --transparent" };
    Some(single(Predicate::Unknown(format!("-m socket{option}").into()), false))
}

fn flag(value: u32) -> Option<bool> {
    (value < 2).then_some(value == 1)
}
