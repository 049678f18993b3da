//! The entries of a table: where each begins and ends, its matches and its target.

use super::header::{Header, Layout};
use super::{Flaw, LegacyError};
use crate::ruleset::Family;
use crate::xt::{Extension, Structure, until_nul};

/// An entry (`struct ipt_entry`).
pub(super) struct Entry<'a> {
    pub(super) offset: usize,
    /// The offset of the next.
    pub(super) next: usize,
    pub(super) header: Header,
    pub(super) matches: Vec<Extension<'a>>,
    pub(super) target: Extension<'a>,
}

const ALIGNMENT: usize = 8;

/// All entries, which fill their bytes.
pub(super) fn all(bytes: &[u8], count: usize, family: Family) -> Result<Vec<Entry<'_>>, LegacyError> {
    let layout = Layout::of(family);
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let entry = Entry::read(bytes, offset, &layout)?;
        offset = entry.next;
        entries.push(entry);
    }
    if entries.len() == count {
        Ok(entries)
    } else {
        Err(Flaw::Count { what: "entries", found: entries.len(), said: count }.at(offset))
    }
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8], offset: usize, layout: &Layout) -> Result<Self, LegacyError> {
        let wrong = |what| move || Flaw::Size(what).at(offset);
        let rest = bytes.get(offset..).unwrap_or_default();
        let header = rest.get(..layout.size).ok_or_else(wrong("header"))?;
        let header = Header::read(header, layout).ok_or_else(wrong("header"))?;
        let (target, next) = (header.target_offset, header.next_offset);
        if !target.is_multiple_of(ALIGNMENT) || !next.is_multiple_of(ALIGNMENT) {
            return Err(Flaw::Alignment.at(offset));
        }
        let matches = rest.get(layout.size..target).ok_or_else(wrong("list of matches"))?;
        let matches = extensions(matches, layout.family).ok_or_else(wrong("match"))?;
        // This is at least the size of a target, so that every entry is longer than nothing.
        let target = rest.get(target..next).and_then(|target| extension(target, layout.family));
        let (target, _) = target.ok_or_else(wrong("target"))?;
        Ok(Self { offset, next: offset + next, header, matches, target })
    }

    /// Whether it matches every packet.
    pub(super) fn is_unconditional(&self) -> bool {
        self.header.tests.is_empty() && self.matches.is_empty()
    }

    /// The verdict of a `struct xt_standard_target`, whose name is empty.
    pub(super) fn standard_verdict(&self) -> Option<i32> {
        let verdict = self.target.name.is_empty().then(|| self.target.info.first_chunk())??;
        Some(i32::from_ne_bytes(*verdict))
    }

    /// The name of the chain that begins behind a `struct xt_error_target`.
    pub(super) fn chain_name(&self) -> Option<&'a [u8]> {
        const NAME: usize = 30;
        let name = (self.target.name == b"ERROR").then(|| self.target.info.get(..NAME))??;
        Some(until_nul(name))
    }
}

/// The matches of an entry, which fill the bytes between its header and its target.
fn extensions(mut bytes: &[u8], family: Family) -> Option<Vec<Extension<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (extension, rest) = extension(bytes, family)?;
        found.push(extension);
        bytes = rest;
    }
    Some(found)
}

/// A `struct xt_entry_match`, which `struct xt_entry_target` is like, and what follows it.
fn extension(bytes: &[u8], family: Family) -> Option<(Extension<'_>, &[u8])> {
    const HEADER: usize = 32;
    const NAME: usize = 29;
    let mut fields = Structure::new(bytes, family);
    let (size, name, revision) = (fields.u16()?, fields.bytes(NAME)?, fields.u8()?);
    let (extension, rest) = bytes.split_at_checked(usize::from(size))?;
    Some((Extension { name: until_nul(name), revision, family, info: extension.get(HEADER..)? }, rest))
}
