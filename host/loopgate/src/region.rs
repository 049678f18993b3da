//! Who can reach an endpoint and why, for people: one region of packets at a time.

use std::io;

use loopgate_facts::{BlockReason, Prefix, ReachVerdict, Reachability, RuleReference};

use crate::page::{BAD, DOUBT, GOOD, Page, shown};

/// The most prefixes that are listed for one set of sources.
const LISTED: usize = 6;

/// Where the text behind a verdict begins.
const COLUMN: usize = 14;

/// The verdict about the packets of a region, and what decides it.
pub(crate) fn render(page: &mut Page<'_>, region: &Reachability) -> io::Result<()> {
    let (style, word) = match region.verdict {
        ReachVerdict::Reachable => (BAD, "reachable"),
        ReachVerdict::Blocked => (GOOD, "blocked"),
        ReachVerdict::Unknown => (DOUBT, "unknown"),
    };
    page.labelled(&format!("  {word}"), style, COLUMN, &format!("from {}", sources(region)))?;
    for line in because(region) {
        page.paragraph(COLUMN, &line)?;
    }
    Ok(())
}

fn sources(region: &Reachability) -> String {
    listed(&region.sources, &region.excluded_sources, region.unlisted_sources)
}

/// A set of addresses as a person would say it: `everyone except 2001:db8::/32`.
pub(crate) fn listed(prefixes: &[Prefix], excluded: &[Prefix], unlisted: u64) -> String {
    let is_everyone = prefixes.iter().any(|prefix| prefix.length() == 0);
    let who = if is_everyone { "everyone".to_owned() } else { names(prefixes, unlisted) };
    if excluded.is_empty() { who } else { format!("{who} except {}", names(excluded, 0)) }
}

fn names(prefixes: &[Prefix], unlisted: u64) -> String {
    let mut names: Vec<_> = prefixes.iter().take(LISTED).map(|prefix| name(*prefix)).collect();
    let others = unlisted.saturating_add(prefixes.len().saturating_sub(LISTED) as u64);
    if others > 0 {
        names.push(format!("{others} more prefixes"));
    }
    names.join(", ")
}

fn name(prefix: Prefix) -> String {
    if prefix.is_single_address() { prefix.address().to_string() } else { prefix.to_string() }
}

fn because(region: &Reachability) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(target) = region.translated_to {
        lines.push(format!("translated to {target}"));
    }
    if let Some(reason) = region.reason {
        lines.push(reason_words(reason).to_owned());
    }
    lines.extend(region.unknown_because.iter().map(|why| format!("not known: {}", shown(why))));
    lines.extend(region.decided_by.iter().map(rule));
    lines.extend(region.notes.iter().map(shown));
    lines
}

fn reason_words(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::Dropped => "dropped by",
        BlockReason::Rejected => "rejected by",
        BlockReason::Martian => "the kernel takes no such packet from this interface",
        BlockReason::NotRouted => "no route leads there",
        BlockReason::Elsewhere => "it goes elsewhere",
        BlockReason::OtherInterface => "the socket takes nothing from this interface",
        BlockReason::AnswerBlocked => "it arrives, but the answer is kept by",
        BlockReason::AnswerNotRouted => "it arrives, but no route leads back",
    }
}

/// A rule or policy with its place, as an administrator finds it.
pub(crate) fn rule(reference: &RuleReference) -> String {
    let place = format!("{} {} {}", reference.family, shown(&reference.table), shown(&reference.chain));
    let handle = reference.handle.map(|handle| format!(" # handle {handle}"));
    let line = reference.line.map(|line| format!(" # line {line}"));
    let position = handle.or(line).unwrap_or_default();
    format!("{place}: {}{position}", shown(&reference.text))
}
