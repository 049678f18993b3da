//! Holds a policy against the plugins it names: their names, their rules, what they say of their parameters.

use std::collections::BTreeMap;

use loopgate_engine::{Name, Problem, RuleInfo, Severity};

use super::controls::{Control, Framework};
use super::diagnostic::{Diagnostic, MOST_SHOWN, Problems};
use super::draft::{NamedRule, RuleEntry};
use super::keys;
use super::layers::Layers;
use super::locks::Thing;
use super::merge::{FAIL_ON, Merged, ON_UNKNOWN, Origin, PluginEntry};
use super::nearest::nearest;
use super::settings::settle;
use super::source::{Located, Location, Sources};
use super::waivers::{WAIVER, WAIVER_DAYS};
use super::{Policy, RuleId, RuleSetting, within};
use crate::gate::{WAIVERS, about_waivers};

/// Names are held against this many others in search of a slip of the pen: it takes time with every one.
const MOST_COMPARED: usize = 100;

/// What became of loading one plugin of the policy.
#[derive(Debug)]
pub(crate) enum Loading {
    /// It is loaded and accepts its parameters.
    Configured {
        /// What it calls itself.
        name: Name,
        /// The rules that it has.
        rules: Vec<RuleInfo>,
    },
    /// It is loaded and refuses its parameters, so that its rules are not known.
    Refused {
        /// What it calls itself.
        name: Name,
        /// What it says of its parameters.
        complaints: Vec<Problem>,
    },
    /// It is not loaded, and this is why.
    Failed(LoadFailure),
}

/// Why a plugin is not loaded.
#[derive(Debug)]
pub(crate) enum LoadFailure {
    /// The policy does not say where it is; that is a problem of its own.
    NoOrigin,
    /// Its file cannot be read.
    Unreadable(String),
    /// Its file has this SHA-256, not the one that the policy pins.
    Pin(String),
    /// It is not a plugin that this host runs, or could not say what it is.
    Rejected(String),
    /// It failed when it was asked to check its parameters.
    Parameters(String),
}

/// Makes a policy of its layers. `loadings` are the plugins of `merged`, in its order; `problems` what was found before.
pub(crate) fn bind(
    layers: &Layers,
    merged: &Merged,
    loadings: &[Loading],
    mut problems: Vec<Diagnostic>,
) -> Result<Policy, Problems> {
    for (entry, loading) in merged.plugins.iter().zip(loadings) {
        check_plugin(&layers.sources, entry, loading, &mut problems);
    }
    let binding = Binding { layers, merged, loadings, known: known_rules(loadings) };
    let rules = binding.rules(&mut problems);
    binding.named_rules(&mut problems);
    let (frameworks, controls) = binding.controls(&mut problems);
    if !problems.is_empty() {
        return Err(Problems::new(&layers.sources, problems));
    }
    let fail_on = merged.fail_on.as_ref().map_or(FAIL_ON, |fail_on| fail_on.value);
    let on_unknown = merged.on_unknown.as_ref().map_or(ON_UNKNOWN, |on_unknown| on_unknown.value);
    let waiver_days = merged.waiver_days.as_ref().map_or(WAIVER_DAYS, |days| days.value);
    Ok(Policy { fail_on, on_unknown, rules, waivers: merged.waivers.clone(), waiver_days, frameworks, controls })
}

fn check_plugin(sources: &Sources, entry: &PluginEntry, loading: &Loading, problems: &mut Vec<Diagnostic>) {
    match loading {
        Loading::Configured { name, .. } => problems.extend(name_problem(entry, name)),
        Loading::Refused { name, complaints } => {
            problems.extend(name_problem(entry, name));
            problems.extend(complaints.iter().map(|complaint| complaint_problem(sources, entry, complaint)));
        }
        Loading::Failed(failure) => problems.extend(load_problem(entry, failure)),
    }
}

fn name_problem(entry: &PluginEntry, name: &Name) -> Option<Diagnostic> {
    (*name != entry.name).then(|| {
        Diagnostic::new(format!("the plugin calls itself `{name}`"), entry.at.clone())
            .label(format!("write `[plugins.{name}]`"))
            .help("rules are named after their plugin, so both names must agree")
    })
}

fn complaint_problem(sources: &Sources, entry: &PluginEntry, complaint: &Problem) -> Diagnostic {
    let title = format!("the plugin `{}` refuses its parameters", entry.name);
    let (at, message) = place_of(sources, entry, complaint);
    let problem = Diagnostic::new(title, at).label(message);
    if complaint.path.as_str().is_empty() { problem } else { problem.help(format!("at {}", complaint.path.as_str())) }
}

/// Where a complaint is shown, and what it says there: of a part of a text that cannot be shown by itself also where it is.
fn place_of(sources: &Sources, entry: &PluginEntry, complaint: &Problem) -> (Location, String) {
    let (path, message) = (complaint.path.as_str(), complaint.message.as_str());
    let at = entry.parameters.span(path);
    let Some((part, value)) = complaint.part.as_ref().zip(entry.parameters.text(path)) else {
        return (at, message.to_owned());
    };
    let source = sources.get(at.source);
    if let Some(part) = source.and_then(|source| within::locate(source, &at, value, part)) {
        return (part, message.to_owned());
    }
    let place = within::describe(value, part).map(|place| format!(" ({place})")).unwrap_or_default();
    (at, format!("{message}{place}"))
}

