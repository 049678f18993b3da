//! Longer texts of plugins: plain text or Markdown, with the line breaks of its author.
//!
//! The breaks within a paragraph are undone, so that a page can set its own; lists and code keep theirs.

use loopgate_facts::Untrusted;

/// One piece of a text, safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// To be wrapped as a whole.
    Paragraph(String),
    /// A list item, without its bullet.
    Item(String),
    /// A line to be shown as it is.
    Code(String),
    /// An empty line.
    Blank,
}

/// The pieces of a text, without blank ones at the ends.
pub(crate) fn blocks(text: &Untrusted) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut in_code = false;
    for line in text.as_str().trim().lines() {
        let line = Untrusted::from(line.trim_end()).escaped().to_string();
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            blocks.push(Block::Code(line));
        } else {
            add(&mut blocks, line.trim());
        }
    }
    blocks
}

fn add(blocks: &mut Vec<Block>, line: &str) {
    if line.is_empty() {
        return blocks.push(Block::Blank);
    }
    if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return blocks.push(Block::Item(item.to_owned()));
    }
    match blocks.last_mut() {
        Some(Block::Paragraph(text) | Block::Item(text)) => {
            text.push(' ');
            text.push_str(line);
        }
        _ => blocks.push(Block::Paragraph(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_and_lists_and_code_are_not() {
        let text = "One\ntwo \u{1b}[1m.\n\n- a\n  b\n* c\n```sh\n  x  y\n\n```\nEnd\n\n";
        let owned = str::to_owned;
        assert_eq!(
            blocks(&text.into()),
            [
                Block::Paragraph(owned("One two \\u{1b}[1m.")),
                Block::Blank,
                Block::Item(owned("a b")),
                Block::Item(owned("c")),
                Block::Code(owned("  x  y")),
                Block::Code(String::new()),
                Block::Paragraph(owned("End")),
            ]
        );
    }
}
