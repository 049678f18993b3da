//! Questions that many rules ask of a listener and its owners.

use std::fmt;

use crate::prelude::{Container, Listener, Owner, Protocol};

impl Listener {
    /// The id with the owners in parentheses: `tcp/0.0.0.0:6379 (redis-server, pid 812)`.
    pub fn describe(&self) -> String {
        match self.describe_owners() {
            Some(owners) => format!("{} ({owners})", self.id),
            None => self.id.clone(),
        }
    }

    /// The first owner and how many there are beside it; `None` where no owner was seen.
    pub fn describe_owners(&self) -> Option<String> {
        let (first, others) = self.owners.split_first()?;
        Some(match others.len() {
            0 => first.to_string(),
            1 => format!("{first} and 1 more process"),
            count => format!("{first} and {count} more processes"),
        })
    }

    /// Whether it takes IPv4 traffic; a published port takes the traffic of its own family. `None` where that could not
    /// be told, which is for an IPv6 wildcard only.
    pub fn takes_ipv4(&self) -> Option<bool> {
        match self.address.to_std() {
            address if address.to_canonical().is_ipv4() => Some(true),
            _ if self.is_published() => Some(false),
            address if address.is_unspecified() => self.ipv6_only.map(|only| !only),
            _ => Some(false),
        }
    }
}

impl Owner {
    /// Whether the path that it executes is one of a file system of its own, which leads elsewhere on this machine.
    pub fn executes_elsewhere(&self) -> bool {
        self.extra.iter().any(|(name, value)| name == "executable-elsewhere" && value == "true")
    }

    /// The last component of the path that it executes; `None` where that could not be read.
    ///
    /// Linux writes ` (deleted)` behind the path of a file that is gone, as after an upgrade; that is left out.
    pub fn program(&self) -> Option<&str> {
        let path = self.executable.as_deref()?;
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        path.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// What to show as evidence: name, process id, and what is known of executable, user and container.
    pub fn describe(&self) -> String {
        let parts = [
            Some(self.to_string()),
            self.executable.clone(),
            self.user.as_ref().map(|user| format!("user {user}")),
            self.container.as_ref().map(|container| format!("container {}", container.describe())),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Container {
    /// Its runtime, its name where it is known and otherwise its id, and its image.
    pub fn describe(&self) -> String {
        let image = self.image.as_ref().map(|image| format!(" ({image})")).unwrap_or_default();
        format!("{} {}{image}", self.runtime, self.name.as_ref().unwrap_or(&self.id))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, pid {}", self.name, self.pid)
    }
}

impl Protocol {
    /// The word that facts and policies use.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Udplite => "udplite",
            Self::Sctp => "sctp",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
