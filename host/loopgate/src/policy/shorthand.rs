//! Top-level arrays of tables that stand for a parameter of a built-in plugin.
//!
//! `[[approved]]` is an item of `plugins.approved.parameters.listeners`, with its place kept. Naming one selects the
//! plugin.

use loopgate_engine::Name;
use toml::de::DeTable;

use super::draft::PluginDraft;
use super::parameters::Parameters;
use super::reader::Reader;
use super::source::{Located, Location};

/// A top-level key and the parameter that it stands for.
#[derive(Debug)]
pub(crate) struct Shorthand {
    /// The key.
    pub(crate) key: &'static str,
    /// The plugin.
    pub(crate) plugin: &'static str,
    /// Its parameter, an array of tables.
    pub(crate) parameter: &'static str,
    /// Whether more items can only lead to more findings, so that any layer may add some.
    pub(crate) only_tightens: bool,
}

/// All of them.
pub(crate) const SHORTHANDS: &[Shorthand] = &[
    Shorthand { key: "approved", plugin: "approved", parameter: "listeners", only_tightens: false },
    Shorthand { key: "cel", plugin: "cel", parameter: "rules", only_tightens: true },
];

/// The parameter of a plugin that any layer may append to.
pub(crate) fn tightening(plugin: &Name) -> Option<&'static str> {
    let mut of_plugin = SHORTHANDS.iter().filter(|shorthand| shorthand.plugin == plugin.as_str());
    of_plugin.find(|shorthand| shorthand.only_tightens).map(|shorthand| shorthand.parameter)
}

impl Shorthand {
    /// Hands the items of a document to their plugin, which is added if it is not there.
    pub(super) fn read(&self, reader: &mut Reader, document: &DeTable<'_>, plugins: &mut Vec<PluginDraft>) {
        let Some(value) = document.get(self.key) else { return };
        let items = reader.items(self.key, value);
        let at = items.first().map_or_else(|| reader.at(value.span()), |(at, _)| at.clone());
        if let Some(plugin) = self.plugin(at, plugins) {
            plugin.parameters.append(reader, self.parameter, &items);
        }
    }

    fn plugin<'p>(&self, at: Location, plugins: &'p mut Vec<PluginDraft>) -> Option<&'p mut PluginDraft> {
        if !plugins.iter().any(|plugin| plugin.name.value.as_str() == self.plugin) {
            let name = Located { value: self.plugin.parse().ok()?, at: at.clone() };
            plugins.push(PluginDraft { name, path: None, sha256: None, parameters: Parameters::none(at) });
        }
        plugins.iter_mut().find(|plugin| plugin.name.value.as_str() == self.plugin)
    }
}
