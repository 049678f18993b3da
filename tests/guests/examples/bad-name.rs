//! Names itself with a terminal escape sequence.

use loopgate_test_guests::{Behaviour, PluginInfo, info};

pub struct BadName;

impl Behaviour for BadName {
    fn describe() -> PluginInfo {
        info("\u{1b}[2Jlisteners")
    }
}

loopgate_test_guests::plugin!(BadName);
