//! Rules in the notation of `iptables -S` (`iptables(8)`).
//!
//! A rule is shown from what it does. Rules of `iptables-nft` are bytecode in part; the shapes that it writes are
//! recognised (`iptables/nft-shared.c`), and what is not stands in brackets, so that nothing wrong is shown.

mod bytecode;
mod target;
mod tests_of;

#[cfg(test)]
mod tests;

use loopgate_facts::Untrusted;

use super::nft;
use crate::Ruleset;
use crate::rule::{Note, Op, Predicate, Test};
use crate::ruleset::{Family, RuleId};
use crate::xt::is_guarded;
pub(crate) use tests_of::{address_under, protocol_name};

/// A rule as `iptables -S` shows it, or as its file has it.
pub fn rule(ruleset: &Ruleset, id: RuleId) -> Untrusted {
    let Some(rule) = ruleset.rule(id) else { return Untrusted::default() };
    if let Some(text) = &rule.text {
        return text.clone();
    }
    let family = ruleset.table_of(id.chain).map_or(Family::Ip, |table| table.family);
    let mut line = Line { ruleset, family, parts: Vec::new(), target: None };
    line.ops(&rule.ops);
    let chain = ruleset.chain(id.chain).map(|chain| chain.name.clone()).unwrap_or_default();
    line.join(&chain, rule.comment.as_ref()).into()
}

/// A part of a rule.
pub(super) struct Part {
    /// The match that it belongs to; empty for the options of every rule.
    extension: &'static str,
    /// Its option, without a value: a match takes each but once.
    option: &'static str,
    /// Where it stands among the options of every rule.
    rank: u8,
    /// The option with its value, or whatever is shown without `-m`.
    words: String,
    /// What the match says of all its options, behind them.
    end: &'static str,
}

impl Part {
    /// Words that stand for themselves.
    fn bare(words: String) -> Self {
        Self { extension: "", option: "", rank: BEHIND, words, end: "" }
    }

    /// Whether another option can follow under the same `-m`.
    fn shares(&self, other: &Self) -> bool {
        let same = !self.extension.is_empty() && self.extension == other.extension && self.end == other.end;
        same && self.option != other.option && !TAKES_ONE.contains(&self.extension)
    }
}

/// Matches that take one option.
const TAKES_ONE: [&str; 3] = ["multiport", "ttl", "hl"];

/// The rank of what is no option of every rule.
const BEHIND: u8 = u8::MAX;

struct Line<'r> {
    ruleset: &'r Ruleset,
    family: Family,
    parts: Vec<Part>,
    /// `-j` or `-g`.
    target: Option<String>,
}

