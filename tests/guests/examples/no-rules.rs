//! Describes itself as a plugin without rules.

use loopgate_test_guests::{Behaviour, PluginInfo, info};

pub struct NoRules;

impl Behaviour for NoRules {
    fn describe() -> PluginInfo {
        info("misbehaves", &[])
    }
}

loopgate_test_guests::plugin!(NoRules);
