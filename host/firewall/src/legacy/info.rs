//! What the kernel says of a table as a whole.

use loopgate_facts::Untrusted;

use super::{Flaw, LegacyError};
use crate::ruleset::{ChainKind, Family, Hook};
use crate::xt::{Structure, until_nul};

/// A table and its chains of hooks (`struct ipt_getinfo`, which `struct ip6t_getinfo` is like).
pub(super) struct Info {
    pub(super) name: Untrusted,
    /// The chains that the kernel enters.
    pub(super) hooks: Vec<HookChain>,
    pub(super) count: usize,
    size: usize,
}

/// Where the chain of a hook begins and ends.
#[derive(Clone, Copy)]
pub(super) struct HookChain {
    pub(super) hook: Hook,
    pub(super) name: &'static str,
    pub(super) priority: i32,
    pub(super) kind: ChainKind,
    /// The offset of its first entry.
    pub(super) begin: usize,
    /// The offset of its last entry, its policy.
    pub(super) policy: usize,
}

/// `enum nf_inet_hooks` (`linux/netfilter.h`), with the names that `iptables(8)` gives to their chains.
const HOOKS: [(Hook, &str); 5] = [
    (Hook::Prerouting, "PREROUTING"),
    (Hook::Input, "INPUT"),
    (Hook::Forward, "FORWARD"),
    (Hook::Output, "OUTPUT"),
    (Hook::Postrouting, "POSTROUTING"),
];

const NAME: usize = 32;

impl Info {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, LegacyError> {
        const SIZE: usize = 84;
        let wrong = || Flaw::Info(bytes.len()).at(0);
        if bytes.len() != SIZE {
            return Err(wrong());
        }
        let mut fields = Structure::new(bytes, Family::Inet);
        let raw = RawInfo::read(&mut fields).ok_or_else(wrong)?;
        let mut hooks = Vec::new();
        for (number, (hook, name)) in HOOKS.into_iter().enumerate() {
            if raw.valid_hooks & 1 << number == 0 {
                continue;
            }
            let (priority, kind) = place(raw.name.as_str(), hook).ok_or_else(|| Flaw::Table(raw.name.clone()).at(0))?;
            let begin = raw.begins.get(number).copied().unwrap_or_default();
            let policy = raw.policies.get(number).copied().unwrap_or_default();
            hooks.push(HookChain { hook, name, priority, kind, begin, policy });
        }
        Ok(Self { name: raw.name, hooks, count: raw.count, size: raw.size })
    }

    /// The entries of a `struct ipt_get_entries`, which begin at a multiple of eight bytes.
    pub(super) fn entries<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], LegacyError> {
        const HEADER: usize = 40;
        let found = bytes.len();
        let header = bytes.split_at_checked(HEADER);
        let (header, entries) = header.ok_or_else(|| Flaw::Count { what: "bytes", found, said: HEADER }.at(0))?;
        if Untrusted::from_bytes(until_nul(header.get(..NAME).unwrap_or_default())) != self.name {
            return Err(Flaw::OtherTable.at(0));
        }
        if entries.len() != self.size {
            return Err(Flaw::Count { what: "bytes", found: entries.len(), said: self.size }.at(0));
        }
        Ok(entries)
    }
}

struct RawInfo {
    name: Untrusted,
    valid_hooks: u32,
    begins: [usize; 5],
    policies: [usize; 5],
    count: usize,
    size: usize,
}

impl RawInfo {
    fn read(fields: &mut Structure<'_>) -> Option<Self> {
        Some(Self {
            name: fields.text(NAME)?,
            valid_hooks: fields.u32()?,
            begins: offsets(fields)?,
            policies: offsets(fields)?,
            count: fields.u32()? as usize,
            size: fields.u32()? as usize,
        })
    }
}

fn offsets(fields: &mut Structure<'_>) -> Option<[usize; 5]> {
    let mut offsets = [0; 5];
    for offset in &mut offsets {
        *offset = fields.u32()? as usize;
    }
    Some(offsets)
}

/// The priority of a table at a hook (`enum nf_ip_hook_priorities`, `linux/netfilter_ipv4.h`;
/// `net/ipv4/netfilter/iptable_*.c`), and what it does there.
fn place(table: &str, hook: Hook) -> Option<(i32, ChainKind)> {
    Some(match (table, hook) {
        ("raw", _) => (-300, ChainKind::Filter),
        // `ipt_mangle_out` there routes again what it changed.
        ("mangle", Hook::Output) => (-150, ChainKind::Route),
        ("mangle", _) => (-150, ChainKind::Filter),
        ("nat", Hook::Prerouting | Hook::Output) => (-100, ChainKind::Nat),
        ("nat", _) => (100, ChainKind::Nat),
        ("filter", _) => (0, ChainKind::Filter),
        ("security", _) => (50, ChainKind::Filter),
        _ => return None,
    })
}
