//! What must be true of facts that come from a file.
//!
//! The types already exclude most nonsense. What they cannot exclude is contradiction: a listener whose id names
//! another endpoint, a scope that does not follow from its address. Such facts would be judged wrongly, so they are
//! refused.

mod completeness;
mod firewall;
mod partition;
mod reachability;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::bits;
use crate::{Area, Facts, Interface, InterfaceKind, Listener, Prefix, Scope, Untrusted};

/// A contradiction within facts; the texts in it are escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// The id of a listener is not the one its fields give.
    #[error("listeners[{index}]: the id is `{found}`, but its fields say `{expected}`")]
    ListenerId {
        /// Position in the list, from 0.
        index: usize,
        /// The id in the document.
        found: String,
        /// The id that follows from protocol, address, port, zone and interface.
        expected: String,
    },
    /// Two listeners have the same id.
    #[error("listeners[{index}]: the id `{id}` occurs twice")]
    DuplicateListener {
        /// Position of the second one.
        index: usize,
        /// The id.
        id: String,
    },
    /// A listener without a port.
    #[error("listeners[{index}]: port 0 is not a port that a listener can have")]
    PortZero {
        /// Position in the list.
        index: usize,
    },
    /// A scope that does not follow from the address beside it.
    #[error("{at}: the scope of {address} is `{expected}`, not `{found}`")]
    Scope {
        /// Where in the document.
        at: String,
        /// The address.
        address: IpAddr,
        /// The scope in the document.
        found: Scope,
        /// The scope that follows from the address.
        expected: Scope,
    },
    /// A prefix length that the address cannot have.
    #[error("{at}: a prefix length of {length} is more than the {most} bits of {address}")]
    PrefixLength {
        /// Where in the document.
        at: String,
        /// The address.
        address: IpAddr,
        /// The length in the document.
        length: u8,
        /// The width of the address.
        most: u8,
    },
    /// `ipv6_only` on an IPv4 listener.
    #[error("listeners[{index}]: `ipv6_only` on the IPv4 address {address}")]
    Ipv6OnlyOnIpv4 {
        /// Position in the list.
        index: usize,
        /// The address.
        address: IpAddr,
    },
    /// Two interfaces with the same index.
    #[error("interfaces[{position}]: the index {index} occurs twice")]
    DuplicateInterface {
        /// Position of the second one.
        position: usize,
        /// The index.
        index: u32,
    },
    /// A system that loopgate has no collector for.
    #[error("host.os: `{os}` is no system that facts can come from")]
    UnknownSystem {
        /// The name in the document.
        os: String,
    },
    /// Something that every collector gives or explains is neither there nor explained.
    #[error("{what} is missing, and no gap in `{area}` says why")]
    Unexplained {
        /// What is missing.
        what: String,
        /// Where a gap would have to be.
        area: Area,
    },
    /// A setting of the kernel that is a number, and has another value.
    #[error("sysctls: `{name}` is not a number")]
    NotANumber {
        /// The setting.
        name: String,
    },
    /// A list that is longer than it may be.
    #[error("{at}: {found} entries are more than the {most} that there can be")]
    TooMany {
        /// Where in the document.
        at: String,
        /// The length of the list.
        found: usize,
        /// The most entries.
        most: usize,
    },
    /// The name of an interface that the facts do not have.
    #[error("{at}: there is no interface `{name}`")]
    UnknownInterface {
        /// Where in the document.
        at: String,
        /// The name.
        name: String,
    },
    /// Entries that should be one partition of the sources, and are not.
    #[error("{at}: {flaw}")]
    Partition {
        /// Where in the document: the first of the entries.
        at: String,
        /// What is wrong with them.
        flaw: PartitionFlaw,
    },
    /// Fields of one entry that cannot be true together.
    #[error("{at}: {problem}")]
    Contradiction {
        /// Where in the document.
        at: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A probe of an address that is not a loopback address.
    #[error("probes[{index}]: {address} is not a loopback address")]
    ProbeAddress {
        /// Position in the list.
        index: usize,
        /// The address.
        address: IpAddr,
    },
}

