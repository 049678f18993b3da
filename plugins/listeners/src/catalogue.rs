//! The services that should not be reachable from other machines, and how each is known.

mod entries;
mod index;

use loopgate_plugin::Protocol;
use loopgate_plugin::prelude::{Listener, Severity};

pub(crate) use entries::built_in;
pub(crate) use index::Catalogue;

/// A service of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// What it is, to be read after "is": `Redis`, `a Java debugger`.
    pub(crate) name: String,
    /// Severity of a finding about it beyond loopback.
    pub(crate) severity: Severity,
    /// Why it should not be reachable, to be read after "which".
    pub(crate) why: String,
    /// File names of its executables.
    pub(crate) executables: Vec<String>,
    /// Its systemd units, without `.service` and instance.
    pub(crate) units: Vec<String>,
    /// Words of its command line where an interpreter runs it.
    pub(crate) words: Vec<String>,
    /// Options of any program that open its port.
    pub(crate) options: Vec<String>,
    /// Its usual ports.
    pub(crate) ports: Vec<u16>,
    /// Severity of a finding about it on loopback, for a service that loopback does not protect.
    pub(crate) on_loopback: Option<Severity>,
    /// Transport protocols that it speaks.
    pub(crate) transport: Transport,
    /// Ports of the same program that are another matter.
    pub(crate) excluded_ports: Vec<u16>,
    /// Whether the program is this service on its usual ports only.
    pub(crate) only_on_its_ports: bool,
    /// How to keep it on loopback.
    pub(crate) remedy: Option<String>,
    /// Incidents and advisories.
    pub(crate) references: Vec<String>,
}

/// Transport protocols of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Any,
}

impl Transport {
    fn covers(self, protocol: &Protocol) -> bool {
        match self {
            Self::Tcp => *protocol == Protocol::Tcp,
            Self::Udp => *protocol == Protocol::Udp,
            Self::Any => true,
        }
    }
}

impl Service {
    fn new(name: &str, severity: Severity, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            severity,
            why: why.to_owned(),
            executables: Vec::new(),
            units: Vec::new(),
            words: Vec::new(),
            options: Vec::new(),
            ports: Vec::new(),
            on_loopback: None,
            transport: Transport::Tcp,
            excluded_ports: Vec::new(),
            only_on_its_ports: false,
            remedy: None,
            references: Vec::new(),
        }
    }

    /// Whether it may be behind a listener, by transport and port.
    fn may_listen(&self, listener: &Listener) -> bool {
        self.transport.covers(&listener.protocol)
            && !self.excluded_ports.contains(&listener.port)
            && (!self.only_on_its_ports || self.ports.contains(&listener.port))
    }

    fn executables(mut self, names: &[&str]) -> Self {
        self.executables = owned(names);
        self
    }

    fn units(mut self, names: &[&str]) -> Self {
        self.units = owned(names);
        self
    }

    fn words(mut self, words: &[&str]) -> Self {
        self.words = owned(words);
        self
    }

    fn options(mut self, options: &[&str]) -> Self {
        self.options = owned(options);
        self
    }

    fn ports(mut self, ports: &[u16]) -> Self {
        self.ports = ports.to_vec();
        self
    }

    fn except(mut self, ports: &[u16]) -> Self {
        self.excluded_ports = ports.to_vec();
        self
    }

    fn only_there(mut self) -> Self {
        self.only_on_its_ports = true;
        self
    }

    fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    fn even_on_loopback(mut self, severity: Severity) -> Self {
        self.on_loopback = Some(severity);
        self
    }

    fn remedy(mut self, remedy: &str) -> Self {
        self.remedy = Some(remedy.to_owned());
        self
    }

    fn see(mut self, references: &[&str]) -> Self {
        self.references = owned(references);
        self
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_can_be_recognised() {
        for service in built_in() {
            let signs = service.executables.len() + service.units.len() + service.words.len();
            let signs = signs + service.options.len() + service.ports.len();
            assert!(signs > 0, "{} has nothing to be known by", service.name);
            assert!(!service.only_on_its_ports || !service.ports.is_empty(), "{} is nowhere", service.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = built_in().into_iter().map(|service| service.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
