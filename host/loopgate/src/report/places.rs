//! Where in the policy something was decided.

use std::collections::BTreeMap;

use loopgate_engine::Name;
use loopgate_facts::Untrusted;

use crate::gate::Answer;
use crate::policy::{Parameters, PolicyLine, Sources};

/// Finds the line of a parameter.
pub(super) struct Places<'r> {
    sources: &'r Sources,
    parameters: BTreeMap<&'r Name, &'r Parameters>,
}

impl<'r> Places<'r> {
    /// The parameters of the plugins that answered.
    pub(super) fn new(sources: &'r Sources, answers: &'r [Answer]) -> Self {
        let parameters = answers.iter().map(|answer| (&answer.plugin.name, &answer.parameters));
        Self { sources, parameters: parameters.collect() }
    }

    /// The line that a JSON Pointer of a plugin leads to; `None` where it says none, and where the policy has no such
    /// parameter.
    pub(super) fn find(&self, plugin: &Name, pointer: Option<&Untrusted>) -> Option<PolicyLine> {
        self.sources.line(self.parameters.get(plugin)?.exact_span(pointer?.as_str())?)
    }
}
