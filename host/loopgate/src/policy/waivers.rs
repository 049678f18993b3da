//! Waivers: findings that somebody accepts, for a reason and for a time.

use std::sync::Arc;

use loopgate_engine::Subject;
use loopgate_parameters::{Date, Parameter, Parameters as Fields, Place, Reader as FieldReader, Words, expect};
use loopgate_selector::{Candidate, Match, Pattern, Selector};
use serde_json::{Value as Json, json};

use super::RuleId;
use super::diagnostic::Diagnostic;
use super::draft::NamedRule;
use super::layers::Layers;
use super::locks::Thing;
use super::merge::refusal;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::records::{self, Record};
use super::source::Located;

/// How many days ahead a waiver may reach where the policy does not say.
pub(crate) const WAIVER_DAYS: u16 = 365;

/// What messages call one.
pub(super) const WAIVER: &str = "waiver";

/// A finding that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiver {
    /// The rule whose findings it is about.
    pub(crate) rule: RuleId,
    /// The subjects that it is about.
    pub(crate) about: About,
    /// Why they are accepted.
    pub(crate) reason: String,
    /// Who accepts them.
    pub(crate) owner: String,
    /// The last day that they are.
    pub(crate) expires: Date,
    /// All of that as it was written.
    pub(crate) fields: Parameters,
}

/// The subjects of findings that a waiver is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Listeners.
    Listener(Box<Selector>),
    /// Interfaces, by name.
    Interface(Pattern),
    /// Kernel settings, by name.
    Sysctl(Pattern),
    /// Names such as `localhost`.
    Name(Pattern),
    /// The machine as a whole.
    Host,
    /// Anything else that a rule has findings about, by name.
    Other(Pattern),
}

impl About {
    /// Whether it is about the subject of a finding; the candidate is the listener, if that is one of the facts.
    pub(crate) fn covers(&self, subject: &Subject, candidate: Option<&Candidate<'_>>) -> Match {
        match (self, subject) {
            (Self::Listener(selector), Subject::Listener(_)) => {
                candidate.map_or(Match::No, |candidate| selector.matches(candidate))
            }
            (Self::Interface(pattern), Subject::Interface(name))
            | (Self::Sysctl(pattern), Subject::Sysctl(name))
            | (Self::Name(pattern), Subject::Name(name))
            | (Self::Other(pattern), Subject::Other(name)) => pattern.matches(name.as_str()).into(),
            (Self::Host, Subject::Host) => Match::Yes,
            _ => Match::No,
        }
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Listener(selector) => selector.to_string(),
            Self::Interface(pattern) => format!("interface {pattern}"),
            Self::Sysctl(pattern) => format!("sysctl {pattern}"),
            Self::Name(pattern) => format!("name {pattern}"),
            Self::Host => "this machine".to_owned(),
            Self::Other(pattern) => pattern.to_string(),
        }
    }
}

/// Reads the array `waivers` of a layer, and notes the rules that they name.
pub(super) fn read(
    reader: &mut Reader,
    value: Option<&Value<'_>>,
    named: &mut Vec<NamedRule>,
) -> Vec<Located<Arc<Waiver>>> {
    let records = records::read::<Draft>(reader, "waivers", WAIVER, value);
    named.extend(records.iter().filter_map(|record| NamedRule::of(WAIVER, &record.fields, "/rule")));
    let waiver = |it: Record<Draft>| Some(Located { value: Arc::new(it.value?.waiver(it.fields)?), at: it.at });
    records.into_iter().filter_map(waiver).collect()
}

/// The JSON Schema of the array.
pub(super) fn schema() -> Json {
    Vec::<Draft>::schema()
}

/// The fields of a waiver; all are there if there was no problem.
struct Draft {
    rule: Option<RuleName>,
    about: Option<About>,
    reason: Words,
    owner: Words,
    expires: Option<Date>,
}

impl Draft {
    fn waiver(self, fields: Parameters) -> Option<Waiver> {
        let (Words(reason), Words(owner)) = (self.reason, self.owner);
        Some(Waiver { rule: self.rule?.0, about: self.about?, reason, owner, expires: self.expires?, fields })
    }
}

impl Fields for Draft {
    fn read(reader: &mut FieldReader<'_>) -> Self {
        let rule =
            reader.mandatory("rule", "Id of the rule whose findings are accepted, such as `listeners/wildcard-bind`.");
        let about = about(reader);
        Self {
            rule,
            about,
            reason: reader.required("reason", "Why they are accepted."),
            owner: reader.required("owner", "Who accepts them: a person or a team."),
            expires: reader.mandatory("expires", "The last day that they are accepted, such as 2027-01-31."),
        }
    }
}

fn about(reader: &mut FieldReader<'_>) -> Option<About> {
    let selector = Selector::read(reader);
    let is_host = reader.or("host", "Findings about the machine as a whole.", false);
    let others = [
        reader.optional("interface", "Findings about an interface: its name, or a glob.").map(About::Interface),
        reader.optional("sysctl", "Findings about a kernel setting: its name, or a glob.").map(About::Sysctl),
        reader.optional("name", "Findings about a name such as `localhost`, or a glob.").map(About::Name),
        reader
            .optional("subject", "Findings about anything else: the subject as the report names it, or a glob.")
            .map(About::Other),
        is_host.then_some(About::Host),
        (!selector.is_empty()).then(|| About::Listener(Box::new(selector))),
    ];
    let mut chosen = others.into_iter().flatten();
    let first = chosen.next();
    if reader.is_sound() && (first.is_none() || chosen.next().is_some()) {
        reader.problem(
            "a waiver is about one kind of subject: name a listener by executable, unit, user, container, image, protocol, \
             port or address, or else an interface, sysctl, name, subject, or `host = true`",
        );
    }
    first
}

/// The id of a rule.
pub(super) struct RuleName(pub(super) RuleId);

impl Parameter for RuleName {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$" })
    }

    fn read(value: &Json, place: &mut Place<'_>) -> Option<Self> {
        expect(value.as_str().and_then(RuleId::parse), "the id of a rule, `plugin/rule`", value, place).map(Self)
    }
}

/// The waivers of all layers. A waiver loosens, so a layer may have one only if no layer above it has locked them.
pub(super) fn merge(layers: &Layers, problems: &mut Vec<Diagnostic>) -> Vec<Located<Arc<Waiver>>> {
    let mut waivers = Vec::new();
    for (position, layer) in layers.stack.iter().enumerate() {
        let Some(locker) = layers.locker(position, &Thing::Waivers) else {
            waivers.extend(layer.draft.waivers.iter().cloned());
            continue;
        };
        for waiver in &layer.draft.waivers {
            let problem = || {
                let problem = Diagnostic::new("findings may not be waived here", waiver.at.clone());
                problem.label(format!("accepts findings of `{}`", waiver.value.rule))
            };
            problems.extend(refusal(layer, locker, &Thing::Waivers, problem));
        }
    }
    waivers
}
