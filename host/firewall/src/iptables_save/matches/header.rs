//! Matches of fields of the IP header that are no address.

use super::one;
use crate::iptables_save::grammar::{Extension, Given, OptionSpec, test};
use crate::iptables_save::names::{SERVICE_CLASSES, SERVICE_TYPES};
use crate::iptables_save::values::{find, number, range};
use crate::rule::{Comparison, Predicate};

/// A comparison that `!` may not stand before.
const fn compared(names: &'static [&'static str], compare: fn(&Given<'_>) -> Option<Predicate>) -> OptionSpec {
    OptionSpec { inverts: false, ..test(names, 1, compare) }
}

/// Matches of the IP header.
pub(super) const HEADER: &[Extension] = &[
    Extension {
        names: &["ttl"],
        options: &[
            test(&["--ttl-eq", "--ttl"], 1, |given| time_to_live(given, Comparison::Equal)),
            compared(&["--ttl-lt"], |given| time_to_live(given, Comparison::Less)),
            compared(&["--ttl-gt"], |given| time_to_live(given, Comparison::Greater)),
        ],
        lower: one,
    },
    Extension {
        names: &["hl"],
        options: &[
            test(&["--hl-eq"], 1, |given| time_to_live(given, Comparison::Equal)),
            compared(&["--hl-lt"], |given| time_to_live(given, Comparison::Less)),
            compared(&["--hl-gt"], |given| time_to_live(given, Comparison::Greater)),
        ],
        lower: one,
    },
    Extension {
        names: &["dscp"],
        options: &[
            test(&["--dscp"], 1, |given| services(number(given.text()?)?)),
            test(&["--dscp-class"], 1, |given| services(find(given.text()?, SERVICE_CLASSES)?)),
        ],
        lower: one,
    },
    Extension { names: &["tos"], options: &[test(&["--tos"], 1, type_of_service)], lower: one },
    Extension {
        names: &["length"],
        options: &[test(&["--length"], 1, |given| {
            Some(Predicate::Length(range(given.text()?, ':', Some((0, u16::MAX)))?))
        })],
        lower: one,
    },
];

fn time_to_live(given: &Given<'_>, how: Comparison) -> Option<Predicate> {
    Some(Predicate::TimeToLive { how, value: number(given.text()?)? })
}

/// Six bits (`XT_DSCP_MAX`, `include/uapi/linux/netfilter/xt_dscp.h`).
fn services(value: u8) -> Option<Predicate> {
    (value < 64).then_some(Predicate::DifferentiatedServices(value))
}

/// `0x10`, `0x10/0x3f`, or a name, which says nothing of the two bits that ECN uses (`extensions/tos_values.c`).
fn type_of_service(given: &Given<'_>) -> Option<Predicate> {
    const NAMED: u8 = 0x3f;
    let text = given.text()?;
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (number(value)?, number(mask)?),
        None => match find(text, SERVICE_TYPES) {
            Some(value) => (value, NAMED),
            None => (number(text)?, u8::MAX),
        },
    };
    Some(Predicate::TypeOfService { value, mask })
}
