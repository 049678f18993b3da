//! Texts to compare names and paths with.

use std::fmt;

use loopgate_parameters::{Parameter, Place, expect};
use serde_json::{Value, json};

use crate::glob::Glob;

/// A name, or a [`Glob`] over names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    text: String,
    /// `None` for a name.
    glob: Option<Glob>,
}

impl Pattern {
    /// Whether it is this name, or a glob that matches it. Never part of a name.
    pub fn matches(&self, name: &str) -> bool {
        match &self.glob {
            None => self.text == name,
            Some(glob) => glob.matches(name).0,
        }
    }

    /// The one name that it matches; `None` for a glob.
    pub fn exact(&self) -> Option<&str> {
        self.glob.is_none().then_some(self.text.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl Parameter for Pattern {
    fn schema() -> Value {
        json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer", "minimum": 0 }] })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let text = match value {
            // A user without a name is known by the number.
            Value::Number(number) => Some(number.to_string()),
            _ => value.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
        };
        let text = expect(text, "a name, or a glob with `*`, `**` or `?`", value, place)?;
        let glob = text.contains(['*', '?']).then(|| Glob::parse(&text)).transpose();
        let glob = glob.map_err(|problem| place.problem(problem)).ok()?;
        Some(Self { text, glob })
    }
}

/// The full path of a program, or a [`Glob`] over paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPattern(Pattern);

impl PathPattern {
    /// Whether it is the path of the program, or a glob that matches it.
    ///
    /// Linux writes ` (deleted)` behind the path of a file that is gone, as after an upgrade; that is left out.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path.strip_suffix(" (deleted)").unwrap_or(path))
    }

    /// The one path that it matches; `None` for a glob.
    pub fn exact(&self) -> Option<&str> {
        self.0.exact()
    }
}

impl PathPattern {
    /// The folder that everything it matches is in or below, with its `/` at the end; empty for any folder.
    pub fn folder(&self) -> &str {
        let start = self.0.glob.as_ref().map_or(self.0.text.as_str(), Glob::start);
        start.rfind('/').and_then(|last| start.get(..=last)).unwrap_or_default()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Parameter for PathPattern {
    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(/|\\*\\*)" })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let pattern = Pattern::read(value, place)?;
        if pattern.text.starts_with('/') || pattern.text.starts_with("**") {
            return Some(Self(pattern));
        }
        place.problem(format!("expected a full path; for `{pattern}` in any folder write `**/{pattern}`"));
        None
    }
}
