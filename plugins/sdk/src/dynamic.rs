//! Plugins whose rules follow from their parameters.

use loopgate_parameters::{Parameters, parse};

use crate::plugin::{in_contract, info, summary};
use crate::prelude::{Facts, Outcome, PluginInfo, Problem, Report, RuleInfo, RuleResult};

/// Parameters that are rules.
pub trait RuleSet: Parameters {
    /// The rules, at least one, in the order that reports show them.
    fn rules(&self) -> Vec<RuleInfo>;

    /// Judges the facts: one report for every rule, in the order of [`rules`](Self::rules). A gap in an area that a rule
    /// needs keeps it from passing, whatever its report says.
    fn judge(&self, facts: &Facts) -> Vec<Report>;
}

/// A plugin whose rules follow from its parameters. Made by [`dynamic_plugin!`](crate::dynamic_plugin!).
pub struct DynamicPlugin<P> {
    name: &'static str,
    version: &'static str,
    parameters: std::marker::PhantomData<fn() -> P>,
}

impl<P: RuleSet> DynamicPlugin<P> {
    /// A plugin. `name` is kebab-case, `version` is as semver.org has it.
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version, parameters: std::marker::PhantomData }
    }

    /// The `describe` of the contract.
    pub fn describe(&self) -> PluginInfo {
        info::<P>(self.name, self.version)
    }

    /// The `configure` of the contract.
    pub fn configure(&self, json: &str) -> Result<Vec<RuleInfo>, Vec<Problem>> {
        parse::<P>(json).map(|parameters| parameters.rules()).map_err(in_contract)
    }

    /// The `evaluate` of the contract: an outcome for every rule.
    pub fn evaluate(&self, facts: &Facts, json: &str) -> Result<Vec<RuleResult>, String> {
        let parameters = parse::<P>(json).map_err(|problems| summary(&problems))?;
        let mut reports = parameters.judge(facts).into_iter();
        Ok(parameters.rules().iter().map(|rule| result(rule, reports.next(), facts)).collect())
    }
}

fn result(rule: &RuleInfo, report: Option<Report>, facts: &Facts) -> RuleResult {
    let Some(report) = report else {
        let outcome = Outcome::Unknown(vec!["the plugin did not judge it".to_owned()]);
        return RuleResult { rule: rule.name.clone(), outcome, remarks: Vec::new() };
    };
    let gaps = rule.needs.iter().flat_map(|area| facts.gaps_in(area)).map(ToString::to_string).collect();
    report.result(&rule.name, gaps)
}

/// Makes a plugin whose parameters are its rules, a [`RuleSet`], and exports it. Once in a crate, which is a `cdylib`.
///
/// ```ignore
/// loopgate_plugin::dynamic_plugin! {
///     name: "cel",
///     parameters: Settings,
/// }
/// ```
///
/// As [`plugin!`](crate::plugin!) does, it defines `PLUGIN`, a [`DynamicPlugin`], for tests to call.
#[macro_export]
macro_rules! dynamic_plugin {
    (name: $name:expr, parameters: $parameters:ty $(,)?) => {
        /// The plugin, for native callers. The host calls the exports of the component.
        pub static PLUGIN: $crate::DynamicPlugin<$parameters> =
            $crate::DynamicPlugin::new($name, env!("CARGO_PKG_VERSION"));

        $crate::export_plugin!();
    };
}
