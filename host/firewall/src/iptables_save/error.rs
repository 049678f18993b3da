//! Why a file cannot be read, and where.

use loopgate_facts::Untrusted;

use super::{LARGEST_FILE, LONGEST_LINE};

/// A file does not hold a whole ruleset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {problem}", column.map(|column| format!(", column {column}")).unwrap_or_default())]
pub struct ParseError {
    /// The line, from 1.
    pub line: u32,
    /// The byte within the line, from 1, where that says more than the line.
    pub column: Option<u32>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `iptables-save(8)` could not print a table that has native rules of `nft(8)`.
    #[error("the file does not hold the rules of table {}: iptables-save could not print them; save them with `nft -j list ruleset`", .0.escaped())]
    Incompatible(Untrusted),
    /// There is no table, chain or rule in it.
    #[error("the file holds no table; was it written?")]
    Empty,
    /// Something stands before the first table or behind `COMMIT`.
    #[error("this line stands in no table")]
    OutsideTable,
    /// A line is neither a chain, a rule, a comment nor `COMMIT`.
    #[error("this is not a line of iptables-save: {}", .0.escaped())]
    NotALine(Untrusted),
    /// A table does not end with `COMMIT`.
    #[error("table {} does not end with COMMIT: the file is cut off", .0.escaped())]
    Truncated(Untrusted),
    /// There is no such table in the kernel, so that nothing tells when its chains run.
    #[error("iptables has no table {}", .0.escaped())]
    UnknownTable(Untrusted),
    /// A table comes twice.
    #[error("table {} is there twice for one family", .0.escaped())]
    TableTwice(Untrusted),
    /// A chain comes twice in one table.
    #[error("chain {} is declared twice", .0.escaped())]
    ChainTwice(Untrusted),
    /// A policy that the kernel does not have, or one of a chain that has none.
    #[error("chain {} cannot have the policy {}", chain.escaped(), policy.escaped())]
    Policy {
        /// The chain.
        chain: Untrusted,
        /// The policy.
        policy: Untrusted,
    },
    /// A rule is in, or leads to, a chain that is not declared.
    #[error("chain {} is not declared", .0.escaped())]
    UndeclaredChain(Untrusted),
    /// Chains lead back to themselves, which the kernel does not take.
    #[error("chain {} leads back to itself", .0.escaped())]
    Loop(Untrusted),
    /// A line is too long.
    #[error("the line is longer than {LONGEST_LINE} bytes")]
    LineTooLong,
    /// The file is too large.
    #[error("the file is larger than {LARGEST_FILE} bytes")]
    FileTooLarge,
    /// The caller asked for a family that iptables does not know.
    #[error("iptables-save is for IPv4 or IPv6")]
    Family,
}

impl ParseError {
    /// A problem with a whole line.
    pub(super) fn at(line: u32, problem: Problem) -> Self {
        Self { line, column: None, problem }
    }

    /// A problem with what begins at a byte of a line, from 0.
    pub(super) fn within(line: u32, byte: usize, problem: Problem) -> Self {
        Self { line, column: u32::try_from(byte).ok().and_then(|byte| byte.checked_add(1)), problem }
    }
}
