//! Gets the TOML parser past lines that make it give up, so that everything behind them is read as well.

use std::ops::Range;

use toml::de::{DeTable, Error};

/// A file with more such lines than this is no policy; the parser then stops where it stops.
const MOST: usize = 32;

/// The text with every line blanked that the parser gives up at, and what it says of them. Blanks keep all spans.
///
/// At a key without a value the parser drops the rest of the document. Only lines of words are blanked: one that holds
/// an equals sign, a bracket or a quote may belong to something that spans lines.
pub(super) fn repair(text: &str) -> (String, Vec<Error>) {
    let mut repaired = text.to_owned();
    let mut noted = Vec::new();
    while noted.len() < MOST {
        let (_, errors) = DeTable::parse_recoverable(&repaired);
        let Some((error, line)) = errors.into_iter().find_map(|error| hopeless_line(&repaired, error)) else { break };
        let blank = " ".repeat(line.len());
        repaired.replace_range(line, &blank);
        noted.push(error);
    }
    (repaired, noted)
}

fn hopeless_line(text: &str, error: Error) -> Option<(Error, Range<usize>)> {
    let line = line_at(text, error.span()?.start)?;
    let words = text.get(line.clone())?;
    let is_hopeless = !words.trim().is_empty() && !words.contains(['=', '[', ']', '{', '}', '"', '\'']);
    is_hopeless.then_some((error, line))
}

/// The line that a byte is in, without its line break.
fn line_at(text: &str, at: usize) -> Option<Range<usize>> {
    let (before, after) = text.split_at_checked(at)?;
    let start = before.rfind('\n').map_or(0, |position| position + 1);
    let length = after.find('\n').unwrap_or(after.len());
    Some(start..at + length)
}
