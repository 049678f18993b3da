//! Names for what is not known, as an administrator knows them.

use loopgate_facts::Untrusted;

use super::machine::Machine;
use crate::notation::nft;
use crate::rule::{Load, PayloadBase, Predicate, Test};

/// What a load asks for.
pub(super) fn load(what: &Load) -> String {
    match what {
        Load::Payload { base, offset, length } => format!("{length} bytes at {offset} of the {} header", header(*base)),
        Load::Meta(_) | Load::Conntrack { .. } => nft::load(what),
        Load::Fib(_) => "what the routing table says".to_owned(),
        Load::Number { .. } => "a number that goes round or is random".to_owned(),
        Load::HeaderPresent(name) => format!("whether {} is there", name.as_str()),
        Load::Opaque { name, .. } => name.as_str().to_owned(),
    }
}

fn header(base: PayloadBase) -> &'static str {
    match base {
        PayloadBase::Link => "link",
        PayloadBase::Network => "network",
        PayloadBase::Transport => "transport",
        PayloadBase::Inner => "inner",
    }
}

/// What some tests ask for that is not known.
pub(super) fn tests(tests: &[Test], machine: &Machine<'_>) -> Untrusted {
    let named = tests.iter().find_map(|test| match &test.predicate {
        Predicate::Unknown(what) => Some(what.clone()),
        Predicate::Length(_) => Some("the length of the packet".into()),
        Predicate::Ipsec { .. } => Some("whether IPsec protects the packet".into()),
        Predicate::BridgePort { .. } | Predicate::Bridged => Some("the port of the bridge".into()),
        Predicate::InIpSet(question) => Some(super::ip_set::describe(question, machine)),
        _ => None,
    });
    named.unwrap_or_else(|| "something that is not known".into())
}
