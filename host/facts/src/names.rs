//! What `localhost` means on the machine.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Untrusted;

/// What `localhost` and the loopback addresses are called, in the host table and by the resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The entries of the host table (`hosts(5)`) that name `localhost` or carry a loopback address, by line.
    pub hosts: Vec<HostsEntry>,
    /// What the system's resolver answers for `localhost`; `None` where it was not asked (a [`crate::Gap`] says why).
    pub localhost: Option<Resolution>,
}

/// One entry of the host table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostsEntry {
    /// Line in the file, from 1.
    pub line: u32,
    /// The address.
    pub address: IpAddr,
    /// The names it gives to the address, in order.
    pub names: Vec<Untrusted>,
}

/// An answer of the resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// The addresses, in the order that `getaddrinfo(3)` gives them, without repetition.
    Addresses(Vec<IpAddr>),
    /// The resolver failed, with its error.
    Failed(Untrusted),
}
