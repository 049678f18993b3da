//! The JSON Schema of policies, for editors and for whoever checks a policy without loopgate.
//!
//! It is made of what the reader and the plugins go by: [`super::keys`], [`SHORTHANDS`], the words of severities, and the
//! schemas that plugins have for their parameters. What only the layers together can tell is left to loopgate.

use loopgate_engine::{Name, RuleInfo, Severity};
use serde_json::{Map, Value as Json, json};

use super::draft::Wish;
use super::keys::{self, Key, Kind};
use super::shorthand::{SHORTHANDS, Shorthand};
use super::{OnUnknown, RuleId, controls, shipped, waivers};

/// The pattern of [`Name`].
const NAME: &str = "[a-z][a-z0-9]*(-[a-z0-9]+)*";

/// A built-in plugin, as the schema speaks of it.
#[derive(Clone, Debug)]
pub(crate) struct KnownPlugin {
    /// Its name.
    pub(crate) name: Name,
    /// The JSON Schema of its parameters.
    pub(crate) parameters: Json,
    /// The rules that it has without any parameters.
    pub(crate) rules: Vec<RuleInfo>,
}

/// The schema.
pub(crate) fn schema(plugins: &[KnownPlugin]) -> Json {
    let keys = keys::POLICY.iter().map(|key| (key.name.to_owned(), described(key, plugins)));
    let shorthands = SHORTHANDS.iter().map(|shorthand| (shorthand.key.to_owned(), items(shorthand, plugins)));
    json!({
        // The newest draft that editors for TOML know.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A policy of loopgate",
        "type": "object",
        "required": ["schema"],
        "additionalProperties": false,
        "properties": keys.chain(shorthands).collect::<Map<_, _>>(),
    })
}

fn described(key: &Key, plugins: &[KnownPlugin]) -> Json {
    with_description(value(key.kind, plugins), key.about)
}

fn with_description(mut schema: Json, about: &str) -> Json {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), about.into());
    }
    schema
}

fn value(kind: Kind, plugins: &[KnownPlugin]) -> Json {
    match kind {
        Kind::Version => json!({ "const": keys::VERSION.parse::<u32>().unwrap_or_default() }),
        Kind::Policies => json!({ "type": "array", "items": { "anyOf": [
            { "enum": shipped::names().collect::<Vec<_>>() },
            { "type": "string", "pattern": r"[/\\]|\.toml$" },
        ] } }),
        Kind::Locks => json!({ "anyOf": [{ "type": "boolean" }, locks(plugins)] }),
        Kind::Severity => json!({ "enum": Severity::ALL.map(Severity::as_str) }),
        Kind::OnUnknown => json!({ "enum": OnUnknown::WORDS.map(|(word, _)| word) }),
        Kind::Plugins => by_name(plugins),
        Kind::Rules => rules(plugins),
        Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Digest => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" }),
        Kind::Parameters => json!({ "type": "object" }),
        Kind::Waivers => waivers::schema(),
        Kind::Frameworks => controls::frameworks_schema(),
        Kind::Controls => controls::controls_schema(),
        Kind::Days => json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX }),
    }
}

fn locks(plugins: &[KnownPlugin]) -> Json {
    let lock = |about: &str| json!({ "type": "boolean", "description": about });
    let things = keys::LOCKS.iter().map(|(name, about)| ((*name).to_owned(), lock(about)));
    let of_plugin = "Whether the file, the pin and the parameters of the plugin are locked.";
    let plugins = plugins.iter().map(|plugin| (plugin.name.to_string(), lock(of_plugin)));
    json!({
        "type": "object",
        "properties": plugins.chain(things).collect::<Map<_, _>>(),
        "patternProperties": { (format!("^{NAME}(/{NAME})?$")): { "type": "boolean" } },
        "additionalProperties": false,
    })
}

/// A plugin with a name of its own needs a file.
fn by_name(plugins: &[KnownPlugin]) -> Json {
    let any = with_file(json!({ "type": "object" }));
    let known = plugins.iter().map(|known| {
        let from_file = json!({ "required": ["path"] });
        let built_in = json!({ "properties": { "parameters": known.parameters, "sha256": false } });
        (known.name.to_string(), json!({ "allOf": [any.clone(), { "anyOf": [from_file, built_in] }] }))
    });
    let mut own = any.clone();
    if let Some(object) = own.as_object_mut() {
        object.insert("required".to_owned(), json!(["path"]));
    }
    let known: Map<_, _> = known.collect();
    json!({
        "type": "object",
        "propertyNames": { "pattern": format!("^{NAME}$") },
        "properties": known,
        "additionalProperties": own,
    })
}

fn with_file(mut plugin: Json) -> Json {
    let keys: Map<_, _> = keys::PLUGIN.iter().map(|key| (key.name.to_owned(), described(key, &[]))).collect();
    if let Some(object) = plugin.as_object_mut() {
        object.insert("properties".to_owned(), Json::Object(keys));
        object.insert("additionalProperties".to_owned(), false.into());
    }
    plugin
}

fn rules(plugins: &[KnownPlugin]) -> Json {
    let words: Vec<&str> = Wish::words().into_iter().map(|(word, _)| word).collect();
    let rule = |plugin: &KnownPlugin, rule: &RuleInfo| {
        let about = format!("{}; {} unless set.", rule.title.escaped(), rule.severity);
        (RuleId::new(&plugin.name, &rule.name).to_string(), json!({ "enum": words, "description": about }))
    };
    let known = plugins.iter().flat_map(|plugin| plugin.rules.iter().map(move |info| (plugin, info)));
    json!({
        "type": "object",
        "propertyNames": { "pattern": format!("^{NAME}/{NAME}$") },
        "properties": known.map(|(plugin, info)| rule(plugin, info)).collect::<Map<_, _>>(),
        "additionalProperties": { "enum": words },
    })
}

/// The items of a shorthand are those of the parameter that it stands for.
fn items(shorthand: &Shorthand, plugins: &[KnownPlugin]) -> Json {
    let plugin = plugins.iter().find(|plugin| plugin.name.as_str() == shorthand.plugin);
    let parameter = plugin.and_then(|plugin| plugin.parameters.get("properties")?.get(shorthand.parameter));
    let parameter = parameter.cloned().unwrap_or_else(|| json!({ "type": "array", "items": { "type": "object" } }));
    let about = format!("Items of `plugins.{}.parameters.{}`.", shorthand.plugin, shorthand.parameter);
    with_description(parameter, &about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::built_in_plugins;
    use crate::report::json::write_safely;

    fn generated() -> String {
        let mut text = Vec::new();
        write_safely(&schema(&built_in_plugins().unwrap()), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_committed_schema_is_the_generated_one() {
        let committed = include_str!("../../../../policies/policy.schema.json");
        assert!(committed == generated(), "run `loopgate policy schema --output policies/policy.schema.json`");
    }

    #[test]
    fn every_built_in_plugin_has_its_parameters_and_rules_there() {
        let schema: Json = serde_json::from_str(&generated()).unwrap();
        for builtin in loopgate_builtins::all() {
            let parameters =
                format!("/properties/plugins/properties/{}/allOf/1/anyOf/1/properties/parameters", builtin.name);
            assert!(schema.pointer(&parameters).is_some_and(Json::is_object), "{}", builtin.name);
        }
        assert!(schema.pointer("/properties/rules/properties/listeners~1wildcard-bind").is_some());
        assert!(schema.pointer("/properties/approved/items/properties/reason").is_some());
    }
}
