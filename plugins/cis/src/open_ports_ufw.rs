//! Ports that no rule of ufw is about.

use loopgate_plugin::prelude::*;

use crate::managers::{Versions, is_managed_by};
use crate::open_ports::judge;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("open-ports-ufw", include_str!("open-ports-ufw.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if is_managed_by(facts, &["ufw"], report) {
        judge(facts, Versions::Both, report);
    }
}
