//! What filters a machine, and which of the controls are therefore about it.

use loopgate_plugin::prelude::*;

/// What manages the rules that packets for this machine come to, if that is known and else reported.
pub(crate) fn managers<'facts>(facts: &'facts Facts, report: &mut Report) -> Option<&'facts [String]> {
    let managers = facts.firewall.managers.as_deref();
    if managers.is_none() {
        report.unjudged("the facts were recorded by a version that did not look at who manages the rules");
    }
    managers
}

/// Whether one of some managers is what filters; if not, that is reported.
pub(crate) fn is_managed_by(facts: &Facts, wanted: &[&str], report: &mut Report) -> bool {
    let Some(managers) = managers(facts, report) else { return false };
    let is_among = managers.iter().any(|manager| wanted.contains(&manager.as_str()));
    if !is_among {
        report.not_applicable(format!("{} {}", wanted.join(" and "), describe_others(wanted, managers)));
    }
    is_among
}

fn describe_others(wanted: &[&str], managers: &[String]) -> String {
    let verb = if wanted.len() == 1 { "does" } else { "do" };
    match managers {
        [] => format!("{verb} not filter what comes in, and nothing else does"),
        others => format!("{verb} not filter what comes in: {} does", others.join(" and ")),
    }
}

/// The versions of IP that a control is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    Ipv4,
    Ipv6,
    Both,
}

impl Versions {
    pub(crate) fn have(self, address: &IpAddress) -> bool {
        match self {
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => !address.is_ipv4(),
            Self::Both => true,
        }
    }
}

/// Whether some interface has an address of IPv6; if not, that is reported.
pub(crate) fn uses_ipv6(facts: &Facts, report: &mut Report) -> bool {
    let mut addresses = facts.interfaces.iter().flat_map(|interface| &interface.addresses);
    let is_used = addresses.any(|entry| !entry.address.is_ipv4());
    if !is_used {
        report.not_applicable("no interface has an IPv6 address");
    }
    is_used
}
