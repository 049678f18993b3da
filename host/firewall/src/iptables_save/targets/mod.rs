//! The targets of iptables (`iptables-extensions(8)`).

#![expect(clippy::unnecessary_wraps, reason = "every target has one signature, whether it can fail or not")]

mod marks;
mod nat;
mod notes;
mod verdicts;
mod writes;

use super::grammar::{Extension, Instance};
use crate::rule::{Note, Op, Verdict};

/// All targets but the verdicts that need no extension.
pub(super) const TABLES: [&[Extension]; 5] = [verdicts::VERDICTS, nat::NAT, marks::MARKS, writes::WRITES, notes::NOTES];

/// What a target does whose options are not understood: address translation is at least known to be that.
pub(super) fn garbled(instance: &Instance<'_>) -> Vec<Op> {
    let translated = nat::garbled(instance).map(|translation| Op::Verdict(Verdict::Translate(translation)));
    vec![translated.unwrap_or_else(|| verdicts::not_known(instance))]
}

/// The target as it is shown, without meaning.
fn note(instance: &Instance<'_>) -> Op {
    Op::Note(Note::Other(instance.words()))
}

/// The target as it is shown, where its options say more than the operations do.
fn note_of(instance: &Instance<'_>, options: &[&str]) -> Option<Op> {
    options.iter().any(|option| instance.has(option)).then(|| note(instance))
}
