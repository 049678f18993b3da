//! Ports that no rule is about over IPv4, where iptables filters.

use loopgate_plugin::prelude::*;

use crate::managers::{Versions, is_managed_by};
use crate::open_ports::judge;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("open-ports-iptables", include_str!("open-ports-iptables.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if is_managed_by(facts, &["iptables", "ip6tables"], report) {
        judge(facts, Versions::Ipv4, report);
    }
}
