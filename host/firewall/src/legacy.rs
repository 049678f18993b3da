//! Reads a table of legacy iptables from what the kernel gives of it (the layouts are those of
//! `include/uapi/linux/netfilter_ipv4/ip_tables.h` and `netfilter_ipv6/ip6_tables.h`, on 64-bit machines).
//!
//! A table is one region of bytes, an entry behind the other, and its chains are only offsets into it. The chains of a
//! hook begin and end where `struct ipt_getinfo` says; all others stand behind an entry with the target `ERROR`, which
//! has their name, and end with an entry that returns. A jump gives the offset of the first entry of a chain.

mod chains;
mod entry;
mod header;
mod info;
mod lower;

use loopgate_facts::Untrusted;

use crate::ruleset::{Backend, Family, Notation, Table};
use crate::{Ruleset, loops};

use chains::Chains;
use info::Info;

/// Why a table cannot be read, and where in its entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at offset {offset} of the entries: {flaw}")]
pub struct LegacyError {
    /// The offset of the entry within the entries of the table.
    pub offset: usize,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Legacy tables are of IPv4 or IPv6.
    #[error("no such tables exist in this family")]
    Family,
    /// The answer to `IPT_SO_GET_INFO` is not a `struct ipt_getinfo`.
    #[error("what the kernel says of the table has {0} bytes")]
    Info(usize),
    /// The kernel has no such table.
    #[error("an unknown table {0:?}")]
    Table(Untrusted),
    /// The answer to `IPT_SO_GET_ENTRIES` is about another table.
    #[error("the entries belong to another table")]
    OtherTable,
    /// There are more or fewer bytes, or entries, than the kernel says.
    #[error("{found} {what} where the kernel says {said}")]
    Count {
        /// Bytes or entries.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        said: usize,
    },
    /// An entry, a match or a target ends before it begins, or behind what holds it.
    #[error("a {0} that does not fit where it is")]
    Size(&'static str),
    /// An entry is not aligned to eight bytes.
    #[error("an entry that is not aligned")]
    Alignment,
    /// A chain of a hook begins or ends where no entry is, or overlaps another.
    #[error("the chain of a hook begins or ends in the wrong place")]
    Hook,
    /// A chain of a hook does not end with a policy.
    #[error("an entry that is no policy at the end of a chain")]
    Policy,
    /// A chain does not end.
    #[error("a chain without an end")]
    Endless,
    /// An entry that belongs to no chain.
    #[error("an entry outside all chains")]
    Stray,
    /// A verdict that the kernel does not have.
    #[error("an unknown verdict {0}")]
    Verdict(i32),
    /// A jump to where no chain begins.
    #[error("a jump to {0}, where no chain begins")]
    Jump(usize),
    /// Chains that lead back to themselves.
    #[error("a loop of chains")]
    Loop,
}

impl Flaw {
    fn at(self, offset: usize) -> LegacyError {
        LegacyError { offset, flaw: self }
    }
}

/// Reads a table of IPv4 or IPv6 from the answers of the kernel to `IPT_SO_GET_INFO` (a `struct ipt_getinfo`) and
/// `IPT_SO_GET_ENTRIES` (a `struct ipt_get_entries`), or those with the same names for IPv6.
pub fn decode(info: &[u8], entries: &[u8], family: Family) -> Result<Ruleset, LegacyError> {
    if !matches!(family, Family::Ip | Family::Ip6) {
        return Err(Flaw::Family.at(0));
    }
    let info = Info::read(info)?;
    let table = Table {
        backend: Backend::Legacy,
        family,
        name: info.name.clone(),
        dormant: false,
        notation: Notation::Iptables,
    };
    let entries = entry::all(info.entries(entries)?, info.count, family)?;
    let chains = Chains::find(&info, &entries)?;
    let chains = lower::chains(&chains)?;
    let (chains, offsets): (_, Vec<_>) = chains.into_iter().unzip();
    let ruleset = Ruleset { tables: vec![table], chains, ..Ruleset::default() };
    match loops::find(&ruleset) {
        Some(chain) => Err(Flaw::Loop.at(offsets.get(chain.0 as usize).copied().unwrap_or_default())),
        None => Ok(ruleset),
    }
}

#[cfg(test)]
mod tests;
