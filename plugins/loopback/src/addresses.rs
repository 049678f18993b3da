//! The addresses that the loopback interface must carry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_plugin::prelude::*;

use crate::ipv6::{self, Ipv6};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("addresses", include_str!("addresses.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    let Some(interface) = facts.loopback_interface() else {
        return report.not_applicable("there is no loopback interface");
    };
    if !interface.up {
        return report.not_applicable("the loopback interface is down");
    }
    expect(facts, interface, Ipv4Addr::LOCALHOST.into(), 8, report);
    match ipv6::on_loopback(facts) {
        Ipv6::Enabled => expect(facts, interface, Ipv6Addr::LOCALHOST.into(), 128, report),
        Ipv6::Disabled => {}
        Ipv6::Unknown => report.unjudged("whether the loopback interface should carry ::1"),
    }
}

fn expect(facts: &Facts, interface: &NetworkInterface, address: IpAddr, length: u8, report: &mut Report) {
    let name = &interface.name;
    match interface.addresses.iter().find(|entry| entry.address.to_std() == address) {
        // It may be among those that were not seen: then the gap makes the rule unknown.
        None if !facts.is_complete(&Area::Interfaces) => {}
        None => report.fail(
            Finding::of_interface(interface, format!("{name} does not carry {address}/{length}"))
                .remediation(format!("ip address add {address}/{length} dev {name}")),
        ),
        Some(entry) if entry.prefix_length != length => {
            let found = entry.prefix_length;
            let message = format!("{name} carries {address}/{found} instead of {address}/{length}");
            report.fail(Finding::of_interface(interface, message).severity(Severity::Low));
        }
        Some(_) => {}
    }
}
