//! What a check reports, and what becomes of its rule.

use crate::bindings::exports::loopgate::policy::rules::Failure;
use crate::prelude::{Finding, Outcome, Remark, RuleResult, Subject};

/// What a check has to say. The outcome of the rule follows from it; a check cannot pass by itself.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    unjudged: Vec<String>,
    not_applicable: Option<String>,
    remarks: Vec<Remark>,
}

impl Report {
    /// Reports a violation.
    pub fn fail(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Reports that something could not be judged, and why. The rule no longer passes.
    ///
    /// Gaps in the areas that the rule's page needs are reported by themselves.
    pub fn unjudged(&mut self, reason: impl Into<String>) {
        self.unjudged.push(reason.into());
    }

    /// Reports that there is nothing here that the rule could look at, and why.
    ///
    /// It gives way to findings, to what was not judged, and to gaps: what was not seen may be there.
    pub fn not_applicable(&mut self, reason: impl Into<String>) {
        self.not_applicable = Some(reason.into());
    }

    /// Says something about a subject that is no violation, such as what approves it; `parameter` is the JSON Pointer of the
    /// parameter that decided, if one did. It has no influence on the outcome.
    pub fn remark(&mut self, subject: Subject, message: impl Into<String>, parameter: Option<String>) {
        self.remarks.push(Remark { subject, message: message.into(), parameter });
    }

    /// The result of the rule, given the gaps in the areas that it needs.
    pub(crate) fn result(mut self, rule: &str, gaps: Vec<String>) -> RuleResult {
        let remarks = std::mem::take(&mut self.remarks);
        RuleResult { rule: rule.to_owned(), outcome: self.outcome(gaps), remarks }
    }

    /// The outcome, given the gaps in the areas that the rule needs.
    fn outcome(mut self, gaps: Vec<String>) -> Outcome {
        self.unjudged.extend(gaps);
        if !self.findings.is_empty() {
            let findings = self.findings.into_iter().map(Finding::into_contract).collect();
            return Outcome::Fail(Failure { findings, unjudged: self.unjudged });
        }
        if !self.unjudged.is_empty() {
            return Outcome::Unknown(self.unjudged);
        }
        self.not_applicable.map_or(Outcome::Pass, Outcome::NotApplicable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::Subject;

    fn finding() -> Finding {
        Finding::new(Subject::Host, "wrong")
    }

    fn gaps() -> Vec<String> {
        vec!["listeners: denied".to_owned()]
    }

    #[test]
    fn a_rule_passes_only_if_nothing_is_missing() {
        assert_eq!(Report::default().outcome(Vec::new()), Outcome::Pass);
        assert_eq!(Report::default().outcome(gaps()), Outcome::Unknown(gaps()));
    }

    #[test]
    fn what_was_not_judged_makes_a_rule_unknown() {
        let mut report = Report::default();
        report.unjudged("no owner");
        report.not_applicable("nothing there");
        assert_eq!(
            report.outcome(gaps()),
            Outcome::Unknown(vec!["no owner".to_owned(), "listeners: denied".to_owned()])
        );
    }

    #[test]
    fn a_gap_outweighs_not_applicable() {
        let mut report = Report::default();
        report.not_applicable("nothing there");
        assert_eq!(report.outcome(gaps()), Outcome::Unknown(gaps()));
        let mut report = Report::default();
        report.not_applicable("nothing there");
        assert_eq!(report.outcome(Vec::new()), Outcome::NotApplicable("nothing there".to_owned()));
    }

    #[test]
    fn findings_outweigh_everything_and_keep_what_is_missing() {
        let mut report = Report::default();
        report.fail(finding());
        report.unjudged("no owner");
        report.not_applicable("nothing there");
        let Outcome::Fail(failure) = report.outcome(gaps()) else { panic!("expected a failure") };
        assert_eq!(failure.findings.len(), 1);
        assert_eq!(failure.unjudged, ["no owner", "listeners: denied"]);
    }
}
