//! Fails its rule without a finding.

use loopgate_test_guests::{Behaviour, Facts, Failure, Outcome, RuleResult};

pub struct EmptyFailure;

impl Behaviour for EmptyFailure {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        let failure = Failure { findings: vec![], unjudged: vec![] };
        Ok(vec![RuleResult { rule: "only".to_owned(), outcome: Outcome::Fail(failure), remarks: vec![] }])
    }
}

loopgate_test_guests::plugin!(EmptyFailure);
