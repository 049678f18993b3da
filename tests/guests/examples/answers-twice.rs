//! Answers for its only rule twice, once with a pass and once with a failure.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, failed, passed};

pub struct AnswersTwice;

impl Behaviour for AnswersTwice {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Ok(vec![failed("only", "something is wrong"), passed("only")])
    }
}

loopgate_test_guests::plugin!(AnswersTwice);
