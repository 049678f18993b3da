//! The controls of frameworks, one line each.

use std::io;

use anstyle::Style;

use super::Detail;
use crate::page::{BAD, DIM, DOUBT, GOOD, Page, shown, styled};
use crate::report::Report;
use crate::report::controls::{Answer, Control, Section, distribution};

/// Where titles begin: behind a number and the longest word.
const TITLE_COLUMN: usize = 28;

pub(super) fn render(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    report.controls.iter().try_for_each(|section| render_section(page, report, section, detail))
}

fn render_section(page: &mut Page<'_>, report: &Report, section: &Section, detail: Detail) -> io::Result<()> {
    let heading = match &section.framework {
        Some((name, version)) => format!("{} {}", text(name), text(version)),
        None => format!("Controls (no benchmark of this policy is for {})", text(&distribution(&report.host))),
    };
    let wanted =
        |control: &&Control| detail != Detail::Quiet || matches!(control.answer, Answer::Fail | Answer::Unknown);
    let controls: Vec<&Control> = section.controls.iter().filter(wanted).collect();
    if controls.is_empty() {
        return Ok(());
    }
    page.heading(&heading)?;
    controls.into_iter().try_for_each(|it| control(page, it, detail))
}

fn control(page: &mut Page<'_>, control: &Control, detail: Detail) -> io::Result<()> {
    let id = control.id.as_deref().map(text).unwrap_or_default();
    let label = format!("  {id:<10}{}", control.answer.as_str());
    page.labelled(&label, style(control.answer), TITLE_COLUMN, &text(&control.title))?;
    if detail != Detail::Verbose {
        return Ok(());
    }
    let rules: Vec<String> = control.rules.iter().map(ToString::to_string).collect();
    page.line(format!("{:TITLE_COLUMN$}{}", "", styled(DIM, rules.join(", "))))
}

fn style(answer: Answer) -> Style {
    match answer {
        Answer::Pass => GOOD,
        Answer::Fail => BAD,
        Answer::Unknown => DOUBT,
        Answer::NotApplicable | Answer::Accepted => DIM,
    }
}

fn text(text: &str) -> String {
    shown(&text.into())
}
