//! Overflows its stack.

use loopgate_test_guests::{Behaviour, Facts, RuleResult, passed};

pub struct Recurses;

impl Behaviour for Recurses {
    fn evaluate(facts: Facts) -> Result<Vec<RuleResult>, String> {
        let depth = descend(facts.listeners.len() as u64);
        Ok(vec![passed(if depth == 0 { "none" } else { "only" })])
    }
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn descend(depth: u64) -> u64 {
    std::hint::black_box(descend(std::hint::black_box(depth + 1))) + depth
}

loopgate_test_guests::plugin!(Recurses);
