//! A rule of the policy: its fields, checked and ready to be evaluated.

use loopgate_plugin::prelude::*;
use loopgate_plugin::{Parameter, Place, Words};
use serde_json::{Value, json};

use crate::check::{Checked, check_condition};
use crate::record::Kind;
use crate::source::Fault;
use crate::template::Template;

/// The parameters of the plugin.
pub struct Settings {
    /// The rules of the policy, in its order.
    pub(crate) rules: Vec<CelRule>,
}

impl Parameters for Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let RuleList(rules) = reader.required("rules", "The rules, in the order that reports show them.");
        Self { rules }
    }
}

/// Rules whose names differ.
#[derive(Default)]
struct RuleList(Vec<CelRule>);

/// Most rules of one policy.
const MAX_RULES: usize = 1000;

impl Parameter for RuleList {
    fn schema() -> Value {
        let mut schema = Vec::<CelRule>::schema();
        if let Some(list) = schema.as_object_mut() {
            list.insert("minItems".to_owned(), 1.into());
            list.insert("maxItems".to_owned(), MAX_RULES.into());
        }
        schema
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let rules = Vec::<CelRule>::read(value, place)?;
        if rules.is_empty() || rules.len() > MAX_RULES {
            place.problem(format!("expected 1 to {MAX_RULES} rules, found {}", rules.len()));
        }
        for (index, rule) in rules.iter().enumerate() {
            if rules.iter().take(index).any(|other| other.id == rule.id && !rule.id.is_empty()) {
                let message = format!("another rule is called `{}` too", rule.id);
                place.item(index).child("id").problem(message);
            }
        }
        Some(Self(rules))
    }
}

/// One rule of the policy.
pub(crate) struct CelRule {
    pub(crate) id: String,
    pub(crate) target: Target,
    /// `None` where the expressions have faults, which the reader knows.
    pub(crate) program: Option<Program>,
    info: RuleInfo,
}

/// What a rule evaluates.
pub(crate) struct Program {
    /// Which subjects it is about.
    pub(crate) when: Option<Checked>,
    /// What is true of each of them when all is well.
    pub(crate) check: Checked,
    /// What to say where it is not.
    pub(crate) message: Template,
}

/// What a rule looks at, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Listeners,
    Interfaces,
    Names,
    Sysctls,
    Host,
}

impl Target {
    const ALL: [Self; 5] = [Self::Listeners, Self::Interfaces, Self::Names, Self::Sysctls, Self::Host];

    /// The word that the policy uses, which is also the list in expressions.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Listeners => "listeners",
            Self::Interfaces => "interfaces",
            Self::Names => "names",
            Self::Sysctls => "sysctls",
            Self::Host => "host",
        }
    }

    /// The kind of the subject.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Listeners => Kind::Listener,
            Self::Interfaces => Kind::Interface,
            Self::Names => Kind::Name,
            Self::Sysctls => Kind::Sysctl,
            Self::Host => Kind::Host,
        }
    }
}

impl Parameter for Target {
    fn schema() -> Value {
        json!({ "enum": Self::ALL.map(Self::as_str) })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let target = Self::ALL.into_iter().find(|target| value.as_str() == Some(target.as_str()));
        if target.is_none() {
            place.problem(format!("expected one of {}", Self::ALL.map(Self::as_str).join(", ")));
        }
        target
    }
}

/// An area of the facts, by its word.
struct Need(Area);

impl Parameter for Need {
    fn schema() -> Value {
        json!({ "enum": Area::NAMED.each_ref().map(Area::as_str) })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let area = Area::NAMED.into_iter().find(|area| value.as_str() == Some(area.as_str()));
        if area.is_none() {
            place.problem(format!("expected one of {}", Area::NAMED.each_ref().map(Area::as_str).join(", ")));
        }
        area.map(Self)
    }
}

