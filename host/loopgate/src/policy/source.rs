//! The texts that a policy is made of, and places in them.

use std::ops::Range;

use super::PolicyLine;
use super::shipped::{DEFAULT, Shipped};

/// The text of one layer of a policy and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// How messages call it: the path as it was given, or `built-in default policy`.
    pub(crate) label: String,
    /// How reports call it, on every machine alike: the name of a built-in policy, or the path of a file relative to
    /// the folder of the policy that the run was given.
    pub(crate) name: String,
    /// Whether it is part of the binary.
    pub(crate) is_built_in: bool,
    /// The text.
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// A policy that is part of the binary.
    pub(crate) fn built_in(policy: &Shipped) -> Self {
        Self { is_built_in: true, ..Self::file(policy.label(), policy.name, policy.text) }
    }

    /// A policy that was read from a file.
    pub(crate) fn file(label: impl Into<String>, name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts =
            (1..).zip(text.bytes()).filter(|(_, byte)| *byte == b'\n').map(|(behind, _)| behind).collect();
        Self { label: label.into(), name: name.into(), is_built_in: false, text, line_starts }
    }

    /// Whether the text is that of the default policy in the binary, wherever it was read from.
    pub(crate) fn is_default(&self) -> bool {
        self.text == DEFAULT.text
    }

    /// The line that a byte is in, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at) + 1
    }
}

/// Which of the [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceId(usize);

/// Some bytes of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The source.
    pub(crate) source: SourceId,
    /// The bytes.
    pub(crate) span: Range<usize>,
}

/// A value and where a policy says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it is said.
    pub(crate) at: Location,
}

/// The sources of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    all: Vec<Source>,
    order: Vec<SourceId>,
}

impl Sources {
    /// Takes in a source. What it extends is taken in after it and ranks above it.
    pub(crate) fn open(&mut self, source: Source) -> SourceId {
        self.all.push(source);
        SourceId(self.all.len().saturating_sub(1))
    }

    /// Gives a source the next rank: it stands below all that were ranked before.
    pub(crate) fn rank(&mut self, id: SourceId) {
        self.order.push(id);
    }

    /// How many there are, ranked or not.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// A source.
    pub(crate) fn get(&self, id: SourceId) -> Option<&Source> {
        self.all.get(id.0)
    }

    /// The sources, uppermost first.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = &Source> {
        self.order.iter().filter_map(|id| self.get(*id))
    }

    /// What sorts places by layer, the uppermost first, and then as they stand in the text.
    pub(crate) fn sort_key(&self, at: &Location) -> (usize, usize, usize) {
        let rank = self.order.iter().position(|id| *id == at.source).unwrap_or(usize::MAX);
        (rank, at.span.start, at.span.end)
    }

    /// How messages call the source of a place.
    pub(crate) fn label(&self, at: &Location) -> &str {
        self.get(at.source).map_or("", |source| &source.label)
    }

    /// The line of a place, as reports name it on every machine alike.
    pub(crate) fn line(&self, at: &Location) -> Option<PolicyLine> {
        let source = self.get(at.source)?;
        Some(PolicyLine { file: source.name.clone(), line: source.line(at.span.start) })
    }
}
