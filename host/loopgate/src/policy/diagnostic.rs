//! Problems in the layers of a policy, each with the place it is at, and how they are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use loopgate_facts::{Untrusted, is_unsafe_to_print};

use super::source::{Location, SourceId, Sources};

/// A policy with more problems than this is the wrong file; the rest is only counted.
pub(crate) const MOST_SHOWN: usize = 50;

/// One problem. Its texts may hold anything from the files; they are escaped when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    title: String,
    at: Location,
    label: String,
    also: Vec<(Location, String)>,
    help: Option<String>,
}

impl Diagnostic {
    /// A problem at a place.
    pub(crate) fn new(title: impl Into<String>, at: Location) -> Self {
        Self { title: title.into(), at, label: String::new(), also: Vec::new(), help: None }
    }

    /// Where it is.
    pub(super) fn at(&self) -> &Location {
        &self.at
    }

    /// What to say right under the underlined text.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it, in the same layer or in another, and what to say under it.
    pub(crate) fn also(mut self, at: Location, label: impl Into<String>) -> Self {
        self.also.push((at, label.into()));
        self
    }

    /// What would be right.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn group<'a>(&self, sources: &'a Sources, texts: &'a Texts) -> Group<'a> {
        let group = Level::ERROR.primary_title(escape(&self.title)).elements(self.snippets(sources, texts));
        match &self.help {
            Some(help) => group.element(Level::HELP.message(escape(help))),
            None => group,
        }
    }

    /// One for each file, that of the problem itself first.
    fn snippets<'a>(&self, sources: &'a Sources, texts: &'a Texts) -> Vec<Snippet<'a, Annotation<'a>>> {
        let mut places = vec![(AnnotationKind::Primary, &self.at, &self.label)];
        places.extend(self.also.iter().map(|(at, label)| (AnnotationKind::Context, at, label)));
        let mut files: Vec<SourceId> = Vec::new();
        for (_, at, _) in &places {
            if !files.contains(&at.source) {
                files.push(at.source);
            }
        }
        let snippet = |file: SourceId| {
            let text = texts.of(file);
            let label = sources.get(file).map_or("", |source| &source.label);
            let here = places.iter().filter(|(_, at, _)| at.source == file);
            let annotations = here.map(|(kind, at, label)| annotation(*kind, text, &at.span, label));
            Snippet::source(text).path(escape(label)).annotations(annotations.collect::<Vec<_>>())
        };
        files.into_iter().map(snippet).collect()
    }
}

/// The texts of the files that problems are in, as they are safe to print.
struct Texts(BTreeMap<SourceId, String>);

impl Texts {
    fn new(sources: &Sources, diagnostics: &[Diagnostic]) -> Self {
        let places = diagnostics.iter().flat_map(|one| one.also.iter().map(|(at, _)| at).chain([&one.at]));
        let files: BTreeSet<SourceId> = places.map(|at| at.source).collect();
        Self(files.into_iter().filter_map(|id| Some((id, printable(&sources.get(id)?.text)))).collect())
    }

    fn of(&self, source: SourceId) -> &str {
        self.0.get(&source).map_or("", String::as_str)
    }
}

/// Everything that is wrong with one policy, in the order of its layers and of their text.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
}

impl Problems {
    /// The problems of a policy, at least one.
    pub(crate) fn new(sources: &Sources, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| sources.sort_key(&diagnostic.at));
        diagnostics.dedup();
        Self { sources: sources.clone(), diagnostics }
    }

    /// The problems as text with terminal colours, each with file, line and the offending text underlined.
    pub(crate) fn render(&self, width: usize) -> String {
        let renderer = Renderer::styled().term_width(width);
        let shown = self.diagnostics.get(..MOST_SHOWN).unwrap_or(&self.diagnostics);
        let texts = Texts::new(&self.sources, shown);
        let mut page = String::new();
        for diagnostic in shown {
            let _ = writeln!(page, "{}\n", renderer.render(&[diagnostic.group(&self.sources, &texts)]));
        }
        let _ = writeln!(page, "{}", self.summary());
        page
    }

    fn summary(&self) -> String {
        let places = self.files().join(" and ");
        match self.diagnostics.len() {
            1 => format!("loopgate: 1 problem in {places}; nothing was judged"),
            count if count > MOST_SHOWN => {
                format!("loopgate: {count} problems in {places}, of which {MOST_SHOWN} are shown; nothing was judged")
            }
            count => format!("loopgate: {count} problems in {places}; nothing was judged"),
        }
    }

    /// The files that have problems, in the order of the layers.
    fn files(&self) -> Vec<String> {
        let mut ids: Vec<SourceId> = self.diagnostics.iter().map(|diagnostic| diagnostic.at.source).collect();
        ids.dedup();
        ids.into_iter().filter_map(|id| Some(escape(&self.sources.get(id)?.label))).collect()
    }
}

fn annotation<'a>(kind: AnnotationKind, text: &str, span: &Range<usize>, label: &str) -> Annotation<'a> {
    let annotation = kind.span(within(text, span));
    if label.is_empty() { annotation } else { annotation.label(escape(label)) }
}

/// The span, moved onto character boundaries of the text.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

fn escape(text: &str) -> String {
    Untrusted::from(text).escaped().to_string()
}

/// The file with every character that could steer a terminal replaced by others of the same length in bytes, so that
/// the spans stay right.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => shown.push(character),
            _ if is_unsafe_to_print(character) => shown.extend(std::iter::repeat_n('?', character.len_utf8())),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::policy::Source;

    /// The problems as a user without colours sees them.
    pub(crate) fn plain(problems: &Problems) -> String {
        anstream::adapter::strip_str(&problems.render(100)).to_string()
    }

    #[test]
    fn spans_outside_the_text_and_inside_a_character_are_survived() {
        let mut sources = Sources::default();
        let source = sources.open(Source::file("p.toml", "p.toml", "größe"));
        for span in [0..0, 3..4, 4..4, 5..900, 900..901] {
            let problem = Diagnostic::new("x", Location { source, span });
            assert!(!Problems::new(&sources, vec![problem]).render(40).is_empty());
        }
    }

    #[test]
    fn nothing_from_the_file_steers_the_terminal() {
        let text = "a = \"\u{1b}[31m \u{202e} \u{9b} \u{e0001}\"\r\nb";
        let mut sources = Sources::default();
        let label = "\u{1b}[2J.toml";
        let [source, other] = [(); 2].map(|()| sources.open(Source::file(label, label, text)));
        let at = |source| Location { source, span: 4..12 };
        let diagnostic = Diagnostic::new(text, at(source)).label(text).also(at(other), text).help(text);
        let shown = plain(&Problems::new(&sources, vec![diagnostic]));
        assert!(!shown.chars().any(|character| character != '\n' && is_unsafe_to_print(character)), "{shown:?}");
    }
}
