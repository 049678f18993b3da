//! Which entries make which chain.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::info::{HookChain, Info};
use super::{Flaw, LegacyError};
use crate::ruleset::{ChainId, Policy};

/// `-NF_DROP - 1`, `-NF_ACCEPT - 1`, `-NF_QUEUE - 1` and `XT_RETURN` (`x_tables.h`).
pub(super) const DROP: i32 = -1;
pub(super) const ACCEPT: i32 = -2;
pub(super) const QUEUE: i32 = -4;
pub(super) const RETURN: i32 = -5;

/// The chains of a table.
pub(super) struct Chains<'e, 'a> {
    pub(super) chains: Vec<Entries<'e, 'a>>,
    /// The chains that can be jumped to, by the offset of their first entry.
    pub(super) by_offset: BTreeMap<usize, ChainId>,
}

/// A chain and its rules.
pub(super) struct Entries<'e, 'a> {
    pub(super) name: &'a [u8],
    /// Its hook, and what happens at its end.
    pub(super) base: Option<(HookChain, Policy)>,
    pub(super) rules: &'e [Entry<'a>],
}

impl<'e, 'a> Chains<'e, 'a> {
    pub(super) fn find(info: &Info, entries: &'e [Entry<'a>]) -> Result<Self, LegacyError> {
        let mut found = Self { chains: Vec::new(), by_offset: BTreeMap::new() };
        let mut rest = entries;
        while let Some((first, behind)) = rest.split_first() {
            if let Some(hook) = info.hooks.iter().find(|hook| hook.begin == first.offset) {
                rest = found.add_base(hook, rest)?;
            } else if behind.is_empty() && first.chain_name().is_some() {
                break;
            } else {
                let name = first.chain_name().ok_or_else(|| Flaw::Stray.at(first.offset))?;
                rest = found.add_user(name, first, behind)?;
            }
        }
        found.check_hooks(info)?;
        Ok(found)
    }

    /// Takes the chain of a hook, up to its policy, and gives what follows.
    fn add_base(&mut self, hook: &HookChain, rest: &'e [Entry<'a>]) -> Result<&'e [Entry<'a>], LegacyError> {
        let end = rest.iter().position(|entry| entry.offset == hook.policy).ok_or(Flaw::Hook.at(hook.policy))?;
        let (rules, rest) = rest.split_at(end);
        let (last, rest) = rest.split_first().ok_or(Flaw::Hook.at(hook.policy))?;
        let base = Some((*hook, policy(last)?));
        self.chains.push(Entries { name: hook.name.as_bytes(), base, rules });
        Ok(rest)
    }

    /// Takes a chain up to its end, and gives what follows.
    fn add_user(
        &mut self,
        name: &'a [u8],
        title: &Entry<'_>,
        rest: &'e [Entry<'a>],
    ) -> Result<&'e [Entry<'a>], LegacyError> {
        let end = rest.iter().position(|entry| entry.chain_name().is_some());
        let (rules, rest) = rest.split_at(end.ok_or(Flaw::Endless.at(title.offset))?);
        let (last, rules) = rules.split_last().ok_or(Flaw::Endless.at(title.offset))?;
        if !last.is_unconditional() || last.standard_verdict() != Some(RETURN) {
            return Err(Flaw::Endless.at(last.offset));
        }
        let id = u32::try_from(self.chains.len()).map_err(|_| Flaw::Size("table").at(title.offset))?;
        self.by_offset.insert(title.next, ChainId(id));
        self.chains.push(Entries { name, base: None, rules });
        Ok(rest)
    }

    /// Every hook has its chain, and no two have the same.
    fn check_hooks(&self, info: &Info) -> Result<(), LegacyError> {
        let bases = self.chains.iter().filter(|chain| chain.base.is_some()).count();
        match info.hooks.last() {
            Some(last) if bases != info.hooks.len() => Err(Flaw::Hook.at(last.begin)),
            _ => Ok(()),
        }
    }
}

/// What the kernel requires of the end of a chain of a hook (`check_underflow`, `net/ipv4/netfilter/ip_tables.c`).
fn policy(entry: &Entry<'_>) -> Result<Policy, LegacyError> {
    match entry.standard_verdict() {
        Some(ACCEPT) if entry.is_unconditional() => Ok(Policy::Accept),
        Some(DROP) if entry.is_unconditional() => Ok(Policy::Drop),
        _ => Err(Flaw::Policy.at(entry.offset)),
    }
}
