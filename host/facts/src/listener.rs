//! Listeners and the processes that own them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Reachability, RuleReference, Scope, Untrusted};

/// An endpoint that accepts traffic.
///
/// Sockets that share an endpoint (`SO_REUSEPORT`, forked workers) are one listener: what counts is where it can be
/// reached and who can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Stable name of the endpoint, the same over restarts of its process.
    pub id: ListenerId,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The bound address. `::` also takes IPv4 unless [`Listener::ipv6_only`].
    pub address: IpAddr,
    /// The bound port, 1 to 65535.
    pub port: u16,
    /// Scope of the bound address; always [`Scope::of`] it.
    pub scope: Scope,
    /// For IPv6 sockets: no socket of this endpoint takes IPv4 (`IPV6_V6ONLY`, `ipv6(7)`). `None` for IPv4 and where
    /// it could not be told.
    pub ipv6_only: Option<bool>,
    /// The zone of a link-local address (RFC 4007): the interface it is valid on.
    pub zone: Option<Untrusted>,
    /// The interface that the socket is bound to (`SO_BINDTODEVICE`, `socket(7)`).
    pub bound_interface: Option<Untrusted>,
    /// A TCP listener that also speaks Multipath TCP (RFC 8684).
    pub multipath: bool,
    /// Where the endpoint comes from.
    pub origin: Origin,
    /// The sockets of the endpoint, by inode.
    pub sockets: Vec<Socket>,
    /// Every visible process that holds one of the sockets, by process id. Empty where none could be seen: then a
    /// [`crate::Gap`] in [`crate::Area::Owners`] says so. For a published port: the processes that listen at
    /// its target where they are known, otherwise those that hold the socket of a proxy on the same endpoint.
    pub owners: Vec<Owner>,
    /// Where a published port leads to; there exactly for [`Origin::PublishedPort`].
    pub published: Option<Published>,
    /// Who can reach it: for each interface that packets can come in by, each address that they can be sent to, and
    /// every source. Empty where nothing is known of it: then a [`crate::Gap`] in [`crate::Area::Firewall`] says why.
    #[serde(default)]
    pub reachability: Vec<Reachability>,
}

impl Listener {
    /// The interface that the endpoint is restricted to, by zone or by binding.
    pub fn interface(&self) -> Option<&Untrusted> {
        self.zone.as_ref().or(self.bound_interface.as_ref())
    }

    /// Whether the endpoint takes IPv4 traffic on an IPv6 socket; a published port takes that of its own family. `None`
    /// where it could not be told.
    pub fn takes_ipv4_on_ipv6(&self) -> Option<bool> {
        match self.address {
            IpAddr::V6(_) if self.origin == Origin::PublishedPort => Some(false),
            IpAddr::V6(address) if address.is_unspecified() => self.ipv6_only.map(|only| !only),
            _ => Some(false),
        }
    }

    /// The mark of what its sockets send ([`Socket::mark`]); `None` where that is not known of one of them, or where
    /// they differ.
    pub fn mark(&self) -> Option<u32> {
        let mut marks = self.sockets.iter().map(|socket| socket.mark);
        let first = marks.next().unwrap_or(Some(0));
        first.filter(|_| marks.all(|mark| mark == first))
    }

    /// A socket on an endpoint, of which nothing else is known.
    pub fn at(protocol: Protocol, address: IpAddr, port: u16) -> Self {
        Self {
            id: ListenerId::new(protocol, address, port, None, None),
            protocol,
            address,
            port,
            scope: Scope::of(address),
            ipv6_only: None,
            zone: None,
            bound_interface: None,
            multipath: false,
            origin: Origin::Socket,
            sockets: Vec::new(),
            owners: Vec::new(),
            published: None,
            reachability: Vec::new(),
        }
    }

    /// The id that follows from the other fields. A port that is published to several targets has
    /// [`Listener::id_of_target`] instead.
    pub fn expected_id(&self) -> ListenerId {
        match self.origin {
            Origin::Socket => self.endpoint(),
            Origin::PublishedPort => self.endpoint().published(),
        }
    }

    /// The id that tells it from the others where a port is published to several targets.
    pub fn id_of_target(&self) -> Option<ListenerId> {
        self.published.as_ref().map(|published| self.endpoint().published_to(published.target))
    }

    fn endpoint(&self) -> ListenerId {
        ListenerId::new(self.protocol, self.address, self.port, self.zone.as_ref(), self.bound_interface.as_ref())
    }

    pub(crate) fn normalise(&mut self) {
        self.reachability.iter_mut().for_each(Reachability::normalise);
        self.reachability.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        self.sockets.sort();
        self.sockets.dedup();
        self.owners.sort_by_key(|owner| owner.pid);
        self.owners.dedup_by_key(|owner| owner.pid);
    }

    /// By port first: that is how people look for a service.
    pub(crate) fn sort_key(&self) -> (u16, Protocol, IpAddr, &ListenerId) {
        (self.port, self.protocol, self.address, &self.id)
    }
}

/// Stable name of an endpoint: `tcp/0.0.0.0:5432`, `udp/[fe80::1%eth0]:546`, `tcp/0.0.0.0:80%eth0`, and
/// `tcp/0.0.0.0:8080/published` for a port that address translation publishes.
///
/// It can hold an interface name, so it is [`Untrusted`] like that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListenerId(Untrusted);

impl ListenerId {
    /// The name of an endpoint. `zone` is part of the address, `bound_interface` is a restriction behind it.
    pub fn new(
        protocol: Protocol,
        address: IpAddr,
        port: u16,
        zone: Option<&Untrusted>,
        bound_interface: Option<&Untrusted>,
    ) -> Self {
        let endpoint = match zone {
            Some(zone) => format!("[{address}%{}]:{port}", zone.as_str()),
            None => SocketAddr::new(address, port).to_string(),
        };
        let device = bound_interface.map(|name| format!("%{}", name.as_str())).unwrap_or_default();
        Self(format!("{protocol}/{endpoint}{device}").into())
    }

