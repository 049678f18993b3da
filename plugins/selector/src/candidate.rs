//! What a selector looks at.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A listener, as far as selectors look at it.
#[derive(Clone, Debug)]
pub struct Candidate<'facts> {
    /// `tcp`, `udp`, `udplite`, `sctp`.
    pub protocol: &'facts str,
    /// The bound address.
    pub address: IpAddr,
    /// The scope of that address, as the facts call it.
    pub scope: &'facts str,
    /// The bound port.
    pub port: u16,
    /// The ports that the kernel hands out; `None` where they are not known.
    pub ephemeral_ports: Option<&'facts RangeInclusive<u16>>,
    /// The processes that hold it; empty where none could be seen.
    pub owners: Vec<Process<'facts>>,
    /// Whether processes that could not be seen may hold it too.
    pub may_have_more_owners: bool,
    /// The container that a published port leads to.
    pub published_to: Option<Container<'facts>>,
}

/// A process. What is `None` could not be seen.
#[derive(Clone, Copy, Debug)]
pub struct Process<'facts> {
    /// Its id. Selectors never compare it; 1 is the process that opens sockets for others.
    pub pid: u32,
    /// The file that it executes.
    pub executable: Option<&'facts str>,
    /// Whether that path is one of a file system of its own, where whoever made that chose what is there.
    pub is_elsewhere: bool,
    /// The name of its user, or the number where the user has no name.
    pub user: Option<&'facts str>,
    /// Its effective user id.
    pub uid: Option<u32>,
    /// Whether its control group could be seen: only then is it known which unit and container it is in, if any.
    pub is_placed: bool,
    /// Its systemd unit.
    pub unit: Option<&'facts str>,
    /// Its container.
    pub container: Option<Container<'facts>>,
}

/// A container. What is `None` could not be seen.
#[derive(Clone, Copy, Debug)]
pub struct Container<'facts> {
    /// Its name.
    pub name: Option<&'facts str>,
    /// The image that it was made from, as it was asked for.
    pub image: Option<&'facts str>,
}
