//! Selects listeners by what owns them and where they are: the same words approve a listener and waive a finding.
//!
//! A selector is made to survive restarts: nothing in it is a process id or an inode. What could not be observed is
//! neither a match nor a mismatch ([`Match::Unknown`]), so that whoever asks can fail closed. Pure, and without the types
//! of the facts or of the contract, so that a plugin and the host can both use it; each fills a [`Candidate`].

mod address;
mod candidate;
mod glob;
mod pattern;
mod port;
mod selector;

pub use address::AddressPattern;
pub use candidate::{Candidate, Container, Process};
pub use glob::Glob;
pub use pattern::{PathPattern, Pattern};
pub use port::{Ports, port_range};
pub use selector::{Match, Protocol, Selector};
