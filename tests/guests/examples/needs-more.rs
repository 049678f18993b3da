//! Passes a rule that needs an area of the facts which no host observes.

use loopgate_test_guests::{Area, Behaviour, PluginInfo, info};

pub struct NeedsMore;

impl Behaviour for NeedsMore {
    fn describe() -> PluginInfo {
        let mut info = info("misbehaves", &["only"]);
        for rule in &mut info.rules {
            rule.needs.push(Area::Other("tea-leaves".to_owned()));
        }
        info
    }
}

loopgate_test_guests::plugin!(NeedsMore);
