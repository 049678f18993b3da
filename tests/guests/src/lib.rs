//! Hostile and broken policy plugins, one an example, that the host must survive.
//!
//! They speak the contract without the SDK, because the SDK would not let them misbehave. Each says what it does in its
//! first line; `host/engine/tests/hostile_guests.rs` says what the host makes of it, and fails if one is left out.

/// The generated bindings.
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "policy-plugin",
        pub_export_macro: true,
        default_bindings_module: "loopgate_test_guests::bindings",
    });
}

pub use bindings::exports::loopgate::policy::rules::{
    Failure, Finding, Guest, Outcome, PluginInfo, Problem, Remark, RuleInfo, RuleResult, Severity, Subject,
};
pub use bindings::loopgate::policy::log;
pub use bindings::loopgate::policy::types::{Area, Facts};

/// A plugin that is well-behaved but for what it overrides. Its only rule is `only`.
pub trait Behaviour {
    /// See `describe` in the contract.
    fn describe() -> PluginInfo {
        info("misbehaves")
    }

    /// See `configure` in the contract.
    fn rules() -> Vec<RuleInfo> {
        rules(&["only"])
    }

    /// See `evaluate` in the contract.
    fn evaluate(_facts: Facts) -> Result<Vec<RuleResult>, String> {
        Ok(vec![passed("only")])
    }
}

/// Exports a [`Behaviour`] as a policy plugin.
#[macro_export]
macro_rules! plugin {
    ($behaviour:ty) => {
        #[doc(hidden)]
        pub struct Plugin;

        impl $crate::Guest for Plugin {
            fn describe() -> $crate::PluginInfo {
                <$behaviour as $crate::Behaviour>::describe()
            }

            fn configure(_parameters: String) -> Result<Vec<$crate::RuleInfo>, Vec<$crate::Problem>> {
                Ok(<$behaviour as $crate::Behaviour>::rules())
            }

            fn evaluate(facts: $crate::Facts, _parameters: String) -> Result<Vec<$crate::RuleResult>, String> {
                <$behaviour as $crate::Behaviour>::evaluate(facts)
            }
        }

        // Natively there is no host to export to, and linkers refuse the names of the contract.
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!(Plugin with_types_in $crate::bindings);
    };
}

/// A description.
pub fn info(name: &str) -> PluginInfo {
    PluginInfo { name: name.to_owned(), version: "0.0.0".to_owned(), parameters_schema: "{}".to_owned() }
}

/// Rules of these names.
pub fn rules(names: &[&str]) -> Vec<RuleInfo> {
    names.iter().map(|name| rule(name)).collect()
}

fn rule(name: &str) -> RuleInfo {
    RuleInfo {
        name: name.to_owned(),
        title: "A rule of a plugin that misbehaves".to_owned(),
        description: String::new(),
        rationale: String::new(),
        remediation: String::new(),
        severity: Severity::High,
        references: Vec::new(),
        needs: Vec::new(),
    }
}

/// A rule that passed.
pub fn passed(rule: &str) -> RuleResult {
    RuleResult { rule: rule.to_owned(), outcome: Outcome::Pass, remarks: vec![] }
}

/// A rule that failed with one finding about the machine.
pub fn failed(rule: &str, message: &str) -> RuleResult {
    let finding = Finding {
        subject: Subject::Host,
        message: message.to_owned(),
        evidence: vec![],
        remediation: None,
        severity: None,
        parameter: None,
    };
    let failure = Failure { findings: vec![finding], unjudged: vec![] };
    RuleResult { rule: rule.to_owned(), outcome: Outcome::Fail(failure), remarks: vec![] }
}
