//! Proves that what should stay on loopback is unreachable from outside.
//!
//! The binary: command line, policy, gate, report. It observes through `loopgate-collect` and judges through
//! `loopgate-engine`; see `ARCHITECTURE.md`.

mod cli;
mod commands;
mod error;
mod files;
mod gate;
mod output;
mod page;
mod plugins;
mod policy;
mod prose;
mod region;
mod report;
#[cfg(test)]
mod sample;

use std::process::ExitCode;

use clap::Parser;

/// Wrong usage, policy, plugin or facts file, or a result that could not be written: nothing was judged.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::complain(&error);
            ExitCode::from(FAILED)
        }
    }
}
