//! Where a listener is bound and who can reach it, in words and as a severity.

use loopgate_plugin::prelude::*;

/// The addresses that a listener is bound to, as the end of a sentence: "is bound to every local address".
pub(crate) fn bound_to(listener: &Listener) -> String {
    let address = &listener.address;
    let where_to = match listener.scope {
        Scope::Unspecified => "every local address".to_owned(),
        Scope::Multicast => format!("the multicast address {address}"),
        scope => format!("the {scope} address {address}"),
    };
    match &listener.bound_interface {
        Some(interface) => format!("{where_to} on {interface}"),
        None => where_to,
    }
}

/// How it came to be there, before "bound to" or "published on".
pub(crate) fn is_bound(listener: &Listener) -> &'static str {
    if listener.is_published() { "is published on" } else { "is bound to" }
}

/// The ids of listeners, the first few and how many more there are.
pub(crate) fn ids(listeners: &[&Listener]) -> String {
    const SHOWN: usize = 3;
    let mut ids: Vec<_> = listeners.iter().take(SHOWN).map(|listener| listener.id.clone()).collect();
    if listeners.len() > SHOWN {
        ids.push(format!("and {} more", listeners.len() - SHOWN));
    }
    ids.join(", ")
}

/// A finding about where a listener is bound and who can reach it there. What no other machine reaches is defence in
/// depth; what is not known counts as reachable.
pub(crate) fn of_bound(facts: &Facts, listener: &Listener, severity: Severity) -> Finding {
    let (name, is_bound, bound_to) = (listener.describe(), is_bound(listener), bound_to(listener));
    let message = format!("{name} {is_bound} {bound_to}, {}", facts.reach_clause(listener));
    Finding::of_listener(listener, message).reach_of(facts, listener).severity(shielded(listener, severity))
}

/// The severity of a finding, given that of one about a listener that others reach.
pub(crate) fn shielded(listener: &Listener, severity: Severity) -> Severity {
    match (listener.exposure(), severity) {
        (Exposure::Reachable | Exposure::Unknown, severity) => severity,
        (Exposure::Shielded, Severity::Info | Severity::Low) => Severity::Info,
        (Exposure::Shielded, _) => Severity::Low,
    }
}

/// Reports the exposed listeners whose bound address has one of the scopes.
pub(crate) fn report_bound_to(scopes: &[Scope], severity: Severity, facts: &Facts, report: &mut Report) {
    for listener in facts.exposed_listeners().filter(|listener| scopes.contains(&listener.scope)) {
        report.fail(of_bound(facts, listener, severity));
    }
}
