//! Listeners on an address of a private or shared network.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::report_bound_to;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("private-bind", include_str!("private-bind.md"), check);

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    report_bound_to(&[Scope::Private, Scope::Shared], Severity::Medium, facts, report);
}
