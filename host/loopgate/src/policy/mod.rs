//! The policy: which plugins judge, with which parameters, at which severities, and what the answers mean.
//!
//! Files become a [`Policy`] in four steps. [`discovery`] says which are the ones to go by. [`layers`] reads them and what
//! they extend, each as its text alone tells ([`draft`]). [`merge`] lays them over each other. [`bind`] holds the result
//! against the plugins, because only a loaded plugin knows its rules and parameters. Each notes every problem instead of
//! stopping at the first.

pub(crate) mod bind;
pub(crate) mod controls;
pub(crate) mod diagnostic;
pub(crate) mod discovery;
pub(crate) mod draft;
mod keys;
pub(crate) mod layers;
pub(crate) mod locks;
pub(crate) mod merge;
pub(crate) mod nearest;
pub(crate) mod parameters;
mod reader;
mod records;
mod repair;
pub(crate) mod schema;
mod settings;
mod shipped;
pub(crate) mod shorthand;
mod source;
pub(crate) mod waivers;
mod within;
pub(crate) mod written;

pub(crate) use parameters::Parameters;
pub(crate) use source::{Located, Location, Source, Sources};
pub(crate) use waivers::Waiver;

use self::controls::{Control, Framework};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use loopgate_engine::{Name, Severity};
use loopgate_facts::Untrusted;

/// The largest policy file that is read, in bytes.
pub(crate) const MAX_POLICY_BYTES: u64 = 1 << 20;

/// A line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyLine {
    /// The name of a built-in policy, or the path of the file, relative to the folder of the policy that was named or
    /// found: that folder is another one on every machine.
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
    pub(crate) rules: BTreeMap<RuleId, Located<RuleSetting>>,
    /// The findings that are accepted.
    pub(crate) waivers: Vec<Located<Arc<Waiver>>>,
    /// How many days ahead a waiver may reach.
    pub(crate) waiver_days: u16,
    /// The documents that controls are of.
    pub(crate) frameworks: Vec<Located<Framework>>,
    /// Controls, with the rules that answer them.
    pub(crate) controls: Vec<Located<Control>>,
}

impl Policy {
    /// The setting of a rule, if the policy has one.
    pub(crate) fn setting(&self, rule: &RuleId) -> Option<RuleSetting> {
        self.rules.get(rule).map(|setting| setting.value)
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
    /// Its findings have this severity or the higher one that they have by themselves.
    AtLeast(Severity),
    /// It is not judged.
    Off,
}

impl RuleSetting {
    /// The word that policies use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Severity(severity) | Self::AtLeast(severity) => severity.as_str(),
            Self::Off => "off",
        }
    }

    /// The severity under the policy of something that has this one by itself.
    pub(crate) fn applied_to(self, own: Severity) -> Severity {
        match self {
            Self::Severity(severity) => severity,
            Self::AtLeast(least) => own.max(least),
            Self::Off => own,
        }
    }
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
