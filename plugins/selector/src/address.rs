//! The addresses that a listener can be bound to.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use loopgate_parameters::{Parameter, Place, expect};
use serde_json::{Value, json};

/// The words for scopes of addresses.
const SCOPES: [&str; 7] = ["loopback", "link-local", "private", "shared", "public", "unspecified", "multicast"];

/// An address, a network, or a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPattern {
    /// This address.
    Address(IpAddr),
    /// An address within this network.
    Network(IpNet),
    /// An address of this scope: `loopback`, `unspecified` for a wildcard, and so on.
    Scope(&'static str),
}

impl AddressPattern {
    /// Whether a bound address is one of these. An IPv4 address that is mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr, scope: &str) -> bool {
        match self {
            Self::Address(expected) => expected.to_canonical() == address.to_canonical(),
            Self::Network(network) => network.contains(&address.to_canonical()),
            Self::Scope(expected) => *expected == scope,
        }
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Network(network) => network.fmt(formatter),
            Self::Scope(word) => formatter.write_str(word),
        }
    }
}

impl Parameter for AddressPattern {
    fn schema() -> Value {
        json!({ "anyOf": [{ "enum": SCOPES }, { "type": "string", "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$" }] })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let text = value.as_str().unwrap_or_default();
        let scope = SCOPES.into_iter().find(|word| *word == text).map(Self::Scope);
        let address = || text.parse().ok().map(Self::Address);
        let network = || text.parse().ok().map(Self::Network);
        let read = scope.or_else(address).or_else(network);
        let expected = format!("an address, a network such as 10.0.0.0/8, or one of {}", SCOPES.join(", "));
        expect(read, &expected, value, place)
    }
}
