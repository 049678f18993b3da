//! The matches and targets of iptables, as the kernel holds them.

use loopgate_facts::Untrusted;

use crate::rule::{Op, Unknown};
use crate::ruleset::Family;

/// A match or a target: what the kernel says of it.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The revision of its structure.
    pub revision: u8,
    /// The family of its table.
    pub family: Family,
    /// Its structure, which may be padded.
    pub info: &'a [u8],
}

/// Lowers a match.
pub fn match_op(extension: &Extension<'_>) -> Op {
    Op::Unknown(Unknown { construct: named("match", extension), only_matches: true })
}

/// Lowers a target.
pub fn target_ops(extension: &Extension<'_>) -> Vec<Op> {
    vec![Op::Unknown(Unknown { construct: named("target", extension), only_matches: false })]
}

fn named(kind: &str, extension: &Extension<'_>) -> Untrusted {
    let name = Untrusted::from_bytes(extension.name);
    format!("xt {kind} \"{}\" revision {}", name.as_str(), extension.revision).into()
}
