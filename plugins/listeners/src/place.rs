//! Where a listener can be reached, in words.

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

/// The ids of listeners, the first few and how many more there are.
pub(crate) fn ids(listeners: &[&Listener]) -> String {
    const SHOWN: usize = 3;
    let mut ids: Vec<_> = listeners.iter().take(SHOWN).map(|listener| listener.id.clone()).collect();
    if listeners.len() > SHOWN {
        ids.push(format!("and {} more", listeners.len() - SHOWN));
    }
    ids.join(", ")
}

/// Reports the exposed listeners whose bound address has one of the scopes.
pub(crate) fn report_bound_to(scopes: &[Scope], facts: &Facts, report: &mut Report) {
    for listener in facts.exposed_listeners().filter(|listener| scopes.contains(&listener.scope)) {
        let message = format!("{} is bound to {}", listener.describe(), bound_to(listener));
        report.fail(Finding::of_listener(listener, message));
    }
}
