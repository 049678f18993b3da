//! What is known about the packet's connection (`xt_conntrack.h`, `xt_state.h`; `net/netfilter/xt_conntrack.c`).

use std::net::IpAddr;
use std::ops::RangeInclusive;

use loopgate_facts::Untrusted;

use super::super::Structure;
use super::address::masked;
use super::{all, single, test};
use crate::rule::{Direction, End, Op, Predicate, Test};

// Flags of `match_flags` and `invert_flags`.
const STATE: u16 = 1 << 0;
const PROTOCOL: u16 = 1 << 1;
const ADDRESSES: [u16; 4] = [1 << 2, 1 << 3, 1 << 4, 1 << 5];
const STATUS: u16 = 1 << 6;
const EXPIRES: u16 = 1 << 7;
const PORTS: [u16; 4] = [1 << 8, 1 << 9, 1 << 10, 1 << 11];
const DIRECTION: u16 = 1 << 12;
/// Bit 13 says that the rule was written with `-m state`.
const ALL: u16 = (1 << 14) - 1;

// States of `Predicate::ConntrackState`.
const INVALID: u16 = 1;
const UNTRACKED: u16 = 64;

/// The ends that addresses and ports are given for, in the order of the structure.
const ENDS: [(Direction, End); 4] = [
    (Direction::Original, End::Source),
    (Direction::Original, End::Destination),
    (Direction::Reply, End::Source),
    (Direction::Reply, End::Destination),
];

struct Info {
    /// Addresses and their masks.
    addresses: [(IpAddr, IpAddr); 4],
    expires: RangeInclusive<u32>,
    protocol: u16,
    ports: [RangeInclusive<u16>; 4],
    matches: u16,
    inverted: u16,
    state: u16,
    status: u16,
}

/// `struct xt_conntrack_mtinfo1`.
pub(super) fn revision_1(structure: &mut Structure<'_>) -> Option<Op> {
    let mut info = begin(structure, Structure::be16)?;
    (info.state, info.status) = (structure.u8()?.into(), structure.u8()?.into());
    info.op()
}

/// `struct xt_conntrack_mtinfo2`.
pub(super) fn revision_2(structure: &mut Structure<'_>) -> Option<Op> {
    let mut info = begin(structure, Structure::be16)?;
    (info.state, info.status) = (structure.u16()?, structure.u16()?);
    info.op()
}

/// `struct xt_conntrack_mtinfo3`: ranges of ports, in the order of the machine.
pub(super) fn revision_3(structure: &mut Structure<'_>) -> Option<Op> {
    let mut info = begin(structure, Structure::u16)?;
    (info.state, info.status) = (structure.u16()?, structure.u16()?);
    for ports in &mut info.ports {
        *ports = *ports.start()..=structure.u16()?;
    }
    info.op()
}

/// What all revisions begin with.
fn begin<'a>(structure: &mut Structure<'a>, port: fn(&mut Structure<'a>) -> Option<u16>) -> Option<Info> {
    let mut address = || Some((structure.address()?, structure.address()?));
    let addresses = [address()?, address()?, address()?, address()?];
    let expires = structure.u32()?..=structure.u32()?;
    let protocol = structure.u16()?;
    let mut single_port = || port(structure).map(|port| port..=port);
    let ports = [single_port()?, single_port()?, single_port()?, single_port()?];
    let (matches, inverted) = (structure.u16()?, structure.u16()?);
    Some(Info { addresses, expires, protocol, ports, matches, inverted, state: 0, status: 0 })
}

impl Info {
    fn op(&self) -> Option<Op> {
        if (self.matches | self.inverted) & !ALL != 0 {
            return None;
        }
        let state = self.test(STATE, || Predicate::ConntrackState(state_bits(self.state)));
        let others = self.others()?;
        let unclear = || "-m conntrack with a state that needs no connection beside what does".into();
        Some(all(together(state, others, unclear)))
    }

