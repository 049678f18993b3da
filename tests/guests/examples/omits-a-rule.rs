//! Names two rules and answers for one, and for one that it did not name.

use loopgate_test_guests::{Behaviour, Facts, RuleInfo, RuleResult, passed, rules};

pub struct OmitsARule;

impl Behaviour for OmitsARule {
    fn rules() -> Vec<RuleInfo> {
        rules(&["answered", "omitted"])
    }

    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Ok(vec![passed("answered"), passed("invented")])
    }
}

loopgate_test_guests::plugin!(OmitsARule);
