//! `loopgate policy`: what a policy amounts to, whether it is right, and the schema of its format.

mod json;
mod toml;

use crate::cli::{Format, PolicyCheck, PolicyCommand, PolicySchema, PolicyShow};
use crate::error::Error;
use crate::output::{Document, Output};
use crate::page::{Page, counted};
use crate::plugins::{Court, built_in_plugins};
use crate::policy::schema::schema;
use crate::report::text::policy_line;
use crate::report::{PolicySummary, json as report_json};

pub(super) fn run(command: &PolicyCommand) -> Result<(), Error> {
    match command {
        PolicyCommand::Show(arguments) => show(arguments),
        PolicyCommand::Check(arguments) => check(arguments),
        PolicyCommand::Schema(arguments) => print_schema(arguments),
    }
}

fn show(arguments: &PolicyShow) -> Result<(), Error> {
    let court = super::court(&arguments.policy)?;
    let document = match arguments.format {
        Format::Text => Document::text(|out| toml::render(&court, out)),
        Format::Json => Document::data(|out| json::render(&court, out)),
    };
    Output::new(arguments.output.path.as_deref()).write(&document)
}

/// Everything that is wrong with a policy is an error of loading it.
fn check(arguments: &PolicyCheck) -> Result<(), Error> {
    let court = super::court(&arguments.policy)?;
    let output = Output::new(None);
    output.write(&Document::text(|out| {
        let mut page = Page::new(out, output.width());
        page.paragraph(0, &policy_line(&PolicySummary::new(&court.layers)))?;
        page.paragraph(0, &checked(&court))
    }))
}

fn checked(court: &Court) -> String {
    let rules = counted(court.rules().count(), "rule");
    let settings = counted(court.policy.rules.len(), "setting");
    let plugins = counted(court.merged.plugins.len(), "plugin");
    format!("no problems: {plugins} with {rules} loaded, parameters accepted, {settings} of rules; nothing was judged")
}

fn print_schema(arguments: &PolicySchema) -> Result<(), Error> {
    let schema = schema(&built_in_plugins()?);
    let output = Output::new(arguments.output.path.as_deref());
    output.write(&Document::data(|out| report_json::write_safely(&schema, out)))
}
