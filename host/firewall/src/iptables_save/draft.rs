//! Which words of a rule belong to which option.
//!
//! iptables loads the options of a match with `-m` and of a target with `-j`; those of a transport protocol are there
//! with `-p` alone. An option that nothing loaded has is not understood; its values, whose number nobody knows, end at
//! the next `-m`, `-j` or `-g`.

use super::grammar::{Extension, Given, Instance, OptionSpec, Site, extension, find};
use super::matches::{self, BASIC};
use super::targets;
use super::words::Word;

/// A rule as its words say it.
#[derive(Default)]
pub(super) struct Draft<'a> {
    /// The options of every rule: addresses, interfaces, protocol.
    pub(super) basic: Vec<Given<'a>>,
    /// The matches, in order, and what is not understood between them.
    pub(super) parts: Vec<Part<'a>>,
    /// `-j` or `-g`.
    pub(super) target: Option<TargetDraft<'a>>,
    /// Words that cannot even be told apart: nothing of the rule is certain.
    pub(super) broken: bool,
}

/// A match, or what is not understood.
pub(super) enum Part<'a> {
    Match(Instance<'a>),
    /// As the line has it.
    Unknown(&'a [u8]),
}

/// What `-j` or `-g` says.
pub(super) struct TargetDraft<'a> {
    pub(super) word: &'a Word<'a>,
    /// `-g`.
    pub(super) goto: bool,
    /// The target, if it is one.
    pub(super) instance: Option<Instance<'a>>,
    /// Words behind it, if it is none.
    pub(super) stray: Vec<&'a [u8]>,
}

/// `iptables-restore(8)` takes no more words (`MAX_ARGC`, `iptables/xshared.h`).
const MOST_WORDS: usize = 255;

/// Sorts the words of a rule that follow the name of its chain.
pub(super) fn read<'a>(line: &'a [u8], words: &'a [Word<'a>], site: Site) -> Draft<'a> {
    let draft = Draft { broken: words.len() > MOST_WORDS || words.iter().any(|word| !word.closed), ..Draft::default() };
    let mut reader = Reader { line, words, at: 0, site, draft, last: Last::Basic };
    while reader.at < words.len() && !reader.draft.broken {
        reader.step();
    }
    reader.draft
}

/// What was loaded last, and gets the next option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Basic,
    Match,
    Target,
}

struct Reader<'a> {
    line: &'a [u8],
    words: &'a [Word<'a>],
    at: usize,
    site: Site,
    draft: Draft<'a>,
    last: Last,
}

impl<'a> Reader<'a> {
    /// Reads one option.
    fn step(&mut self) {
        let start = self.at;
        let inverted = self.eat_not();
        let Some(option) = self.next() else {
            self.draft.broken = true;
            return;
        };
        if option.is("-m") || option.is("--match") {
            self.load(inverted);
        } else if option.is("-j") || option.is("--jump") || option.is("-g") || option.is("--goto") {
            self.target(inverted, option.is("-g") || option.is("--goto"));
        } else if option.is("-c") || option.is("--set-counters") {
            self.at += 2;
        } else if !self.option(start, inverted, option) {
            self.stray(start);
        }
    }

    fn next(&mut self) -> Option<&'a Word<'a>> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn eat_not(&mut self) -> bool {
        let there = self.words.get(self.at).is_some_and(|word| word.is("!"));
        self.at += usize::from(there);
        there
    }

    fn load(&mut self, inverted: bool) {
        let start = self.at.saturating_sub(1);
        let Some(name) = self.next().filter(|_| !inverted) else {
            self.draft.broken = true;
            return;
        };
        match extension(&matches::TABLES, &name.value) {
            Some(found) => {
                let instance = self.instance(found, &name.value);
                self.draft.parts.push(Part::Match(instance));
            }
            None => self.swallow(start),
        }
        self.last = Last::Match;
    }

