//! Listeners on a public address.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::report_bound_to;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("public-bind", include_str!("public-bind.md"), check);

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    report_bound_to(&[Scope::Public], Severity::High, facts, report);
}
