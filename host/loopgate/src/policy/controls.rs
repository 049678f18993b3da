//! Controls of published frameworks, and the rules that answer them.

use std::collections::BTreeMap;
use std::iter;

use loopgate_facts::{Host, Untrusted};
use loopgate_parameters::{OneOrMany, Parameter, Parameters as Fields, Place, Reader as FieldReader, Words, expect};
use serde_json::{Value as Json, json};

use super::RuleId;
use super::draft::NamedRule;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::records;
use super::source::Located;
use super::waivers::RuleName;

/// A document that names controls: a benchmark, a standard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framework {
    /// Its name, by which controls refer to it.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The distributions that it is for; none where it is for every machine.
    pub(crate) distributions: Vec<Distribution>,
    /// All of that as it was written.
    pub(crate) fields: Parameters,
}

/// A distribution, as `os-release(5)` names it, and its version up to where the framework stops to tell: `9` is 9.4 too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    id: String,
    version: String,
}

/// A control and the rules that answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// What it asks for.
    pub(crate) title: String,
    /// Its number in each framework, by the framework's name.
    pub(crate) ids: BTreeMap<String, String>,
    /// The rules: it passes if all of them do.
    pub(crate) rules: Vec<RuleId>,
    /// All of that as it was written.
    pub(crate) fields: Parameters,
}

impl Framework {
    /// Whether it is for every machine, whatever its distribution.
    pub(crate) fn is_general(&self) -> bool {
        self.distributions.is_empty()
    }

    /// Whether it is for a machine.
    pub(crate) fn is_for(&self, host: &Host) -> bool {
        self.is_general() || self.distributions.iter().any(|distribution| distribution.is_of(host))
    }
}

impl Distribution {
    fn is_of(&self, host: &Host) -> bool {
        let Some(found) = &host.distribution else { return false };
        let version = found.version_id.as_ref().map(Untrusted::as_str).unwrap_or_default();
        let is_version =
            version.strip_prefix(&self.version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        found.id.as_str() == self.id && is_version
    }
}

/// Reads the array `frameworks` of a layer.
pub(super) fn frameworks(reader: &mut Reader, value: Option<&Value<'_>>) -> Vec<Located<Framework>> {
    let records = records::read::<FrameworkDraft>(reader, "frameworks", "framework", value).into_iter();
    records.filter_map(|it| Some(Located { value: it.value?.framework(it.fields), at: it.at })).collect()
}

/// Reads the array `controls` of a layer, and notes the rules that they name.
pub(super) fn controls(
    reader: &mut Reader,
    value: Option<&Value<'_>>,
    named: &mut Vec<NamedRule>,
) -> Vec<Located<Control>> {
    let records = records::read::<ControlDraft>(reader, "controls", CONTROL, value);
    named.extend(records.iter().flat_map(|record| rules_of(&record.fields)));
    records.into_iter().filter_map(|it| Some(Located { value: it.value?.control(it.fields), at: it.at })).collect()
}

/// One rule, or those of a list.
fn rules_of(fields: &Parameters) -> impl Iterator<Item = NamedRule> + '_ {
    let listed = (0..fields.items("/rules")).map(|position| format!("/rules/{position}"));
    let pointers = iter::once("/rules".to_owned()).chain(listed);
    pointers.filter_map(|pointer| NamedRule::of(CONTROL, fields, &pointer))
}

/// What messages call one.
const CONTROL: &str = "control";

/// The JSON Schema of the array `frameworks`.
pub(super) fn frameworks_schema() -> Json {
    Vec::<FrameworkDraft>::schema()
}

/// The JSON Schema of the array `controls`.
pub(super) fn controls_schema() -> Json {
    Vec::<ControlDraft>::schema()
}

struct FrameworkDraft {
    name: Words,
    version: Words,
    distributions: Vec<Distribution>,
}

impl FrameworkDraft {
    fn framework(self, fields: Parameters) -> Framework {
        Framework { name: self.name.0, version: self.version.0, distributions: self.distributions, fields }
    }
}

impl Fields for FrameworkDraft {
    fn read(reader: &mut FieldReader<'_>) -> Self {
        Self {
            name: reader.required("name", "Its name, by which controls refer to it."),
            version: reader.required("version", "Its version."),
            distributions: reader.or(
                "distributions",
                "The distributions that it is for, such as `debian 12`: ID and VERSION_ID of os-release(5); all unless set.",
                Vec::new(),
            ),
        }
    }
}

impl Parameter for Distribution {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[a-z0-9._-]+ [0-9.]+$" })
    }

    fn read(value: &Json, place: &mut Place<'_>) -> Option<Self> {
        let parts = value
            .as_str()
            .and_then(|text| text.split_once(' '))
            .filter(|(id, version)| !id.is_empty() && !version.is_empty());
        let (id, version) = expect(parts, "a distribution and its version, such as `debian 12`", value, place)?;
        Some(Self { id: id.to_owned(), version: version.to_owned() })
    }
}

struct ControlDraft {
    title: Words,
    ids: Ids,
    rules: Vec<RuleName>,
}

impl ControlDraft {
    fn control(self, fields: Parameters) -> Control {
        let rules = self.rules.into_iter().map(|rule| rule.0).collect();
        Control { title: self.title.0, ids: self.ids.0, rules, fields }
    }
}

impl Fields for ControlDraft {
    fn read(reader: &mut FieldReader<'_>) -> Self {
        let OneOrMany(rules) = reader
            .mandatory("rules", "Ids of the rules that answer it: it passes if all of them do.")
            .unwrap_or(OneOrMany(Vec::new()));
        Self {
            title: reader.required("title", "What it asks for."),
            ids: reader.required("ids", "Its number in each framework, by the framework's name."),
            rules,
        }
    }
}

/// Numbers by the names of frameworks.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Parameter for Ids {
    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 }, "minProperties": 1 })
    }

    fn read(value: &Json, place: &mut Place<'_>) -> Option<Self> {
        let table = value.as_object().filter(|table| !table.is_empty());
        let table = expect(table, "a table with a number for each framework", value, place)?;
        let read =
            |(name, number): (&String, &Json)| Some((name.clone(), Words::read(number, &mut place.child(name))?.0));
        let ids: Vec<Option<(String, String)>> = table.iter().map(read).collect();
        ids.into_iter().collect::<Option<BTreeMap<_, _>>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn host(id: &str, version: Option<&str>) -> Host {
        let version_id = version.map(Into::into);
        let distribution = loopgate_facts::Distribution { id: id.into(), version_id, id_like: Vec::new() };
        Host { distribution: Some(distribution), ..sample::facts().host }
    }

    #[test]
    fn a_framework_is_for_the_versions_that_it_names_and_those_within_them() {
        let framework = |distributions: &[(&str, &str)]| Framework {
            name: "F".to_owned(),
            version: "1".to_owned(),
            distributions: distributions
                .iter()
                .map(|(id, version)| Distribution { id: (*id).to_owned(), version: (*version).to_owned() })
                .collect(),
            fields: Parameters::none(sample::nowhere()),
        };
        let nine = framework(&[("rhel", "9"), ("rocky", "9")]);
        assert!(nine.is_for(&host("rhel", Some("9"))) && nine.is_for(&host("rocky", Some("9.4"))));
        assert!(!nine.is_for(&host("rhel", Some("90"))) && !nine.is_for(&host("debian", Some("9"))));
        assert!(!nine.is_for(&host("rhel", None)) && !nine.is_for(&sample::facts().host));
        assert!(framework(&[]).is_for(&sample::facts().host));
    }
}
