//! Questions that many rules ask of the facts.

use std::fmt;

use crate::prelude::{Area, Facts, Gap, InterfaceKind, Listener, NetworkInterface, Scope, Sysctl};

impl Facts {
    /// The gaps in one area.
    pub fn gaps_in(&self, area: &Area) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(move |gap| gap.area == *area)
    }

    /// Whether an area was observed without a gap.
    pub fn is_complete(&self, area: &Area) -> bool {
        self.gaps_in(area).next().is_none()
    }

    /// Whether the machine runs Linux, whose settings mean nothing elsewhere.
    pub fn is_linux(&self) -> bool {
        self.machine.os == "linux"
    }

    /// The loopback interface, if there is one.
    pub fn loopback_interface(&self) -> Option<&NetworkInterface> {
        self.interfaces.iter().find(|interface| interface.is_loopback())
    }

    /// The interfaces that are not the loopback interface.
    pub fn other_interfaces(&self) -> impl Iterator<Item = &NetworkInterface> {
        self.interfaces.iter().filter(|interface| !interface.is_loopback())
    }

    /// A kernel setting by name.
    pub fn sysctl(&self, name: &str) -> Option<&Sysctl> {
        self.sysctls.iter().find(|sysctl| sysctl.name == name)
    }

    /// Whether a listener takes traffic of the machine itself only: by its address, or because its socket is bound to
    /// the loopback interface (`SO_BINDTODEVICE`), which no packet from outside comes in by.
    pub fn is_confined_to_host(&self, listener: &Listener) -> bool {
        listener.scope == Scope::Loopback || self.is_bound_to_loopback(listener)
    }

    /// The listeners that packets from other machines can be addressed to. A firewall may still stop them.
    pub fn exposed_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| !self.is_confined_to_host(listener))
    }

    fn is_bound_to_loopback(&self, listener: &Listener) -> bool {
        let bound = listener.bound_interface.as_deref();
        bound.is_some_and(|name| {
            self.interfaces.iter().any(|interface| interface.is_loopback() && interface.name == name)
        })
    }
}

impl NetworkInterface {
    /// Whether it is the loopback device.
    pub fn is_loopback(&self) -> bool {
        self.kind == InterfaceKind::Loopback
    }
}

impl Sysctl {
    /// Whether it is switched on: any number but 0.
    pub fn is_on(&self) -> bool {
        self.value.trim().parse::<i64>().is_ok_and(|value| value != 0)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { area, subject, reason, leaves_unknown } = self;
        write!(formatter, "{area}")?;
        if let Some(subject) = subject {
            write!(formatter, " ({subject})")?;
        }
        write!(formatter, ": {reason} (leaves unknown: {leaves_unknown})")
    }
}

impl Area {
    /// The areas that the contract names.
    pub const NAMED: [Self; 11] = [
        Self::Host,
        Self::Interfaces,
        Self::InterfaceSettings,
        Self::Listeners,
        Self::Owners,
        Self::Probes,
        Self::HostsFile,
        Self::Resolver,
        Self::Sysctls,
        Self::LocalRoutes,
        Self::Firewall,
    ];

    /// The word that pages and reports use.
    pub fn as_str(&self) -> &str {
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
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
