//! What a policy says, as far as its text alone can tell.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use loopgate_engine::{Name, Severity};
use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::diagnostic::Diagnostic;
use super::nearest::nearest;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::repair::repair;
use super::{OnUnknown, RuleId, RuleSetting};

/// The version of the policy format that this loopgate reads.
const SCHEMA: &str = "1";

/// A policy whose rules and parameters have not been held against the plugins yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The least severity that fails the check.
    pub(crate) fail_on: Severity,
    /// What an unknown outcome does to the verdict.
    pub(crate) on_unknown: OnUnknown,
    /// The plugins, by name.
    pub(crate) plugins: Vec<PluginEntry>,
    /// The rules that have a setting.
    pub(crate) rules: Vec<RuleEntry>,
}

/// A plugin that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginEntry {
    /// Its name.
    pub(crate) name: Name,
    /// Where the name stands.
    pub(crate) span: Range<usize>,
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
        /// Where the path stands.
        span: Range<usize>,
        /// The SHA-256 that it must have, in lower-case hexadecimal digits, and where that stands.
        sha256: Option<(String, Range<usize>)>,
    },
}

/// A rule that the policy has a setting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleEntry {
    /// The rule.
    pub(crate) id: RuleId,
    /// Where its name stands.
    pub(crate) span: Range<usize>,
    /// The setting; `None` where it is none, which is a problem of its own.
    pub(crate) setting: Option<RuleSetting>,
}

/// Reads a policy. The draft holds what could be understood; it may be used only if there are no problems.
pub(crate) fn parse(text: &str, built_in: &[&str]) -> (Draft, Vec<Diagnostic>) {
    let (text, lost) = repair(text);
    let (document, errors) = DeTable::parse_recoverable(&text);
    let mut reader = Reader::default();
    for error in lost.iter().chain(&errors) {
        reader.note(syntax(error));
    }
    let draft = draft(&mut reader, document.get_ref(), built_in);
    (draft, reader.into_problems())
}

fn syntax(error: &toml::de::Error) -> Diagnostic {
    Diagnostic::new(format!("not valid TOML: {}", error.message()), error.span().unwrap_or(0..0))
}

fn draft(reader: &mut Reader, document: &DeTable<'_>, built_in: &[&str]) -> Draft {
    reader.only_keys("the policy", document, &["schema", "fail_on", "on_unknown", "plugins", "rules"]);
    check_schema(reader, document.get("schema"));
    let mut plugins = entries(reader, "plugins", document, |reader, key, value| plugin(reader, key, value, built_in));
    plugins.sort_by(|one, other| one.name.cmp(&other.name));
    Draft {
        fail_on: severity(reader, document.get("fail_on")).unwrap_or(Severity::Medium),
        on_unknown: on_unknown(reader, document.get("on_unknown")).unwrap_or(OnUnknown::Incomplete),
        plugins,
        rules: entries(reader, "rules", document, rule),
    }
}

fn check_schema(reader: &mut Reader, value: Option<&Value<'_>>) {
    let Some(value) = value else {
        let problem = Diagnostic::new("the policy does not say which schema it is written in", 0..0);
        return reader.note(problem.help(format!("begin the file with `schema = {SCHEMA}`")));
    };
    let is_known = value.get_ref().as_integer().is_some_and(|number| number.as_str() == SCHEMA);
    if !is_known {
        let problem = Diagnostic::new("unknown policy schema", value.span());
        reader.note(problem.label(format!("this loopgate reads `schema = {SCHEMA}`")));
    }
}

fn severity(reader: &mut Reader, value: Option<&Value<'_>>) -> Option<Severity> {
    let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
    reader.word("`fail_on`", value?, &words)
}

fn on_unknown(reader: &mut Reader, value: Option<&Value<'_>>) -> Option<OnUnknown> {
    reader.word("`on_unknown`", value?, &OnUnknown::WORDS)
}

/// Reads every entry of one of the two tables that name things.
fn entries<T>(
    reader: &mut Reader,
    table: &str,
    document: &DeTable<'_>,
    read: impl Fn(&mut Reader, &Spanned<DeString<'_>>, &Value<'_>) -> Option<T>,
) -> Vec<T> {
    let value = document.get(table);
    let entries = value.and_then(|value| reader.table(&format!("`{table}`"), value));
    entries.into_iter().flatten().filter_map(|(key, value)| read(reader, key, value)).collect()
}

