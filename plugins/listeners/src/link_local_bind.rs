//! Listeners on an address of the link, and on multicast addresses.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::report_bound_to;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("link-local-bind", include_str!("link-local-bind.md"), check);

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    report_bound_to(&[Scope::LinkLocal, Scope::Multicast], Severity::Low, facts, report);
}
