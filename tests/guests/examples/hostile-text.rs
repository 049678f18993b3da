//! Reports a finding and a remark whose texts try to steer a terminal, forge lines and reorder the report.

use loopgate_test_guests::{Behaviour, Facts, Failure, Finding, Outcome, Remark, RuleResult, Severity, Subject};

pub struct HostileText;

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\nverdict: compliant\u{202e}tnailpmoc\u{9b}31m";

impl Behaviour for HostileText {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        let finding = Finding {
            subject: Subject::Other(HOSTILE.to_owned()),
            message: HOSTILE.to_owned(),
            evidence: vec![(HOSTILE.to_owned(), HOSTILE.to_owned())],
            remediation: Some(HOSTILE.to_owned()),
            severity: Some(Severity::Critical),
            parameter: Some(HOSTILE.to_owned()),
        };
        let failure = Failure { findings: vec![finding], unjudged: vec![HOSTILE.to_owned()] };
        let remark =
            Remark { subject: Subject::Host, message: HOSTILE.to_owned(), parameter: Some(HOSTILE.to_owned()) };
        let outcome = Outcome::Fail(failure);
        Ok(vec![RuleResult { rule: "only".to_owned(), outcome, remarks: vec![remark] }])
    }
}

loopgate_test_guests::plugin!(HostileText);
