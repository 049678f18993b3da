//! Where in the policy something was decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use loopgate_engine::Name;
use loopgate_facts::Untrusted;

use crate::gate::{Answer, WAIVERS};
use crate::policy::{Located, Parameters, Policy, PolicyLine, Sources, Waiver};

/// Finds the line of a parameter.
pub(super) struct Places<'r> {
    sources: &'r Sources,
    parameters: BTreeMap<&'r Name, &'r Parameters>,
    waivers: &'r [Located<Arc<Waiver>>],
}

impl<'r> Places<'r> {
    /// The parameters of the plugins that answered, and the waivers of the policy.
    pub(super) fn new(sources: &'r Sources, policy: &'r Policy, answers: &'r [Answer]) -> Self {
        let parameters = answers.iter().map(|answer| (&answer.plugin.name, &answer.parameters));
        Self { sources, parameters: parameters.collect(), waivers: &policy.waivers }
    }

    /// The line that a JSON Pointer of a plugin leads to; `None` where it says none, and where the policy has no such
    /// parameter.
    pub(super) fn find(&self, plugin: &Name, pointer: Option<&Untrusted>) -> Option<PolicyLine> {
        let pointer = pointer?.as_str();
        let at = if plugin.as_str() == WAIVERS {
            let position: usize = pointer.strip_prefix('/')?.parse().ok()?;
            &self.waivers.get(position)?.at
        } else {
            self.parameters.get(plugin)?.exact_span(pointer)?
        };
        self.sources.line(at)
    }
}
