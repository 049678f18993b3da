//! Loopback traffic, where rules of nft filter, or nothing does.

use loopgate_plugin::prelude::*;

use crate::loopback::judge;
use crate::managers::{Versions, is_managed_by, managers};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("loopback-nftables", include_str!("loopback-nftables.md"), check);

/// Where no tool filters, one of the controls has to say so.
fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let nothing_filters = managers(facts, report).is_some_and(<[String]>::is_empty);
    if nothing_filters && facts.other_interfaces().next().is_none() {
        return report.not_applicable("nothing filters, and no interface leads to another machine");
    }
    if nothing_filters || is_managed_by(facts, &["nftables"], report) {
        judge(facts, Versions::Both, report);
    }
}
