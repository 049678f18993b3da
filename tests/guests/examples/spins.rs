//! Never returns from `evaluate`.

use loopgate_test_guests::{Behaviour, Facts, RuleResult};

pub struct Spins;

impl Behaviour for Spins {
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        loop {
            std::hint::black_box(());
        }
    }
}

loopgate_test_guests::plugin!(Spins);
