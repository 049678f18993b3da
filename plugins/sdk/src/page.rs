//! Pages: what a rule is about, in the Markdown file beside its code.
//!
//! One page is the single source of what `describe` says, of what `loopgate explain` prints and of the examples that
//! run as tests. The README of this crate defines the format.

use std::fmt;

use crate::prelude::{Area, Severity};

/// The page of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RulePage {
    /// What is true when the rule passes, in one line.
    pub title: String,
    /// Severity of its findings, unless the policy or the finding says otherwise.
    pub severity: Severity,
    /// Areas of the facts without which the rule cannot pass.
    pub needs: Vec<Area>,
    /// What the rule looks at and when it fails.
    pub description: String,
    /// Why it matters.
    pub rationale: String,
    /// How to mend what it finds.
    pub remediation: String,
    /// Controls and weaknesses that it serves.
    pub references: Vec<String>,
    /// Facts with the outcome that the rule has for them.
    pub examples: Vec<Example>,
}

/// Facts of which the outcome of the rule is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What becomes of the rule.
    pub expected: Expected,
    /// A JSON merge patch (RFC 7396) over the facts of a quiet machine, as it is written in the page.
    pub patch: String,
    /// The parameters of the plugin, a JSON object, where the example gives them.
    pub parameters: Option<String>,
    /// Line of the page that the patch begins on, from 1.
    pub line: usize,
}

/// The outcome of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The rule passes.
    Pass,
    /// The rule fails.
    Fail,
    /// There is nothing that the rule could look at.
    NotApplicable,
    /// It cannot be told.
    Unknown,
}

/// What is wrong with a page, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageError {
    /// Line of the page, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for PageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for PageError {}

impl RulePage {
    /// Reads a page.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        let mut sections = sections(text);
        if sections.is_empty() {
            return Err(PageError { line: 1, message: "expected `# Title` on the first line".to_owned() });
        }
        let mut page = Self::from_head(&sections.remove(0))?;
        for section in &sections {
            page.add(section)?;
        }
        Ok(page)
    }

    /// Title, properties and description: everything before the first `##`.
    fn from_head(head: &Section<'_>) -> Result<Self, PageError> {
        let mut page = Self {
            title: head.heading.to_owned(),
            severity: Severity::Medium,
            needs: Vec::new(),
            description: String::new(),
            rationale: String::new(),
            remediation: String::new(),
            references: Vec::new(),
            examples: Vec::new(),
        };
        let body: Vec<_> = head.lines.iter().skip_while(|(_, line)| line.is_empty()).copied().collect();
        let properties = body.iter().take_while(|(_, line)| line.starts_with("- ")).count();
        let (properties, description) = body.split_at(properties);
        page.set_properties(properties, head.line)?;
        page.description = text_of(description);
        Ok(page)
    }

    fn set_properties(&mut self, lines: &[Line<'_>], heading: usize) -> Result<(), PageError> {
        let mut has_severity = false;
        for (line, text) in lines {
            let at = |message: String| PageError { line: *line, message };
            match text.trim_start_matches("- ").split_once(": ") {
                Some(("severity", word)) => {
                    self.severity = word.trim().parse().map_err(|error| at(format!("severity `{word}`: {error}")))?;
                    has_severity = true;
                }
                Some(("needs", areas)) => self.needs = parse_areas(areas).map_err(at)?,
                _ => return Err(at("expected `- severity: WORD` or `- needs: AREA, AREA`".to_owned())),
            }
        }
        if has_severity {
            return Ok(());
        }
        Err(PageError { line: heading, message: "expected `- severity: WORD` after the title".to_owned() })
    }

    fn add(&mut self, section: &Section<'_>) -> Result<(), PageError> {
        match section.heading {
            "Rationale" => self.rationale = text_of(&section.lines),
            "Remediation" => self.remediation = text_of(&section.lines),
            "References" => self.references = items_of(&section.lines),
            "Passes" => self.examples.extend(examples_of(section, Expected::Pass)?),
            "Fails" => self.examples.extend(examples_of(section, Expected::Fail)?),
            "Not applicable" => self.examples.extend(examples_of(section, Expected::NotApplicable)?),
            "Unknown" => self.examples.extend(examples_of(section, Expected::Unknown)?),
            other => {
                let message = format!("the heading `{other}` is none that a page has");
                return Err(PageError { line: section.line, message });
            }
        }
        Ok(())
    }
}

/// The number of a line and its text.
type Line<'page> = (usize, &'page str);

/// A heading and the lines below it.
struct Section<'page> {
    line: usize,
    heading: &'page str,
    lines: Vec<Line<'page>>,
}

