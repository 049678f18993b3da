//! `loopgate rules`: what a policy checks.

use std::io;

use loopgate_engine::RuleInfo;

use crate::cli::Rules;
use crate::error::Error;
use crate::output::{Document, Output};
use crate::page::{DIM, Page, padded, severity_style, shown, styled};
use crate::plugins::Court;
use crate::policy::{Policy, RuleId, RuleSetting};

pub(super) fn run(arguments: &Rules) -> Result<(), Error> {
    let court = super::court(&arguments.policy)?;
    let output = Output::new(None);
    output.write(&Document::text(|out| render(&court, &mut Page::new(out, output.width()))))
}

fn render(court: &Court, page: &mut Page<'_>) -> io::Result<()> {
    let rules: Vec<(RuleId, &RuleInfo)> = court.rules().collect();
    let longest = rules.iter().map(|(id, _)| id.to_string().len()).max().unwrap_or_default();
    rules.iter().try_for_each(|(id, info)| line(page, &court.policy, id, info, longest + 2))
}

fn line(page: &mut Page<'_>, policy: &Policy, id: &RuleId, info: &RuleInfo, column: usize) -> io::Result<()> {
    let severity = match policy.setting(id) {
        Some(RuleSetting::Off) => styled(DIM, "off     ").to_string(),
        setting => {
            let severity = setting.map_or(info.severity, |setting| setting.applied_to(info.severity));
            styled(severity_style(severity), format!("{severity:<8}")).to_string()
        }
    };
    let title = shown(&info.title);
    page.line(format!("{}{severity}  {title}", padded(&id.to_string(), column)))
}
