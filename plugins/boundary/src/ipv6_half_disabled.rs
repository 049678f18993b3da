//! IPv6 that was switched off and is still there.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> =
    Rule::new("ipv6-half-disabled", include_str!("ipv6-half-disabled.md"), check);

const ALL: &str = "net.ipv6.conf.all.disable_ipv6";
const DEFAULT: &str = "net.ipv6.conf.default.disable_ipv6";

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    if !facts.is_linux() {
        return report.not_applicable("disable_ipv6 is a setting of Linux");
    }
    if !facts.interfaces.iter().any(has_ipv6) {
        return report.not_applicable("the kernel has no IPv6");
    }
    judge_all(facts, report);
    judge_default(facts, report);
    judge_loopback(facts, report);
}

fn has_ipv6(interface: &NetworkInterface) -> bool {
    interface.settings.disable_ipv6.is_some() || interface.addresses.iter().any(|entry| entry.address.is_ipv6())
}

/// `all` is off, and an interface is not: it was created or set afterwards.
fn judge_all(facts: &Facts, report: &mut Report) {
    let Some(all) = facts.sysctl(ALL).filter(|sysctl| sysctl.is_on()) else { return };
    for interface in facts.other_interfaces().filter(|interface| is_enabled(interface)) {
        let message = format!("{} speaks IPv6 though it is disabled for all interfaces", interface.name);
        let finding =
            Finding::of_interface(interface, message).evidence(&all.name, &all.value).evidence("disable_ipv6", "0");
        let addresses = interface.addresses.iter().filter(|entry| entry.address.is_ipv6());
        let finding = addresses.fold(finding, |finding, entry| finding.evidence("address", entry.address.to_string()));
        report.fail(finding.remediation(format!(
            "Set `net.ipv6.conf.{}.disable_ipv6 = 1`, and `{DEFAULT} = 1` for interfaces that come later.",
            interface.name.replace('.', "/")
        )));
    }
}

/// `all` is off and `default` is not: interfaces that come later speak IPv6.
fn judge_default(facts: &Facts, report: &mut Report) {
    let Some(default) = facts.sysctl(DEFAULT).filter(|sysctl| !sysctl.is_on()) else { return };
    if facts.sysctl(ALL).is_some_and(Sysctl::is_on) {
        let message = "IPv6 is disabled for all interfaces, but those that are created from now on speak it";
        report.fail(Finding::of_sysctl(default, message).remediation(format!("Set `{DEFAULT} = 1` in /etc/sysctl.d.")));
    }
}

/// Loopback lost IPv6 while others have it: `localhost` and `::1` fail, and services fall back to wider addresses.
fn judge_loopback(facts: &Facts, report: &mut Report) {
    let disabled = |interface: &&NetworkInterface| interface.settings.disable_ipv6 == Some(true);
    let Some(loopback) = facts.loopback_interface().filter(disabled) else { return };
    if facts.other_interfaces().any(is_enabled) {
        let message = format!("IPv6 is disabled on {} while other interfaces speak it", loopback.name);
        let finding = Finding::of_interface(loopback, message).evidence("disable_ipv6", "1");
        report.fail(finding.remediation(format!("Set `net.ipv6.conf.{}.disable_ipv6 = 0`.", loopback.name)));
    }
}

fn is_enabled(interface: &NetworkInterface) -> bool {
    interface.settings.disable_ipv6 == Some(false)
}
