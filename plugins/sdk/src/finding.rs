//! Findings: what a rule has to say about one violation.

use crate::bindings::exports::loopgate::policy::rules;
use crate::prelude::{Listener, NetworkInterface, Severity, Subject, Sysctl};

/// One violation of a rule: its subject, a sentence, and the observed values that show it.
///
/// The texts are quoted as they are, whatever is in them: the host escapes for every format that it prints.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a finding counts once `Report::fail` has it"]
pub struct Finding(rules::Finding);

impl Finding {
    /// A finding about `subject`. The message says in one sentence what is wrong and where.
    pub fn new(subject: Subject, message: impl Into<String>) -> Self {
        Self(rules::Finding {
            subject,
            message: message.into(),
            evidence: Vec::new(),
            remediation: None,
            severity: None,
            parameter: None,
        })
    }

    /// A finding about a listener, with its owners as evidence.
    pub fn of_listener(listener: &Listener, message: impl Into<String>) -> Self {
        let finding = Self::new(Subject::Listener(listener.id.clone()), message);
        listener.owners.iter().take(MOST_OWNERS).fold(finding, |finding, owner| {
            let finding = finding.evidence("owner", owner.describe());
            match &owner.unit {
                Some(unit) => finding.evidence("unit", unit),
                None => finding,
            }
        })
    }

    /// A finding about an interface.
    pub fn of_interface(interface: &NetworkInterface, message: impl Into<String>) -> Self {
        Self::new(Subject::Interface(interface.name.clone()), message)
    }

    /// A finding about a kernel setting, with its value and source as evidence.
    pub fn of_sysctl(sysctl: &Sysctl, message: impl Into<String>) -> Self {
        Self::new(Subject::Sysctl(sysctl.name.clone()), message)
            .evidence(&sysctl.name, &sysctl.value)
            .evidence("read from", &sysctl.source)
    }

    /// Adds an observed value.
    pub fn evidence(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.evidence.push((label.into(), value.into()));
        self
    }

    /// Says how to mend this one, where more can be said than in the rule's page.
    pub fn remediation(mut self, remediation: impl Into<String>) -> Self {
        self.0.remediation = Some(remediation.into());
        self
    }

    /// Gives it a severity other than the rule's.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = Some(severity);
        self
    }

    /// Names the parameter that decided, by a JSON Pointer (RFC 6901) such as `/listeners/3/reach`: the report shows its
    /// line in the policy.
    pub fn parameter(mut self, pointer: impl Into<String>) -> Self {
        self.0.parameter = Some(pointer.into());
        self
    }

    pub(crate) fn into_contract(self) -> rules::Finding {
        self.0
    }
}

/// A listener with hundreds of workers is shown with its first ones.
const MOST_OWNERS: usize = 5;
