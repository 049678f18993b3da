//! Whether the loopback interface should speak IPv6.

use loopgate_plugin::prelude::*;

/// What is known of IPv6 on the loopback interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6 {
    Enabled,
    Disabled,
    Unknown,
}

/// Whether IPv6 is enabled on the loopback interface.
///
/// The setting `disable_ipv6` of the interface decides. Where there is none, the machine has no such setting or a
/// kernel without IPv6: then IPv6 is there if any interface has an address of it. A gap leaves it open.
pub(crate) fn on_loopback(facts: &Facts) -> Ipv6 {
    let setting = facts.loopback_interface().and_then(|interface| interface.settings.disable_ipv6);
    match setting {
        Some(true) => Ipv6::Disabled,
        Some(false) => Ipv6::Enabled,
        None if any_address(facts) => Ipv6::Enabled,
        None if is_complete(facts) => Ipv6::Disabled,
        None => Ipv6::Unknown,
    }
}

fn is_complete(facts: &Facts) -> bool {
    facts.is_complete(&Area::Interfaces) && facts.is_complete(&Area::InterfaceSettings)
}

fn any_address(facts: &Facts) -> bool {
    facts.interfaces.iter().flat_map(|interface| &interface.addresses).any(|entry| entry.address.is_ipv6())
}

/// Whether the loopback interface carries `::1`.
pub(crate) fn is_address_present(facts: &Facts) -> bool {
    let addresses = facts.loopback_interface().map(|interface| interface.addresses.as_slice()).unwrap_or_default();
    addresses.iter().any(|entry| entry.address.is_ipv6() && entry.address.is_loopback())
}
