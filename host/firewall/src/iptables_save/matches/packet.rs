//! Matches of the packet and of how it came.

use super::transport::MULTIPORT;
use crate::iptables_save::grammar::{Extension, Given, Instance, option, test};
use crate::iptables_save::matches::{all, nothing, one};
use crate::iptables_save::names::{ADDRESS_TYPES, PACKET_TYPES};
use crate::iptables_save::values::{addresses, bits, find, mark, number};
use crate::rule::{End, InterfaceEnd, Op, Predicate, Test};
use crate::xt;

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
    Extension {
        names: &["devgroup"],
        options: &[
            test(&["--src-group"], 1, |given| interface_group(given, InterfaceEnd::Input)),
            test(&["--dst-group"], 1, |given| interface_group(given, InterfaceEnd::Output)),
        ],
        lower: all,
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
    let given = ["--src-type", "--dst-type"].map(|name| instance.get(name));
    let types = |given: Option<&Given<'_>>| match given {
        None => Some(0),
        Some(given) => bits(given.text()?, ADDRESS_TYPES),
    };
    let [source, destination] = given.map(types);
    let types = [source?, destination?];
    let inverted = given.map(|given| given.is_some_and(|given| given.inverted));
    let interfaces = ["--limit-iface-in", "--limit-iface-out"].map(|name| instance.has(name));
    (types != [0, 0]).then(|| vec![xt::address_type(instance.site.family, types, inverted, interfaces)])
}

fn address_range(given: &Given<'_>, end: End) -> Option<Predicate> {
    let range = addresses(given.text()?)?;
    given.fits(*range.start()).then_some(Predicate::AddressRange { end, range })
}

/// A number with or without a mask, or the name that `/etc/iproute2/group` has for 0. Others are not known here.
fn interface_group(given: &Given<'_>, end: InterfaceEnd) -> Option<Predicate> {
    let text = given.text()?;
    let (group, mask) = if text == "default" { (0, u32::MAX) } else { mark(text)? };
    Some(Predicate::InterfaceGroup { end, group, mask })
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
