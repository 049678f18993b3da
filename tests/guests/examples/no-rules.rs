//! Has no rules, whatever its parameters.

use loopgate_test_guests::{Behaviour, RuleInfo};

pub struct NoRules;

impl Behaviour for NoRules {
    fn rules() -> Vec<RuleInfo> {
        Vec::new()
    }
}

loopgate_test_guests::plugin!(NoRules);
