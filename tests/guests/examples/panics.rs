//! Traps after it wrote why, as the panic hook of the SDK does.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, log};

pub struct Panics;

impl Behaviour for Panics {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        log::log(log::Level::Error, "the sky is falling");
        panic!()
    }
}

loopgate_test_guests::plugin!(Panics);
