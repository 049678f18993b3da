//! Texts to compare names and paths with.

use std::fmt;

use loopgate_parameters::{Parameter, Place, expect};
use serde_json::{Value, json};

use crate::glob::glob;

/// A name, or a [`glob`] over names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it is this name, or a glob that matches it. Never part of a name.
    pub fn matches(&self, name: &str) -> bool {
        match self.exact() {
            Some(exact) => exact == name,
            None => glob(&self.0, name),
        }
    }

    /// The one name that it matches; `None` for a glob.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Parameter for Pattern {
    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1 })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let text = value.as_str().filter(|text| !text.is_empty());
        expect(text, "a name, or a glob with `*`, `**` or `?`", value, place).map(|text| Self(text.to_owned()))
    }
}

/// The full path of a program, or a [`glob`] over paths.
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
        if pattern.0.starts_with('/') || pattern.0.starts_with("**") {
            return Some(Self(pattern));
        }
        place.problem(format!("expected a full path; for `{pattern}` in any folder write `**/{pattern}`"));
        None
    }
}
