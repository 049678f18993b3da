//! Binding addresses that the machine does not have.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("nonlocal-bind", include_str!("nonlocal-bind.md"), check);

const SETTINGS: [&str; 2] = ["net.ipv4.ip_nonlocal_bind", "net.ipv6.ip_nonlocal_bind"];

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.is_linux() {
        return report.not_applicable("ip_nonlocal_bind is a setting of Linux");
    }
    let settings = SETTINGS.iter().filter_map(|name| facts.sysctl(name));
    for sysctl in settings.filter(|sysctl| sysctl.is_on()) {
        report.fail(finding(sysctl));
    }
}

fn finding(sysctl: &Sysctl) -> Finding {
    let message = format!("{} lets processes bind addresses that this machine does not have", sysctl.name);
    Finding::of_sysctl(sysctl, message).remediation(format!("Set `{} = 0` in /etc/sysctl.d.", sysctl.name))
}
