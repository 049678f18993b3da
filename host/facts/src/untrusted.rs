//! Text that somebody else chose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text from outside loopgate: a process name, a unit, an interface name, the message of a guest.
///
/// It has no `Display`: print it with [`Untrusted::escaped`], or take the raw text with [`Untrusted::as_str`] where
/// the sink does its own escaping (a JSON writer, the record that a plugin receives).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Text from bytes that should be UTF-8 but need not be.
    ///
    /// Valid sequences are kept; every byte that is not part of one becomes the four characters `\xNN`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        Self(text)
    }

    /// The raw text, for a sink that escapes by itself and for comparisons.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as it is safe to show on a terminal or in a log: one line, no controls, nothing that reorders.
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped(&self.0)
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.escaped().to_string())
    }
}

/// The [`std::fmt::Display`] of an [`Untrusted`]; see [`Untrusted::escaped`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for character in self.0.chars() {
            if is_unsafe_to_print(character) {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character could steer a terminal, break a line, hide, or reorder the text around it.
///
/// C0 and C1 controls, line and paragraph separators, the bidirectional controls of Unicode Standard Annex 9,
/// zero-width characters, variation selectors, tags, private use and other default-ignorable characters.
pub fn is_unsafe_to_print(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}'
                | '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}'
                | '\u{E000}'..='\u{F8FF}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{10FFFF}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_bidi_are_escaped() {
        let text = Untrusted::from("a\u{1b}[31m\nb\u{202e}c\u{9b}");
        assert_eq!(text.escaped().to_string(), "a\\u{1b}[31m\\nb\\u{202e}c\\u{9b}");
    }

    #[test]
    fn invalid_bytes_stay_visible() {
        assert_eq!(Untrusted::from_bytes(b"ok \xff\xfe z\xc3\xa9").as_str(), "ok \\xff\\xfe zé");
    }

    #[test]
    fn letters_of_every_script_stay_readable() {
        assert_eq!(Untrusted::from("größe 数据 база").escaped().to_string(), "größe 数据 база");
    }

    proptest! {
        #[test]
        fn escaped_text_is_safe_whatever_the_bytes(bytes: Vec<u8>) {
            let shown = Untrusted::from_bytes(&bytes).escaped().to_string();
            prop_assert!(!shown.chars().any(is_unsafe_to_print));
        }
    }
}
