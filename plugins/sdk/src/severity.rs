//! Severities as words.

use std::fmt;
use std::str::FromStr;

use loopgate_parameters::{Parameter, Place, expect};
use serde_json::{Value, json};

use crate::prelude::Severity;

impl Severity {
    /// Every severity, least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word that pages and policies use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A word that is no [`Severity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSeverity;

impl fmt::Display for UnknownSeverity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected info, low, medium, high or critical")
    }
}

impl std::error::Error for UnknownSeverity {}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(word: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word).ok_or(UnknownSeverity)
    }
}

impl Parameter for Severity {
    fn schema() -> Value {
        json!({ "enum": Self::ALL.map(Self::as_str) })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let severity = value.as_str().and_then(|word| word.parse().ok());
        expect(severity, "info, low, medium, high or critical", value, place)
    }
}
