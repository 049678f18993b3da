//! `loopgate explain`: a rule, or what was found.

mod finding;
mod rule;

use loopgate_engine::RuleInfo;

use super::judge::Trial;
use crate::cli::Explain;
use crate::error::Error;
use crate::gate::about_waivers;
use crate::output::{Document, Output};
use crate::page::Page;
use crate::policy::RuleId;
use crate::report::Finding;

/// A rule needs the policy alone; only for what is none the machine is judged.
pub(super) fn run(arguments: &Explain) -> Result<(), Error> {
    let court = super::court(&arguments.policy)?;
    let about_waivers = about_waivers();
    let about_waivers = about_waivers.iter().map(|(id, info)| (id.clone(), info));
    let rules: Vec<(RuleId, &RuleInfo)> = court.rules().chain(about_waivers).collect();
    let output = Output::new(None);
    let document = match rule::find(&rules, &arguments.what) {
        Some((id, info)) => {
            Document::text(|out| rule::render(&mut Page::new(out, output.width()), &court.policy, id, info))
        }
        None => findings(arguments, &rules, output.width())?,
    };
    output.write(&document)
}

fn findings(arguments: &Explain, rules: &[(RuleId, &RuleInfo)], width: usize) -> Result<Document, Error> {
    let what = &arguments.what;
    let unknown = || Error::NothingToExplain { what: what.clone(), near: rule::near(rules, what) };
    // A slip of the pen is said before a machine is looked at.
    if !finding::may_be_named(what) {
        return Err(unknown());
    }
    let report = Trial::hold(&arguments.policy, &arguments.facts, &arguments.day)?.report(None);
    let found: Vec<&Finding> = report.findings.iter().filter(|it| finding::is_named(it, what)).collect();
    if found.is_empty() {
        return Err(unknown());
    }
    Ok(Document::text(|out| {
        let page = &mut Page::new(out, width);
        found.iter().try_for_each(|found| finding::render(page, &report, found))
    }))
}
