//! Lays the layers of a policy over each other.
//!
//! A lower layer may always tighten. It may loosen what no layer above it has locked; where one has, the loosening is a
//! problem at its line. Built-in policies are no wishes of anybody: where they would loosen, the layer above just stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use loopgate_engine::{Name, Severity};

use super::OnUnknown;
use super::diagnostic::Diagnostic;
use super::draft::PluginDraft;
use super::layers::{Layer, Layers};
use super::locks::Thing;
use super::nearest::{nearest, quoted};
use super::parameters::{Leave, Parameters, Refusal};
use super::shorthand::tightening;
use super::source::{Located, Location};
use super::waivers::{self, WAIVER_DAYS, Waiver};

/// What all layers say together, except of rules: those are for [`super::bind`], because only a loaded plugin knows the
/// severity that a setting raises or lowers.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    /// The least severity that fails the check, if a layer says so.
    pub(crate) fail_on: Option<Located<Severity>>,
    /// What an unknown outcome does to the verdict, if a layer says so.
    pub(crate) on_unknown: Option<Located<OnUnknown>>,
    /// The plugins, by name.
    pub(crate) plugins: Vec<PluginEntry>,
    /// The findings that are accepted.
    pub(crate) waivers: Vec<Located<Arc<Waiver>>>,
    /// How many days ahead a waiver may reach, if a layer says so.
    pub(crate) waiver_days: Option<Located<u16>>,
}

/// A plugin that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginEntry {
    /// Its name.
    pub(crate) name: Name,
    /// Where it is named first.
    pub(crate) at: Location,
    /// The position of the layer that names it first.
    pub(crate) layer: usize,
    /// Where it comes from; `None` where what the policy says of that is wrong.
    pub(crate) origin: Option<Origin>,
    /// Its parameters.
    pub(crate) parameters: Parameters,
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The binary.
    BuiltIn,
    /// A file.
    File {
        /// Its path, relative to the policy file.
        path: PathBuf,
        /// The folder of the policy file.
        folder: PathBuf,
        /// Where the path stands.
        at: Location,
        /// The SHA-256 that it must have, in lower-case hexadecimal digits.
        sha256: Option<Located<String>>,
    },
}

/// What a policy without `fail_on` means.
pub(crate) const FAIL_ON: Severity = Severity::Medium;
/// What a policy without `on_unknown` means.
pub(crate) const ON_UNKNOWN: OnUnknown = OnUnknown::Incomplete;

/// Merges the layers, and says what is wrong with them as they stand together.
pub(crate) fn merge(layers: &Layers, built_in: &[&str]) -> (Merged, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let fail_on = layers.stack.iter().map(|layer| layer.draft.fail_on.as_ref());
    let fail_on =
        Dial { thing: Thing::FailOn, assumed: FAIL_ON, is_looser: |new, old| new > old, word: |it| it.to_string() }
            .turn(layers, fail_on, &mut problems);
    let on_unknown = layers.stack.iter().map(|layer| layer.draft.on_unknown.as_ref());
    let is_looser = |new, old| (new, old) == (OnUnknown::Report, OnUnknown::Incomplete);
    let on_unknown =
        Dial { thing: Thing::OnUnknown, assumed: ON_UNKNOWN, is_looser, word: |it| it.as_str().to_owned() }.turn(
            layers,
            on_unknown,
            &mut problems,
        );
    let plugins = plugins(layers, built_in, &mut problems);
    let waivers = waivers::merge(layers, &mut problems);
    let waiver_days = waiver_days(layers, &mut problems);
    (Merged { fail_on, on_unknown, plugins, waivers, waiver_days }, problems)
}

fn waiver_days(layers: &Layers, problems: &mut Vec<Diagnostic>) -> Option<Located<u16>> {
    let values = layers.stack.iter().map(|layer| layer.draft.waiver_days.as_ref());
    let dial = Dial {
        thing: Thing::WaiverDays,
        assumed: WAIVER_DAYS,
        is_looser: |new, old| new > old,
        word: |it| it.to_string(),
    };
    dial.turn(layers, values, problems)
}

