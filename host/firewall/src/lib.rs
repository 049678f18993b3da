//! Who can reach a listener, and which rule decides: the pure heart of loopgate.
//!
//! A [`Ruleset`] is everything that filters and translates packets in one network namespace: the tables of nf_tables
//! and of legacy iptables, with the hooks and priorities that order them. Front ends lower what the kernel or a file
//! says to it; a symbolic evaluator walks it as the kernel does, for a packet of which everything is known but where it
//! comes from.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`nft_json`] | reads `nft -j list ruleset` |
//! | [`iptables_save`] | reads what `iptables-save` prints |
//! | [`ruleset`] | tables, chains, rules, sets |
//! | [`address_set`] | exact sets of addresses |
//! | [`region`] | sets of senders: addresses and ports |
//! | [`evaluate`] | follows a packet through a ruleset |
//! | [`reach`] | joins listeners with what the evaluator says |
//! | [`notation`] | rules as an administrator finds them |
//! | [`routing`] | what the evaluator asks about routing |
//! | [`rule`] | what a rule is made of: operations on registers, matches, effects, verdicts |
//! | [`attribute`] | the attributes of netlink messages |
//! | [`nf_tables`] | reads the messages of the kernel's `nf_tables` |
//! | [`ip_set`] | the sets of `ipset(8)`, and the messages in which the kernel lists them |
//! | [`legacy`] | reads the tables of legacy iptables |
//! | [`xt`] | reads the matches and targets of iptables |
//!
//! The crate does no input or output.

pub mod address_set;
pub mod attribute;
pub mod evaluate;
pub mod ip_set;
pub mod iptables_save;
pub mod legacy;
mod loops;
pub mod nf_tables;
pub mod nft_json;
pub mod notation;
pub mod reach;
pub mod region;
pub mod routing;
pub mod rule;
pub mod ruleset;
pub mod xt;

pub use ruleset::Ruleset;
