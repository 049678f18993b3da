//! What the host table says of `localhost`.

use std::cmp::Reverse;

use loopgate_plugin::prelude::*;

use crate::ipv6::{self, Ipv6};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("hosts-file", include_str!("hosts-file.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    for entry in &facts.names.hosts {
        judge_entry(facts, entry, report);
    }
    judge_families(facts, report);
}

fn judge_entry(facts: &Facts, entry: &HostsEntry, report: &mut Report) {
    let names = entry.names.iter().filter(|name| means_this_machine(name));
    let Some(name) = names.min_by_key(|name| Reverse(severity_of(entry, name))) else { return };
    let HostsEntry { line, address, .. } = entry;
    if !address.is_loopback() {
        let message = format!("/etc/hosts, line {line}: {name} is {address}, which is not loopback");
        report.fail(at(entry, name, message).severity(severity_of(entry, name)));
    } else if address.is_ipv6() && ipv6::on_loopback(facts) == Ipv6::Disabled && !ipv6::is_address_present(facts) {
        let message =
            format!("/etc/hosts, line {line}: {name} is {address}, which the loopback interface does not carry");
        report.fail(at(entry, name, message).severity(Severity::Low));
    }
}

/// `localhost` and its subdomains (RFC 6761, 6.3), and the names that distributions ship beside it.
fn means_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    is_localhost(&name)
        || matches!(
            name.as_str(),
            "localhost.localdomain"
                | "localhost4"
                | "localhost4.localdomain4"
                | "localhost6"
                | "localhost6.localdomain6"
                | "ip6-localhost"
                | "ip6-loopback"
                | "ipv6-localhost"
        )
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Traffic to the unspecified address stays on the machine, and the names beside `localhost` are seldom used.
fn severity_of(entry: &HostsEntry, name: &str) -> Severity {
    let is_localhost = is_localhost(&name.trim_end_matches('.').to_ascii_lowercase());
    if is_localhost && !entry.address.is_unspecified() { Severity::Critical } else { Severity::High }
}

/// Whether the table names `localhost` for each family that the machine speaks.
fn judge_families(facts: &Facts, report: &mut Report) {
    // The resolver of Windows answers for localhost by itself, and its table is empty as shipped. A line that was not
    // seen may be the one that is missing: then the gap makes the rule unknown.
    if facts.machine.os == "windows" || !facts.is_complete(&Area::HostsFile) {
        return;
    }
    let names_it = |entry: &&HostsEntry| entry.names.iter().any(|name| name.eq_ignore_ascii_case("localhost"));
    let mut entries = facts.names.hosts.iter().filter(names_it);
    if !entries.clone().any(|entry| entry.address.is_ipv4()) {
        report.fail(missing("127.0.0.1").severity(Severity::Medium));
    }
    if ipv6::on_loopback(facts) == Ipv6::Enabled && !entries.any(|entry| entry.address.is_ipv6()) {
        report.fail(missing("::1").severity(Severity::Low));
    }
}

fn missing(address: &str) -> Finding {
    Finding::new(localhost(), format!("/etc/hosts does not say that localhost is {address}"))
        .remediation(format!("Add the line `{address} localhost` to /etc/hosts."))
}

fn at(entry: &HostsEntry, name: &str, message: String) -> Finding {
    Finding::new(Subject::Name(name.to_owned()), message)
        .evidence(format!("/etc/hosts, line {}", entry.line), format!("{} {}", entry.address, entry.names.join(" ")))
}

fn localhost() -> Subject {
    Subject::Name("localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_known_in_every_spelling() {
        for name in ["localhost", "LOCALHOST.", "app.localhost", "localhost4.localdomain4"] {
            assert!(means_this_machine(name), "{name}");
        }
        for name in ["notlocalhost", "localhost.example.org", "ip6-allnodes"] {
            assert!(!means_this_machine(name), "{name}");
        }
    }
}
