//! Loopback traffic of IPv6, where iptables filters.

use loopgate_plugin::prelude::*;

use crate::loopback::judge;
use crate::managers::{Versions, is_managed_by, uses_ipv6};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("loopback-ip6tables", include_str!("loopback-ip6tables.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if uses_ipv6(facts, report) && is_managed_by(facts, &["iptables", "ip6tables"], report) {
        judge(facts, Versions::Ipv6, report);
    }
}
