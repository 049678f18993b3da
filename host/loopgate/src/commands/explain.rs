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
use crate::plugins::{Court, built_in_plugins};
use crate::policy::RuleId;
use crate::report::Finding;

/// A rule needs the policy alone; only for what is none the machine is judged.
pub(super) fn run(arguments: &Explain) -> Result<(), Error> {
    let court = super::court(&arguments.policy)?;
    let output = Output::new(None);
    let document = match explained_rule(&court, &arguments.what, output.width()) {
        Ok(document) => document,
        Err(near) => match unselected_rule(&court, &arguments.what, output.width())? {
            Some(document) => document,
            None => findings(arguments, court, near, output.width())?,
        },
    };
    output.write(&document)
}

/// The page of a rule; where there is none of this name, the rule that was probably meant.
fn explained_rule(court: &Court, name: &str, width: usize) -> Result<Document, Option<String>> {
    let about_waivers = about_waivers();
    let about_waivers = about_waivers.iter().map(|(id, info)| (id.clone(), info));
    let rules: Vec<(RuleId, &RuleInfo)> = court.rules().chain(about_waivers).collect();
    let (id, info) = rule::find(&rules, name).ok_or_else(|| rule::near(&rules, name))?;
    Ok(Document::text(|out| rule::render(&mut Page::new(out, width), &court.policy, id, info)))
}

/// The page of a rule of a built-in plugin that the policy does not name.
fn unselected_rule(court: &Court, name: &str, width: usize) -> Result<Option<Document>, Error> {
    if RuleId::parse(name).is_none() {
        return Ok(None);
    }
    let plugins = built_in_plugins()?;
    let ids =
        plugins.iter().flat_map(|plugin| plugin.rules.iter().map(|rule| (RuleId::new(&plugin.name, &rule.name), rule)));
    let rules: Vec<(RuleId, &RuleInfo)> = ids.collect();
    Ok(rule::find(&rules, name).map(|(id, info)| {
        Document::text(|out| {
            let page = &mut Page::new(out, width);
            rule::render(page, &court.policy, id, info)?;
            page.blank()?;
            page.paragraph(0, &format!("This policy does not judge it: it does not name the plugin `{}`.", id.plugin))
        })
    }))
}

fn findings(arguments: &Explain, court: Court, near: Option<String>, width: usize) -> Result<Document, Error> {
    let what = &arguments.what;
    let unknown = || Error::NothingToExplain { what: what.clone(), near };
    // A slip of the pen is said before a machine is looked at.
    if !finding::may_be_named(what) {
        return Err(unknown());
    }
    let at = arguments.day.at.map(|at| at.0);
    let report = Trial::of(court, super::facts(&arguments.facts)?, at).report(None);
    let found: Vec<&Finding> = report.findings.iter().filter(|it| finding::is_named(it, what)).collect();
    if found.is_empty() {
        return Err(unknown());
    }
    Ok(Document::text(|out| {
        let page = &mut Page::new(out, width);
        found.iter().try_for_each(|found| finding::render(page, &report, found))
    }))
}
