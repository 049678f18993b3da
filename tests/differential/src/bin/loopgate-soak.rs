//! Tries random rulesets on the kernel: `LOOPGATE_SEED`, `LOOPGATE_COUNT` and `LOOPGATE_SECONDS` say how many.
//!
//! With the word `worker` it is one of the processes that do the work, in namespaces of its own.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the bans are for the product")]

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use loopgate_test_differential::run::{Amount, run};
use loopgate_test_differential::worker::Worker;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [word, first, last, milliseconds] if word == "worker" => {
            let until = Instant::now() + Duration::from_millis(milliseconds.parse()?);
            let report = Worker::new()?.run(first.parse()?..last.parse()?, Some(until))?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(ExitCode::SUCCESS)
        }
        _ => soak(),
    }
}

fn soak() -> Result<ExitCode, Box<dyn Error>> {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>()).transpose();
    let amount = Amount {
        seed: number("LOOPGATE_SEED")?.unwrap_or_else(|| fastrand::u64(..u64::MAX >> 1)),
        rulesets: number("LOOPGATE_COUNT")?.unwrap_or(u64::MAX >> 1),
        time: Duration::from_secs(number("LOOPGATE_SECONDS")?.unwrap_or(600)),
    };
    println!("seed {}", amount.seed);
    let report = run(&env::current_exe()?, amount)?;
    for contradiction in &report.contradictions {
        println!("\n{contradiction}");
    }
    println!("{report}");
    Ok(if report.contradictions.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
