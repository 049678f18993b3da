//! Kernel settings and routes that bear on the loopback boundary.

use serde::{Deserialize, Serialize};

use crate::{Prefix, Untrusted};

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// Its name as `sysctl(8)` writes it: `net.ipv4.conf.all.route_localnet`.
    pub name: String,
    /// Its value, without the newline.
    pub value: Untrusted,
    /// Where it was read: a path, or `rtnetlink`.
    pub source: String,
}

/// A prefix that the kernel delivers locally though no interface carries each of its addresses: a route of type `local`
/// (`ip-route(8)`) beside those of the addresses themselves and of 127.0.0.0/8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRoute {
    /// The prefix.
    pub destination: Prefix,
    /// The routing table that holds it; 255 is `local`.
    pub table: u32,
    /// The interface that it names, usually the loopback device.
    pub interface: Option<Untrusted>,
}
