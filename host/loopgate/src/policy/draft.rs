//! What one layer of a policy says, as far as its text alone can tell.

use std::path::PathBuf;
use std::sync::Arc;

use loopgate_engine::{Name, Severity};
use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::controls::{self, Control, Framework};
use super::keys::{self, VERSION};
use super::locks::Locks;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::repair::repair;
use super::shorthand::SHORTHANDS;
use super::source::{Located, Location, SourceId};
use super::waivers::{self, Waiver};
use super::{OnUnknown, RuleId};
use crate::gate::WAIVERS;

/// One layer. Nothing of it has been held against the other layers or the plugins yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The policies above it, the uppermost first.
    pub(crate) extends: Vec<Located<String>>,
    /// What it lets the layers below it loosen.
    pub(crate) locks: Locks,
    /// The least severity that fails the check.
    pub(crate) fail_on: Option<Located<Severity>>,
    /// What an unknown outcome does to the verdict.
    pub(crate) on_unknown: Option<Located<OnUnknown>>,
    /// The plugins that it names.
    pub(crate) plugins: Vec<PluginDraft>,
    /// The rules that it has a setting for.
    pub(crate) rules: Vec<RuleEntry>,
    /// The findings that it accepts.
    pub(crate) waivers: Vec<Located<Arc<Waiver>>>,
    /// How many days ahead a waiver may reach.
    pub(crate) waiver_days: Option<Located<u16>>,
    /// Documents that controls are of.
    pub(crate) frameworks: Vec<Located<Framework>>,
    /// Controls that rules answer.
    pub(crate) controls: Vec<Located<Control>>,
    /// The rules that waivers and controls name, also those that cannot be used: what is wrong with the names is said in
    /// the same run.
    pub(crate) named: Vec<NamedRule>,
}

/// A rule that a waiver or a control names.
///
/// It is taken from the fields as they are written, because something else may be wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedRule {
    /// What names it: `waiver` or `control`.
    pub(crate) by: &'static str,
    /// The rule.
    pub(crate) id: RuleId,
    /// Where it is named.
    pub(crate) at: Location,
}

/// What one layer says of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginDraft {
    /// Its name.
    pub(crate) name: Located<Name>,
    /// The path of its file, if one is given; `None` within if that is wrong, which is a problem of its own.
    pub(crate) path: Option<Located<Option<PathBuf>>>,
    /// The SHA-256 that the file must have, in lower-case hexadecimal digits; as with the path.
    pub(crate) sha256: Option<Located<Option<String>>>,
    /// Its parameters.
    pub(crate) parameters: Parameters,
}

impl NamedRule {
    /// The rule that is named where a JSON Pointer leads. What is no id of a rule is a problem of its own.
    pub(super) fn of(by: &'static str, fields: &Parameters, pointer: &str) -> Option<Self> {
        Some(Self { by, id: RuleId::parse(fields.text(pointer)?)?, at: fields.span(pointer) })
    }
}

/// A rule that a layer has a setting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleEntry {
    /// The rule.
    pub(crate) id: RuleId,
    /// Where its name stands.
    pub(crate) at: Location,
    /// The setting; `None` where it is none, which is a problem of its own.
    pub(crate) setting: Option<Located<Wish>>,
}

/// What a layer wants of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// That its findings have this severity.
    Severity(Severity),
    /// That it is not judged.
    Off,
}

impl Wish {
    /// The words that policies use.
    pub(crate) fn words() -> Vec<(&'static str, Self)> {
        let severities = Severity::ALL.map(|severity| (severity.as_str(), Self::Severity(severity)));
        severities.into_iter().chain([("off", Self::Off)]).collect()
    }

    /// The word that policies use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Severity(severity) => severity.as_str(),
            Self::Off => "off",
        }
    }
}

/// Reads one layer, noting what is wrong with it. What could be understood may be used only if nothing is.
pub(crate) fn parse(source: SourceId, text: &str) -> (Draft, Vec<super::diagnostic::Diagnostic>) {
    let mut reader = Reader::new(source);
    let (document, errors) = DeTable::parse_recoverable(text);
    let draft = if errors.is_empty() {
        draft(&mut reader, document.get_ref())
    } else {
        let (text, lost) = repair(text);
        let (document, errors) = DeTable::parse_recoverable(&text);
        lost.iter().chain(&errors).for_each(|error| syntax(&mut reader, error));
        let broken = reader.so_far();
        let draft = draft(&mut reader, document.get_ref());
        reader.forget_echoes(broken);
        draft
    };
    (draft, reader.into_problems())
}

fn syntax(reader: &mut Reader, error: &toml::de::Error) {
    reader.note(reader.problem(format!("not valid TOML: {}", error.message()), error.span().unwrap_or(0..0)));
}

fn draft(reader: &mut Reader, document: &DeTable<'_>) -> Draft {
    let known: Vec<&str> = keys::names(keys::POLICY).chain(SHORTHANDS.iter().map(|shorthand| shorthand.key)).collect();
    reader.only_keys("the policy", document, &known);
    check_schema(reader, document.get("schema"));
    let mut plugins = entries(reader, "plugins", document, plugin);
    for shorthand in SHORTHANDS {
        shorthand.read(reader, document, &mut plugins);
    }
    let mut named = Vec::new();
    Draft {
        extends: extends(reader, document.get("extends")),
        locks: Locks::read(reader, document.get("locked")),
        fail_on: severity(reader, document.get("fail_on")),
        on_unknown: on_unknown(reader, document.get("on_unknown")),
        plugins,
        rules: entries(reader, "rules", document, rule),
        waivers: waivers::read(reader, document.get("waivers"), &mut named),
        frameworks: controls::frameworks(reader, document.get("frameworks")),
        controls: controls::controls(reader, document.get("controls"), &mut named),
        waiver_days: document.get("waiver_days").and_then(|value| waiver_days(reader, value)),
        named,
    }
}

