//! Reads what filters and translates packets from the kernel, with no external program.

pub mod legacy;
pub mod nf_tables;
