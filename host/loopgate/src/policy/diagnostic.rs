//! Problems in a policy file, each with the place it is at, and how they are shown.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use loopgate_facts::{Untrusted, is_unsafe_to_print};

use super::Source;

/// A policy with more problems than this is the wrong file; the rest is only counted.
const MOST_SHOWN: usize = 50;

/// One problem. Its texts may hold anything from the file; they are escaped when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    title: String,
    span: Range<usize>,
    label: String,
    help: Option<String>,
}

impl Diagnostic {
    /// A problem at a range of bytes of the file.
    pub(crate) fn new(title: impl Into<String>, span: Range<usize>) -> Self {
        Self { title: title.into(), span, label: String::new(), help: None }
    }

    /// What to say right under the underlined text.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What would be right.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn group<'a>(&self, source: &'a Source, text: &'a str) -> Group<'a> {
        let snippet = Snippet::source(text).path(escape(&source.label)).annotation(annotation(
            AnnotationKind::Primary,
            text,
            &self.span,
            &self.label,
        ));
        let group = Level::ERROR.primary_title(escape(&self.title)).element(snippet);
        match &self.help {
            Some(help) => group.element(Level::HELP.message(escape(help))),
            None => group,
        }
    }
}

/// Everything that is wrong with one policy, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    source: Source,
    diagnostics: Vec<Diagnostic>,
}

impl Problems {
    /// The problems of a policy, at least one.
    pub(crate) fn new(source: &Source, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        diagnostics.dedup();
        Self { source: source.clone(), diagnostics }
    }

    /// The problems as text with terminal colours, each with file, line and the offending text underlined.
    pub(crate) fn render(&self, width: usize) -> String {
        let renderer = Renderer::styled().term_width(width);
        let text = printable(&self.source.text);
        let mut page = String::new();
        for diagnostic in self.diagnostics.iter().take(MOST_SHOWN) {
            let _ = writeln!(page, "{}\n", renderer.render(&[diagnostic.group(&self.source, &text)]));
        }
        let _ = writeln!(page, "{}", self.summary());
        page
    }

    fn summary(&self) -> String {
        let place = escape(&self.source.label);
        match self.diagnostics.len() {
            1 => format!("loopgate: 1 problem in {place}; nothing was judged"),
            count if count > MOST_SHOWN => {
                format!("loopgate: {count} problems in {place}, of which {MOST_SHOWN} are shown; nothing was judged")
            }
            count => format!("loopgate: {count} problems in {place}; nothing was judged"),
        }
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

    /// The problems as a user without colours sees them.
    pub(crate) fn plain(problems: &Problems) -> String {
        anstream::adapter::strip_str(&problems.render(100)).to_string()
    }

    #[test]
    fn spans_outside_the_text_and_inside_a_character_are_survived() {
        let source = Source::file("p.toml", "größe");
        for span in [0..0, 3..4, 4..4, 5..900, 900..901] {
            assert!(!Problems::new(&source, vec![Diagnostic::new("x", span)]).render(40).is_empty());
        }
    }

    #[test]
    fn nothing_from_the_file_steers_the_terminal() {
        let text = "a = \"\u{1b}[31m \u{202e} \u{9b} \u{e0001}\"\r\nb";
        let source = Source::file("\u{1b}[2J.toml", text);
        let diagnostic = Diagnostic::new(text, 4..12).label(text).help(text);
        let shown = plain(&Problems::new(&source, vec![diagnostic]));
        assert!(!shown.chars().any(|character| character != '\n' && is_unsafe_to_print(character)), "{shown:?}");
    }
}