fn load_problem(entry: &PluginEntry, failure: &LoadFailure) -> Option<Diagnostic> {
    let name = &entry.name;
    let (title, why) = match failure {
        LoadFailure::NoOrigin => return None,
        LoadFailure::Pin(found) => return Some(pin_problem(entry, found)),
        LoadFailure::Unreadable(why) => (format!("cannot read the plugin `{name}`"), why),
        LoadFailure::Rejected(why) => (format!("the plugin `{name}` is rejected"), why),
        LoadFailure::Parameters(why) => (format!("the plugin `{name}` failed"), why),
    };
    Some(Diagnostic::new(title, file_at(entry)).label(why))
}

fn pin_problem(entry: &PluginEntry, found: &str) -> Diagnostic {
    let at = match &entry.origin {
        Some(Origin::File { sha256: Some(pin), .. }) => pin.at.clone(),
        _ => entry.at.clone(),
    };
    Diagnostic::new(format!("the file of the plugin `{}` is not the one that was pinned", entry.name), at)
        .label(format!("its SHA-256 is {found}"))
        .help("the file was not opened as a plugin; pin the new digest only if you know why it changed")
}

fn file_at(entry: &PluginEntry) -> Location {
    match &entry.origin {
        Some(Origin::File { at, .. }) => at.clone(),
        _ => entry.at.clone(),
    }
}

/// The rules that there are, with the severities that they have by themselves.
fn known_rules(loadings: &[Loading]) -> BTreeMap<RuleId, Severity> {
    let plugins = loadings.iter().filter_map(|loading| match loading {
        Loading::Configured { name, rules } => Some((name, rules)),
        Loading::Refused { .. } | Loading::Failed(_) => None,
    });
    let rules = |(name, rules): (_, &'_ Vec<RuleInfo>)| {
        rules.iter().map(|rule| (RuleId::new(name, &rule.name), rule.severity)).collect::<Vec<_>>()
    };
    let about_waivers = about_waivers().into_iter().map(|(id, rule)| (id, rule.severity));
    plugins.flat_map(rules).chain(about_waivers).collect()
}

/// What the settings of rules are held against.
struct Binding<'b> {
    layers: &'b Layers,
    merged: &'b Merged,
    loadings: &'b [Loading],
    known: BTreeMap<RuleId, Severity>,
}

