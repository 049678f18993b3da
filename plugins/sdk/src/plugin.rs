//! The driver: from rules to the functions of the contract.

use std::ops::Range;

use loopgate_parameters::{Parameters, document_schema, parse};

use crate::bindings::exports::loopgate::policy::rules::Part;
use crate::page::PageError;
use crate::prelude::{Facts, PluginInfo, Problem, Rule, RuleInfo, RuleResult};

/// A plugin: its name, its version and its rules. Made by [`plugin!`](crate::plugin!).
pub struct Plugin<P: 'static> {
    name: &'static str,
    version: &'static str,
    rules: &'static [Rule<P>],
}

impl<P> Plugin<P> {
    /// A plugin. `name` is kebab-case, `version` is as semver.org has it.
    pub const fn new(name: &'static str, version: &'static str, rules: &'static [Rule<P>]) -> Self {
        Self { name, version, rules }
    }

    /// Its rules, in the order that reports show them.
    pub const fn rules(&self) -> &'static [Rule<P>] {
        self.rules
    }

    /// What is wrong with the pages of the rules. A test of every plugin should find nothing.
    pub fn page_errors(&self) -> Vec<(&'static str, PageError)> {
        self.rules.iter().filter_map(|rule| Some((rule.name(), rule.page().err()?))).collect()
    }
}

impl<P: Parameters> Plugin<P> {
    /// The `describe` of the contract.
    pub fn describe(&self) -> PluginInfo {
        info::<P>(self.name, self.version)
    }

    /// The `configure` of the contract: the rules are the same with all parameters.
    pub fn configure(&self, json: &str) -> Result<Vec<RuleInfo>, Vec<Problem>> {
        parse::<P>(json).map_err(in_contract)?;
        Ok(self.rules.iter().map(Rule::describe).collect())
    }

    /// The `evaluate` of the contract: an outcome for every rule.
    pub fn evaluate(&self, facts: &Facts, json: &str) -> Result<Vec<RuleResult>, String> {
        let parameters = parse::<P>(json).map_err(|problems| summary(&problems))?;
        Ok(self.rules.iter().map(|rule| rule.evaluate(facts, &parameters)).collect())
    }
}

/// A plugin as it describes itself.
pub(crate) fn info<P: Parameters>(name: &str, version: &str) -> PluginInfo {
    let parameters_schema = document_schema::<P>().to_string();
    PluginInfo { name: name.to_owned(), version: version.to_owned(), parameters_schema }
}

/// The problems as the contract has them.
pub(crate) fn in_contract(problems: Vec<loopgate_parameters::Problem>) -> Vec<Problem> {
    let part = |part: Range<usize>| Some(Part { start: part.start.try_into().ok()?, end: part.end.try_into().ok()? });
    let convert = |problem: loopgate_parameters::Problem| Problem {
        path: problem.path,
        message: problem.message,
        part: problem.part.and_then(part),
    };
    problems.into_iter().map(convert).collect()
}

pub(crate) fn summary(problems: &[loopgate_parameters::Problem]) -> String {
    let problems: Vec<_> = problems.iter().map(|problem| format!("`{}`: {}", problem.path, problem.message)).collect();
    format!("the parameters are wrong: {}", problems.join("; "))
}

/// Makes a plugin of rules and exports it. Once in a crate, which is a `cdylib`.
///
/// ```ignore
/// loopgate_plugin::plugin! {
///     name: "listeners",
///     parameters: Parameters,
///     rules: [wildcard_bind::RULE, public_bind::RULE],
/// }
/// ```
///
/// The version of the plugin is that of the crate. The macro defines `PLUGIN`, a [`Plugin`], for tests to call.
#[macro_export]
macro_rules! plugin {
    (name: $name:expr, parameters: $parameters:ty, rules: [$($rule:expr),+ $(,)?] $(,)?) => {
        /// The plugin, for native callers. The host calls the exports of the component.
        pub static PLUGIN: $crate::Plugin<$parameters> =
            $crate::Plugin::new($name, env!("CARGO_PKG_VERSION"), &[$($rule),+]);

        $crate::export_plugin!();
    };
}

/// Exports `PLUGIN`, which [`plugin!`](crate::plugin!) or [`dynamic_plugin!`](crate::dynamic_plugin!) has defined.
#[doc(hidden)]
#[macro_export]
macro_rules! export_plugin {
    () => {
        // Linkers of other targets refuse the names of the exports, and nothing would call them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Exports;

            impl $crate::bindings::exports::loopgate::policy::rules::Guest for Exports {
                fn describe() -> $crate::PluginInfo {
                    $crate::install_panic_hook();
                    PLUGIN.describe()
                }

                fn configure(parameters: String) -> Result<Vec<$crate::RuleInfo>, Vec<$crate::Problem>> {
                    $crate::install_panic_hook();
                    PLUGIN.configure(&parameters)
                }

                fn evaluate(facts: $crate::Facts, parameters: String) -> Result<Vec<$crate::RuleResult>, String> {
                    $crate::install_panic_hook();
                    // The instance ends with the call: taking the facts apart would be work for nothing.
                    PLUGIN.evaluate(Box::leak(Box::new(facts)), &parameters)
                }
            }

    $crate::bindings::export!(Exports with_types_in $crate::bindings);
        };
    };
}
