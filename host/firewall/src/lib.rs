//! Who can reach a listener, and which rule decides: the pure heart of loopgate.
//!
//! A [`Ruleset`] is everything that filters and translates packets in one network namespace: the tables of nf_tables
//! and of legacy iptables, with the hooks and priorities that order them. Front ends lower what the kernel or a file
//! says to it; a symbolic evaluator walks it as the kernel does, for a packet of which everything is known but where it
//! comes from.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`ruleset`] | tables, chains, rules, sets |
//! | [`iptables_save`] | reads what `iptables-save` prints |
//! | [`rule`] | what a rule is made of: operations on registers, matches, effects, verdicts |
//!
//! The crate does no input or output.

pub mod iptables_save;
pub mod rule;
pub mod ruleset;

pub use ruleset::Ruleset;