impl Parameters for CelRule {
    fn read(reader: &mut Reader<'_>) -> Self {
        let id: String = reader.required("id", "Name of the rule, kebab-case: reports call it `cel/NAME`.");
        let Words(title) = reader.required("title", "What is true when the rule passes, in one line.");
        let severity = reader.or("severity", "Severity of its findings; `medium` unless set.", Severity::Medium);
        let about = "What the rule looks at, one by one; `listeners` unless set. Expressions call the one that they are \
                     about `listener`, `interface`, `name`, `sysctl` or `host`.";
        let target = reader.or("for", about, Target::Listeners);
        let when: Option<String> =
            reader.optional("when", "Expression: which of them the rule is about; all of them unless set.");
        let check: Option<String> =
            reader.mandatory("check", "Expression: what is true of each of them when all is well.");
        let about = "What is wrong, in one sentence: a text with expressions in braces, such as \
                     `{listener.id} is open to {listener.reach}`.";
        let message: Option<String> = reader.mandatory("message", about);
        let rationale = reader.or("rationale", "Why it matters.", String::new());
        let remediation = reader.or("remediation", "How to mend what it finds.", String::new());
        let references = reader.or("references", "Controls and weaknesses that it serves.", Vec::new());
        let about = "Areas of the facts that it needs beside those that its expressions name: a gap in one of them makes \
                     the rule unknown.";
        let needs: Vec<Need> = reader.or("needs", about, Vec::new());

        refuse_bad_name(reader, &id);
        let description = describe(target, when.as_deref(), check.as_deref().unwrap_or_default());
        let program = compile(reader, target, when.as_deref(), check.as_deref(), message.as_deref());
        let needs = all_needs(needs, program.as_ref());
        let info =
            RuleInfo { name: id.clone(), title, description, rationale, remediation, severity, references, needs };
        Self { id, target, program, info }
    }
}

impl CelRule {
    /// The rule as the contract describes it.
    pub(crate) fn info(&self) -> RuleInfo {
        self.info.clone()
    }
}

/// Longest name of a rule.
const MAX_NAME: usize = 64;

fn refuse_bad_name(reader: &mut Reader<'_>, id: &str) {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let begins_well = id.starts_with(|character: char| character.is_ascii_lowercase());
    // A name that is missing has its problem already.
    if !id.is_empty() && (!begins_well || !id.split('-').all(is_word) || id.len() > MAX_NAME) {
        let message = format!("a name is of lower-case letters, digits and single hyphens, at most {MAX_NAME}");
        reader.reject("id", message);
    }
}

fn describe(target: Target, when: Option<&str>, check: &str) -> String {
    // Markdown: a text in an expression may hold the mark that ends a span of code.
    let quoted = |expression: &str| format!("`{}`", expression.trim().replace('`', "'"));
    let subjects = match target {
        Target::Host => "The machine".to_owned(),
        target => format!("Every one of the {}", target.as_str()),
    };
    let when = when.map(|when| format!(", if {}", quoted(when))).unwrap_or_default();
    format!("{subjects}{when}: {}", quoted(check))
}

fn compile(
    reader: &mut Reader<'_>,
    target: Target,
    when: Option<&str>,
    check: Option<&str>,
    message: Option<&str>,
) -> Option<Program> {
    let kind = target.kind();
    let when = when.map(|when| noted(reader, "when", check_condition(when, kind)));
    // What is missing has its problem already.
    let check = check.and_then(|check| noted(reader, "check", check_condition(check, kind)));
    let message = message.and_then(|message| noted(reader, "message", Template::parse(message, kind)));
    let when = match when {
        None => None,
        Some(when) => Some(when?),
    };
    Some(Program { when, check: check?, message: message? })
}

fn noted<T>(reader: &mut Reader<'_>, field: &str, checked: Result<T, Vec<Fault>>) -> Option<T> {
    match checked {
        Ok(checked) => Some(checked),
        Err(faults) => {
            for Fault { message, part } in faults {
                match part {
                    Some(part) => reader.reject_part(field, part, message),
                    None => reader.reject(field, message),
                }
            }
            None
        }
    }
}

fn all_needs(needs: Vec<Need>, program: Option<&Program>) -> Vec<Area> {
    let mut all: Vec<_> = needs.into_iter().map(|Need(area)| area).collect();
    let named = program.into_iter().flat_map(|program| {
        let conditions = program.when.iter().chain([&program.check]);
        // What a message alone names changes no verdict.
        conditions.flat_map(|checked| checked.areas.iter().cloned()).collect::<Vec<_>>()
    });
    all.extend(named);
    let mut needs: Vec<Area> = Vec::new();
    for area in all {
        if !needs.contains(&area) {
            needs.push(area);
        }
    }
    needs
}
