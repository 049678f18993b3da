//! `loopgate check`: judge a machine by a policy.

use crate::cli::{Check, Format};
use crate::error::Error;
use crate::gate;
use crate::output::{Document, Output};
use crate::report::text::{Detail, Layout};
use crate::report::{Report, json, text};

/// Judges, reports, and gives the exit code of the verdict. Plugins are loaded while the machine is observed; what is
/// wrong with the policy is reported first.
pub(super) fn run(arguments: &Check) -> Result<u8, Error> {
    let (court, facts) = rayon::join(|| super::court(&arguments.policy), || super::facts(&arguments.facts));
    let mut court = court?;
    if let Some(severity) = arguments.fail_on {
        court.policy.fail_on = severity;
    }
    let facts = facts?;
    let answers = court.answers(&facts);
    let judgement = gate::judge(&court.policy, &facts, &answers);
    let report = Report::new(&court.layers, &court.policy, &facts, &answers, judgement);
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
