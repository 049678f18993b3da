//! What could not be observed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Untrusted;

/// Something that could not be observed, why, and what that leaves unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The part of the facts that is incomplete.
    pub area: Area,
    /// What within the area, such as a protocol or an interface; `None` where the whole area is concerned.
    pub subject: Option<Untrusted>,
    /// Why it could not be observed, with the error of the system where there was one.
    pub reason: Untrusted,
    /// What cannot be said for that reason, as a sentence fragment: "the owners of 3 sockets".
    pub leaves_unknown: Untrusted,
}

/// A part of the facts. Rules name the areas that they need; a gap in one of them makes a would-be pass `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// The machine and where the run is on it: [`crate::Host`].
    Host,
    /// Interfaces and their addresses.
    Interfaces,
    /// Effective settings of interfaces.
    InterfaceSettings,
    /// Listening sockets.
    Listeners,
    /// Which processes hold a socket.
    Owners,
    /// Traffic over the loopback interface.
    Probes,
    /// The static host table, `/etc/hosts`.
    HostsFile,
    /// What the resolver answers for `localhost`.
    Resolver,
    /// Kernel settings.
    Sysctls,
    /// Locally delivered prefixes.
    LocalRoutes,
    /// Packet filtering and address translation.
    Firewall,
}

impl Area {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Interfaces => "interfaces",
            Self::InterfaceSettings => "interface-settings",
            Self::Listeners => "listeners",
            Self::Owners => "owners",
            Self::Probes => "probes",
            Self::HostsFile => "hosts-file",
            Self::Resolver => "resolver",
            Self::Sysctls => "sysctls",
            Self::LocalRoutes => "local-routes",
            Self::Firewall => "firewall",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
