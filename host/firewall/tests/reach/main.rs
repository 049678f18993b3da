//! Joining listeners with the rules: what address translation publishes, and rules that come too late.

#![allow(clippy::unwrap_used, reason = "in helpers of tests, which clippy does not take for tests")]

mod foreign;
mod loopback;
mod machine;
mod published;
mod shadowed;
mod shadowed_rulesets;
mod ways_in;
