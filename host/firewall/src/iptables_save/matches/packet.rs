//! Matches of the packet and of how it came.

use super::transport::MULTIPORT;
use crate::iptables_save::grammar::{Extension, Given, Instance, option, test};
use crate::iptables_save::matches::{all, nothing, one};
use crate::iptables_save::names::{ADDRESS_TYPES, PACKET_TYPES};
use crate::iptables_save::values::{addresses, bits, find, mark, number};
use crate::rule::{End, Op, Predicate, Test};

/// Matches of the packet.
pub(super) const PACKET: &[Extension] = &[
    MULTIPORT,
    Extension {
        names: &["addrtype"],
        options: &[
            option(&["--src-type"], 1).or_not(),
            option(&["--dst-type"], 1).or_not(),
            option(&["--limit-iface-in"], 0),
            option(&["--limit-iface-out"], 0),
        ],
        lower: address_type,
    },
    Extension {
        names: &["iprange"],
        options: &[
            test(&["--src-range"], 1, |given| address_range(given, End::Source)),
            test(&["--dst-range"], 1, |given| address_range(given, End::Destination)),
        ],
        lower: all,
    },
    Extension {
        names: &["mark"],
        options: &[test(&["--mark"], 1, |given| {
            let (value, mask) = mark(given.text()?)?;
            Some(Predicate::Mark { value, mask })
        })],
        lower: one,
    },
    Extension { names: &["pkttype"], options: &[test(&["--pkt-type"], 1, packet_type)], lower: one },
    Extension { names: &["comment"], options: &[option(&["--comment"], 1)], lower: nothing },
    Extension {
        names: &["rpfilter"],
        options: &[
            option(&["--loose"], 0),
            option(&["--validmark"], 0),
            option(&["--accept-local"], 0),
            option(&["--invert"], 0),
        ],
        lower: reverse_path,
    },
];

fn address_type(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let tests = [("--src-type", End::Source), ("--dst-type", End::Destination)];
    let given = tests.iter().filter_map(|(name, end)| Some((instance.get(name)?, *end)));
    let all: Vec<_> = given.map(|(given, end)| one_address_type(instance, given, end)).collect::<Option<_>>()?;
    (!all.is_empty()).then_some(vec![Op::Match { inverted: false, all }])
}

fn one_address_type(instance: &Instance<'_>, given: &Given<'_>, end: End) -> Option<Test> {
    let (input_interface, output_interface) = (instance.has("--limit-iface-in"), instance.has("--limit-iface-out"));
    let types = bits(given.text()?, ADDRESS_TYPES)?;
    let predicate = Predicate::AddressType { end, types, input_interface, output_interface };
    Some(Test { inverted: given.inverted, predicate })
}

fn address_range(given: &Given<'_>, end: End) -> Option<Predicate> {
    let range = addresses(given.text()?)?;
    given.fits(*range.start()).then_some(Predicate::AddressRange { end, range })
}

fn packet_type(given: &Given<'_>) -> Option<Predicate> {
    let name = given.text()?;
    Some(Predicate::PacketType(number(name).or_else(|| find(name, PACKET_TYPES))?))
}

fn reverse_path(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let predicate = Predicate::ReversePath {
        loose: instance.has("--loose"),
        mark: instance.has("--validmark"),
        accept_local: instance.has("--accept-local"),
    };
    let test = Test { inverted: instance.has("--invert"), predicate };
    Some(vec![Op::Match { inverted: false, all: vec![test] }])
}
