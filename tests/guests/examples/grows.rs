//! Grows its memory without end.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, passed};

pub struct Grows;

impl Behaviour for Grows {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        while hoard.len() < 1 << 20 {
            hoard.push(Vec::with_capacity(1 << 20));
        }
        Ok(vec![passed(if hoard.is_empty() { "none" } else { "only" })])
    }
}

loopgate_test_guests::plugin!(Grows);