    fn others(&self) -> Option<Vec<Test>> {
        let protocol = u8::try_from(self.protocol);
        if self.matches & PROTOCOL != 0 && protocol.is_err() {
            return None;
        }
        let protocol = protocol.unwrap_or_default();
        let mut tests = Vec::new();
        // `--ctdir ORIGINAL`; the other direction is its inversion.
        tests.extend(self.test(DIRECTION, || Predicate::ConntrackDirection(Direction::Original)));
        tests.extend(self.addresses());
        tests.extend(self.test(PROTOCOL, || Predicate::ConntrackProtocol(protocol)));
        tests.extend(self.ports());
        tests.extend(self.test(STATUS, || Predicate::ConntrackStatus(self.status.into())));
        tests.extend(self.test(EXPIRES, || {
            let (from, to) = (self.expires.start(), self.expires.end());
            Predicate::Unknown(format!("-m conntrack --ctexpire {from}:{to}").into())
        }));
        Some(tests)
    }

    fn addresses(&self) -> impl Iterator<Item = Test> {
        let fields = ADDRESSES.into_iter().zip(ENDS).zip(&self.addresses);
        fields.filter_map(|((flag, (direction, end)), &(address, mask))| {
            let address = masked(address, mask);
            self.test(flag, || Predicate::ConntrackAddress { direction, end, address, mask })
        })
    }

    fn ports(&self) -> impl Iterator<Item = Test> {
        let fields = PORTS.into_iter().zip(ENDS).zip(&self.ports);
        fields.filter_map(|((flag, (direction, end)), range)| {
            self.test(flag, || Predicate::ConntrackPort { direction, end, range: range.clone() })
        })
    }

    fn test(&self, flag: u16, predicate: impl FnOnce() -> Predicate) -> Option<Test> {
        (self.matches & flag != 0).then(|| test(predicate(), self.inverted & flag != 0))
    }
}

/// A packet without a connection passes if its state is asked for, whatever else is, and fails if it is not: after
/// looking at the state, `conntrack_mt` returns `info->match_flags & XT_CONNTRACK_STATE` for it. `unclear` says what
/// cannot be told for that.
pub(crate) fn together(state: Option<Test>, others: Vec<Test>, unclear: impl FnOnce() -> Untrusted) -> Vec<Test> {
    match state {
        None if others.is_empty() => Vec::new(),
        None => with_connection(others),
        Some(state) if others.is_empty() => vec![state],
        Some(state) if admits_no_connection(&state) => {
            vec![state, test(Predicate::Unknown(unclear()), false)]
        }
        Some(state) => [vec![state], others].concat(),
    }
}

fn admits_no_connection(state: &Test) -> bool {
    let Predicate::ConntrackState(states) = state.predicate else { return true };
    [INVALID, UNTRACKED].iter().any(|bit| (states & bit != 0) != state.inverted)
}

/// Whether the first of some tests is the one that [`with_connection`] adds.
pub(crate) fn is_guarded(tests: &[Test]) -> bool {
    let guard = |first: &Test| first.inverted && first.predicate == Predicate::ConntrackState(INVALID | UNTRACKED);
    matches!(tests, [first, _, ..] if guard(first))
}

/// Adds that the packet has a connection, without which neither a test of it nor its inversion holds.
pub(crate) fn with_connection(tests: Vec<Test>) -> Vec<Test> {
    let mut guarded = vec![test(Predicate::ConntrackState(INVALID | UNTRACKED), true)];
    guarded.extend(tests);
    guarded
}

/// `XT_CONNTRACK_STATE_*`, as [`Predicate::ConntrackState`] has them.
fn state_bits(mask: u16) -> u16 {
    const ORDINARY: u16 = 0b1111;
    const PSEUDO: [(u16, u16); 3] = [(1 << 6, 128), (1 << 7, 256), (1 << 8, UNTRACKED)];
    let pseudo = PSEUDO.iter().filter(|(bit, _)| mask & bit != 0).map(|(_, state)| state);
    pseudo.fold(mask & ORDINARY, |states, state| states | state)
}

/// `struct xt_state_info`, whose bits are those of [`Predicate::ConntrackState`].
pub(super) fn state(structure: &mut Structure<'_>) -> Option<Op> {
    const ALL_STATES: u32 = 0b0100_1111;
    let states = u16::try_from(structure.u32()? & ALL_STATES).ok()?;
    Some(single(Predicate::ConntrackState(states), false))
}
