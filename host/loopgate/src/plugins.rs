//! The plugins of a policy: loading them, asking them, and what they answer.
//!
//! The only module that touches the plugin host. What comes out of it is plain data.

use std::path::Path;

use loopgate_engine::{
    Builtin, ConfigureError, ConfiguredPlugin, Engine, MAX_COMPONENT_BYTES, Plugin, PreparedFacts, RuleInfo, sha256,
};
use loopgate_facts::{Facts, Untrusted};
use rayon::prelude::*;
use serde_json::Value as Json;

use crate::error::Error;
use crate::files::{self, Trust};
use crate::gate::Answer;
use crate::policy::bind::{LoadFailure, Loading, bind};
use crate::policy::layers::Layers;
use crate::policy::merge::{Merged, Origin, PluginEntry, merge};
use crate::policy::schema::KnownPlugin;
use crate::policy::{Parameters, Policy, RuleId};

/// A policy and the plugins it names, ready to judge.
pub(crate) struct Court {
    /// The policy.
    pub(crate) policy: Policy,
    /// What it is made of.
    pub(crate) layers: Layers,
    /// What the layers say together.
    pub(crate) merged: Merged,
    members: Vec<Member>,
}

struct Member {
    plugin: ConfiguredPlugin,
    parameters: Parameters,
    file: Option<String>,
}

impl Court {
    /// Puts the layers of a policy together and loads its plugins.
    pub(crate) fn assemble(layers: Layers) -> Result<Self, Error> {
        let (merged, problems) = merge(&layers, &built_in_names());
        let problems = layers.problems.iter().cloned().chain(problems).collect();
        let engine = Engine::new()?;
        let questioned =
            merged.plugins.par_iter().map(|entry| question(entry, load(&engine, entry, layers.found.trust())));
        let (plugins, loadings): (Vec<_>, Vec<_>) = questioned.unzip();
        let policy = bind(&layers, &merged, &loadings, problems).map_err(Error::Policy)?;
        let members = merged.plugins.iter().zip(plugins).filter_map(|(entry, plugin)| Member::new(entry, plugin?));
        Ok(Self { policy, members: members.collect(), layers, merged })
    }

    /// The rules of all plugins, in the order of reports.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (RuleId, &RuleInfo)> {
        self.members.iter().flat_map(|member| {
            let plugin = &member.plugin.plugin().info().name;
            member.plugin.rules().iter().map(|rule| (RuleId::new(plugin, &rule.name), rule))
        })
    }

    /// Asks every plugin for its judgement. One that fails says so in its answer; the others are asked all the same.
    pub(crate) fn answers(&self, facts: &Facts) -> Vec<Answer> {
        let facts = PreparedFacts::new(facts);
        self.members.par_iter().map(|member| member.answer(&facts)).collect()
    }
}

impl Member {
    fn new(entry: &PluginEntry, plugin: ConfiguredPlugin) -> Option<Self> {
        let file = match entry.origin.as_ref()? {
            Origin::BuiltIn => None,
            Origin::File { path, .. } => Some(path.display().to_string()),
        };
        Some(Self { plugin, parameters: entry.parameters.clone(), file })
    }

    fn answer(&self, facts: &PreparedFacts) -> Answer {
        Answer {
            plugin: self.plugin.plugin().info().clone(),
            sha256: self.plugin.plugin().sha256().to_owned(),
            file: self.file.clone(),
            rules: self.plugin.rules().to_vec(),
            parameters: self.parameters.clone(),
            results: self.plugin.evaluate(facts),
        }
    }
}

/// The built-in plugins as they are without parameters, for those who want to know what a policy can say.
pub(crate) fn built_in_plugins() -> Result<Vec<KnownPlugin>, Error> {
    let engine = Engine::new()?;
    loopgate_builtins::all().iter().map(|builtin| known(&engine, builtin)).collect()
}

/// A plugin that cannot do without parameters has no rules here.
fn known(engine: &Engine, builtin: &Builtin) -> Result<KnownPlugin, Error> {
    let broken = |why: String| Error::BuiltIn { name: builtin.name, why };
    let plugin = Plugin::from_builtin(engine, builtin).map_err(|error| broken(error.to_string()))?;
    let info = plugin.info().clone();
    let parameters = parameters_schema(&info.parameters_schema).map_err(|error| broken(error.to_string()))?;
    let rules = plugin.configure("{}").map(|plugin| plugin.rules().to_vec()).unwrap_or_default();
    Ok(KnownPlugin { name: info.name, parameters, rules })
}

/// As a part of another schema, it does not say again which draft it is written in.
fn parameters_schema(text: &Untrusted) -> serde_json::Result<Json> {
    let mut schema: Json = serde_json::from_str(text.as_str())?;
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
    }
    Ok(schema)
}

fn built_in_names() -> Vec<&'static str> {
    loopgate_builtins::all().iter().map(|builtin| builtin.name).collect()
}

fn load(engine: &Engine, entry: &PluginEntry, trust: Trust) -> Result<Plugin, LoadFailure> {
    match entry.origin.as_ref().ok_or(LoadFailure::NoOrigin)? {
        Origin::BuiltIn => load_built_in(engine, entry),
        Origin::File { path, folder, sha256, .. } => {
            let pin = sha256.as_ref().map(|pin| pin.value.as_str());
            load_file(engine, &folder.join(path), pin, trust)
        }
    }
}

fn load_built_in(engine: &Engine, entry: &PluginEntry) -> Result<Plugin, LoadFailure> {
    let builtin = loopgate_builtins::find(entry.name.as_str()).ok_or(LoadFailure::NoOrigin)?;
    Plugin::from_builtin(engine, builtin).map_err(|error| LoadFailure::Rejected(error.to_string()))
}

/// The pin is compared before anything looks into the file. One that is pinned may be anybody's.
fn load_file(engine: &Engine, path: &Path, pin: Option<&str>, trust: Trust) -> Result<Plugin, LoadFailure> {
    let trust = if pin.is_some() { Trust::Named } else { trust };
    let bytes = files::read_regular(path, MAX_COMPONENT_BYTES, trust)
        .map_err(|error| LoadFailure::Unreadable(format!("{}: {error}", path.display())))?;
    let found = sha256(&bytes);
    if pin.is_some_and(|pin| pin != found) {
        return Err(LoadFailure::Pin(found));
    }
    Plugin::from_component(engine, &bytes).map_err(|error| LoadFailure::Rejected(error.to_string()))
}

/// Hands a plugin its parameters, if it could be loaded.
fn question(entry: &PluginEntry, plugin: Result<Plugin, LoadFailure>) -> (Option<ConfiguredPlugin>, Loading) {
    match plugin {
        Err(failure) => (None, Loading::Failed(failure)),
        Ok(plugin) => configure(plugin, &entry.parameters.json()),
    }
}

fn configure(plugin: Plugin, parameters: &str) -> (Option<ConfiguredPlugin>, Loading) {
    let info = plugin.info().clone();
    match plugin.configure(parameters) {
        Ok(plugin) => {
            let rules = plugin.rules().to_vec();
            (Some(plugin), Loading::Configured { name: info.name, rules })
        }
        Err(ConfigureError::Problems(complaints)) => (None, Loading::Refused { name: info.name, complaints }),
        Err(error @ ConfigureError::Rules(_)) => (None, Loading::Failed(LoadFailure::Rejected(error.to_string()))),
        Err(error @ ConfigureError::Failed(_)) => (None, Loading::Failed(LoadFailure::Parameters(error.to_string()))),
    }
}
