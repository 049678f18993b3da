//! What the resolver answers for `localhost`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_plugin::prelude::*;

use crate::ipv6::{self, Ipv6};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("resolver", include_str!("resolver.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    match &facts.names.localhost {
        Resolution::NotAsked => report.unjudged("the resolver was not asked for localhost"),
        Resolution::Failed(error) => {
            let message = "the resolver has no answer for localhost";
            report.fail(finding(message.to_owned(), Severity::High).evidence("error", error));
        }
        Resolution::Addresses(addresses) => judge(facts, addresses, report),
    }
}

fn judge(facts: &Facts, addresses: &[IpAddress], report: &mut Report) {
    for stray in addresses.iter().filter(|address| !address.is_loopback()) {
        let message = format!("the resolver says that localhost is {stray}, which is not loopback");
        report.fail(with_answer(finding(message, Severity::Critical), addresses));
    }
    let answers = |wanted: IpAddr| addresses.iter().any(|address| address.to_std() == wanted);
    let (ipv4, ipv6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    if !answers(ipv4) {
        let message = "the resolver does not say that localhost is 127.0.0.1".to_owned();
        report.fail(with_answer(finding(message, Severity::Medium), addresses));
    }
    match (ipv6::is_address_present(facts), answers(ipv6)) {
        (true, false) => {
            let message = "the resolver does not say that localhost is ::1".to_owned();
            report.fail(with_answer(finding(message, Severity::Low), addresses));
        }
        (false, true) if ipv6::on_loopback(facts) == Ipv6::Disabled => {
            let message =
                "the resolver says that localhost is ::1, which the loopback interface does not carry".to_owned();
            report.fail(with_answer(finding(message, Severity::Low), addresses));
        }
        _ => {}
    }
}

fn finding(message: String, severity: Severity) -> Finding {
    Finding::new(Subject::Name("localhost".to_owned()), message).severity(severity)
}

fn with_answer(finding: Finding, addresses: &[IpAddress]) -> Finding {
    let answer: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    finding.evidence("answer", answer.join(", "))
}
