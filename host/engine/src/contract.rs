//! The plugin contract in host types, independent of any WIT version.
//!
//! Everything that a guest wrote is [`Untrusted`], except names: those are checked when a plugin is loaded.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use loopgate_facts::{Area, Untrusted};
use serde::{Deserialize, Serialize};

/// How much a finding matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Defence in depth.
    Low,
    /// A boundary is weaker than it should be.
    Medium,
    /// Something is exposed that should not be.
    High,
    /// Exposed, and exploitable without credentials.
    Critical,
}

impl Severity {
    /// Every severity, least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word that policies and reports use.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a severity: expected info, low, medium, high or critical")]
pub struct UnknownSeverity;

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(word: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word).ok_or(UnknownSeverity)
    }
}

/// A kebab-case name of a plugin or a rule: lower-case ASCII letters, digits and single hyphens, at most 64 bytes.
/// Safe to print.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A text that is no [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected lower-case letters, digits and single hyphens, beginning with a letter, at most 64 bytes")]
pub struct InvalidName;

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let starts_with_letter = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if text.len() <= Self::MAX_BYTES && starts_with_letter && text.split('-').all(is_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

/// A plugin, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Untrusted,
    /// JSON Schema of its parameters.
    pub parameters_schema: Untrusted,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Name within the plugin.
    pub name: Name,
    /// What is true when the rule passes, in one line.
    pub title: Untrusted,
    /// What the rule looks at and when it fails.
    pub description: Untrusted,
    /// Why it matters.
    pub rationale: Untrusted,
    /// How to mend what it finds.
    pub remediation: Untrusted,
    /// Severity of its findings unless the policy or the finding says otherwise.
    pub severity: Severity,
    /// Controls and weaknesses that it serves.
    pub references: Vec<Untrusted>,
    /// Areas of the facts without which it cannot pass.
    pub needs: Vec<Area>,
    /// Areas that it needs and that this host knows nothing of, so that it cannot pass here.
    pub unknown_needs: Vec<Untrusted>,
}

/// Something wrong with the parameters of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON Pointer (RFC 6901) into the parameters, empty for the whole.
    pub path: Untrusted,
    /// What is wrong and what would be right.
    pub message: Untrusted,
    /// The bytes of the text there that are wrong, where it is a text and not all of it is. They are what the plugin says, and
    /// need not be there.
    pub part: Option<Range<usize>>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Subject {
    /// A listener, by id.
    Listener(Untrusted),
    /// An interface, by name.
    Interface(Untrusted),
    /// A name, such as `localhost`.
    Name(Untrusted),
    /// A kernel setting, by name.
    Sysctl(Untrusted),
    /// The machine as a whole.
    Host,
    /// Anything else, by name.
    Other(Untrusted),
}

/// An observed value that shows a violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// What the value is.
    pub label: Untrusted,
    /// The value.
    pub value: Untrusted,
}

/// One violation of a rule, as a guest reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What is wrong, in one sentence.
    pub message: Untrusted,
    /// The observed values that show it.
    pub evidence: Vec<Evidence>,
    /// How to mend this one, where more can be said than in the rule's remediation.
    pub remediation: Option<Untrusted>,
    /// Severity of this finding where it differs from the rule's.
    pub severity: Option<Severity>,
    /// The parameter that decided: a JSON Pointer (RFC 6901) into the parameters.
    pub parameter: Option<Untrusted>,
}

/// Something to know about a subject that is no violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub subject: Subject,
    /// What there is to know, in one sentence.
    pub message: Untrusted,
    /// The parameter that decided: a JSON Pointer into the parameters.
    pub parameter: Option<Untrusted>,
}

/// What a guest answers of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleResult {
    /// What became of the rule.
    pub outcome: Outcome,
    /// What else is to know, whatever the outcome.
    pub remarks: Vec<Remark>,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that it looks at was seen and is as it should be.
    Pass,
    /// Something is not.
    Fail {
        /// The violations, at least one.
        findings: Vec<Finding>,
        /// What could not be judged beside them, and why.
        unjudged: Vec<Untrusted>,
    },
    /// There is nothing that it could look at; why.
    NotApplicable(Untrusted),
    /// It could not be told; why.
    Unknown(Vec<Untrusted>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_short() {
        for good in ["a", "wildcard-bind", "ipv6-2"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a/b", "a b", "1a", "\u{1b}[31m", &"a".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn severities_round_trip() {
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        assert_eq!("urgent".parse::<Severity>(), Err(UnknownSeverity));
    }
}