/// What is wrong with a partition of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionFlaw {
    /// An entry without any source.
    #[error("an entry has no sources")]
    Empty,
    /// A source of the other IP version.
    #[error("{0} is not of the IP version of the destination")]
    Version(Prefix),
    /// Something is excluded that is not listed.
    #[error("{0} is excluded from sources that it is not in")]
    NotExcluded(Prefix),
    /// Something is excluded from a list that leaves prefixes out.
    #[error("sources are excluded from a list that is not complete")]
    Incomplete,
    /// Sources in more than one entry.
    #[error("{0} is in two entries of the same interface, destination and port")]
    Overlap(Prefix),
    /// A source in no entry.
    #[error("{0} is in no entry of the same interface, destination and port")]
    Missing(IpAddr),
}

impl Facts {
    /// Everything in the facts that contradicts itself, in document order.
    pub fn inconsistencies(&self) -> Vec<Inconsistency> {
        let mut found = Vec::new();
        self.check_interfaces(&mut found);
        self.check_listeners(&mut found);
        self.check_probes(&mut found);
        let names = Names::of(&self.interfaces);
        reachability::check(self, &names, &mut found);
        firewall::check(self, &names, &mut found);
        completeness::check(self, &mut found);
        found
    }

    fn check_interfaces(&self, found: &mut Vec<Inconsistency>) {
        let mut seen = BTreeSet::new();
        for (position, interface) in self.interfaces.iter().enumerate() {
            if !seen.insert(interface.index) {
                found.push(Inconsistency::DuplicateInterface { position, index: interface.index });
            }
            check_addresses(position, interface, found);
        }
    }

    fn check_listeners(&self, found: &mut Vec<Inconsistency>) {
        let mut seen = BTreeSet::new();
        for (index, listener) in self.listeners.iter().enumerate() {
            check_listener(index, listener, found);
            if !seen.insert(&listener.id) {
                let id = listener.id.text().escaped().to_string();
                found.push(Inconsistency::DuplicateListener { index, id });
            }
        }
    }

    fn check_probes(&self, found: &mut Vec<Inconsistency>) {
        let strays = self.probes.iter().enumerate().filter(|(_, probe)| Scope::of(probe.address) != Scope::Loopback);
        found.extend(strays.map(|(index, probe)| Inconsistency::ProbeAddress { index, address: probe.address }));
    }
}

/// The names of the interfaces that were observed, and whether each is loopback.
struct Names<'facts>(BTreeMap<&'facts Untrusted, bool>);

impl<'facts> Names<'facts> {
    fn of(interfaces: &'facts [Interface]) -> Self {
        let is_loopback = |interface: &Interface| interface.kind == InterfaceKind::Loopback;
        Self(interfaces.iter().map(|interface| (&interface.name, is_loopback(interface))).collect())
    }

    fn is_loopback(&self, name: &Untrusted) -> bool {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Packets come in and go out by interfaces that were observed.
    fn check<'name>(&self, at: &str, name: impl Into<Option<&'name Untrusted>>, found: &mut Vec<Inconsistency>) {
        if let Some(name) = name.into().filter(|name| !self.0.contains_key(name)) {
            let name = name.escaped().to_string();
            found.push(Inconsistency::UnknownInterface { at: at.to_owned(), name });
        }
    }
}

fn check_addresses(position: usize, interface: &Interface, found: &mut Vec<Inconsistency>) {
    for (index, entry) in interface.addresses.iter().enumerate() {
        let at = format!("interfaces[{position}].addresses[{index}]");
        let most = bits(entry.address);
        if entry.prefix_length > most {
            let (address, length) = (entry.address, entry.prefix_length);
            found.push(Inconsistency::PrefixLength { at: at.clone(), address, length, most });
        }
        check_scope(at, entry.address, entry.scope, found);
    }
}

fn check_listener(index: usize, listener: &Listener, found: &mut Vec<Inconsistency>) {
    let Listener { address, port, .. } = listener;
    let expected = listener.expected_id();
    if expected != listener.id && listener.id_of_target().as_ref() != Some(&listener.id) {
        let (id, expected) = (listener.id.text(), expected.text().escaped().to_string());
        found.push(Inconsistency::ListenerId { index, found: id.escaped().to_string(), expected });
    }
    if *port == 0 {
        found.push(Inconsistency::PortZero { index });
    }
    if address.is_ipv4() && listener.ipv6_only.is_some() {
        found.push(Inconsistency::Ipv6OnlyOnIpv4 { index, address: *address });
    }
    check_scope(format!("listeners[{index}]"), *address, listener.scope, found);
}

fn check_scope(at: String, address: IpAddr, scope: Scope, found: &mut Vec<Inconsistency>) {
    let expected = Scope::of(address);
    if scope != expected {
        found.push(Inconsistency::Scope { at, address, found: scope, expected });
    }
}
