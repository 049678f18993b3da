//! Never returns from `describe`.

use loopgate_test_guests::{Behaviour, PluginInfo};

pub struct SpinsInDescribe;

impl Behaviour for SpinsInDescribe {
    fn describe() -> PluginInfo {
        loop {
            std::hint::black_box(());
        }
    }
}

loopgate_test_guests::plugin!(SpinsInDescribe);
