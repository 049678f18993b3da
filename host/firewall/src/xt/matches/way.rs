//! How the packet came and how it leaves: protected by `IPsec` (`xt_policy.h`), by a port of a bridge (`xt_physdev.h`).

use std::fmt::Write;

use super::super::Structure;
use super::{all, single, test};
use crate::notation::iptables::{address_under, protocol_name};
use crate::rule::{InterfaceEnd, Op, Predicate};

/// `struct xt_policy_info`. `XT_POLICY_MATCH_IN` goes before `XT_POLICY_MATCH_OUT`.
pub(super) fn policy(structure: &mut Structure<'_>) -> Option<Op> {
    const ELEMENTS: usize = 4;
    const IN: u16 = 1;
    const NONE: u16 = 4;
    const STRICT: u16 = 8;
    const ALL: u16 = 0b1111;
    let mut elements = Vec::new();
    for _ in 0..ELEMENTS {
        elements.push(element(structure)?);
    }
    let (flags, count) = (structure.u16()?, usize::from(structure.u16()?));
    let asked = elements.get(..count)?;
    let end = if flags & IN == 0 { InterfaceEnd::Output } else { InterfaceEnd::Input };
    let strict = if flags & STRICT == 0 { "" } else { " --strict" };
    let more = format!("{strict}{}", asked.join(" --next"));
    let predicate = Predicate::Ipsec { end, protected: flags & NONE == 0, more: more.trim_start().into() };
    (flags & !ALL == 0).then(|| single(predicate, false))
}

/// `struct xt_policy_elem`, in the words and the order of `iptables-save(8)`. Every option begins with a space.
fn element(structure: &mut Structure<'_>) -> Option<String> {
    const MODES: [&str; 2] = ["transport", "tunnel"];
    let (source, destination) =
        ((structure.address()?, structure.address()?), (structure.address()?, structure.address()?));
    // iptables writes the index in the order of the machine, and shows it so.
    let (security_index, request) = (structure.u32()?, structure.u32()?);
    let (protocol, mode) = (structure.u8()?, structure.u8()?);
    let (asked, inverted) = (structure.u8()?, structure.u8()?);
    let mode = MODES.get(usize::from(mode)).map_or_else(|| mode.to_string(), |name| (*name).to_owned());
    // The bits of `struct xt_policy_spec`.
    let options = [
        (1 << 5, "reqid", request.to_string()),
        (1 << 4, "spi", format!("{security_index:#x}")),
        (1 << 2, "proto", protocol_name(protocol)),
        (1 << 3, "mode", mode),
        (1 << 1, "tunnel-dst", address_under(destination.0, destination.1)),
        (1 << 0, "tunnel-src", address_under(source.0, source.1)),
    ];
    let mut words = String::new();
    for (bit, option, value) in options.iter().filter(|(bit, ..)| asked & bit != 0) {
        let not = if inverted & bit == 0 { "" } else { "! " };
        // Writing to a string cannot fail.
        let _ = write!(words, " {not}--{option} {value}");
    }
    Some(words)
}

/// `struct xt_physdev_info`: each option with its own inversion, in the order of `iptables-save(8)`. The names are
/// compared under masks, which say the same as a `+` at the end of a name.
pub(super) fn bridge_port(structure: &mut Structure<'_>) -> Option<Op> {
    const NAME: usize = 16;
    const ALL: u8 = 0b1_1111;
    let mut name = || {
        let name = structure.text(NAME)?;
        structure.skip(NAME)?;
        Some(name)
    };
    let (input, output) = (name()?, name()?);
    let (inverted, asked) = (structure.u8()?, structure.u8()?);
    let port = |end, name| Predicate::BridgePort { end, name };
    let options = [
        (1 << 3, port(InterfaceEnd::Input, None)),
        (1 << 0, port(InterfaceEnd::Input, Some(input))),
        (1 << 4, port(InterfaceEnd::Output, None)),
        (1 << 1, port(InterfaceEnd::Output, Some(output))),
        (1 << 2, Predicate::Bridged),
    ];
    let tests = options.into_iter().filter(|(bit, _)| asked & bit != 0);
    let tests = tests.map(|(bit, predicate)| test(predicate, inverted & bit != 0)).collect();
    (asked & !ALL == 0).then(|| all(tests))
}
