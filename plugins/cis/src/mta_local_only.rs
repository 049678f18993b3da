//! Mail transfer agents that take mail from other machines.

use loopgate_plugin::prelude::*;

/// The rule.
pub(crate) const RULE: Rule<NoParameters> = Rule::new("mta-local-only", include_str!("mta-local-only.md"), check);

/// SMTP, submission over TLS, submission (RFC 5321, RFC 8314, RFC 6409).
const PORTS: [u16; 3] = [25, 465, 587];

fn check(facts: &Facts, _: &NoParameters, report: &mut Report) {
    for listener in facts.exposed_listeners().filter(|listener| takes_mail(listener)) {
        report.fail(finding(facts, listener));
    }
}

fn takes_mail(listener: &Listener) -> bool {
    listener.protocol == Protocol::Tcp && PORTS.contains(&listener.port)
}

fn finding(facts: &Facts, listener: &Listener) -> Finding {
    let message = format!("{} takes mail beyond loopback, {}", listener.describe(), facts.reach_clause(listener));
    Finding::of_listener(listener, message).publication_of(facts, listener).reach_of(facts, listener)
}
