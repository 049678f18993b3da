//! Traffic over the loopback interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_plugin::prelude::*;

use crate::ipv6::{self, Ipv6};

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("probes", include_str!("probes.md"), check);

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    judge(facts, Ipv4Addr::LOCALHOST.into(), report);
    match ipv6::on_loopback(facts) {
        Ipv6::Enabled => judge(facts, Ipv6Addr::LOCALHOST.into(), report),
        Ipv6::Disabled => {}
        Ipv6::Unknown => report.unjudged("whether traffic to ::1 should arrive"),
    }
}

fn judge(facts: &Facts, address: IpAddr, report: &mut Report) {
    for protocol in [ProbeProtocol::Tcp, ProbeProtocol::Udp] {
        let is_it = |probe: &&Probe| probe.address.to_std() == address && probe.protocol == protocol;
        match facts.probes.iter().find(is_it) {
            Some(Probe { failure: Some(failure), .. }) => report.fail(finding(address, protocol, failure)),
            Some(_) => {}
            None => report.unjudged(format!("{address} was not probed over {}", word(protocol))),
        }
    }
}

fn finding(address: IpAddr, protocol: ProbeProtocol, failure: &ProbeFailure) -> Finding {
    let step = match failure.step {
        ProbeStep::Bind => "could not be bound",
        ProbeStep::Connect => "refused a connection from itself",
        ProbeStep::Echo => "did not return what was sent to it",
    };
    let message = format!("{address} {step} over {}", word(protocol));
    Finding::new(Subject::Name(address.to_string()), message).evidence("error", &failure.error)
}

fn word(protocol: ProbeProtocol) -> &'static str {
    match protocol {
        ProbeProtocol::Tcp => "TCP",
        ProbeProtocol::Udp => "UDP",
    }
}
