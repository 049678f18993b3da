//! Places within the text of a parameter.
//!
//! A plugin knows the value of a text, and not how the policy writes it: with which quotes, and with which escapes.

use std::ops::Range;

use super::source::{Location, Source};

/// What is around a string in TOML. A line that begins right behind the quotes is no part of it.
const QUOTES: [(&str, &str); 8] = [
    ("'''\r\n", "'''"),
    ("'''\n", "'''"),
    ("'''", "'''"),
    ("\"\"\"\r\n", "\"\"\""),
    ("\"\"\"\n", "\"\"\""),
    ("\"\"\"", "\"\"\""),
    ("'", "'"),
    ("\"", "\""),
];

/// Where a part of the value of a text is written. Nowhere if it is no part of the value, or if escapes keep the value from
/// standing in the policy as it is.
pub(super) fn locate(source: &Source, at: &Location, value: &str, part: &Range<usize>) -> Option<Location> {
    value.get(part.clone())?;
    let written = source.text.get(at.span.clone())?;
    let is_around = |(before, behind): &&(&str, &str)| {
        written.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)).is_some_and(|inside| inside == value)
    };
    let (before, _) = QUOTES.iter().find(is_around)?;
    let start = at.span.start + before.len();
    Some(Location { source: at.source, span: start + part.start..start + part.end })
}

/// The same in words, for those that cannot be located: line and column from 1, in characters.
pub(super) fn describe(value: &str, part: &Range<usize>) -> Option<String> {
    value.get(part.clone())?;
    let before = value.get(..part.start)?;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    match before.matches('\n').count() {
        0 => Some(format!("at column {column} of the text")),
        lines => Some(format!("at line {}, column {column} of the text", lines + 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::*;
    use crate::policy::source::Sources;

    /// What of the policy is underlined for a part of its only value.
    fn underlined(text: &str, part: Range<usize>) -> Option<String> {
        let (document, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty(), "{errors:?}");
        let value = document.get_ref().get("a").unwrap();
        let source = Source::file("p", "p", text);
        let at = Location { source: Sources::default().open(source.clone()), span: value.span() };
        let found = locate(&source, &at, value.get_ref().as_str().unwrap(), &part)?;
        text.get(found.span).map(str::to_owned)
    }

    #[test]
    fn a_part_is_found_in_every_kind_of_string() {
        for text in [
            "a = 'x yy z'",
            "a = \"x yy z\"",
            "a = '''x yy z'''",
            "a = '''\nx yy z'''",
            "a = \"\"\"x yy z\"\"\"",
            "a = \"\"\"\r\nx yy z\"\"\"",
        ] {
            assert_eq!(underlined(text, 2..4).as_deref(), Some("yy"), "{text}");
        }
    }

    #[test]
    fn what_escapes_hide_is_found_nowhere() {
        for text in ["a = \"\\u0078 yy z\"", "a = \"\\\\x yy\"", "a = \"\"\"\\\n  x yy z\"\"\""] {
            assert_eq!(underlined(text, 2..4), None, "{text}");
        }
        assert_eq!(describe("x\n\u{e4} yy", &(5..7)).unwrap(), "at line 2, column 3 of the text");
    }

    #[test]
    fn a_part_that_is_none_is_found_nowhere() {
        for part in [0..9, 7..8, 1..2, Range { start: 3, end: 2 }] {
            assert_eq!(describe("\u{e4} yy", &part), None, "{part:?}");
            assert_eq!(underlined("a = '\u{e4} yy'", part), None);
        }
    }

    proptest! {
        /// Whatever the plugin says, what is underlined is what it says, or nothing is.
        #[test]
        fn what_is_underlined_is_that_part_of_the_value(value: String, start in 0..40_usize, length in 0..40_usize) {
            let part = start..start.saturating_add(length);
            let text = format!("a = {}", toml::Value::from(value.as_str()));
            if let Some(found) = underlined(&text, part.clone()) {
                prop_assert_eq!(Some(found.as_str()), value.get(part));
            }
        }
    }
}