/// A problem with a value that an upper layer does not let this one have, and the upper layer's place; none where the
/// lower layer is built in.
pub(crate) fn refusal(
    lower: &Layer,
    locker: &Layer,
    thing: &Thing,
    problem: impl FnOnce() -> Diagnostic,
) -> Option<Diagnostic> {
    let help = format!(
        "{} locks it: a layer below may only tighten it, unless `[locked]` there says `{thing} = false`",
        locker.label
    );
    (!lower.is_built_in).then(|| problem().help(help))
}

/// A value of which one of two is looser.
struct Dial<T> {
    thing: Thing,
    assumed: T,
    is_looser: fn(T, T) -> bool,
    word: fn(T) -> String,
}

impl<T: Copy> Dial<T> {
    /// The value after all layers had their say.
    fn turn<'l>(
        &self,
        layers: &Layers,
        values: impl Iterator<Item = Option<&'l Located<T>>>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Located<T>>
    where
        T: 'l,
    {
        let mut current: Option<Located<T>> = None;
        for ((position, layer), value) in layers.stack.iter().enumerate().zip(values) {
            let Some(value) = value else { continue };
            let before = current.as_ref().map_or(self.assumed, |current| current.value);
            let locker = layers.locker(position, &self.thing).filter(|_| (self.is_looser)(value.value, before));
            match locker {
                None => current = Some(value.clone()),
                Some(locker) => {
                    let problem = || self.problem(value, before, current.as_ref());
                    problems.extend(refusal(layer, locker, &self.thing, problem));
                }
            }
        }
        current
    }

    fn problem(&self, value: &Located<T>, before: T, upper: Option<&Located<T>>) -> Diagnostic {
        let (new, old) = ((self.word)(value.value), (self.word)(before));
        let problem = Diagnostic::new(format!("`{}` may not be loosened here", self.thing), value.at.clone());
        match upper {
            Some(upper) => problem.label(format!("`{new}` is looser than `{old}`")).also(upper.at.clone(), "set here"),
            None => problem.label(format!("`{new}` is looser than `{old}`, which a policy without it means")),
        }
    }
}

/// A plugin while the layers are gone through.
struct Merging<'l> {
    first: &'l PluginDraft,
    layer: usize,
    path: Option<(&'l Located<Option<PathBuf>>, &'l Layer)>,
    sha256: Option<&'l Located<Option<String>>>,
    parameters: Parameters,
}

fn plugins(layers: &Layers, built_in: &[&str], problems: &mut Vec<Diagnostic>) -> Vec<PluginEntry> {
    let mut plugins: BTreeMap<&Name, Merging<'_>> = BTreeMap::new();
    for (position, layer) in layers.stack.iter().enumerate() {
        for draft in &layer.draft.plugins {
            match plugins.get_mut(&draft.name.value) {
                Some(there) => problems.extend(there.take(draft, layers, position)),
                None => {
                    plugins.insert(&draft.name.value, Merging::new(draft, layer, position));
                }
            }
        }
    }
    plugins.into_values().map(|plugin| plugin.finish(built_in, problems)).collect()
}

impl<'l> Merging<'l> {
    fn new(draft: &'l PluginDraft, layer: &'l Layer, position: usize) -> Self {
        Self {
            first: draft,
            layer: position,
            path: draft.path.as_ref().map(|path| (path, layer)),
            sha256: draft.sha256.as_ref(),
            parameters: draft.parameters.clone(),
        }
    }

    /// Takes what a lower layer says of the plugin.
    fn take(&mut self, draft: &'l PluginDraft, layers: &'l Layers, position: usize) -> Vec<Diagnostic> {
        let Some(layer) = layers.stack.get(position) else { return Vec::new() };
        let thing = Thing::Plugin(draft.name.value.clone());
        let locker = layers.locker_since(self.layer, position, &thing);
        if let (Some(path), None) = (&draft.path, self.path) {
            return vec![self.replaced(path)];
        }
        let mut changes = self.take_file(draft, layer, locker.is_some());
        let leave = Leave { is_free: locker.is_none(), may_append: tightening(&draft.name.value) };
        changes.extend(self.parameters.overlay(draft.parameters.clone(), leave));
        let problem = |changed: Refusal| refusal(layer, locker?, &thing, || change(&draft.name.value, changed));
        changes.into_iter().filter_map(problem).collect()
    }

