//! Runs workers side by side, each in namespaces of its own, and adds up what they found.

use std::io;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use loopgate_test_support::in_own_namespaces;

use crate::report::Report;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// The seed of the first ruleset; the others follow it.
    pub seed: u64,
    /// How many rulesets at most.
    pub rulesets: u64,
    /// How long at most.
    pub time: Duration,
}

/// Rulesets that a worker tries before another one with fresh namespaces takes its place.
const BATCH: u64 = 400;

/// Tries rulesets until there are enough, or it is time, or something is found.
pub fn run(program: &Path, amount: Amount) -> io::Result<Report> {
    let until = Instant::now() + amount.time;
    let mut report = Report::default();
    let workers = thread::available_parallelism().map_or(1, |number| number.get() as u64);
    let end = amount.seed.saturating_add(amount.rulesets);
    let mut next = amount.seed;
    while next < end && report.contradictions.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut running = Vec::new();
        let batch = BATCH.min((end - next).div_ceil(workers));
        for _ in 0..workers {
            let last = next.saturating_add(batch).min(end);
            if next < last {
                running.push(start(program, next, last, left)?);
            }
            next = last;
        }
        for worker in running {
            report.add(finish(worker)?);
        }
    }
    Ok(report)
}

fn start(program: &Path, first: u64, last: u64, left: Duration) -> io::Result<Child> {
    let mut worker = in_own_namespaces(&[]);
    worker.arg(program).args(["worker", &first.to_string(), &last.to_string(), &left.as_millis().to_string()]);
    worker.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

fn finish(worker: Child) -> io::Result<Report> {
    let output = worker.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("a worker failed: {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(io::Error::other)
}