    /// The name of the published port on the same endpoint, which a socket can be on as well. No interface has a `/` in
    /// its name, so this is no other endpoint.
    #[must_use]
    pub fn published(&self) -> Self {
        Self(format!("{}/published", self.0.as_str()).into())
    }

    /// The name of one of several targets of such a port, each of which is a listener.
    #[must_use]
    pub fn published_to(&self, target: SocketAddr) -> Self {
        Self(format!("{}/published/{target}", self.0.as_str()).into())
    }

    /// The name as text that still has to be escaped.
    pub fn text(&self) -> &Untrusted {
        &self.0
    }
}

/// A transport protocol that has listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP, RFC 9293. Multipath TCP listeners are TCP listeners with [`Listener::multipath`] set.
    Tcp,
    /// UDP, RFC 768.
    Udp,
    /// UDP-Lite, RFC 3828.
    Udplite,
    /// SCTP, RFC 9260.
    Sctp,
}

impl Protocol {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Udplite => "udplite",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Where an endpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A socket of the observed network namespace.
    Socket,
    /// A rule that translates addresses and leads packets from outside to a container or another endpoint. The address
    /// and port of the listener are those that packets are sent to.
    PublishedPort,
}

/// Where a published port leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The address and port that packets go to instead.
    pub target: SocketAddr,
    /// The interface that they go on by; `None` for this machine itself and where it could not be told.
    pub interface: Option<Untrusted>,
    /// The rule that translates.
    pub rule: RuleReference,
    /// The container that has the target: the one whose network namespace is linked to the interface and has the
    /// address. `None` where there is none, where several share the namespace, and where that could not be seen.
    pub container: Option<Container>,
    /// The listener of this network namespace that the target is, where it is one.
    pub listener: Option<ListenerId>,
}

/// One socket of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Inode number in `sockfs`; what `/proc/PID/fd` links to. 0 where no descriptor refers to it.
    pub inode: u64,
    /// The user that the socket belongs to, `None` where it could not be told.
    pub uid: Option<u32>,
    /// The mark of what it sends (`SO_MARK`, `socket(7)`), by which policy routing and rules may choose; 0 without one.
    /// `None` where it could not be told.
    #[serde(default)]
    pub mark: Option<u32>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Its process id, as the collector sees it.
    pub pid: u32,
    /// Its name (`comm`), at most 15 bytes on Linux and free for the process to choose.
    pub name: Untrusted,
    /// The file it executes, `None` where it may not be read.
    pub executable: Option<Untrusted>,
    /// Whether that path leads to another file, or to none, where the collector looks: the process has a file system of its
    /// own, as in a container, and anybody who may make one can have any program at any path.
    #[serde(default)]
    pub executable_elsewhere: bool,
    /// Its arguments, free for the process to choose. Empty where they may not be read, and where they are more than a
    /// collector keeps (64 KiB, 1,024 arguments): a rule that goes by them cannot tell then.
    pub command_line: Vec<Untrusted>,
    /// Its effective user id.
    pub uid: Option<u32>,
    /// The name of that user in the local user database.
    pub user: Option<Untrusted>,
    /// Its control group path (`cgroups(7)`).
    pub cgroup: Option<Untrusted>,
    /// The systemd unit that the control group names.
    pub unit: Option<Untrusted>,
    /// The container that the control group names.
    pub container: Option<Container>,
}

/// A container, as a control group names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Its id as the runtime writes it, usually 64 hexadecimal digits.
    pub id: Untrusted,
    /// The runtime: `docker`, `podman`, `containerd`, `cri-o`, `lxc`, `systemd-nspawn`, or `unknown`.
    pub runtime: String,
    /// The name that was chosen for it, as the files of the system's own Docker or Podman give it. `None` for every
    /// other runtime, for containers that a user runs without privileges, and where the files may not be read.
    #[serde(default)]
    pub name: Option<Untrusted>,
    /// The image that it was made from, as its runtime was told: `nginx:1.27`. `None` where the name is.
    #[serde(default)]
    pub image: Option<Untrusted>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_recorded_without_a_name_has_none() {
        let recorded: Container = serde_json::from_str(r#"{ "id": "0123", "runtime": "docker" }"#).unwrap();
        assert_eq!((recorded.name, recorded.image), (None, None));
    }

    #[test]
    fn ids_name_the_endpoint_and_its_restriction() {
        let eth0 = Untrusted::from("eth0");
        let id = |address: &str, zone, device| {
            let id = ListenerId::new(Protocol::Tcp, address.parse().unwrap(), 80, zone, device);
            id.text().as_str().to_owned()
        };
        assert_eq!(id("0.0.0.0", None, None), "tcp/0.0.0.0:80");
        assert_eq!(id("::", None, None), "tcp/[::]:80");
        assert_eq!(id("fe80::1", Some(&eth0), None), "tcp/[fe80::1%eth0]:80");
        assert_eq!(id("0.0.0.0", None, Some(&eth0)), "tcp/0.0.0.0:80%eth0");
        let published = ListenerId::new(Protocol::Tcp, IpAddr::from([0; 4]), 80, None, None).published();
        assert_eq!(published.text().as_str(), "tcp/0.0.0.0:80/published");
        let target = SocketAddr::from(([10, 0, 0, 2], 8080));
        let one_of_many = ListenerId::new(Protocol::Tcp, IpAddr::from([0; 4]), 80, None, None).published_to(target);
        assert_eq!(one_of_many.text().as_str(), "tcp/0.0.0.0:80/published/10.0.0.2:8080");
    }
}
