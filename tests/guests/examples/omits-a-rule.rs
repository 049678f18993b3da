//! Describes two rules and answers for one, and for one that it did not describe.

use loopgate_test_guests::{Behaviour, Facts, PluginInfo, RuleResult, info, passed};

pub struct OmitsARule;

impl Behaviour for OmitsARule {
    fn describe() -> PluginInfo {
        info("misbehaves", &["answered", "omitted"])
    }

    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Ok(vec![passed("answered"), passed("invented")])
    }
}

loopgate_test_guests::plugin!(OmitsARule);
