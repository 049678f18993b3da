//! Imports the WASI clock beside what the contract offers.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tests:wasi;

            world policy-plugin-with-a-clock {
                import wasi:clocks/wall-clock@0.2.6;
                include loopgate:policy/policy-plugin@0.1.0;
            }
        ",
        path: ["../../wit", "wit/wasi-clocks"],
        world: "tests:wasi/policy-plugin-with-a-clock",
        generate_all,
    });
}

use bindings::exports::loopgate::policy::rules::{Facts, Guest, PluginInfo, Problem, RuleInfo, RuleResult};

pub struct ImportsWasi;

impl Guest for ImportsWasi {
    fn describe() -> PluginInfo {
        let now = bindings::wasi::clocks::wall_clock::now();
        PluginInfo { name: "clock".into(), version: now.seconds.to_string(), parameters_schema: "{}".into() }
    }

    fn configure(_parameters: String) -> Result<Vec<RuleInfo>, Vec<Problem>> {
        Ok(vec![])
    }

    fn evaluate(_facts: Facts, _parameters: String) -> Result<Vec<RuleResult>, String> {
        Ok(vec![])
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(ImportsWasi with_types_in bindings);