    /// A built-in plugin that a layer above goes by is never another one below, whatever is unlocked: what is let loose is what
    /// it is told, not what it does.
    fn replaced(&self, path: &Located<Option<PathBuf>>) -> Diagnostic {
        let name = &self.first.name;
        let problem =
            Diagnostic::new(format!("the built-in plugin `{}` may not be replaced here", name.value), path.at.clone());
        problem
            .label("give the plugin of this file a name of its own")
            .also(name.at.clone(), "a layer above goes by it")
    }

    /// Takes the file and the pin of a lower layer; what it may not change is returned. Where there is no pin, anybody may
    /// add one.
    fn take_file(&mut self, draft: &'l PluginDraft, layer: &'l Layer, is_locked: bool) -> Vec<Refusal> {
        let is_other = self.is_other_file(draft, layer);
        match draft.path.as_ref().filter(|_| is_other) {
            Some(path) if is_locked => return vec![Refusal { lower: path.at.clone(), upper: self.file_at() }],
            Some(path) => (self.path, self.sha256) = (Some((path, layer)), None),
            None => {}
        }
        match (&draft.sha256, self.sha256) {
            (Some(pin), Some(there)) if is_locked && pin.value != there.value => {
                return vec![Refusal { lower: pin.at.clone(), upper: there.at.clone() }];
            }
            (Some(pin), _) => self.sha256 = Some(pin),
            (None, _) => {}
        }
        Vec::new()
    }

    /// Whether the layer names another file. Naming none leaves the file as it is.
    fn is_other_file(&self, draft: &PluginDraft, layer: &Layer) -> bool {
        let resolved = |path: &Located<Option<PathBuf>>, layer: &Layer| Some(layer.folder.join(path.value.as_ref()?));
        let there = self.path.and_then(|(path, layer)| resolved(path, layer));
        draft.path.as_ref().is_some_and(|path| resolved(path, layer) != there)
    }

    fn file_at(&self) -> Location {
        self.path.map_or_else(|| self.first.name.at.clone(), |(path, _)| path.at.clone())
    }

    fn finish(self, built_in: &[&str], problems: &mut Vec<Diagnostic>) -> PluginEntry {
        let origin = self.origin(built_in).map_err(|problem| problems.extend(problem)).ok();
        let Located { value: name, at } = self.first.name.clone();
        PluginEntry { name, at, layer: self.layer, origin, parameters: self.parameters }
    }

    /// Where the plugin comes from; where that cannot be told, what is wrong, unless it was said before.
    fn origin(&self, built_in: &[&str]) -> Result<Origin, Option<Diagnostic>> {
        let name = &self.first.name;
        match (self.path, self.sha256) {
            (Some((path, layer)), pin) => Ok(Origin::File {
                path: path.value.clone().ok_or(None)?,
                folder: layer.folder.clone(),
                at: path.at.clone(),
                sha256: pin.and_then(|pin| Some(Located { value: pin.value.clone()?, at: pin.at.clone() })),
            }),
            (None, Some(pin)) => Err(Some(
                Diagnostic::new("`sha256` without `path`", pin.at.clone())
                    .label("a built-in plugin needs no pin: it is part of the binary"),
            )),
            (None, None) if built_in.contains(&name.value.as_str()) => Ok(Origin::BuiltIn),
            (None, None) => Err(Some(unknown_plugin(name, built_in))),
        }
    }
}

fn change(plugin: &Name, changed: Refusal) -> Diagnostic {
    let problem = Diagnostic::new(format!("the plugin `{plugin}` may not be changed here"), changed.lower);
    problem.label("a layer above has settled this").also(changed.upper, "settled here")
}

fn unknown_plugin(name: &Located<Name>, built_in: &[&str]) -> Diagnostic {
    let Located { value: name, at } = name;
    let label = match nearest(name.as_str(), built_in.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "no built-in plugin has this name".to_owned(),
    };
    let problem = Diagnostic::new(format!("unknown plugin `{name}`"), at.clone()).label(label);
    problem.help(format!(
        "built in are {}; for a plugin of your own, add `path = \"FILE.wasm\"`",
        quoted(built_in.iter().copied())
    ))
}
