//! The report for people: the verdict first, then what is wrong by subject, then what was checked.

mod controls;
mod findings;
mod rules;

use std::io::{self, Write};

use anstyle::Style;
use loopgate_engine::Severity;
use loopgate_facts::Host;

use super::{PolicySummary, Report};
use crate::gate::{Standing, Verdict};
use crate::page::{BAD, DIM, DOUBT, GOOD, Page, counted, shown};

/// How much to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The verdict, the findings, and what could not be judged.
    Quiet,
    /// Also each rule that was checked, in one line.
    Normal,
    /// Also all evidence, references, fingerprints and digests.
    Verbose,
}

/// How the report is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The width in columns.
    pub(crate) width: usize,
    /// How much to tell.
    pub(crate) detail: Detail,
}

/// Writes the report, with terminal styles.
pub(crate) fn render(report: &Report, layout: Layout, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, layout.width);
    verdict(&mut page, report)?;
    findings::render(&mut page, report, layout.detail)?;
    controls::render(&mut page, report, layout.detail)?;
    rules::render(&mut page, report, layout.detail)?;
    if layout.detail != Detail::Quiet && !report.rules.is_empty() {
        tally(&mut page, report, layout.detail)?;
    }
    Ok(())
}

fn verdict(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let (style, word) = match report.verdict {
        Verdict::Compliant => (GOOD, "COMPLIANT"),
        Verdict::NotCompliant => (BAD, "NOT COMPLIANT"),
        Verdict::Incomplete => (DOUBT, "INCOMPLETE"),
    };
    let column = word.len() + 2;
    page.labelled(word, style, column, &format!("{}{}", explanation(report), set_aside(report)))?;
    page.labelled("", Style::new(), column, &place(report))
}

/// The verdict as a sentence.
fn explanation(report: &Report) -> String {
    let host = shown(&report.host.hostname);
    let threshold = report.fail_on;
    let Report { tally, .. } = report;
    match report.verdict {
        Verdict::NotCompliant => {
            let severe = tally.at_or_above(threshold);
            format!(
                "{host} has {} at or above {threshold}: {}",
                counted(severe, "finding"),
                by_severity(report, threshold)
            )
        }
        Verdict::Incomplete if tally.selected() == 0 => "nothing was judged: the policy selects no rule".to_owned(),
        Verdict::Incomplete => format!(
            "{host} has no finding at or above {threshold}, but {} of {} could not be judged in full",
            tally.unknown + tally.partly_judged,
            counted(tally.selected(), "rule"),
        ),
        Verdict::Compliant => format!(
            "{host} has no finding at or above {threshold}; {} judged{}",
            counted(tally.selected() - tally.unknown, "rule"),
            tolerated(report),
        ),
    }
}

fn tolerated(report: &Report) -> String {
    match report.tally.unknown + report.tally.partly_judged {
        0 => String::new(),
        unknown => format!(", {unknown} not judged in full, which the policy allows"),
    }
}

/// `1 critical, 2 high`, worst first, down to a severity.
fn by_severity(report: &Report, least: Severity) -> String {
    let severities = Severity::ALL.into_iter().rev().filter(|severity| *severity >= least);
    let counts = severities.map(|severity| (report.tally.of(severity), severity)).filter(|(count, _)| *count > 0);
    let words: Vec<String> = counts.map(|(count, severity)| format!("{count} {severity}")).collect();
    words.join(", ")
}

/// Where and when the machine was seen.
fn place(report: &Report) -> String {
    let host = &report.host;
    let (os, kernel) = (shown(&host.os.as_str().into()), shown(&host.kernel));
    let when = host.collected_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let as_of = report.as_of.map(|time| time.strftime(", judged as of %Y-%m-%d %H:%M:%S UTC").to_string());
    format!("{os} {kernel}, seen {when}{}{}{}", by_whom(host), from_where(host), as_of.unwrap_or_default())
}

fn by_whom(host: &Host) -> String {
    match host.effective_uid {
        Some(0) => " as root".to_owned(),
        Some(uid) => format!(" as uid {uid}"),
        None => String::new(),
    }
}

fn from_where(host: &Host) -> String {
    let is_apart = host.network_namespace.is_some_and(|namespace| namespace.initial == Some(false));
    match &host.container {
        Some(container) => format!(" inside a {} container", shown(container)),
        None if is_apart => " inside a network namespace of its own".to_owned(),
        None => String::new(),
    }
}

fn tally(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let tally = &report.tally;
    let parts = [
        (tally.failed, "failed"),
        (tally.passed, "passed"),
        (tally.not_applicable, "not applicable"),
        (tally.unknown, "unknown"),
        (report.off.len(), "off"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let found = found(report);
    page.blank()?;
    page.paragraph(
        0,
        &format!("{}: {}; {found}", counted(tally.selected() + report.off.len(), "rule"), parts.join(", ")),
    )?;
    sources(page, report, detail)
}

/// What was found, and what of it does not count.
fn found(report: &Report) -> String {
    let tally = &report.tally;
    let counting = match tally.findings.len() {
        0 => "no findings".to_owned(),
        count => format!("{} ({})", counted(count, "finding"), by_severity(report, Severity::Info)),
    };
    format!("{counting}{}", set_aside(report))
}

/// The findings that do not count, to be read behind those that do; nothing where there are none.
fn set_aside(report: &Report) -> String {
    let counts = [
        (report.tally.waived, "waived"),
        (report.tally.baselined, "in the baseline"),
        (report.gone, "gone from the baseline"),
    ];
    let words = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    words.collect::<Vec<_>>().concat()
}

/// What was judged with.
fn sources(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let policy = &report.policy;
    if detail != Detail::Verbose {
        page.styled_paragraph(0, DIM, &policy_line(policy))?;
        return hint(page, report);
    }
    page.line(policy_line(policy))?;
    for layer in &policy.layers {
        page.line(format!("policy {}, sha256 {}", shown(&layer.label.as_str().into()), layer.sha256))?;
    }
    for plugin in &report.plugins {
        let origin = plugin.file.as_deref().map_or_else(|| "built in".to_owned(), |file| shown(&file.into()));
        page.line(format!("plugin {} {}, {origin}, sha256 {}", plugin.name, shown(&plugin.version), plugin.sha256))?;
    }
    Ok(())
}

/// The policy by its layers, the uppermost first, and how it was found.
pub(crate) fn policy_line(policy: &PolicySummary) -> String {
    let layers: Vec<String> = policy.layers.iter().map(|layer| shown(&layer.label.as_str().into())).collect();
    format!("policy: {} ({})", layers.join(", then "), policy.found.sentence())
}

fn hint(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    match report.findings.iter().find(|finding| finding.standing == Standing::Counts) {
        Some(worst) => page.styled_paragraph(
            0,
            DIM,
            &format!(
                "`loopgate explain {}`, with the same --policy, --facts and --at, says why it matters and how to mend it",
                worst.short_fingerprint()
            ),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
