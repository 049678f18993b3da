//! The policy: which plugins judge, with which parameters, at which severities, and what the answers mean.
//!
//! A file becomes a [`Policy`] in two steps, because only a loaded plugin knows its rules and parameters:
//! [`draft::parse`] reads what can be read from the text alone, [`bind::bind`] holds it against the plugins. Both note
//! every problem instead of stopping at the first.

pub(crate) mod bind;
pub(crate) mod diagnostic;
pub(crate) mod draft;
pub(crate) mod nearest;
mod parameters;
mod reader;
mod repair;

pub(crate) use parameters::Parameters;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use loopgate_engine::{Name, Severity};
use loopgate_facts::Untrusted;

/// The largest policy file that is read, in bytes.
pub(crate) const MAX_POLICY_BYTES: u64 = 1 << 20;

const DEFAULT: &str = include_str!("../../../../policies/default.toml");

/// The text of a policy and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// How messages call it: the path as it was given, or `built-in default policy`.
    pub(crate) label: String,
    /// The text.
    pub(crate) text: String,
}

impl Source {
    /// The policy that is part of the binary.
    pub(crate) fn built_in() -> Self {
        Self { label: "built-in default policy".to_owned(), text: DEFAULT.to_owned() }
    }

    /// A policy that was read from a file.
    pub(crate) fn file(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into() }
    }

    /// The line that a byte is on.
    pub(crate) fn line(&self, at: usize) -> PolicyLine {
        let before = self.text.bytes().take(at);
        PolicyLine { file: self.name().to_owned(), line: before.filter(|byte| *byte == b'\n').count() + 1 }
    }

    /// The name of the file without its folder, which is another one on every machine.
    fn name(&self) -> &str {
        Path::new(&self.label).file_name().and_then(OsStr::to_str).unwrap_or(&self.label)
    }

    /// Whether the text is that of the policy in the binary, wherever it was read from.
    pub(crate) fn is_default(&self) -> bool {
        self.text == DEFAULT
    }
}

/// A line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyLine {
    /// The name of the file, without its folder.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl fmt::Display for PolicyLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", Untrusted::from(self.file.as_str()).escaped(), self.line)
    }
}

/// A policy that is right in itself and for the plugins it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The least severity of a finding that fails the check.
    pub(crate) fail_on: Severity,
    /// What an unknown outcome does to the verdict.
    pub(crate) on_unknown: OnUnknown,
    /// What the policy says of single rules.
    pub(crate) rules: BTreeMap<RuleId, RuleSetting>,
}

impl Policy {
    /// The setting of a rule, if the policy has one.
    pub(crate) fn setting(&self, rule: &RuleId) -> Option<RuleSetting> {
        self.rules.get(rule).copied()
    }
}

/// What an unknown outcome does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnknown {
    /// The verdict is incomplete.
    Incomplete,
    /// It is reported, and the verdict is made of what is known.
    Report,
}

impl OnUnknown {
    /// The words that policies use.
    pub(crate) const WORDS: [(&'static str, Self); 2] = [("incomplete", Self::Incomplete), ("report", Self::Report)];

    /// The word that policies and reports use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Report => "report",
        }
    }
}

/// What a policy says of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleSetting {
    /// All its findings have this severity.
    Severity(Severity),
    /// It is not judged.
    Off,
}

/// The full name of a rule: `plugin/rule`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId {
    /// The plugin.
    pub(crate) plugin: Name,
    /// The rule within it.
    pub(crate) rule: Name,
}

impl RuleId {
    /// The full name of a rule of a plugin.
    pub(crate) fn new(plugin: &Name, rule: &Name) -> Self {
        Self { plugin: plugin.clone(), rule: rule.clone() }
    }

    /// Reads `plugin/rule`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (plugin, rule) = text.split_once('/')?;
        Some(Self { plugin: plugin.parse().ok()?, rule: rule.parse().ok()? })
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}/{}", self.plugin, self.rule))
    }
}

#[cfg(test)]
mod tests;
