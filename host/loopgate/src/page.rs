//! A page of text: lines that are wrapped to a width, with terminal styles.
//!
//! Styles are always written; [`crate::output`] takes them away where they are not wanted. Only text that is safe to
//! print may be given to a page: an [`Untrusted`] through [`shown`].

use std::fmt::{self, Display};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use loopgate_engine::Severity;
use loopgate_facts::{Container, Untrusted};
use textwrap::{Options, WordSplitter};

use crate::prose::{Block, blocks};

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less than the text around it.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is not known.
pub(crate) const DOUBT: Style = AnsiColor::Yellow.on_default().bold();

/// The style of a severity.
pub(crate) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => AnsiColor::Blue.on_default(),
    }
}

/// The text as it is safe to show.
pub(crate) fn shown(text: &Untrusted) -> String {
    text.escaped().to_string()
}

/// What a container is called: its name where that is known, else the beginning of its id.
pub(crate) fn name_of(container: &Container) -> String {
    let beginning = || container.id.as_str().chars().take(12).collect::<String>().into();
    shown(&container.name.clone().unwrap_or_else(beginning))
}

/// Text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> impl Display {
    fmt::from_fn(move |formatter| write!(formatter, "{style}{text}{style:#}"))
}

/// `1 rule`, `2 rules`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Where lines are written to.
pub(crate) struct Page<'w> {
    out: &'w mut dyn Write,
    width: usize,
}

impl<'w> Page<'w> {
    /// A page of a width in columns.
    pub(crate) fn new(out: &'w mut dyn Write, width: usize) -> Self {
        Self { out, width }
    }

    /// The width in columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// A line as it is, however long.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A heading with an empty line before it.
    pub(crate) fn heading(&mut self, heading: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}", styled(BOLD, heading))
    }

    /// A paragraph, indented.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.labelled(&" ".repeat(indent), Style::new(), indent, text)
    }

    /// A paragraph in a style.
    pub(crate) fn styled_paragraph(&mut self, indent: usize, style: Style, text: &str) -> io::Result<()> {
        let fill = " ".repeat(indent);
        for line in textwrap::wrap(text, self.options(indent)) {
            writeln!(self.out, "{fill}{}", styled(style, line))?;
        }
        Ok(())
    }

    fn options(&self, indent: usize) -> Options<'static> {
        Options::new(self.width.saturating_sub(indent).max(20)).word_splitter(WordSplitter::NoHyphenation)
    }

    /// A longer text of a plugin, indented.
    pub(crate) fn prose(&mut self, indent: usize, text: &Untrusted) -> io::Result<()> {
        blocks(text).iter().try_for_each(|block| match block {
            Block::Paragraph(text) => self.paragraph(indent, text),
            Block::Item(text) => self.labelled(&format!("{:indent$}-", ""), Style::new(), indent + 2, text),
            Block::Code(line) => self.line(format!("{:indent$}    {line}", "").trim_end()),
            Block::Blank => self.blank(),
        })
    }

    /// A paragraph behind a label; all its lines begin at `column`, the first on the label's line if there is room.
    pub(crate) fn labelled(&mut self, label: &str, style: Style, column: usize, text: &str) -> io::Result<()> {
        let indent = " ".repeat(column);
        let mut head = head(label, style, column);
        for line in textwrap::wrap(text, self.options(column)) {
            writeln!(self.out, "{}", format!("{head}{line}").trim_end())?;
            head.clone_from(&indent);
        }
        Ok(())
    }
}

/// The label, filled up to the column; one that is too long is followed by a space.
fn head(label: &str, style: Style, column: usize) -> String {
    if label.trim().is_empty() {
        return " ".repeat(column);
    }
    let fill = column.saturating_sub(textwrap::core::display_width(label)).max(1);
    format!("{}{}", styled(style, label), " ".repeat(fill))
}

/// The text, filled with spaces up to a number of columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let fill = columns.saturating_sub(textwrap::core::display_width(text));
    format!("{text}{}", " ".repeat(fill))
}

/// The text, cut to a number of columns with `…` where it is longer.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if textwrap::core::display_width(text) <= columns {
        return text.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = |character: &char| {
        let width = textwrap::core::display_width(character.encode_utf8(&mut [0; 4]));
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_columns_and_not_characters() {
        assert_eq!(cut("postgres", 8), "postgres");
        assert_eq!(cut("postgresql", 8), "postgre…");
        assert_eq!(cut("データベース", 8), "データ…");
        assert_eq!(cut("anything", 0), "…");
    }

    #[test]
    fn a_label_that_is_too_long_is_still_apart_from_its_text() {
        let mut out = Vec::new();
        Page::new(&mut out, 40).labelled("a-long-label", Style::new(), 4, "text").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a-long-label text\n");
    }

    #[test]
    fn padding_counts_columns_and_not_characters() {
        assert_eq!(padded("データ", 8), "データ  ");
    }
}
