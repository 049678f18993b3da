//! The matches of iptables, and the options that every rule has (`iptables(8)`, `iptables-extensions(8)`).

#![expect(clippy::unnecessary_wraps, reason = "every match has one signature, whether it can fail or not")]

mod basic;
mod conntrack;
mod header;
mod opaque;
mod packet;
mod rates;
pub(super) mod set;
mod transport;
mod way;

use loopgate_facts::Untrusted;

use super::grammar::{Extension, Instance, tests};
use crate::rule::{Op, Predicate, Test};

pub(super) use basic::{BASIC, is_any_protocol};
pub(super) use transport::TRANSPORT;

/// All matches.
pub(super) const TABLES: [&[Extension]; 8] =
    [TRANSPORT, conntrack::CONNTRACK, packet::PACKET, header::HEADER, way::WAY, rates::RATES, set::SET, opaque::OPAQUE];

/// All options are tests, and all must hold.
fn all(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let all = tests(&instance.given)?;
    Some(if all.is_empty() { Vec::new() } else { vec![Op::Match { inverted: false, all }] })
}

/// Exactly one option is a test.
fn one(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let all = tests(&instance.given).filter(|tests| tests.len() == 1)?;
    Some(vec![Op::Match { inverted: false, all }])
}

/// It holds or not, and nothing tells which.
fn opaque(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let all = vec![Test { inverted: false, predicate: Predicate::Unknown(words(instance)) }];
    Some(vec![Op::Match { inverted: false, all }])
}

/// It always holds.
fn nothing(_: &Instance<'_>) -> Option<Vec<Op>> {
    Some(Vec::new())
}

/// A match as an administrator writes it.
fn words(instance: &Instance<'_>) -> Untrusted {
    Untrusted::from(format!("-m {}", instance.words().as_str()))
}
