//! Splits a line into words as `iptables-restore(8)` does (`add_param_to_argv`, `iptables/xshared.c`).

use std::borrow::Cow;

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// The byte of the line that it begins at.
    pub(super) start: usize,
    /// The byte behind its last.
    pub(super) end: usize,
    /// What it says, without quotes.
    pub(super) value: Cow<'a, [u8]>,
    /// It is, or has, text in quotes, and is therefore no option.
    pub(super) quoted: bool,
    /// Its last quote is closed.
    pub(super) closed: bool,
}

impl Word<'_> {
    /// Whether it is this option, or this mark.
    pub(super) fn is(&self, text: &str) -> bool {
        !self.quoted && *self.value == *text.as_bytes()
    }
}

/// The words of a line.
pub(super) fn words(line: &[u8]) -> Words<'_> {
    Words { line, at: 0 }
}

/// See [`words`].
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.line.get(self.at..)?;
        let start = self.at + rest.iter().position(|byte| !is_blank(*byte))?;
        let word = self.line.get(start..)?;
        let length = word.iter().position(|byte| is_blank(*byte) || *byte == b'"').unwrap_or(word.len());
        let next = if word.get(length) == Some(&b'"') {
            quoted(word, start)
        } else {
            let value = Cow::Borrowed(word.get(..length)?);
            Word { start, end: start + length, value, quoted: false, closed: true }
        };
        self.at = next.end;
        Some(next)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A word with quotes: within them blanks do not end it, and a backslash takes the next byte as it is.
fn quoted(word: &[u8], start: usize) -> Word<'static> {
    let mut value = Vec::new();
    let (mut open, mut escaped, mut length) = (false, false, 0);
    for byte in word {
        match byte {
            _ if escaped => {
                value.push(*byte);
                escaped = false;
            }
            b'"' => open = !open,
            b'\\' if open => escaped = true,
            _ if !open && is_blank(*byte) => break,
            _ => value.push(*byte),
        }
        length += 1;
    }
    Word { start, end: start + length, value: Cow::Owned(value), quoted: true, closed: !open }
}
