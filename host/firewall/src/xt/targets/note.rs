//! Targets without meaning for who can reach what; the next rule follows (`xt_LOG.h`, `xt_NFLOG.h`).

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
