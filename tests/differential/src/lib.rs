//! Compares the evaluator with the kernel.
//!
//! Random rulesets are loaded in network namespaces made for it, real packets are sent from many sources, and what
//! becomes of them is compared with what the evaluator says.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the bans are for the product; this crate is a test"
)]

pub mod arena;
pub mod compare;
pub mod connect;
pub mod conntrack;
pub mod generate;
pub mod load;
pub mod nftables;
pub mod packet;
pub mod peer;
pub mod plan;
pub mod predict;
pub mod probe;
pub mod report;
pub mod ruleset;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod sources;
pub mod taps;
pub mod wire;
pub mod worker;
