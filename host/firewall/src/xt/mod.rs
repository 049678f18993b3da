//! The matches and targets of iptables, as the kernel holds them: legacy iptables and iptables-nft store the same
//! structures (`include/uapi/linux/netfilter/xt_*.h`).
//!
//! A structure has no description of itself. It is read only where its name, its revision, its family and its length
//! are all those of a structure known here; everything else is [`Op::Unknown`]. The layouts are those of 64-bit
//! machines whose numbers of eight bytes are aligned to eight, x86-64 and aarch64.

mod matches;
mod structure;
mod targets;

use loopgate_facts::Untrusted;

use crate::rule::{Op, Unknown};
use crate::ruleset::Family;

pub(crate) use matches::{address_type, extension_header, is_guarded, masked, together, with_connection};
pub(crate) use structure::{Structure, until_nul};

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
    // What a match gets to see of the packet is constant (`struct xt_match`, `include/linux/netfilter/x_tables.h`), so
    // one that is not understood can only match or not.
    let unknown = || Op::Unknown(Unknown { construct: named("match", extension), only_matches: true });
    matches::TABLE.iter().find_map(|known| known.read(extension)).unwrap_or_else(unknown)
}

/// Lowers a target. The targets of legacy iptables that are verdicts are not among them.
pub fn target_ops(extension: &Extension<'_>) -> Vec<Op> {
    let unknown = || vec![Op::Unknown(Unknown { construct: named("target", extension), only_matches: false })];
    targets::TABLE.iter().find_map(|known| known.read(extension)).unwrap_or_else(unknown)
}

/// The text of a comment, where a match is one (`-m comment`).
pub fn comment(extension: &Extension<'_>) -> Option<Untrusted> {
    matches::COMMENT.read(extension)
}

fn named(kind: &str, extension: &Extension<'_>) -> Untrusted {
    let name = Untrusted::from_bytes(until_nul(extension.name));
    format!("xt {kind} \"{}\" revision {}", name.as_str(), extension.revision).into()
}

/// A structure that is known.
struct Known<T> {
    name: &'static str,
    revision: u8,
    /// `None` for both IPv4 and IPv6.
    family: Option<Family>,
    size: usize,
    /// `None` where a field has a value that is not understood.
    read: fn(&mut Structure<'_>) -> Option<T>,
}

const fn known<T>(
    name: &'static str,
    revision: u8,
    size: usize,
    read: fn(&mut Structure<'_>) -> Option<T>,
) -> Known<T> {
    Known { name, revision, family: None, size, read }
}

impl<T> Known<T> {
    const fn only(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    fn read(&self, extension: &Extension<'_>) -> Option<T> {
        let fits = self.revision == extension.revision
            && self.name.as_bytes() == until_nul(extension.name)
            && self.is_for(extension.family)
            && self.is_length(extension.info.len());
        if !fits {
            return None;
        }
        (self.read)(&mut Structure::new(extension.info, extension.family))
    }

    fn is_for(&self, family: Family) -> bool {
        match self.family {
            Some(only) => only == family,
            None => matches!(family, Family::Ip | Family::Ip6 | Family::Inet),
        }
    }

    /// `XT_ALIGN` (`x_tables.h`) pads to eight bytes.
    fn is_length(&self, length: usize) -> bool {
        length == self.size || length == self.size.next_multiple_of(8)
    }
}

#[cfg(test)]
mod tests;
