//! Answers with an error of its own.

use loopgate_test_guests::{Behaviour, Facts, RuleResult};

pub struct Refuses;

impl Behaviour for Refuses {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Err("these facts are beneath me".to_owned())
    }
}

loopgate_test_guests::plugin!(Refuses);
