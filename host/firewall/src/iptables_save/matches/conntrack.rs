//! Matches of what is known about the connection.

use crate::iptables_save::grammar::{Extension, Given, test};
use crate::iptables_save::matches::{all, one};
use crate::iptables_save::names::{PROTOCOLS, STATES, STATUSES};
use crate::iptables_save::values::{bits, find, mark, masked, number, ports};
use crate::rule::{Direction, End, Predicate};

use Direction::{Original, Reply};
use End::{Destination, Source};

/// Matches of the connection.
pub(super) const CONNTRACK: &[Extension] = &[
    Extension {
        names: &["conntrack"],
        options: &[
            test(&["--ctstate"], 1, states),
            test(&["--ctproto"], 1, protocol),
            test(&["--ctorigsrc"], 1, |given| address(given, Original, Source)),
            test(&["--ctorigdst"], 1, |given| address(given, Original, Destination)),
            test(&["--ctreplsrc"], 1, |given| address(given, Reply, Source)),
            test(&["--ctrepldst"], 1, |given| address(given, Reply, Destination)),
            test(&["--ctorigsrcport"], 1, |given| port(given, Original, Source)),
            test(&["--ctorigdstport"], 1, |given| port(given, Original, Destination)),
            test(&["--ctreplsrcport"], 1, |given| port(given, Reply, Source)),
            test(&["--ctrepldstport"], 1, |given| port(given, Reply, Destination)),
            test(&["--ctstatus"], 1, |given| Some(Predicate::ConntrackStatus(bits(given.text()?, STATUSES)?))),
            test(&["--ctexpire"], 1, |given| Some(Predicate::Unknown(given.words()))),
            test(&["--ctdir"], 1, |given| {
                Some(Predicate::ConntrackDirection(find(given.text()?, &[("ORIGINAL", Original), ("REPLY", Reply)])?))
            }),
        ],
        lower: all,
    },
    Extension { names: &["state"], options: &[test(&["--state"], 1, states)], lower: one },
    Extension {
        names: &["connmark"],
        options: &[test(&["--mark"], 1, |given| {
            let (value, mask) = mark(given.text()?)?;
            Some(Predicate::ConntrackMark { value, mask })
        })],
        lower: one,
    },
];

fn states(given: &Given<'_>) -> Option<Predicate> {
    Some(Predicate::ConntrackState(bits(given.text()?, STATES)?))
}

fn protocol(given: &Given<'_>) -> Option<Predicate> {
    let name = given.text()?;
    Some(Predicate::ConntrackProtocol(number(name).or_else(|| find(name, PROTOCOLS))?))
}

fn address(given: &Given<'_>, direction: Direction, end: End) -> Option<Predicate> {
    let (address, mask) = masked(given.text()?)?;
    given.fits(address).then_some(Predicate::ConntrackAddress { direction, end, address, mask })
}

fn port(given: &Given<'_>, direction: Direction, end: End) -> Option<Predicate> {
    Some(Predicate::ConntrackPort { direction, end, range: ports(given.text()?)? })
}
