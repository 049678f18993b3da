//! Passes a rule that needs an area of the facts which no host observes.

use loopgate_test_guests::{Area, Behaviour, RuleInfo, rules};

pub struct NeedsMore;

impl Behaviour for NeedsMore {
    fn rules() -> Vec<RuleInfo> {
        let mut rules = rules(&["only"]);
        for rule in &mut rules {
            rule.needs.push(Area::Other("tea-leaves".to_owned()));
        }
        rules
    }
}

loopgate_test_guests::plugin!(NeedsMore);
