//! The report as JSON: versioned, in a stable order, and safe to show on a terminal.

mod v1;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::Report;

/// Writes the report.
pub(crate) fn render(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    write_safely(&v1::Report::from(report), out)
}

/// Writes any value as indented JSON whose strings hold no character that could steer a terminal: each is written as
/// `\uXXXX`, which any JSON reader turns back into the character.
pub(crate) fn write_safely<T: Serialize>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    let formatter = SafeFormatter { layout: PrettyFormatter::new() };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    out.write_all(b"\n")
}

/// Indents like [`PrettyFormatter`] and escapes what is unsafe to print.
struct SafeFormatter {
    layout: PrettyFormatter<'static>,
}

impl Formatter for SafeFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((before, unsafe_one, after)) = split_at_unsafe(rest) {
            CompactFormatter.write_string_fragment(writer, before)?;
            write_escape(writer, unsafe_one)?;
            rest = after;
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.layout.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.layout.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object_value(writer)
    }
}

fn split_at_unsafe(text: &str) -> Option<(&str, char, &str)> {
    let (at, found) = text.char_indices().find(|(_, character)| loopgate_facts::is_unsafe_to_print(*character))?;
    let (before, from) = text.split_at_checked(at)?;
    Some((before, found, from.strip_prefix(found)?))
}

/// The character as JSON escapes it (RFC 8259, section 7): beyond the first plane, as two surrogates.
fn write_escape<W: ?Sized + Write>(writer: &mut W, character: char) -> io::Result<()> {
    let mut units = [0; 2];
    character.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use loopgate_engine::{Outcome, Severity, Subject};
    use loopgate_facts::{Area, Gap, is_unsafe_to_print};
    use proptest::prelude::*;

    use super::*;
    use crate::sample;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_safely(&text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Demand 23: the JSON report is documented as it is.
    #[test]
    fn the_documented_example_is_a_real_report() {
        let mut facts = sample::facts();
        facts.listeners.push(sample::listener("0.0.0.0", 6379, "redis-server"));
        let (reason, leaves_unknown) = ("not permitted".into(), "the owners of 3 sockets".into());
        facts.gaps.push(Gap { area: Area::Owners, subject: None, reason, leaves_unknown });
        let finding = sample::finding(Subject::Listener("tcp/0.0.0.0:6379".into()));
        let fail = Outcome::Fail { findings: vec![finding], unjudged: vec!["one socket has no owner".into()] };
        let rules = [
            ("wildcard-bind", Severity::High, Some(fail)),
            ("dual-stack", Severity::Medium, Some(Outcome::NotApplicable("no IPv6".into()))),
        ];
        let mut out = Vec::new();
        let report = sample::report(&sample::policy(), &facts, &[sample::answer("listeners", &rules)]);
        render(&report, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), documented(), "the example in docs/report-json.md");
    }

    /// The example of the documentation.
    fn documented() -> String {
        let page = include_str!("../../../../../docs/report-json.md");
        let (_, rest) = page.split_once("```json\n").unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_the_rest_is_readable() {
        assert_eq!(
            written("größe \u{1b}[31m\u{9b}\u{202e}\u{e0001}\u{7f}\n"),
            "\"größe \\u001b[31m\\u009b\\u202e\\udb40\\udc01\\u007f\\n\"\n"
        );
    }

    proptest! {
        #[test]
        fn escaped_json_reads_back_and_is_safe(text: String) {
            let json = written(&text);
            prop_assert!(!json.trim_end().chars().any(is_unsafe_to_print));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
