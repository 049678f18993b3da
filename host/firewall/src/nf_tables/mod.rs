//! Reads the messages in which the kernel lists the rules of its `nf_tables`
//! (`include/uapi/linux/netfilter/nf_tables.h`).
//!
//! Bytes come in, a [`Ruleset`] comes out. The messages are given to a [`Builder`] in the order tables, chains, sets,
//! elements, objects, rules, so that each finds what it names. A message that is not well formed is an error, because
//! nobody can say what it would have held; an expression of a rule that is not understood is an [`Op::Unknown`] at its
//! place in the rule.
//!
//! | module | what it reads |
//! | --- | --- |
//! | `fields` | attributes by type, registers |
//! | `chain` | tables and chains |
//! | `set`, `element`, `interval` | sets and maps, their elements, the intervals that these bound |
//! | `object` | named counters, quotas, limits |
//! | `rule` | rules, by way of `expression` and its modules, one for each kind of expression |

mod chain;
mod element;
mod expression;
pub(crate) mod fields;
mod interval;
mod object;
mod rule;
mod set;
pub(crate) mod stream;

use std::collections::HashMap;

pub use fields::Flaw;
pub use stream::decode_stream;

#[cfg(doc)]
use crate::rule::Op;
use crate::rule::Rate;
use crate::ruleset::{ChainId, Family, Ruleset, SetId, TableId};

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} message {position} of its kind: {flaw}")]
pub struct Error {
    /// What it is about: table, chain, set, element, object or rule.
    pub message: &'static str,
    /// How many of its kind came before it.
    pub position: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Builds a ruleset from the payloads of messages: what follows the netlink header.
#[derive(Debug, Default)]
pub struct Builder {
    ruleset: Ruleset,
    tables: HashMap<(Family, Box<[u8]>), TableId>,
    names: Vec<Names>,
    sets: Vec<SetFacts>,
    counts: HashMap<&'static str, usize>,
}

/// What the names in a table stand for.
#[derive(Debug, Default)]
struct Names {
    handle: u64,
    chains: HashMap<Box<[u8]>, ChainId>,
    sets: HashMap<Box<[u8]>, SetId>,
    objects: HashMap<(u32, Box<[u8]>), object::Object>,
}

/// What must be known of a set to read its elements and the expressions that use it.
#[derive(Debug)]
struct SetFacts {
    flags: u32,
    key_length: u32,
    data: DataKind,
    /// The expressions that each new element gets.
    rates: Vec<Rate>,
    /// One of these is not understood.
    unknown_expression: bool,
    /// Where intervals end, and the next key does not belong to them.
    ends: Vec<Box<[u8]>>,
}

/// What a set gives for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataKind {
    Nothing,
    Value(u32),
    Verdict,
    Object(u32),
}

impl Builder {
    /// A builder of an empty ruleset.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table (`NFT_MSG_NEWTABLE`).
    pub fn table(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("table", |builder| chain::add_table(builder, payload))
    }

    /// Adds a chain (`NFT_MSG_NEWCHAIN`).
    pub fn chain(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("chain", |builder| chain::add(builder, payload))
    }

    /// Adds a set or map (`NFT_MSG_NEWSET`).
    pub fn set(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("set", |builder| set::add(builder, payload))
    }

    /// Adds elements to a set (`NFT_MSG_NEWSETELEM`).
    pub fn elements(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("element", |builder| element::add(builder, payload))
    }

    /// Adds an object (`NFT_MSG_NEWOBJ`).
    pub fn object(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("object", |builder| object::add(builder, payload))
    }

    /// Adds a rule to the end of its chain (`NFT_MSG_NEWRULE`).
    pub fn rule(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.count("rule", |builder| rule::add(builder, payload))
    }

    /// Adds what a message of a type holds (`NFT_MSG_NEW*`); one of another type holds nothing that is wanted.
    pub fn message(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        match kind {
            stream::NFT_MSG_NEWTABLE => self.table(payload),
            stream::NFT_MSG_NEWCHAIN => self.chain(payload),
            stream::NFT_MSG_NEWSET => self.set(payload),
            stream::NFT_MSG_NEWSETELEM => self.elements(payload),
            stream::NFT_MSG_NEWOBJ => self.object(payload),
            stream::NFT_MSG_NEWRULE => self.rule(payload),
            _ => Ok(()),
        }
    }

    /// The ruleset, once every message was given.
    pub fn finish(mut self) -> Ruleset {
        for (set, facts) in self.ruleset.sets.iter_mut().zip(&mut self.sets) {
            if facts.is_bounded_by_ends() {
                interval::close(set, std::mem::take(&mut facts.ends), facts.flags);
            }
        }
        chain::mark_notation(&mut self.ruleset);
        self.ruleset
    }

    fn count(&mut self, message: &'static str, add: impl FnOnce(&mut Self) -> Result<(), Flaw>) -> Result<(), Error> {
        let result = add(self);
        let count = self.counts.entry(message).or_default();
        let position = *count;
        *count += 1;
        result.map_err(|flaw| Error { message, position, flaw })
    }

    /// The table that a message names.
    fn find_table(&self, family: u8, name: &[u8]) -> Result<TableId, Flaw> {
        let family = chain::family(family)?;
        let table = self.tables.get(&(family, Box::from(name)));
        table.copied().ok_or_else(|| dangling("table", name))
    }

    fn names(&self, table: TableId) -> Result<&Names, Flaw> {
        self.names.get(table.0 as usize).ok_or(Flaw::Unknown)
    }

    fn names_mut(&mut self, table: TableId) -> Result<&mut Names, Flaw> {
        self.names.get_mut(table.0 as usize).ok_or(Flaw::Unknown)
    }
}

impl Names {
    fn chain(&self, name: &[u8]) -> Result<ChainId, Flaw> {
        self.chains.get(name).copied().ok_or_else(|| dangling("chain", name))
    }

    fn set(&self, name: &[u8]) -> Result<SetId, Flaw> {
        self.sets.get(name).copied().ok_or_else(|| dangling("set", name))
    }
}

/// The kernel numbers all of these with 32 bits.
fn next_id<T>(list: &[T]) -> Result<u32, Flaw> {
    u32::try_from(list.len()).map_err(|_| Flaw::Length)
}

fn dangling(what: &str, name: &[u8]) -> Flaw {
    let name = loopgate_facts::Untrusted::from_bytes(name);
    Flaw::Dangling(format!("{what} \"{}\"", name.escaped()))
}

#[cfg(test)]
mod tests;
