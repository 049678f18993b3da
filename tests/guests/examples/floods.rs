//! Answers with more than a call may.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, failed};

pub struct Floods;

impl Behaviour for Floods {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Ok(vec![failed("only", &"flood ".repeat(8 << 20))])
    }
}

loopgate_test_guests::plugin!(Floods);