/// The page cut at its headings; a `#` within a fenced block is no heading.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut fenced = false;
    for (line, text) in text.lines().enumerate().map(|(index, text)| (index + 1, text.trim_end())) {
        fenced ^= text.starts_with(FENCE);
        let level = if sections.is_empty() { "# " } else { "## " };
        match (text.strip_prefix(level), sections.last_mut()) {
            (Some(heading), _) if !fenced => {
                sections.push(Section { line, heading: heading.trim(), lines: Vec::new() });
            }
            (_, Some(section)) => section.lines.push((line, text)),
            (_, None) => {}
        }
    }
    sections
}

const FENCE: &str = "```";

fn parse_areas(text: &str) -> Result<Vec<Area>, String> {
    text.split(',').map(|word| parse_area(word.trim())).collect()
}

fn parse_area(word: &str) -> Result<Area, String> {
    let area = Area::NAMED.into_iter().find(|area| area.as_str() == word);
    area.ok_or_else(|| {
        let known: Vec<_> = Area::NAMED.iter().map(Area::as_str).collect();
        format!("`{word}` is no area of the facts: expected some of {}", known.join(", "))
    })
}

fn text_of(lines: &[Line<'_>]) -> String {
    let lines: Vec<_> = lines.iter().map(|(_, text)| *text).collect();
    lines.join("\n").trim().to_owned()
}

/// The items of a list; a line without a bullet goes on with the item before it.
fn items_of(lines: &[Line<'_>]) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for (_, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        match (text.strip_prefix("- "), items.last_mut()) {
            (None, Some(item)) => {
                item.push(' ');
                item.push_str(text.trim());
            }
            (item, _) => items.push(item.unwrap_or(text).to_owned()),
        }
    }
    items
}

/// The fenced blocks of a section: `json` is an example, `json parameters` before it are its parameters.
fn examples_of(section: &Section<'_>, expected: Expected) -> Result<Vec<Example>, PageError> {
    let mut examples = Vec::new();
    let mut parameters = None;
    let mut lines = section.lines.iter().copied();
    while let Some((line, text)) = lines.next() {
        let Some(kind) = text.strip_prefix(FENCE) else { continue };
        let block: Vec<_> = lines.by_ref().take_while(|(_, text)| *text != FENCE).collect();
        match kind {
            "json" => {
                let parameters = parameters.take();
                examples.push(Example { expected, patch: text_of(&block), parameters, line: line + 1 });
            }
            "json parameters" => parameters = Some(text_of(&block)),
            _ => return Err(PageError { line, message: format!("`{kind}`: expected `json` or `json parameters`") }),
        }
    }
    if examples.is_empty() || parameters.is_some() {
        let message = format!("`{}` ends without a `json` block", section.heading);
        return Err(PageError { line: section.line, message });
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "\
# No telnet

- severity: high
- needs: listeners, owners

Fails for telnet.

```
## not a heading
```

## Rationale

Clear text.

## References

- CWE-319
- A reference that
  goes on

## Passes

```json
{}
```

## Fails

With parameters:

```json parameters
{ \"port\": 23 }
```

```json
{ \"listeners\": [] }
```
";

    #[test]
    fn a_page_has_everything_that_the_contract_wants() {
        let page = RulePage::parse(PAGE).unwrap();
        assert_eq!(page.title, "No telnet");
        assert_eq!(page.severity, Severity::High);
        assert_eq!(page.needs, [Area::Listeners, Area::Owners]);
        assert_eq!(page.description, "Fails for telnet.\n\n```\n## not a heading\n```");
        assert_eq!(page.rationale, "Clear text.");
        assert_eq!(page.references, ["CWE-319", "A reference that goes on"]);
    }

    #[test]
    fn examples_keep_their_place_and_parameters() {
        let [pass, fail] = RulePage::parse(PAGE).unwrap().examples.try_into().unwrap();
        let expected = Example { expected: Expected::Pass, patch: "{}".to_owned(), parameters: None, line: 25 };
        assert_eq!(pass, expected);
        assert_eq!(fail.expected, Expected::Fail);
        assert_eq!(fail.parameters.as_deref(), Some("{ \"port\": 23 }"));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, part) in [
            ("", 1, "# Title"),
            ("# T\n\nText", 1, "severity"),
            ("# T\n- severity: urgent", 2, "urgent"),
            ("# T\n- severity: low\n- needs: listener", 3, "`listener`"),
            ("# T\n- severity: low\n- name: x", 3, "expected"),
            ("# T\n- severity: low\n\n## Whatever", 4, "Whatever"),
            ("# T\n- severity: low\n\n## Passes\n", 4, "json"),
            ("# T\n- severity: low\n\n## Passes\n```yaml\n```", 5, "yaml"),
        ] {
            let error = RulePage::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.message.contains(part), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_page_is_too_strange(text in "(# |## |- |severity: |needs: |```|json|\n|\\PC){0,60}") {
            let _ = RulePage::parse(&text);
        }
    }
}
