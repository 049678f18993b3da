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
use crate::{Builtin, Failure, LoadError, Outcome, ParametersError, PluginInfo, Rejected};

/// A plugin that passed inspection and described itself.
pub struct Plugin {
    sandbox: Sandbox,
    info: PluginInfo,
    sha256: String,
}

/// What a plugin made of the facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// One entry for every rule of [`PluginInfo::rules`], in that order; `None` where the guest left the rule out.
    pub outcomes: Vec<Option<Outcome>>,
}

impl Plugin {
    /// Loads a component from outside: inspects it, compiles it, and asks it to describe itself.
    pub fn from_component(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        check_bytes(bytes)?;
        let component = compile(engine, bytes)?;
        check_interface(engine, &component)?;
        Self::describe(engine, &component, sha256(bytes))
    }

    /// Loads an embedded plugin. Nothing is compiled.
    pub fn from_builtin(engine: &Engine, builtin: &Builtin) -> Result<Self, LoadError> {
        let component = deserialize(engine, builtin)?;
        Self::describe(engine, &component, builtin.sha256.to_owned())
    }

    fn describe(engine: &Engine, component: &Component, sha256: String) -> Result<Self, LoadError> {
        let sandbox = Sandbox::new(engine, component).map_err(|error| invalid(&error))?;
        let described = sandbox.call(|plugin, store| plugin.loopgate_policy_rules().call_describe(store))?;
        let info = v0_1::plugin_info(described).map_err(Rejected::Description)?;
        Ok(Self { sandbox, info: check_info(info)?, sha256 })
    }

    /// How the plugin describes itself.
    pub fn info(&self) -> &PluginInfo {
        &self.info
    }

    /// SHA-256 of the component, in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Lets the plugin check its parameters, a JSON object.
    pub fn validate_parameters(&self, parameters: &str) -> Result<(), ParametersError> {
        let answer = self
            .sandbox
            .call(|plugin, store| plugin.loopgate_policy_rules().call_validate_parameters(store, parameters))?;
        answer.map_err(|problems| ParametersError::Problems(v0_1::problems(problems)))
    }

    /// Lets the plugin judge facts. Outcomes of rules that it did not describe are dropped, and of two outcomes for
    /// one rule the rule has none: such an answer cannot be trusted.
    pub fn evaluate(&self, facts: &PreparedFacts, parameters: &str) -> Result<Evaluation, Failure> {
        let answer = self
            .sandbox
            .call(|plugin, store| plugin.loopgate_policy_rules().call_evaluate(store, facts.record(), parameters))?;
        let mut results = v0_1::results(answer.map_err(|reason| Failure::Refused(reason.into()))?);
        let outcomes = self.info.rules.iter().map(|rule| results.take(rule.name.as_str())).collect();
        Ok(Evaluation { outcomes })
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

#[expect(unsafe_code, reason = "wasmtime cannot know where machine code comes from")]
fn deserialize(engine: &Engine, builtin: &Builtin) -> Result<Component, Rejected> {
    // SAFETY: `Builtin` is made by the build script of `loopgate-builtins` alone, with `precompile`, and embedded in
    // the executable: whoever can change these bytes can change any other instruction of it. wasmtime checks that the
    // version, the settings and the processor features match.
    unsafe { Component::deserialize(engine.wasmtime(), builtin.precompiled) }.map_err(|error| invalid(&error))
}

fn invalid(error: &wasmtime::Error) -> Rejected {
    Rejected::Invalid(format!("{error:#}").into())
}

/// A plugin without rules, or with two of one name, would leave it open what was checked.
fn check_info(info: PluginInfo) -> Result<PluginInfo, Rejected> {
    let refuse = |why: String| Err(Rejected::Description(Untrusted::from(why)));
    if info.rules.is_empty() {
        return refuse("it has no rules".to_owned());
    }
    let mut seen = BTreeSet::new();
    match info.rules.iter().find(|rule| !seen.insert(&rule.name)) {
        Some(twice) => refuse(format!("it has two rules named `{}`", twice.name)),
        None => Ok(info),
    }
}
