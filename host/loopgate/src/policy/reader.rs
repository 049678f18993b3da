//! Typed reading of a TOML document that notes what is wrong instead of stopping at it.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::nearest::{nearest, quoted, suggestion};
use super::source::{Located, Location, SourceId};

/// A value of the document and the bytes it stands at.
pub(crate) type Value<'t> = Spanned<DeValue<'t>>;

/// Collects the problems of one document.
#[derive(Debug)]
pub(crate) struct Reader {
    source: SourceId,
    problems: Vec<Diagnostic>,
}

impl Reader {
    /// A reader of this source.
    pub(crate) fn new(source: SourceId) -> Self {
        Self { source, problems: Vec::new() }
    }

    /// The place of some bytes of the document.
    pub(crate) fn at(&self, span: Range<usize>) -> Location {
        Location { source: self.source, span }
    }

    /// A problem with some bytes of the document.
    pub(crate) fn problem(&self, title: impl Into<String>, span: Range<usize>) -> Diagnostic {
        Diagnostic::new(title, self.at(span))
    }

    /// Notes a problem.
    pub(crate) fn note(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// How many problems were noted so far.
    pub(crate) fn so_far(&self) -> usize {
        self.problems.len()
    }

    /// Forgets what was noted behind the first problems at the very places of those: a value that is no TOML is read as another
    /// one, and what is wrong with that says nothing.
    pub(crate) fn forget_echoes(&mut self, first: usize) {
        let echoes = self.problems.split_off(first.min(self.problems.len()));
        let place = |problem: &Diagnostic| (problem.at().span.start, problem.at().span.end);
        let broken: BTreeSet<_> = self.problems.iter().map(place).collect();
        self.problems.extend(echoes.into_iter().filter(|problem| !broken.contains(&place(problem))));
    }

    /// Every problem that was noted.
    pub(crate) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems
    }

    /// Notes every key of the table that is not one of `known`.
    pub(crate) fn only_keys(&mut self, of: &str, table: &DeTable<'_>, known: &[&str]) {
        let strangers = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        for key in strangers {
            let name = key.get_ref();
            let problem = self.problem(format!("unknown key `{name}` in {of}"), key.span());
            self.note(problem.label(suggestion(name, known.iter().copied())));
        }
    }

    /// The value as a table.
    pub(crate) fn table<'v, 't>(&mut self, what: &str, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(what, "a table", value);
        }
        table
    }

    /// The value as a string.
    pub(crate) fn string<'v>(&mut self, what: &str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(what, "a string", value);
        }
        text
    }

    /// The value as a boolean.
    pub(crate) fn boolean(&mut self, what: &str, value: &Value<'_>) -> Option<bool> {
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            self.wrong_type(what, "a boolean", value);
        }
        truth
    }

    /// The value as an array.
    pub(crate) fn array<'v, 't>(&mut self, what: &str, value: &'v Value<'t>) -> Option<&'v DeArray<'t>> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong_type(what, "an array", value);
        }
        array
    }

    /// The tables of a top-level array such as `[[approved]]`, each with the place where it begins. What is no table is
    /// noted and left out.
    pub(crate) fn items<'v, 't>(&mut self, key: &str, value: &'v Value<'t>) -> Vec<(Location, &'v DeTable<'t>)> {
        let what = format!("`{key}`");
        let array = self.array(&what, value).into_iter().flat_map(|array| array.iter());
        let item = |item: &'v Value<'t>| Some((self.at(item.span()), self.table(&format!("an item of {what}"), item)?));
        array.filter_map(item).collect()
    }

    /// The value as one of a closed set of words.
    pub(crate) fn word<T: Copy>(&mut self, what: &str, value: &Value<'_>, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(what, value)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.unknown_word(what, text, value.span(), words.iter().map(|(word, _)| *word));
        }
        found
    }

    /// The same, with its place.
    pub(crate) fn located_word<T: Copy>(
        &mut self,
        what: &str,
        value: &Value<'_>,
        words: &[(&str, T)],
    ) -> Option<Located<T>> {
        Some(Located { value: self.word(what, value, words)?, at: self.at(value.span()) })
    }

    fn unknown_word<'a>(
        &mut self,
        what: &str,
        text: &str,
        span: Range<usize>,
        words: impl Iterator<Item = &'a str> + Clone,
    ) {
        let problem = self.problem(format!("`{text}` is not a value of {what}"), span);
        let problem = problem.label(suggestion(text, words.clone()));
        let is_list_due = nearest(text, words.clone()).is_some();
        self.note(if is_list_due { problem.help(format!("expected one of {}", quoted(words))) } else { problem });
    }

    /// Notes that the value is of another type than it should be.
    pub(crate) fn wrong_type(&mut self, what: &str, expected: &str, value: &Value<'_>) {
        let found = value.get_ref().type_str();
        let problem = self.problem(format!("{what} must be {expected}"), value.span());
        self.note(problem.label(format!("expected {expected}, found {} {found}", article(found))));
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
