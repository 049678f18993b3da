//! Settings of the kernel.
//!
//! A setting of an interface that was not observed is a gap, which every page here needs not to be there; one without a
//! gap does not exist, as on an interface that carries no IPv4.

use loopgate_plugin::prelude::*;

/// The setting of interfaces that come later, where it was observed and is on.
pub(crate) fn default_that_is_on<'facts>(facts: &'facts Facts, setting: &str) -> Option<&'facts Sysctl> {
    facts.sysctl(&format!("net.ipv4.conf.default.{setting}")).filter(|sysctl| sysctl.is_on())
}

/// The assignment that sets an IPv4 setting of one interface, for sysctl(8). A dot in the name becomes a slash there.
pub(crate) fn assignment(interface: &NetworkInterface, setting: &str, value: u8) -> String {
    let name = interface.name.replace('.', "/");
    format!("net.ipv4.conf.{name}.{setting} = {value}")
}