fn plugin(
    reader: &mut Reader,
    key: &Spanned<DeString<'_>>,
    value: &Value<'_>,
    built_in: &[&str],
) -> Option<PluginEntry> {
    let name = plugin_name(reader, key);
    let table = reader.table(&format!("`plugins.{}`", key.get_ref()), value)?;
    reader.only_keys("a plugin", table, &["path", "sha256", "parameters"]);
    let origin = origin(reader, key, table, built_in);
    let parameters = parameters(reader, key.span(), table.get("parameters"));
    Some(PluginEntry { name: name?, span: key.span(), origin, parameters })
}

fn plugin_name(reader: &mut Reader, key: &Spanned<DeString<'_>>) -> Option<Name> {
    let name = key.get_ref().parse();
    if let Err(error) = &name {
        let error: &loopgate_engine::InvalidName = error;
        reader.note(Diagnostic::new("not a name that a plugin can have", key.span()).label(error.to_string()));
    }
    name.ok()
}

fn origin(reader: &mut Reader, key: &Spanned<DeString<'_>>, table: &DeTable<'_>, built_in: &[&str]) -> Option<Origin> {
    let sha256 = table.get("sha256").map(|value| (value, digest(reader, value)));
    match (table.get("path"), sha256) {
        (Some(path), sha256) => file(reader, path, sha256.and_then(|(_, digest)| digest)),
        (None, None) => embedded(reader, key, built_in),
        (None, Some((value, _))) => {
            let problem = Diagnostic::new("`sha256` without `path`", value.span());
            reader.note(problem.label("a built-in plugin needs no pin: it is part of the binary"));
            None
        }
    }
}

fn file(reader: &mut Reader, path: &Value<'_>, sha256: Option<(String, Range<usize>)>) -> Option<Origin> {
    let text = reader.string("`path`", path)?;
    if text.is_empty() {
        reader.note(Diagnostic::new("`path` is empty", path.span()).label("expected the path of a .wasm file"));
        return None;
    }
    Some(Origin::File { path: PathBuf::from(text), span: path.span(), sha256 })
}

fn embedded(reader: &mut Reader, key: &Spanned<DeString<'_>>, built_in: &[&str]) -> Option<Origin> {
    let name = key.get_ref().as_ref();
    if built_in.contains(&name) {
        return Some(Origin::BuiltIn);
    }
    let label = match nearest(name, built_in.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "no built-in plugin has this name".to_owned(),
    };
    let problem = Diagnostic::new(format!("unknown plugin `{name}`"), key.span()).label(label);
    reader.note(problem.help(format!(
        "built in are {}; for a plugin of your own, add `path = \"FILE.wasm\"`",
        super::nearest::quoted(built_in.iter().copied())
    )));
    None
}

fn digest(reader: &mut Reader, value: &Value<'_>) -> Option<(String, Range<usize>)> {
    let text = reader.string("`sha256`", value)?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some((text.to_ascii_lowercase(), value.span()));
    }
    let problem = Diagnostic::new("not a SHA-256", value.span());
    reader.note(problem.label("expected 64 hexadecimal digits, as `sha256sum FILE.wasm` prints them"));
    None
}

fn parameters(reader: &mut Reader, plugin: Range<usize>, value: Option<&Value<'_>>) -> Parameters {
    let table = value.and_then(|value| Some((reader.table("`parameters`", value)?, value.span())));
    match table {
        Some((table, span)) => Parameters::read(reader, table, span),
        None => Parameters::none(plugin),
    }
}

fn rule(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<RuleEntry> {
    let id = rule_id(reader, key, value);
    if value.get_ref().is_table() {
        return None;
    }
    let setting = reader.word(&format!("`{}`", key.get_ref()), value, &settings());
    Some(RuleEntry { id: id?, span: key.span(), setting })
}

fn rule_id(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<RuleId> {
    let id = RuleId::parse(key.get_ref());
    if id.is_none() || value.get_ref().is_table() {
        let problem = Diagnostic::new("not the id of a rule with its setting", key.span());
        let help =
            "write `\"plugin/rule\" = \"SEVERITY\"`, or `\"off\"`, with the quotes; `loopgate rules` lists the ids";
        reader.note(problem.label("expected a plugin and a rule").help(help));
    }
    id
}

/// The words that a rule can be set to.
fn settings() -> Vec<(&'static str, RuleSetting)> {
    let severities = Severity::ALL.map(|severity| (severity.as_str(), RuleSetting::Severity(severity)));
    severities.into_iter().chain([("off", RuleSetting::Off)]).collect()
}

impl Draft {
    /// The settings by rule, as a [`super::Policy`] has them.
    pub(crate) fn rule_settings(&self) -> BTreeMap<RuleId, RuleSetting> {
        self.rules.iter().filter_map(|entry| Some((entry.id.clone(), entry.setting?))).collect()
    }
}