    fn instance(&self, extension: &'static Extension, name: &'a [u8]) -> Instance<'a> {
        Instance { extension, name, given: Vec::new(), stray: Vec::new(), site: self.site }
    }

    fn target(&mut self, inverted: bool, goto: bool) {
        let name = self.next().filter(|_| !inverted && self.draft.target.is_none());
        let Some(word) = name else {
            self.draft.broken = true;
            return;
        };
        let found = extension(&targets::TABLES, &word.value).filter(|_| !goto);
        let instance = found.map(|found| self.instance(found, &word.value));
        self.draft.target = Some(TargetDraft { word, goto, instance, stray: Vec::new() });
        self.last = Last::Target;
    }

    /// Gives an option to what has it: what was loaded last, the options of every rule, what was loaded before, or
    /// the transport protocol.
    fn option(&mut self, start: usize, inverted: bool, name: &'a Word<'a>) -> bool {
        if self.give_target(start, inverted, name) || self.give_last(start, inverted, name) {
            return true;
        }
        if let Some(option) = find(BASIC, name) {
            return match self.given(start, inverted, option, "") {
                Some(given) => {
                    self.draft.basic.push(given);
                    true
                }
                None => false,
            };
        }
        self.give_earlier(start, inverted, name) || self.give_protocol(start, inverted, name)
    }

    fn give_target(&mut self, start: usize, inverted: bool, name: &'a Word<'a>) -> bool {
        let instance = self.draft.target.as_ref().and_then(|target| target.instance.as_ref());
        let Some(option) = instance.and_then(|instance| instance.extension.option(name)) else { return false };
        let Some(given) = self.given(start, inverted, option, "") else { return false };
        if let Some(instance) = self.draft.target.as_mut().and_then(|target| target.instance.as_mut()) {
            instance.given.push(given);
        }
        true
    }

    fn give_last(&mut self, start: usize, inverted: bool, name: &'a Word<'a>) -> bool {
        self.last == Last::Match && self.give_match(start, inverted, name, self.draft.parts.len().saturating_sub(1))
    }

    fn give_earlier(&mut self, start: usize, inverted: bool, name: &'a Word<'a>) -> bool {
        (0..self.draft.parts.len()).rev().any(|part| self.give_match(start, inverted, name, part))
    }

    fn give_match(&mut self, start: usize, inverted: bool, name: &'a Word<'a>, part: usize) -> bool {
        let Some(Part::Match(instance)) = self.draft.parts.get(part) else { return false };
        let of = instance.extension.names.first().copied().unwrap_or_default();
        let Some(option) = instance.extension.option(name) else { return false };
        let Some(given) = self.given(start, inverted, option, of) else { return false };
        if let Some(Part::Match(instance)) = self.draft.parts.get_mut(part) {
            instance.given.push(given);
        }
        true
    }

    /// `-p tcp --dport 80` loads `-m tcp` by itself.
    fn give_protocol(&mut self, start: usize, inverted: bool, name: &'a Word<'a>) -> bool {
        let protocol = self.draft.basic.iter().find(|given| given.option.names.contains(&"-p") && !given.inverted);
        let value = protocol.and_then(Given::value);
        let Some(found) = value.and_then(|value| extension(&[matches::TRANSPORT], value)) else { return false };
        if found.option(name).is_none() {
            return false;
        }
        let called = found.names.first().map(|name| name.as_bytes()).unwrap_or_default();
        let instance = self.instance(found, called);
        self.draft.parts.push(Part::Match(instance));
        self.give_match(start, inverted, name, self.draft.parts.len().saturating_sub(1))
    }

    /// An option with the values that follow it, if there are enough.
    fn given(
        &mut self,
        start: usize,
        inverted: bool,
        option: &'static OptionSpec,
        of: &'static str,
    ) -> Option<Given<'a>> {
        let inverted_value = option.arity > 0 && self.words.get(self.at).is_some_and(|word| word.is("!"));
        let first = self.at + usize::from(inverted_value);
        let values = self.words.get(first..first.checked_add(option.arity)?)?;
        if inverted && inverted_value {
            return None;
        }
        self.at = first + option.arity;
        let values = values.iter().map(|word| &*word.value).collect();
        let raw = self.raw(start, self.at);
        Some(Given { option, inverted: inverted || inverted_value, values, raw, of, site: self.site })
    }

    /// The line from one word to before another.
    fn raw(&self, from: usize, to: usize) -> &'a [u8] {
        let start = self.words.get(from).map_or(0, |word| word.start);
        let end = to.checked_sub(1).and_then(|last| self.words.get(last)).map_or(start, |word| word.end);
        self.line.get(start..end).unwrap_or_default()
    }

    /// Words that nothing has: they make what was loaded last unknown.
    fn stray(&mut self, start: usize) {
        let end = self.skip(start);
        let raw = self.raw(start, end);
        match self.last {
            Last::Target => {
                if let Some(target) = self.draft.target.as_mut() {
                    target.instance.as_mut().map_or(&mut target.stray, |instance| &mut instance.stray).push(raw);
                }
            }
            Last::Match => match self.draft.parts.last_mut() {
                Some(Part::Match(instance)) => instance.stray.push(raw),
                _ => self.draft.parts.push(Part::Unknown(raw)),
            },
            Last::Basic => self.draft.parts.push(Part::Unknown(raw)),
        }
    }

    fn swallow(&mut self, start: usize) {
        let end = self.skip(start + 1);
        let raw = self.raw(start, end);
        self.draft.parts.push(Part::Unknown(raw));
    }

    /// Moves to the next `-m`, `-j` or `-g` behind a word.
    fn skip(&mut self, start: usize) -> usize {
        let loads =
            |word: &Word<'_>| ["-m", "--match", "-j", "--jump", "-g", "--goto"].iter().any(|name| word.is(name));
        let behind = self.words.get(start + 1..).unwrap_or_default();
        self.at = behind.iter().position(loads).map_or(self.words.len(), |ahead| start + 1 + ahead);
        self.at
    }
}