fn check_schema(reader: &mut Reader, value: Option<&Value<'_>>) {
    let Some(value) = value else {
        let problem = reader.problem("the policy does not say which schema it is written in", 0..0);
        return reader.note(problem.help(format!("begin the file with `schema = {VERSION}`")));
    };
    let is_known = value.get_ref().as_integer().is_some_and(|number| number.as_str() == VERSION);
    if !is_known {
        let problem = reader.problem("unknown policy schema", value.span());
        reader.note(problem.label(format!("this loopgate reads `schema = {VERSION}`")));
    }
}

fn extends(reader: &mut Reader, value: Option<&Value<'_>>) -> Vec<Located<String>> {
    let entries = value.and_then(|value| reader.array("`extends`", value)).into_iter().flat_map(|array| array.iter());
    let entry = |entry: &Value<'_>| {
        let text = reader.string("an entry of `extends`", entry)?;
        Some(Located { value: text.to_owned(), at: reader.at(entry.span()) })
    };
    entries.filter_map(entry).collect()
}

fn severity(reader: &mut Reader, value: Option<&Value<'_>>) -> Option<Located<Severity>> {
    let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
    reader.located_word("`fail_on`", value?, &words)
}

fn on_unknown(reader: &mut Reader, value: Option<&Value<'_>>) -> Option<Located<OnUnknown>> {
    reader.located_word("`on_unknown`", value?, &OnUnknown::WORDS)
}

fn waiver_days(reader: &mut Reader, value: &Value<'_>) -> Option<Located<u16>> {
    let days =
        value.get_ref().as_integer().and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
    if days.is_none() {
        reader.wrong_type("`waiver_days`", "a number of days from 0 to 65535", value);
    }
    Some(Located { value: days?, at: reader.at(value.span()) })
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

fn plugin(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<PluginDraft> {
    let name = plugin_name(reader, key);
    let table = reader.table(&format!("`plugins.{}`", key.get_ref()), value)?;
    reader.only_keys("a plugin", table, &keys::names(keys::PLUGIN).collect::<Vec<_>>());
    let path = table.get("path").map(|value| Located { value: path(reader, value), at: reader.at(value.span()) });
    let sha256 = table.get("sha256").map(|value| Located { value: digest(reader, value), at: reader.at(value.span()) });
    let parameters = parameters(reader, reader.at(key.span()), table.get("parameters"));
    Some(PluginDraft { name: Located { value: name?, at: reader.at(key.span()) }, path, sha256, parameters })
}

fn plugin_name(reader: &mut Reader, key: &Spanned<DeString<'_>>) -> Option<Name> {
    let name = key.get_ref().parse();
    if key.get_ref() == WAIVERS {
        let problem = reader.problem("no plugin may be called `waivers`", key.span());
        reader.note(problem.label("loopgate itself has rules of this name, about the waivers of a policy"));
    }
    if let Err(error) = &name {
        let error: &loopgate_engine::InvalidName = error;
        reader.note(reader.problem("not a name that a plugin can have", key.span()).label(error.to_string()));
    }
    name.ok()
}

fn path(reader: &mut Reader, value: &Value<'_>) -> Option<PathBuf> {
    let text = reader.string("`path`", value)?;
    if text.is_empty() {
        reader.note(reader.problem("`path` is empty", value.span()).label("expected the path of a .wasm file"));
        return None;
    }
    Some(PathBuf::from(text))
}

fn digest(reader: &mut Reader, value: &Value<'_>) -> Option<String> {
    let text = reader.string("`sha256`", value)?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let problem = reader.problem("not a SHA-256", value.span());
    reader.note(problem.label("expected 64 hexadecimal digits, as `sha256sum FILE.wasm` prints them"));
    None
}

fn parameters(reader: &mut Reader, plugin: Location, value: Option<&Value<'_>>) -> Parameters {
    let table = value.and_then(|value| Some((reader.table("`parameters`", value)?, value.span())));
    match table {
        Some((table, span)) => Parameters::read(reader, table, reader.at(span)),
        None => Parameters::none(plugin),
    }
}

fn rule(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<RuleEntry> {
    let id = rule_id(reader, key, value);
    if value.get_ref().is_table() {
        return None;
    }
    let setting = reader.located_word(&format!("`{}`", key.get_ref()), value, &Wish::words());
    Some(RuleEntry { id: id?, at: reader.at(key.span()), setting })
}

fn rule_id(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<RuleId> {
    let id = RuleId::parse(key.get_ref());
    if id.is_none() || value.get_ref().is_table() {
        let problem = reader.problem("not the id of a rule with its setting", key.span());
        let help =
            "write `\"plugin/rule\" = \"SEVERITY\"`, or `\"off\"`, with the quotes; `loopgate rules` lists the ids";
        reader.note(problem.label("expected a plugin and a rule").help(help));
    }
    id
}
