//! Loopback traffic of IPv4, where iptables filters.

use loopgate_plugin::prelude::*;

use crate::loopback::judge;
use crate::managers::{Versions, is_managed_by};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("loopback-iptables", include_str!("loopback-iptables.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if is_managed_by(facts, &["iptables", "ip6tables"], report) {
        judge(facts, Versions::Ipv4, report);
    }
}