impl Line<'_> {
    fn ops(&mut self, ops: &[Op]) {
        let protocol = protocol(ops);
        let mut rest = ops;
        while let Some((op, behind)) = rest.split_first() {
            if let Some((test, behind)) = bytecode::test(rest, self.family) {
                self.test(&test, protocol);
                rest = behind;
                continue;
            }
            let target = target::target(rest, self.ruleset).filter(|_| self.target.is_none());
            let code = bytecode::unread(rest, self.family);
            if !code.is_empty() {
                self.native(code);
                rest = rest.get(code.len()..).unwrap_or_default();
                continue;
            }
            rest = behind;
            if let Some(target) = target {
                self.target = Some(target.words);
                if target.whole {
                    return;
                }
            } else {
                self.op(op, protocol);
            }
        }
    }

    fn op(&mut self, op: &Op, protocol: Option<u8>) {
        match op {
            Op::Match { inverted: false, all } => {
                for test in written(all) {
                    self.test(test, protocol);
                }
            }
            Op::Match { inverted, all } => {
                let words = tests(*inverted, all, self.family, self.ruleset);
                self.parts.push(Part::bare(format!("[{words}]")));
            }
            Op::Rate(rate) => self.parts.push(Part::bare(tests_of::rate(&rate.text))),
            Op::Note(Note::Counter { .. }) => {}
            Op::Note(Note::Other(text)) => self.parts.push(Part::bare(tests_of::own_words(text))),
            Op::Unknown(unknown) => self.parts.push(Part::bare(tests_of::own_words(&unknown.construct))),
            _ => self.native(std::slice::from_ref(op)),
        }
    }

    /// Operations that iptables has no words for, in those of `nft`.
    fn native(&mut self, ops: &[Op]) {
        let words = nft::words(self.ruleset, self.family, ops, None);
        self.parts.push(Part::bare(if words.starts_with('[') { words } else { format!("[{words}]") }));
    }

    fn test(&mut self, test: &Test, protocol: Option<u8>) {
        self.parts.push(tests_of::part(test, protocol, self.family, self.ruleset));
    }

    /// The options of every rule come first, then the comment, then the matches in their order.
    fn join(self, chain: &Untrusted, comment: Option<&Untrusted>) -> String {
        let (mut basic, matches): (Vec<_>, Vec<_>) = self.parts.into_iter().partition(|part| part.rank != BEHIND);
        basic.sort_by_key(|part| part.rank);
        let mut text = format!("-A {}", quote(chain.as_str()));
        for part in &basic {
            push(&mut text, &part.words);
        }
        if let Some(comment) = comment {
            push(&mut text, &format!("-m comment --comment {}", quote(comment.as_str())));
        }
        push_matches(&mut text, &matches);
        if let Some(target) = self.target {
            push(&mut text, &target);
        }
        text
    }
}

/// A match, in the words of iptables.
pub(super) fn tests(inverted: bool, all: &[Test], family: Family, ruleset: &Ruleset) -> String {
    let parts: Vec<_> = all.iter().map(|test| tests_of::part(test, None, family, ruleset)).collect();
    let mut text = String::new();
    push_matches(&mut text, &parts);
    let text = text.trim_start();
    if inverted { format!("not all of: {text}") } else { text.to_owned() }
}

/// Without the test that there is a connection, or an extension header: the match that asks more says so.
fn written(tests: &[Test]) -> &[Test] {
    let is_header = |test: &Test| matches!(test.predicate, Predicate::HeaderPresent(_));
    match tests {
        [first, rest @ ..] if is_header(first) || is_guarded(tests) => rest,
        tests => tests,
    }
}

fn push(text: &mut String, words: &str) {
    text.push(' ');
    text.push_str(words);
}

/// Options of one match that follow each other share its `-m`, as long as none comes twice; `multiport` takes but
/// one, and what a match says of all its options must be the same.
fn push_matches(text: &mut String, parts: &[Part]) {
    let mut group: &[Part] = &[];
    for (position, part) in parts.iter().enumerate() {
        let joined = group.iter().all(|other| other.shares(part));
        if group.is_empty() || !joined {
            push_end(text, group);
            group = &[];
            if !part.extension.is_empty() {
                push(text, &format!("-m {}", part.extension));
            }
        }
        push(text, &part.words);
        group = parts.get(position - group.len()..=position).unwrap_or_default();
    }
    push_end(text, group);
}

fn push_end(text: &mut String, group: &[Part]) {
    text.push_str(group.last().map_or("", |part| part.end));
}

/// The transport protocol that a rule is for, which tells whose ports it tests.
fn protocol(ops: &[Op]) -> Option<u8> {
    let of_tests = |all: &[Test]| {
        all.iter().find_map(|test| match test.predicate {
            Predicate::Protocol(number) if !test.inverted => Some(number),
            _ => None,
        })
    };
    let tails = (0..ops.len()).filter_map(|start| ops.get(start..));
    tails.into_iter().find_map(|tail| match tail.first()? {
        Op::Match { inverted: false, all } => of_tests(all),
        _ => bytecode::protocol(tail),
    })
}

/// Writes a word as `iptables-save(8)` does: in quotes where it has to be (`xtables_save_string`,
/// `libxtables/xtables.c`).
fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+@%/".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) { value.to_owned() } else { quoted(value) }
}

fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '\'') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}
