//! The rules: what could not be told, what passed, what did not apply, and what could not be observed.

use std::io;

use loopgate_facts::Untrusted;

use textwrap::core::display_width;

use super::Detail;
use super::findings::{set_aside, subject};
use crate::page::{DIM, DOUBT, GOOD, Page, counted, cut, shown};
use crate::report::{GapEffect, Outcome, Remark, Report, Rule};

/// Longer names of subjects do not push the remarks of others aside.
const WIDEST_SUBJECT: usize = 36;

pub(super) fn render(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let column = id_column(report);
    unknown(page, report)?;
    gaps(page, report, detail)?;
    if detail == Detail::Quiet {
        return Ok(());
    }
    set_aside(page, report, detail)?;
    remarks(page, report)?;
    passed(page, report, column, detail)?;
    not_applicable(page, report, column)?;
    off(page, report)
}

/// Where titles begin: behind the longest id of this report, within reason.
fn id_column(report: &Report) -> usize {
    let longest = report.rules.iter().map(|rule| rule.id.to_string().len()).max().unwrap_or_default();
    longest.min(44) + 4
}

fn unknown(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let groups = by_reasons(report.rules.iter().filter_map(open_questions));
    if groups.is_empty() {
        return Ok(());
    }
    page.heading("Could not be judged")?;
    for (reasons, rules) in groups {
        page.styled_paragraph(2, DOUBT, &rules.join(", "))?;
        for reason in reasons {
            page.paragraph(6, &brief(report, reason))?;
        }
    }
    Ok(())
}

/// The reason; where it is a gap, only its name, because the gaps follow with all that there is to say of them.
fn brief(report: &Report, reason: &Untrusted) -> String {
    match report.gaps.iter().find(|effect| effect.reason == *reason) {
        Some(effect) => format!("it needs {}, which was not observed", area(effect)),
        None => shown(reason),
    }
}

fn area(effect: &GapEffect) -> String {
    let subject = effect.gap.subject.as_ref().map(|subject| format!(" ({})", shown(subject))).unwrap_or_default();
    format!("{}{subject}", effect.gap.area)
}

/// Rules that leave the same open for the same reasons, together: one gap often concerns many rules.
fn by_reasons<'r>(open: impl Iterator<Item = (String, &'r [Untrusted])>) -> Vec<(&'r [Untrusted], Vec<String>)> {
    let mut groups: Vec<(&[Untrusted], Vec<String>)> = Vec::new();
    for (rule, reasons) in open {
        match groups.iter_mut().find(|(known, _)| *known == reasons) {
            Some((_, rules)) => rules.push(rule),
            None => groups.push((reasons, vec![rule])),
        }
    }
    groups
}

/// A rule and what it leaves open, if anything.
fn open_questions(rule: &Rule) -> Option<(String, &[Untrusted])> {
    match &rule.outcome {
        Outcome::Unknown(reasons) => Some((rule.id.to_string(), reasons)),
        Outcome::Failed { unjudged, .. } if !unjudged.is_empty() => Some((format!("{} (in part)", rule.id), unjudged)),
        _ => None,
    }
}

fn gaps(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let matters = |effect: &&GapEffect| detail != Detail::Quiet || !effect.affects.is_empty();
    let gaps: Vec<&GapEffect> = report.gaps.iter().filter(matters).collect();
    if gaps.is_empty() {
        return Ok(());
    }
    page.heading("Not observed")?;
    gaps.into_iter().try_for_each(|effect| gap(page, effect))
}

fn gap(page: &mut Page<'_>, effect: &GapEffect) -> io::Result<()> {
    let gap = &effect.gap;
    page.paragraph(2, &format!("{}: {}", area(effect), shown(&gap.reason)))?;
    page.paragraph(6, &format!("leaves unknown: {}", shown(&gap.leaves_unknown)))?;
    if effect.affects.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = effect.affects.iter().map(ToString::to_string).collect();
    page.paragraph(6, &format!("needed by: {}", ids.join(", ")))
}

/// What plugins say of single subjects that is no violation, by rule.
fn remarks(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    for rule in report.rules.iter().filter(|rule| !rule.remarks.is_empty()) {
        // Of a rule that failed, its title is not so.
        let heading =
            if rule.outcome == Outcome::Passed { shown(&rule.title) } else { format!("Noted by {}", rule.id) };
        page.heading(&heading)?;
        let longest = rule.remarks.iter().map(|remark| display_width(&subject(&remark.subject))).max();
        let column = longest.unwrap_or_default().min(WIDEST_SUBJECT) + 4;
        rule.remarks.iter().try_for_each(|entry| remark(page, entry, column))?;
    }
    Ok(())
}

fn remark(page: &mut Page<'_>, remark: &Remark, column: usize) -> io::Result<()> {
    let place = remark.policy.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
    let message = format!("{}{place}", shown(&remark.message));
    page.labelled(&format!("  {}", subject(&remark.subject)), GOOD, column, &message)
}

/// One line a rule; only `--verbose` wraps what is longer.
fn passed(page: &mut Page<'_>, report: &Report, column: usize, detail: Detail) -> io::Result<()> {
    let passed: Vec<&Rule> = report.rules.iter().filter(|rule| rule.outcome == Outcome::Passed).collect();
    if passed.is_empty() {
        return Ok(());
    }
    page.heading("Passed")?;
    let room = if detail == Detail::Verbose { usize::MAX } else { page.width().saturating_sub(column).max(12) };
    for rule in passed {
        page.labelled(&format!("  {}", rule.id), GOOD, column, &cut(&shown(&rule.title), room))?;
        if detail == Detail::Verbose {
            references(page, rule, column)?;
        }
    }
    Ok(())
}

fn references(page: &mut Page<'_>, rule: &Rule, column: usize) -> io::Result<()> {
    let references: Vec<String> = rule.references.iter().map(shown).collect();
    if references.is_empty() { Ok(()) } else { page.labelled("", DIM, column, &references.join(", ")) }
}

fn not_applicable(page: &mut Page<'_>, report: &Report, column: usize) -> io::Result<()> {
    let mut heading_due = true;
    for rule in &report.rules {
        let Outcome::NotApplicable(why) = &rule.outcome else { continue };
        if std::mem::take(&mut heading_due) {
            page.heading("Not applicable")?;
        }
        page.labelled(&format!("  {}", rule.id), DIM, column, &shown(why))?;
    }
    Ok(())
}

fn off(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if report.off.is_empty() {
        return Ok(());
    }
    page.heading(&format!("Turned off by the policy: {}", counted(report.off.len(), "rule")))?;
    let ids: Vec<String> = report.off.iter().map(ToString::to_string).collect();
    page.paragraph(2, &ids.join(", "))
}
