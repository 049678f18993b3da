//! Observes this machine and prints the facts as JSON; with a number, observes that often and prints the times.

use std::io::{self, Write};
use std::time::Instant;

use loopgate_collect::{Collector, this_machine};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let Some(times) = std::env::args().nth(1).and_then(|times| times.parse::<u32>().ok()) else {
        serde_json::to_writer_pretty(&mut out, &this_machine().collect())?;
        writeln!(out)?;
        return out.flush();
    };
    for _ in 0..times {
        let begin = Instant::now();
        let facts = this_machine().collect();
        writeln!(out, "{:?} {} listeners", begin.elapsed(), facts.listeners.len())?;
    }
    out.flush()
}
