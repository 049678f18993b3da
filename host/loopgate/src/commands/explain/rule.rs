//! The page of a rule: what it checks, why, and how to mend what it finds.

use std::io;

use loopgate_engine::RuleInfo;
use loopgate_facts::Untrusted;

use crate::page::{BOLD, DIM, Page, severity_style, shown, styled};
use crate::policy::nearest::nearest;
use crate::policy::{Policy, RuleId, RuleSetting};

/// The rule of that id, or the only one whose name within its plugin it is.
pub(super) fn find<'r>(rules: &'r [(RuleId, &'r RuleInfo)], name: &str) -> Option<(&'r RuleId, &'r RuleInfo)> {
    let exact = rules.iter().find(|(id, _)| id.to_string() == name);
    let mut short = rules.iter().filter(|(id, _)| id.rule.as_str() == name);
    let found = exact.or_else(|| short.next().filter(|_| short.next().is_none()));
    found.map(|(id, rule)| (id, *rule))
}

/// The id that somebody who mistyped probably meant.
pub(super) fn near(rules: &[(RuleId, &RuleInfo)], name: &str) -> Option<String> {
    let ids: Vec<String> = rules.iter().map(|(id, _)| id.to_string()).collect();
    nearest(name, ids.iter().map(String::as_str)).map(str::to_owned).or_else(|| near_short(rules, name))
}

fn near_short(rules: &[(RuleId, &RuleInfo)], name: &str) -> Option<String> {
    let short = nearest(name, rules.iter().map(|(id, _)| id.rule.as_str()))?;
    rules.iter().find(|(id, _)| id.rule.as_str() == short).map(|(id, _)| id.to_string())
}

/// Writes the page.
pub(super) fn render(page: &mut Page<'_>, policy: &Policy, id: &RuleId, rule: &RuleInfo) -> io::Result<()> {
    page.line(styled(BOLD, id))?;
    page.paragraph(0, &shown(&rule.title))?;
    page.blank()?;
    page.line(severity(policy, id, rule))?;
    section(page, "What it checks", &rule.description)?;
    section(page, "Why it matters", &rule.rationale)?;
    section(page, "How to mend it", &rule.remediation)?;
    needs(page, rule)?;
    references(page, rule)
}

fn severity(policy: &Policy, id: &RuleId, rule: &RuleInfo) -> String {
    let own = styled(severity_style(rule.severity), rule.severity);
    match policy.setting(id) {
        None => format!("severity: {own}"),
        Some(RuleSetting::Off) => format!("severity: {own}; the policy turns the rule off"),
        Some(RuleSetting::Severity(severity)) => {
            format!("severity: {} by the policy, {own} by itself", styled(severity_style(severity), severity))
        }
        Some(RuleSetting::AtLeast(severity)) => {
            format!("severity: at least {} by the policy, {own} by itself", styled(severity_style(severity), severity))
        }
    }
}

fn section(page: &mut Page<'_>, heading: &str, text: &Untrusted) -> io::Result<()> {
    page.heading(heading)?;
    page.prose(2, text)
}

fn needs(page: &mut Page<'_>, rule: &RuleInfo) -> io::Result<()> {
    let areas: Vec<&str> = rule.needs.iter().map(|area| area.as_str()).collect();
    if areas.is_empty() {
        return Ok(());
    }
    page.heading("What it needs to see")?;
    page.paragraph(2, &areas.join(", "))
}

fn references(page: &mut Page<'_>, rule: &RuleInfo) -> io::Result<()> {
    if rule.references.is_empty() {
        return Ok(());
    }
    page.heading("References")?;
    rule.references.iter().try_for_each(|reference| page.labelled("  -", DIM, 4, &shown(reference)))
}
