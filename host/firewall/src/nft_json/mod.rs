//! Reads `nft -j list ruleset` (`libnftables-json(5)`) into a [`Ruleset`].
//!
//! The document is walked value by value, so that a statement that is not understood becomes one
//! [`crate::rule::Op::Unknown`] in its place and takes nothing with it. What the document prints in the notation of
//! people is lowered to the same operations on registers that `nft` would compile it to.
//!
//! | module | what it lowers |
//! | --- | --- |
//! | `document` | tables, chains and rules, and the names between them |
//! | `sets` | sets and maps with their elements |
//! | `operands` | what is on the left of a match: header fields, `meta`, `ct`, `fib`, concatenations |
//! | `constants` | what is on the right: values, prefixes, ranges |
//! | `matches` | matches and lookups |
//! | `translations` | address translation |
//! | `rates` | limits and quotas |
//! | `statements` | everything else that a rule does |
//! | `unambiguous` | nothing: it refuses objects with two members of one name |
//!
//! **What the document does not carry.** Matches and targets of iptables are printed without their parameters, chains
//! without a name as text, and the devices of an ingress or egress chain and the flag `dynamic` of a set not at all
//! (nft 1.0.6). Interfaces that a rule knows by index (`iif`) are printed by the name that the index had at that
//! moment, and are compared by that name: for the moment of the listing, which is all that a file speaks of, the two
//! are the same interface.

mod constants;
mod document;
mod matches;
mod operands;
mod prototype;
mod rates;
mod sets;
mod statements;
mod translations;
mod unambiguous;

use loopgate_facts::Untrusted;
use serde_json::Value;

use crate::Ruleset;
use unambiguous::Unambiguous;

/// The longest document that is read: 256 MiB.
pub const MAX_DOCUMENT: usize = 256 << 20;

/// What a document holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The ruleset.
    pub ruleset: Ruleset,
    /// What in it is not understood, in the order of the document.
    pub not_understood: Vec<NotUnderstood>,
}

/// Something in a document that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Where it is, as a JSON pointer (RFC 6901): `/nftables/7/rule/expr/0`.
    pub pointer: String,
    /// The number of the rule within its table, where it is in a rule that has one.
    pub handle: Option<u64>,
    /// What it is.
    pub construct: Untrusted,
}

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is too long.
    #[error("the document has {length} bytes, more than the {MAX_DOCUMENT} that are read")]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// It is not JSON.
    #[error("line {line}, column {column}: not JSON: {problem}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// An object has two members of one name: which of them counts is not said (RFC 8259, section 4).
    #[error("line {line}, column {column}: {problem}")]
    Twice {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// Which member.
        problem: String,
    },
    /// It is JSON, but not a listing of a ruleset.
    #[error("there is no array \"nftables\": this is not the output of `nft -j list ruleset`")]
    NotARuleset,
    /// It holds a command, which changes a ruleset instead of listing it.
    #[error("{pointer}: a command, where `nft -j list ruleset` lists what is there")]
    Command {
        /// Where.
        pointer: String,
    },
    /// Something is missing or has a form that it cannot have.
    #[error("{pointer}: {what}")]
    Form {
        /// Where.
        pointer: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Something is named that is not there.
    #[error("{pointer}: there is no {kind} {:?}", name)]
    Missing {
        /// Where it is named.
        pointer: String,
        /// Table, chain or set.
        kind: &'static str,
        /// Its name.
        name: Untrusted,
    },
    /// Chains lead back to themselves, which the kernel does not take.
    #[error("{pointer}: chain {:?} leads back to itself", name)]
    Loop {
        /// Where the chain is.
        pointer: String,
        /// A chain of the loop.
        name: Untrusted,
    },
    /// Two tables, or two chains or sets of one table, have the same name.
    #[error("{pointer}: there is another {kind} {:?}", name)]
    Duplicate {
        /// Where the second is.
        pointer: String,
        /// Table, chain or set.
        kind: &'static str,
        /// Its name.
        name: Untrusted,
    },
}

/// Reads a document.
///
/// The depth of nesting is bounded by the parser of JSON, and with it every recursion here.
pub fn parse(document: &[u8]) -> Result<Parsed, ParseError> {
    if document.len() > MAX_DOCUMENT {
        return Err(ParseError::TooLong { length: document.len() });
    }
    let Unambiguous(value) = serde_json::from_slice(document).map_err(|error| not_json(&error))?;
    let objects = value.get("nftables").and_then(Value::as_array).ok_or(ParseError::NotARuleset)?;
    document::read(objects)
}

fn not_json(error: &serde_json::Error) -> ParseError {
    let (line, column) = (error.line(), error.column());
    let problem = error.to_string();
    let position = format!(" at line {line} column {column}");
    let problem = problem.strip_suffix(&position).unwrap_or(&problem).to_owned();
    // Only `Unambiguous` finds fault with what is JSON.
    if error.is_data() {
        ParseError::Twice { line, column, problem }
    } else {
        ParseError::NotJson { line, column, problem }
    }
}

/// Why something cannot be lowered.
enum Trouble {
    /// It is not understood: it becomes unknown, and the rest stands.
    Unclear(String),
    /// The document contradicts itself.
    Broken(ParseError),
}

type Lowered<T> = Result<T, Trouble>;

/// The name of what is not understood.
fn unclear<T>(construct: impl Into<String>) -> Lowered<T> {
    Err(Trouble::Unclear(construct.into()))
}

/// The one member of an object such as `{"accept": null}`.
fn only_member(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    let (name, inner) = members.iter().next()?;
    (members.len() == 1).then_some((name.as_str(), inner))
}

/// A text of an object.
fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str()
}

/// The members of a list, or the value itself where it stands alone.
fn several(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

#[cfg(test)]
mod tests;
