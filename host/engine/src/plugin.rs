//! A plugin: loaded, inspected, described, and ready to judge.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;

use loopgate_facts::Untrusted;
use wasmtime::component::Component;

use crate::inspect::{check_bytes, check_interface};
use crate::limits::COMPILE_DEADLINE;
use crate::precompiled::sha256;
use crate::runtime::Engine;
use crate::sandbox::Sandbox;
use crate::v0_1::{self, PreparedFacts};
use crate::{Builtin, ConfigureError, Failure, LoadError, PluginInfo, Rejected, RuleInfo, RuleResult};

/// A plugin that passed inspection and described itself.
pub struct Plugin {
    sandbox: Sandbox,
    info: PluginInfo,
    sha256: String,
}

/// A plugin with parameters that it accepts, and the rules that it has with them.
pub struct ConfiguredPlugin {
    plugin: Plugin,
    parameters: String,
    rules: Vec<RuleInfo>,
}

impl Plugin {
    /// Loads a component from outside: inspects it, compiles it, and asks it to describe itself.
    pub fn from_component(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        check_bytes(bytes)?;
        let component = compile(engine, bytes)?;
        check_interface(engine, &component)?;
        Self::describe(engine, &component, sha256(bytes))
    }

    /// Loads an embedded plugin. Nothing is compiled, and it is not asked again what it said of itself when loopgate was
    /// built.
    pub fn from_builtin(engine: &Engine, builtin: &Builtin) -> Result<Self, LoadError> {
        let component = deserialize(engine, builtin)?;
        let sandbox = Sandbox::new(engine, &component).map_err(|error| invalid(&error))?;
        let name = builtin.name.parse().map_err(|_| Rejected::Description(builtin.name.into()))?;
        let (version, parameters_schema) = (builtin.version.into(), builtin.parameters_schema.into());
        let info = PluginInfo { name, version, parameters_schema };
        Ok(Self { sandbox, info, sha256: builtin.sha256.to_owned() })
    }

    fn describe(engine: &Engine, component: &Component, sha256: String) -> Result<Self, LoadError> {
        let sandbox = Sandbox::new(engine, component).map_err(|error| invalid(&error))?;
        let described = sandbox.call(|plugin, store| plugin.loopgate_policy_rules().call_describe(store))?;
        let info = v0_1::plugin_info(described).map_err(Rejected::Description)?;
        Ok(Self { sandbox, info, sha256 })
    }

    /// How the plugin describes itself.
    pub fn info(&self) -> &PluginInfo {
        &self.info
    }

    /// SHA-256 of the component, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Hands the plugin its parameters, a JSON object, and asks which rules it has with them.
    pub fn configure(self, parameters: impl Into<String>) -> Result<ConfiguredPlugin, ConfigureError> {
        let parameters = parameters.into();
        let answer =
            self.sandbox.call(|plugin, store| plugin.loopgate_policy_rules().call_configure(store, &parameters))?;
        let rules = answer.map_err(|problems| ConfigureError::Problems(v0_1::problems(problems)))?;
        let rules = v0_1::rules(rules).and_then(check_rules).map_err(ConfigureError::Rules)?;
        Ok(ConfiguredPlugin { plugin: self, parameters, rules })
    }
}

impl ConfiguredPlugin {
    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Its rules, at least one, with names that differ.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    /// Lets the plugin judge facts: one entry for every one of its rules, in their order, `None` where the guest left the
    /// rule out.
    ///
    /// Results for rules that it did not name are dropped, and of two results for one rule the rule has none: such an
    /// answer cannot be trusted.
    pub fn evaluate(&self, facts: &PreparedFacts) -> Result<Vec<Option<RuleResult>>, Failure> {
        let answer = self.plugin.sandbox.call(|plugin, store| {
            plugin.loopgate_policy_rules().call_evaluate(store, facts.record(), &self.parameters)
        })?;
        let mut results = v0_1::results(answer.map_err(|reason| Failure::Refused(reason.into()))?);
        Ok(self.rules.iter().map(|rule| results.take(rule.name.as_str())).collect())
    }
}

/// Compiles on a thread that is left behind if it takes too long: wasmtime cannot be interrupted while it compiles.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, Rejected> {
    let (sender, receiver) = channel();
    let (engine, bytes) = (engine.wasmtime().clone(), bytes.to_vec());
    let compiler = thread::Builder::new().name("loopgate-compile".to_owned()).spawn(move || {
        // The receiver is gone once the deadline has passed: then nobody wants the result.
        let _ = sender.send(Component::from_binary(&engine, &bytes).map_err(|error| invalid(&error)));
    });
    compiler.map_err(|error| Rejected::Invalid(error.to_string().into()))?;
    receiver.recv_timeout(COMPILE_DEADLINE).unwrap_or(Err(Rejected::CompileDeadline))
}

#[cfg(target_os = "linux")]
fn deserialize(engine: &Engine, builtin: &Builtin) -> Result<Component, Rejected> {
    crate::in_place::component(engine.wasmtime(), builtin.precompiled).map_or_else(|| copy(engine, builtin), Ok)
}

#[cfg(not(target_os = "linux"))]
fn deserialize(engine: &Engine, builtin: &Builtin) -> Result<Component, Rejected> {
    copy(engine, builtin)
}

#[expect(unsafe_code, reason = "wasmtime cannot know where machine code comes from")]
fn copy(engine: &Engine, builtin: &Builtin) -> Result<Component, Rejected> {
    // SAFETY: `Builtin` is made by the build script of `loopgate-builtins` alone, with `precompile`, and embedded in
    // the executable: whoever can change these bytes can change any other instruction of it. wasmtime checks that the
    // version, the settings and the processor features match.
    unsafe { Component::deserialize(engine.wasmtime(), builtin.precompiled) }.map_err(|error| invalid(&error))
}

fn invalid(error: &wasmtime::Error) -> Rejected {
    Rejected::Invalid(format!("{error:#}").into())
}

/// A plugin without rules, or with two of one name, would leave it open what was checked.
fn check_rules(rules: Vec<RuleInfo>) -> Result<Vec<RuleInfo>, Untrusted> {
    if rules.is_empty() {
        return Err("it has no rules".into());
    }
    let mut seen = BTreeSet::new();
    match rules.iter().find(|rule| !seen.insert(&rule.name)) {
        Some(twice) => Err(format!("it has two rules named `{}`", twice.name).into()),
        None => Ok(rules),
    }
}
