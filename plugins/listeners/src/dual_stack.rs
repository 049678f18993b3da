//! IPv6 sockets that serve IPv4 as well.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::place::ids;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("dual-stack", include_str!("dual-stack.md"), check);

fn check(facts: &Facts, _: &Settings, report: &mut Report) {
    let mut untold = Vec::new();
    for listener in facts.exposed_listeners().filter(|listener| is_ipv6_wildcard(listener)) {
        match listener.takes_ipv4() {
            Some(true) => report.fail(finding(listener)),
            Some(false) => {}
            None => untold.push(listener),
        }
    }
    if !untold.is_empty() {
        report.unjudged(format!("whether IPV6_V6ONLY is set could not be told of {}", ids(&untold)));
    }
}

fn is_ipv6_wildcard(listener: &Listener) -> bool {
    let address = listener.address.to_std();
    address.is_ipv6() && address.is_unspecified() && !listener.is_published()
}

fn finding(listener: &Listener) -> Finding {
    let message = format!("{} is an IPv6 socket that takes IPv4 as well", listener.describe());
    Finding::of_listener(listener, message)
        .evidence("IPV6_V6ONLY", "0")
        .evidence("also serves", format!("{}/0.0.0.0:{}", listener.protocol, listener.port))
}
