//! The effective policy for programs, the same on every machine. Documented in `docs/usage.md`.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use crate::plugins::Court;
use crate::policy::layers;
use crate::policy::locks::Thing;
use crate::policy::merge::{FAIL_ON, Merged, ON_UNKNOWN, Origin, PluginEntry};
use crate::policy::waivers::{WAIVER_DAYS, Waiver};
use crate::policy::{Located, Location, Parameters, PolicyLine, RuleId, RuleSetting, Source, Sources};
use crate::report::json;

/// The version of this form.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document {
    schema: u32,
    found: &'static str,
    layers: Vec<Layer>,
    fail_on: Said<&'static str>,
    on_unknown: Said<&'static str>,
    waiver_days: Said<u16>,
    plugins: Vec<Plugin>,
    rules: Vec<Setting>,
    waivers: Vec<WaiverEntry>,
    frameworks: Vec<Written>,
    controls: Vec<Written>,
}

/// A table as it was written.
#[derive(Serialize)]
struct Written {
    from: Option<Place>,
    fields: Json,
}

#[derive(Serialize)]
struct WaiverEntry {
    from: Option<Place>,
    waiver: Json,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    built_in: bool,
    extended_by: Option<Place>,
}

/// A value and where it comes from; nowhere if no layer says it.
#[derive(Serialize)]
struct Said<T> {
    value: T,
    from: Option<Place>,
    locked: bool,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: usize,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    from: Option<Place>,
    locked: bool,
    path: Option<String>,
    sha256: Option<String>,
    parameters: Json,
    origins: Vec<ParameterOrigin>,
}

#[derive(Serialize)]
struct ParameterOrigin {
    parameter: String,
    from: Option<Place>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the document")]
struct Setting {
    rule: String,
    setting: &'static str,
    at_least: bool,
    from: Option<Place>,
    locked: bool,
}

pub(super) fn render(court: &Court, out: &mut dyn Write) -> io::Result<()> {
    let sheet = Sheet { court, sources: &court.layers.sources };
    json::write_safely(&sheet.document(&court.merged), out)
}

struct Sheet<'s> {
    court: &'s Court,
    sources: &'s Sources,
}

impl Sheet<'_> {
    fn document(&self, merged: &Merged) -> Document {
        let (fail_on, on_unknown) = (&merged.fail_on, &merged.on_unknown);
        Document {
            schema: SCHEMA,
            found: self.court.layers.found.as_str(),
            layers: self.layers(),
            fail_on: Said {
                value: fail_on.as_ref().map_or(FAIL_ON, |fail_on| fail_on.value).as_str(),
                from: fail_on.as_ref().and_then(|fail_on| self.place(&fail_on.at)),
                locked: self.is_locked(&Thing::FailOn),
            },
            on_unknown: Said {
                value: on_unknown.as_ref().map_or(ON_UNKNOWN, |on_unknown| on_unknown.value).as_str(),
                from: on_unknown.as_ref().and_then(|on_unknown| self.place(&on_unknown.at)),
                locked: self.is_locked(&Thing::OnUnknown),
            },
            waiver_days: Said {
                value: merged.waiver_days.as_ref().map_or(WAIVER_DAYS, |days| days.value),
                from: merged.waiver_days.as_ref().and_then(|days| self.place(&days.at)),
                locked: self.is_locked(&Thing::WaiverDays),
            },
            plugins: merged.plugins.iter().map(|plugin| self.plugin(plugin)).collect(),
            rules: self.rules(),
            waivers: self.waivers(),
            frameworks: self.court.policy.frameworks.iter().map(|it| self.written(&it.value.fields, &it.at)).collect(),
            controls: self.court.policy.controls.iter().map(|it| self.written(&it.value.fields, &it.at)).collect(),
        }
    }

    fn layers(&self) -> Vec<Layer> {
        let layers = self.sources.ranked().zip(&self.court.layers.stack);
        let layer = |(source, layer): (&Source, &layers::Layer)| Layer {
            name: source.name.clone(),
            built_in: source.is_built_in,
            extended_by: layer.extended_at.as_ref().and_then(|at| self.place(at)),
        };
        layers.map(layer).collect()
    }

    fn plugin(&self, plugin: &PluginEntry) -> Plugin {
        let (path, sha256) = match &plugin.origin {
            Some(Origin::File { path, sha256, .. }) => (Some(path.display().to_string()), sha256.as_ref()),
            Some(Origin::BuiltIn) | None => (None, None),
        };
        let origin = |(parameter, at)| ParameterOrigin { parameter, from: self.place(at) };
        Plugin {
            name: plugin.name.to_string(),
            from: self.place(&plugin.at),
            locked: self.is_locked(&Thing::Plugin(plugin.name.clone())),
            path,
            sha256: sha256.map(|pin| pin.value.clone()),
            parameters: plugin.parameters.value(),
            origins: plugin.parameters.places().into_iter().map(origin).collect(),
        }
    }

    fn rules(&self) -> Vec<Setting> {
        let rule = |(id, Located { value, at }): (&RuleId, &Located<RuleSetting>)| Setting {
            rule: id.to_string(),
            setting: value.as_str(),
            at_least: matches!(value, RuleSetting::AtLeast(_)),
            from: self.place(at),
            locked: self.is_locked(&Thing::Rule(id.clone())),
        };
        self.court.policy.rules.iter().map(rule).collect()
    }

    fn waivers(&self) -> Vec<WaiverEntry> {
        let entry = |waiver: &Located<Arc<Waiver>>| WaiverEntry {
            from: self.place(&waiver.at),
            waiver: waiver.value.fields.value(),
        };
        self.court.policy.waivers.iter().map(entry).collect()
    }

    fn written(&self, fields: &Parameters, at: &Location) -> Written {
        Written { from: self.place(at), fields: fields.value() }
    }

    /// Whether the lowest layer could not loosen it.
    fn is_locked(&self, thing: &Thing) -> bool {
        let layers = &self.court.layers;
        layers.locker(layers.stack.len().saturating_sub(1), thing).is_some()
    }

    fn place(&self, at: &Location) -> Option<Place> {
        let PolicyLine { file, line } = self.sources.line(at)?;
        Some(Place { file, line })
    }
}
