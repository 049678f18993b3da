//! Writes large messages for as long as it may.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, log};

pub struct FloodsTheLog;

impl Behaviour for FloodsTheLog {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        let message = "x".repeat(1 << 20);
        loop {
            log::log(log::Level::Error, &message);
        }
    }
}

loopgate_test_guests::plugin!(FloodsTheLog);
