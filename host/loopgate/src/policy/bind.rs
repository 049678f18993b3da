//! Holds a draft against the plugins it names: their names, their rules, what they say of their parameters.

use loopgate_engine::{Name, Problem, RuleInfo};

use super::diagnostic::{Diagnostic, Problems};
use super::draft::{Draft, Origin, PluginEntry, RuleEntry};
use super::nearest::nearest;
use super::{Policy, RuleId, Source};

/// What became of loading one plugin of the draft.
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
    /// The draft does not say where it is; that is a problem of its own.
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

/// Makes a policy of a draft. `loadings` are the plugins of the draft, in its order; `problems` what was found before.
pub(crate) fn bind(
    source: &Source,
    draft: &Draft,
    loadings: &[Loading],
    mut problems: Vec<Diagnostic>,
) -> Result<Policy, Problems> {
    for (entry, loading) in draft.plugins.iter().zip(loadings) {
        check_plugin(entry, loading, &mut problems);
    }
    for entry in &draft.rules {
        problems.extend(rule_problem(entry, draft, loadings));
    }
    if !problems.is_empty() {
        return Err(Problems::new(source, problems));
    }
    Ok(Policy { fail_on: draft.fail_on, on_unknown: draft.on_unknown, rules: draft.rule_settings() })
}

fn check_plugin(entry: &PluginEntry, loading: &Loading, problems: &mut Vec<Diagnostic>) {
    match loading {
        Loading::Configured { name, .. } => problems.extend(name_problem(entry, name)),
        Loading::Refused { name, complaints } => {
            problems.extend(name_problem(entry, name));
            problems.extend(complaints.iter().map(|complaint| complaint_problem(entry, complaint)));
        }
        Loading::Failed(failure) => problems.extend(load_problem(entry, failure)),
    }
}

fn name_problem(entry: &PluginEntry, name: &Name) -> Option<Diagnostic> {
    (*name != entry.name).then(|| {
        Diagnostic::new(format!("the plugin calls itself `{name}`"), entry.span.clone())
            .label(format!("write `[plugins.{name}]`"))
            .help("rules are named after their plugin, so both names must agree")
    })
}

fn complaint_problem(entry: &PluginEntry, complaint: &Problem) -> Diagnostic {
    let title = format!("the plugin `{}` refuses its parameters", entry.name);
    let span = entry.parameters.span(complaint.path.as_str());
    let problem = Diagnostic::new(title, span).label(complaint.message.as_str());
    if complaint.path.as_str().is_empty() { problem } else { problem.help(format!("at {}", complaint.path.as_str())) }
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
    Some(Diagnostic::new(title, file_span(entry)).label(why))
}

fn pin_problem(entry: &PluginEntry, found: &str) -> Diagnostic {
    let span = match &entry.origin {
        Some(Origin::File { sha256: Some((_, span)), .. }) => span.clone(),
        _ => entry.span.clone(),
    };
    Diagnostic::new(format!("the file of the plugin `{}` is not the one that was pinned", entry.name), span)
        .label(format!("its SHA-256 is {found}"))
        .help("the file was not opened as a plugin; pin the new digest only if you know why it changed")
}

fn file_span(entry: &PluginEntry) -> std::ops::Range<usize> {
    match &entry.origin {
        Some(Origin::File { span, .. }) => span.clone(),
        _ => entry.span.clone(),
    }
}

fn rule_problem(entry: &RuleEntry, draft: &Draft, loadings: &[Loading]) -> Option<Diagnostic> {
    let known = known_rules(loadings);
    if known.contains(&entry.id) || is_in_doubt(&entry.id, draft, loadings) {
        return None;
    }
    let names: Vec<String> = known.iter().map(RuleId::to_string).collect();
    let label = match nearest(&entry.id.to_string(), names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => no_such_rule(entry, draft),
    };
    let problem = Diagnostic::new(format!("unknown rule `{}`", entry.id), entry.span.clone()).label(label);
    Some(problem.help("`loopgate rules --policy FILE` lists the rules of a policy's plugins"))
}

fn no_such_rule(entry: &RuleEntry, draft: &Draft) -> String {
    let plugin = &entry.id.plugin;
    if draft.plugins.iter().any(|candidate| candidate.name == *plugin) {
        format!("the plugin `{plugin}` has no such rule")
    } else {
        format!("the policy does not name the plugin `{plugin}`; add `[plugins.{plugin}]`")
    }
}

fn known_rules(loadings: &[Loading]) -> Vec<RuleId> {
    let plugins = loadings.iter().filter_map(|loading| match loading {
        Loading::Configured { name, rules } => Some((name, rules)),
        Loading::Refused { .. } | Loading::Failed(_) => None,
    });
    plugins.flat_map(|(name, rules)| rules.iter().map(|rule| RuleId::new(name, &rule.name))).collect()
}

/// Whether the rule may well exist: its plugin could not be loaded or configured, or its name is mistyped, which is
/// reported by itself.
fn is_in_doubt(id: &RuleId, draft: &Draft, loadings: &[Loading]) -> bool {
    let plugins = draft.plugins.iter().zip(loadings);
    let mut doubtful = plugins.filter(|(_, loading)| !matches!(loading, Loading::Configured { .. }));
    doubtful.any(|(entry, _)| nearest(entry.name.as_str(), [id.plugin.as_str()]).is_some())
}
