//! `loopgate check`: judge a machine by a policy.

use std::mem::ManuallyDrop;

use super::judge::Trial;
use crate::cli::{Check, Format};
use crate::error::Error;
use crate::output::{Document, Output};
use crate::report::text::{Detail, Layout};
use crate::report::{Report, json, text};

/// Judges, reports, and gives the exit code of the verdict.
pub(super) fn run(arguments: &Check) -> Result<u8, Error> {
    let baseline = arguments.baseline.as_deref().map(super::baseline::read).transpose()?;
    // The process ends right after: taking everything apart piece by piece would only take time.
    let mut trial = ManuallyDrop::new(Trial::hold(&arguments.policy, &arguments.facts, &arguments.day)?);
    if let Some(severity) = arguments.fail_on {
        trial.fail_on(severity);
    }
    let report = ManuallyDrop::new(trial.report(baseline.as_ref()));
    let output = Output::new(arguments.output.path.as_deref());
    output.write(&render(&report, arguments, output.width()))?;
    Ok(report.verdict.exit_code())
}

fn render(report: &Report, arguments: &Check, width: usize) -> Document {
    match arguments.format {
        Format::Text => {
            let layout = Layout { width, detail: detail(arguments) };
            Document::text(|out| text::render(report, layout, out))
        }
        Format::Json => Document::data(|out| json::render(report, out)),
    }
}

fn detail(arguments: &Check) -> Detail {
    match (arguments.quiet, arguments.verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    }
}
