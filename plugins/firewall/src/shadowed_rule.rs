//! Rules that come too late for the listeners that they were written for.

use loopgate_plugin::describe_sources;
use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("shadowed-rule", include_str!("shadowed-rule.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let shadowed = &facts.firewall.shadowed;
    for rule in &shadowed.rules {
        report.fail(finding(facts, rule));
    }
    if shadowed.unlisted_rules > 0 {
        report.unjudged(format!("{} more rules come too late and are not listed", shadowed.unlisted_rules));
    }
    if !shadowed.complete {
        report.unjudged("there are too many rules to look at each of them");
    }
}

fn finding(facts: &Facts, shadowed: &ShadowedRule) -> Finding {
    let name = |position| facts.rule(Some(position)).map(ToString::to_string).unwrap_or_default();
    let (rule, before) = (name(shadowed.rule), name(shadowed.decided_by));
    let who = describe_sources(&shadowed.sources, &shadowed.excluded_sources, shadowed.unlisted_sources);
    let (would, severity) = match shadowed.effect {
        RuleEffect::KeepsOut => ("keep", Severity::Medium),
        RuleEffect::LetsIn => ("let", Severity::Low),
    };
    let listeners = listeners(shadowed);
    let about = if shadowed.effect == RuleEffect::KeepsOut { "away from" } else { "in to" };
    let message = format!("{rule} would {would} {who} {about} {listeners}, but comes too late: {before} decides first");
    let finding = Finding::new(Subject::Other(subject(facts, shadowed)), message).severity(severity);
    let finding = finding.evidence("rule", rule).evidence("decides first", before).evidence("sources", who);
    let finding = shadowed.listeners.iter().fold(finding, |finding, id| finding.evidence("listener", id));
    finding.evidence("other packets", if shadowed.never_matches { NONE } else { DROPPED_ANYWAY })
}

const NONE: &str = "none come to the rule";
const DROPPED_ANYWAY: &str = "what comes to the rule is dropped without it too";

/// The first listener, and how many more there are.
fn listeners(shadowed: &ShadowedRule) -> String {
    let first = shadowed.listeners.first().map(String::as_str).unwrap_or_default();
    let more = (shadowed.listeners.len() as u64).saturating_sub(1).saturating_add(shadowed.unlisted_listeners);
    match more {
        0 => first.to_owned(),
        1 => format!("{first} and 1 more listener"),
        more => format!("{first} and {more} more listeners"),
    }
}

/// The rule without its number, which changes with every reload.
fn subject(facts: &Facts, shadowed: &ShadowedRule) -> String {
    match facts.rule(Some(shadowed.rule)) {
        Some(RuleReference { family, table, chain, text, .. }) => format!("{family} {table} {chain}: {text}"),
        None => format!("rule {}", shadowed.rule),
    }
}
