//! Loopback traffic, where ufw filters.

use loopgate_plugin::prelude::*;

use crate::loopback::judge;
use crate::managers::{Versions, is_managed_by};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("loopback-ufw", include_str!("loopback-ufw.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if is_managed_by(facts, &["ufw"], report) {
        judge(facts, Versions::Both, report);
    }
}
