//! Where in the policy something was decided.

use std::collections::BTreeMap;

use loopgate_engine::Name;
use loopgate_facts::Untrusted;

use crate::gate::Answer;
use crate::policy::{Parameters, PolicyLine, Source};

/// Finds the line of a parameter.
pub(super) struct Places<'r> {
    source: &'r Source,
    parameters: BTreeMap<&'r Name, &'r Parameters>,
}

impl<'r> Places<'r> {
    /// The parameters of the plugins that answered.
    pub(super) fn new(source: &'r Source, answers: &'r [Answer]) -> Self {
        let parameters = answers.iter().map(|answer| (&answer.plugin.name, &answer.parameters));
        Self { source, parameters: parameters.collect() }
    }

    /// The line that a JSON Pointer of a plugin leads to; `None` where it says none, and where the policy has no such
    /// parameter.
    pub(super) fn find(&self, plugin: &Name, pointer: Option<&Untrusted>) -> Option<PolicyLine> {
        let span = self.parameters.get(plugin)?.exact_span(pointer?.as_str())?;
        Some(self.source.line(span.start))
    }
}
