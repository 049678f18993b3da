//! Source validation of IPv4 packets.

use loopgate_plugin::prelude::*;

use crate::settings::assignment;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("rp-filter", include_str!("rp-filter.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.is_linux() {
        return report.not_applicable("rp_filter is a setting of Linux");
    }
    let open = facts.other_interfaces().filter(|interface| interface.settings.rp_filter == Some(RpFilter::Off));
    for interface in open.filter(|interface| takes_ipv4(interface)) {
        report.fail(finding(interface));
    }
}

/// A port of a bridge has no address, and the bridge has the setting that counts.
fn takes_ipv4(interface: &NetworkInterface) -> bool {
    interface.up && interface.addresses.iter().any(|entry| entry.address.is_ipv4())
}

fn finding(interface: &NetworkInterface) -> Finding {
    let name = &interface.name;
    Finding::of_interface(interface, format!("{name} accepts packets from any source address"))
        .evidence("rp_filter", "0")
        .remediation(format!(
            "Set `net.ipv4.conf.all.rp_filter = 1` (2 with asymmetric routes), or `{}`, in /etc/sysctl.d.",
            assignment(interface, "rp_filter", 1)
        ))
}
