//! Targets without meaning for who can reach what; the next rule follows (`xt_LOG.h`, `xt_NFLOG.h`, `xt_set.h`).

use super::super::Structure;
use crate::rule::{Note, Op};

pub(super) fn other(text: impl Into<loopgate_facts::Untrusted>) -> Vec<Op> {
    vec![Op::Note(Note::Other(text.into()))]
}

/// `struct xt_log_info`.
pub(super) fn log(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    const PREFIX: usize = 30;
    structure.skip(2)?;
    let prefix = structure.text(PREFIX)?;
    Some(other(format!("-j LOG{}", option("--log-prefix", prefix.as_str()))))
}

/// `struct xt_nflog_info`.
pub(super) fn nflog(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    const PREFIX: usize = 64;
    structure.skip(4)?;
    let group = structure.u16()?;
    structure.skip(6)?;
    let prefix = structure.text(PREFIX)?;
    Some(other(format!("-j NFLOG --nflog-group {group}{}", option("--nflog-prefix", prefix.as_str()))))
}

fn option(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(" {name} \"{value}\"") }
}

/// `struct xt_set_info_target_v1` and `struct xt_set_info_target_v2`: what is in a set is not known anyway.
pub(super) fn set(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let parts = [(" --add-set", index(structure)?), (" --del-set", index(structure)?)].into_iter();
    let parts = parts.filter(|(_, index)| *index != NO_SET).map(|(option, index)| format!("{option} (number {index})"));
    Some(other(parts.fold("-j SET".to_owned(), |text, part| text + &part)))
}

/// `struct xt_set_info_target_v3`. An element can give the packet a mark (`--map-set`), which is not understood.
pub(super) fn set_with_map(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let notes = set(structure)?;
    (index(structure)? == NO_SET).then_some(notes)
}

/// `IPSET_INVALID_ID` (`ipset/ip_set.h`).
const NO_SET: u16 = 65_535;

/// Which set a `struct xt_set_info` names.
fn index(structure: &mut Structure<'_>) -> Option<u16> {
    let index = structure.u16()?;
    structure.skip(2)?;
    Some(index)
}
