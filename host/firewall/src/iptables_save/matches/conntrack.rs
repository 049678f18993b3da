//! Matches of what is known about the connection.

use loopgate_facts::Untrusted;

use crate::iptables_save::grammar::{Extension, Given, Instance, test, tests};
use crate::iptables_save::matches::one;
use crate::iptables_save::names::{PROTOCOLS, STATES, STATUSES};
use crate::iptables_save::values::{bits, find, mark, masked, number, ports};
use crate::rule::{Direction, End, Op, Predicate, Test};
use crate::xt::{together, with_connection};

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
        lower: connection,
    },
    Extension { names: &["state"], options: &[test(&["--state"], 1, states)], lower: one },
    Extension {
        names: &["connmark"],
        options: &[test(&["--mark"], 1, |given| {
            let (value, mask) = mark(given.text()?)?;
            Some(Predicate::ConntrackMark { value, mask })
        })],
        lower: mark_of_connection,
    },
];

/// Without a connection it depends on the state alone.
fn connection(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let is_state = |test: &Test| matches!(test.predicate, Predicate::ConntrackState(_));
    let (state, others): (Vec<_>, Vec<_>) = tests(&instance.given)?.into_iter().partition(is_state);
    let all = together(state.into_iter().next(), others, || others_of(instance));
    Some(if all.is_empty() { Vec::new() } else { vec![Op::Match { inverted: false, all }] })
}

/// The options beside the state, as the line has them.
fn others_of(instance: &Instance<'_>) -> Untrusted {
    let others = instance.given.iter().filter(|given| !given.option.names.contains(&"--ctstate"));
    let words: Vec<_> = others.map(|given| Untrusted::from_bytes(given.raw).as_str().to_owned()).collect();
    words.join(" ").into()
}

fn mark_of_connection(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let mark = tests(&instance.given).filter(|tests| tests.len() == 1)?;
    Some(vec![Op::Match { inverted: false, all: with_connection(mark) }])
}

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