impl Binding<'_> {
    /// The settings of all rules that some layer has one for.
    fn rules(&self, problems: &mut Vec<Diagnostic>) -> BTreeMap<RuleId, Located<RuleSetting>> {
        let mut settings = BTreeMap::new();
        for (id, entries) in self.entries() {
            match self.known.get(id) {
                Some(own) => settings.extend(self.setting(id, *own, &entries, problems)),
                None if self.is_in_doubt(id) => {}
                None => entries.iter().for_each(|(_, entry)| problems.push(self.unknown_rule(entry, problems.len()))),
            }
        }
        self.locks(problems);
        settings
    }

    /// What the layers say of each rule, with their positions.
    fn entries(&self) -> BTreeMap<&RuleId, Vec<(usize, &RuleEntry)>> {
        let mut entries: BTreeMap<&RuleId, Vec<_>> = BTreeMap::new();
        for (position, layer) in self.layers.stack.iter().enumerate() {
            for entry in &layer.draft.rules {
                entries.entry(&entry.id).or_default().push((position, entry));
            }
        }
        entries
    }

    fn setting(
        &self,
        id: &RuleId,
        own: Severity,
        entries: &[(usize, &RuleEntry)],
        problems: &mut Vec<Diagnostic>,
    ) -> Option<(RuleId, Located<RuleSetting>)> {
        // The rules about waivers are there without a plugin.
        let first = self.plugin(&id.plugin).map_or(0, |plugin| plugin.layer);
        let setting = settle(self.layers, first, id, own, entries, problems)?;
        Some((id.clone(), setting))
    }

    /// The frameworks and controls of all layers. None answers for one that another has named: the report would have two
    /// answers, and a lower layer the last word.
    fn controls(&self, problems: &mut Vec<Diagnostic>) -> (Vec<Located<Framework>>, Vec<Located<Control>>) {
        let drafts = || self.layers.stack.iter().map(|layer| &layer.draft);
        let mut frameworks: BTreeMap<&str, &Located<Framework>> = BTreeMap::new();
        for framework in drafts().flat_map(|draft| &draft.frameworks) {
            if let Some(first) = frameworks.insert(&framework.value.name, framework) {
                let problem =
                    Diagnostic::new(format!("two frameworks are called `{}`", first.value.name), framework.at.clone());
                problems.push(problem.also(first.at.clone(), "the other is here"));
            }
        }
        let mut numbers: BTreeMap<(&str, &str), &Location> = BTreeMap::new();
        for control in drafts().flat_map(|draft| &draft.controls) {
            problems.extend(unknown_frameworks(control, &frameworks));
            for (framework, number) in &control.value.ids {
                if let Some(first) = numbers.insert((framework, number), &control.at) {
                    let problem = Diagnostic::new(format!("two controls are {framework} {number}"), control.at.clone());
                    problems.push(problem.also(first.clone(), "the other is here"));
                }
            }
        }
        let controls = drafts().flat_map(|draft| &draft.controls).cloned();
        (frameworks.into_values().cloned().collect(), controls.collect())
    }

    /// Rules that waivers and controls name and that there are not.
    fn named_rules(&self, problems: &mut Vec<Diagnostic>) {
        for NamedRule { by, id, at } in self.layers.stack.iter().flat_map(|layer| &layer.draft.named) {
            if *by == WAIVER && id.plugin.as_str() == WAIVERS {
                let problem = Diagnostic::new("a waiver of what is found about waivers", at.clone());
                problems.push(problem.label("mend the waiver that it is about instead"));
            } else if !self.known.contains_key(id) && !self.is_in_doubt(id) {
                let problem = Diagnostic::new(format!("a {by} names the unknown rule `{id}`"), at.clone());
                problems.push(problem.label(self.suggestion(id, problems.len())));
            }
        }
    }

    /// Rules and plugins that locks name and that a slip of the pen keeps from being those that were meant.
    fn locks(&self, problems: &mut Vec<Diagnostic>) {
        for (thing, at) in self.layers.stack.iter().flat_map(|layer| layer.draft.locks.named()) {
            match thing {
                Thing::Rule(id)
                    if !self.known.contains_key(id) && !self.is_in_doubt(id) && self.plugin(&id.plugin).is_some() =>
                {
                    let problem = Diagnostic::new(format!("unknown rule `{id}`"), at.clone());
                    problems.push(problem.label(self.suggestion(id, problems.len())));
                }
                Thing::Plugin(name) => problems.extend(self.mistyped(name, at)),
                _ => {}
            }
        }
    }

    /// A name that is almost that of a plugin. One that is like none may be that of a plugin which other policies name.
    fn mistyped(&self, name: &Name, at: &Location) -> Option<Diagnostic> {
        if self.plugin(name).is_some() {
            return None;
        }
        let things = keys::LOCKS.iter().map(|(thing, _)| *thing);
        let names = self.merged.plugins.iter().map(|plugin| plugin.name.as_str());
        let near = nearest(name.as_str(), things.chain(names).take(MOST_COMPARED))?;
        let problem = Diagnostic::new(format!("unknown plugin `{name}`"), at.clone());
        Some(problem.label(format!("did you mean `{near}`?")))
    }

    fn plugin(&self, name: &Name) -> Option<&PluginEntry> {
        let plugins = &self.merged.plugins;
        plugins.get(plugins.binary_search_by(|plugin| plugin.name.cmp(name)).ok()?)
    }

    fn unknown_rule(&self, entry: &RuleEntry, noted: usize) -> Diagnostic {
        let problem = Diagnostic::new(format!("unknown rule `{}`", entry.id), entry.at.clone());
        let problem = problem.label(self.suggestion(&entry.id, noted));
        problem.help("`loopgate rules --policy FILE` lists the rules of a policy's plugins")
    }

    /// The search takes time with every known rule, so it is not made for problems that are only counted.
    fn suggestion(&self, id: &RuleId, noted: usize) -> String {
        let names: Vec<String> =
            if noted < MOST_SHOWN { self.known.keys().map(RuleId::to_string).collect() } else { Vec::new() };
        match nearest(&id.to_string(), names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => self.no_such_rule(id),
        }
    }

    fn no_such_rule(&self, id: &RuleId) -> String {
        let plugin = &id.plugin;
        if self.plugin(plugin).is_some() {
            format!("the plugin `{plugin}` has no such rule")
        } else {
            format!("the policy does not name the plugin `{plugin}`; add `[plugins.{plugin}]`")
        }
    }

    /// Whether the rule may well exist: its plugin could not be loaded or configured, or its name is mistyped, which is
    /// reported by itself.
    fn is_in_doubt(&self, id: &RuleId) -> bool {
        let plugins = self.merged.plugins.iter().zip(self.loadings);
        let doubtful = plugins.filter(|(_, loading)| !matches!(loading, Loading::Configured { .. }));
        doubtful.take(MOST_COMPARED).any(|(entry, _)| nearest(entry.name.as_str(), [id.plugin.as_str()]).is_some())
    }
}

fn unknown_frameworks(control: &Located<Control>, known: &BTreeMap<&str, &Located<Framework>>) -> Vec<Diagnostic> {
    let unknown = control.value.ids.keys().filter(|name| !known.contains_key(name.as_str()));
    let problem = |name: &String| {
        Diagnostic::new(format!("a control is of the unknown framework `{name}`"), control.at.clone())
            .label("no `[[frameworks]]` has this name")
    };
    unknown.map(problem).collect()
}
