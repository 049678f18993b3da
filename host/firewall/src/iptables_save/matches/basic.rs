//! The options of every rule.

use crate::iptables_save::grammar::{Given, OptionSpec, test};
use crate::iptables_save::names::PROTOCOLS;
use crate::iptables_save::values::{find, masked, number};
use crate::rule::{End, InterfaceEnd, Predicate};
use crate::ruleset::Family;

/// `IFNAMSIZ`, `include/uapi/linux/if.h`.
const LONGEST_NAME: usize = 16;

/// The options of every rule that test the packet.
pub(in crate::iptables_save) const BASIC: &[OptionSpec] = &[
    test(&["-s", "--source", "--src"], 1, |given| address(given, End::Source)),
    test(&["-d", "--destination", "--dst"], 1, |given| address(given, End::Destination)),
    test(&["-i", "--in-interface"], 1, |given| interface(given, InterfaceEnd::Input)),
    test(&["-o", "--out-interface"], 1, |given| interface(given, InterfaceEnd::Output)),
    test(&["-p", "--protocol", "--proto"], 1, protocol),
    test(&["-f", "--fragment", "--fragments"], 0, |given| {
        (given.site.family == Family::Ip).then_some(Predicate::Fragment)
    }),
];

fn address(given: &Given<'_>, end: End) -> Option<Predicate> {
    let (address, mask) = masked(given.text()?)?;
    given.fits(address).then_some(Predicate::AddressMask { end, address, mask })
}

fn interface(given: &Given<'_>, end: InterfaceEnd) -> Option<Predicate> {
    let name = given.value().filter(|name| !name.is_empty() && name.len() < LONGEST_NAME)?;
    let stem = name.strip_suffix(b"+");
    Some(Predicate::Interface { end, name: stem.unwrap_or(name).to_vec(), prefix: stem.is_some() })
}

/// `all` and 0 are no test ([`is_any_protocol`]); iptables refuses their negation.
fn protocol(given: &Given<'_>) -> Option<Predicate> {
    let name = given.text()?;
    let number = number(name).or_else(|| find(name, PROTOCOLS)).filter(|number| *number != 0)?;
    Some(Predicate::Protocol(number))
}

/// `-p all`.
pub(in crate::iptables_save) fn is_any_protocol(given: &Given<'_>) -> bool {
    let any = |value: &[u8]| value.eq_ignore_ascii_case(b"all") || value == b"0";
    given.option.names.contains(&"-p") && !given.inverted && given.value().is_some_and(any)
}
