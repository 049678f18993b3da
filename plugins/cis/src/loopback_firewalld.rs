//! Loopback traffic, where firewalld filters.

use loopgate_plugin::prelude::*;

use crate::loopback::judge;
use crate::managers::{Versions, is_managed_by};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("loopback-firewalld", include_str!("loopback-firewalld.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if is_managed_by(facts, &["firewalld"], report) {
        judge(facts, Versions::Both, report);
    }
}
