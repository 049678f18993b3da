//! What a run comes to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Rulesets that were loaded and tried.
    pub rulesets: u64,
    /// Rulesets that the tools refused, which the generator should not make.
    pub refused: u64,
    /// Packets that were sent.
    pub probes: u64,
    /// Of those, connections between real sockets.
    pub connections: u64,
    /// Packets that got to the host, with their answers.
    pub delivered: u64,
    /// Packets that got past the host, with their answers.
    pub forwarded: u64,
    /// Those whose outcome was said to be unknown.
    pub unknown: u64,
    /// Disagreements that were gone when the packet was sent again, alone.
    pub flukes: Vec<String>,
    /// How often each match and statement was in a ruleset that was tried.
    pub keys: BTreeMap<String, u64>,
    /// Why outcomes were unknown.
    pub unknown_because: BTreeMap<String, u64>,
    /// What the tools said of rulesets that they refused, and the seed of one.
    pub refusals: BTreeMap<String, u64>,
    /// Every disagreement, as it is to be read.
    pub contradictions: Vec<String>,
}

impl Report {
    /// Adds the figures of another run.
    pub fn add(&mut self, other: Self) {
        self.rulesets += other.rulesets;
        self.refused += other.refused;
        self.probes += other.probes;
        self.connections += other.connections;
        self.delivered += other.delivered;
        self.forwarded += other.forwarded;
        self.unknown += other.unknown;
        for (into, from) in [
            (&mut self.keys, other.keys),
            (&mut self.unknown_because, other.unknown_because),
            (&mut self.refusals, other.refusals),
        ] {
            for (key, count) in from {
                *into.entry(key).or_default() += count;
            }
        }
        self.flukes.extend(other.flukes);
        self.contradictions.extend(other.contradictions);
    }

    /// The share of probes whose outcome was said to be unknown, in thousandths of a percent.
    pub fn unknown_share(&self) -> u64 {
        (self.unknown * 100_000).checked_div(self.probes).unwrap_or(0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.unknown_share();
        writeln!(
            formatter,
            "{} rulesets ({} more refused by the tools), {} probes ({} by real sockets, {} delivered, {} forwarded), {} contradictions \
             ({} flukes), {} unknown ({}.{:03} %), {} kinds of matches and statements",
            self.rulesets,
            self.refused,
            self.probes,
            self.connections,
            self.delivered,
            self.forwarded,
            self.contradictions.len(),
            self.flukes.len(),
            self.unknown,
            share / 1000,
            share % 1000,
            self.keys.len()
        )?;
        for fluke in &self.flukes {
            writeln!(formatter, "fluke: {fluke}")?;
        }
        writeln!(formatter, "covered: {}", most(&self.keys, 200))?;
        writeln!(formatter, "unknown because: {}", most(&self.unknown_because, 12))?;
        writeln!(formatter, "refused because: {}", most(&self.refusals, 12))
    }
}

fn most(counts: &BTreeMap<String, u64>, shown: usize) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<String> = sorted.iter().take(shown).map(|(key, count)| format!("{key} {count}")).collect();
    words.join(", ")
}
