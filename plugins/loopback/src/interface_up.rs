//! The loopback interface itself.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("interface-up", include_str!("interface-up.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    match facts.loopback_interface() {
        // It may be among those that were not seen: then the gap makes the rule unknown.
        None if !facts.is_complete(&Area::Interfaces) => {}
        None => report.fail(Finding::new(Subject::Host, "there is no loopback interface")),
        Some(interface) if !interface.up => report.fail(
            Finding::of_interface(interface, format!("the loopback interface {} is down", interface.name))
                .remediation(format!("ip link set {} up", interface.name)),
        ),
        Some(_) => {}
    }
}
