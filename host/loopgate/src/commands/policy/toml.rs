//! The effective policy as TOML, each value with a comment that says where it comes from.

use std::fmt::Display;
use std::io::{self, Write};

use loopgate_facts::Untrusted;

use crate::page::{DIM, styled};
use crate::plugins::Court;
use crate::policy::locks::Thing;
use crate::policy::merge::{FAIL_ON, ON_UNKNOWN, Origin, PluginEntry};
use crate::policy::parameters::table::Table;
use crate::policy::parameters::{Node, View};
use crate::policy::shorthand::SHORTHANDS;
use crate::policy::waivers::WAIVER_DAYS;
use crate::policy::{Located, Location, RuleId, RuleSetting, written};

pub(super) fn render(court: &Court, out: &mut dyn Write) -> io::Result<()> {
    let mut sheet = Sheet { court, out };
    sheet.layers()?;
    sheet.plain("\nschema = 1")?;
    sheet.head()?;
    court.merged.plugins.iter().try_for_each(|plugin| sheet.plugin(plugin))?;
    sheet.rules()?;
    sheet.waivers()?;
    sheet.controls()
}

struct Sheet<'s> {
    court: &'s Court,
    out: &'s mut dyn Write,
}

impl Sheet<'_> {
    fn plain(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    fn comment(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", styled(DIM, format_args!("# {text}")))
    }

    fn commented(&mut self, line: &str, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}  {}", styled(DIM, format_args!("# {text}")))
    }

    /// The layers in order, and how each was found.
    fn layers(&mut self) -> io::Result<()> {
        self.comment("The policy as it is in effect. Its layers, the uppermost first:")?;
        let layers = &self.court.layers;
        for layer in &layers.stack {
            let how = match &layer.extended_at {
                Some(at) => format!("extended by {}", self.place(at)),
                None => layers.found.sentence().to_owned(),
            };
            self.comment(format_args!("  {}: {how}", Untrusted::from(layer.label.as_str()).escaped()))?;
        }
        if layers.stack.len() > 1 {
            self.comment("What is marked as locked cannot be loosened by the lowest layer.")?;
        }
        Ok(())
    }

    fn head(&mut self) -> io::Result<()> {
        let merged = &self.court.merged;
        let fail_on = merged.fail_on.as_ref().map_or(FAIL_ON, |fail_on| fail_on.value).as_str();
        let from = self.origin(merged.fail_on.as_ref().map(|fail_on| &fail_on.at), &Thing::FailOn);
        self.commented(&format!("fail_on = \"{fail_on}\""), from)?;
        let on_unknown = merged.on_unknown.as_ref().map_or(ON_UNKNOWN, |on_unknown| on_unknown.value).as_str();
        let from = self.origin(merged.on_unknown.as_ref().map(|on_unknown| &on_unknown.at), &Thing::OnUnknown);
        self.commented(&format!("on_unknown = \"{on_unknown}\""), from)?;
        let days = merged.waiver_days.as_ref().map_or(WAIVER_DAYS, |days| days.value);
        let from = self.origin(merged.waiver_days.as_ref().map(|days| &days.at), &Thing::WaiverDays);
        self.commented(&format!("waiver_days = {days}"), from)
    }

    fn plugin(&mut self, plugin: &PluginEntry) -> io::Result<()> {
        let table = format!("plugins.{}", plugin.name);
        let from = self.origin(Some(&plugin.at), &Thing::Plugin(plugin.name.clone()));
        self.commented(&format!("\n[{table}]"), from)?;
        if let Some(Origin::File { path, folder, at, sha256 }) = &plugin.origin {
            let path = written::string(&folder.join(path).display().to_string());
            self.commented(&format!("path = {path}"), self.place(at))?;
            if let Some(Located { value, at }) = sha256 {
                self.commented(&format!("sha256 = \"{value}\""), self.place(at))?;
            }
        }
        self.parameters(plugin, &format!("{table}.parameters"))
    }

    fn parameters(&mut self, plugin: &PluginEntry, table: &str) -> io::Result<()> {
        let entries = plugin.parameters.entries();
        if entries.iter().any(|(_, node)| matches!(node.view(), View::Inline(_))) {
            self.plain(&format!("\n[{table}]"))?;
        }
        self.entries(table, entries)
    }

    /// Values come before tables: TOML counts what follows the header of a table to it.
    fn entries(&mut self, table: &str, entries: &Table) -> io::Result<()> {
        for (name, node) in entries.iter() {
            if let View::Inline(value) = node.view() {
                let line = format!("{} = {}", written::key(name), written::inline(&value));
                self.commented(&line, self.place(node.at()))?;
            }
        }
        for (name, node) in entries.iter() {
            let inner = format!("{table}.{}", written::key(name));
            match node.view() {
                View::Inline(_) => {}
                View::Table(entries) => self.table(&format!("[{inner}]"), &inner, node, entries)?,
                View::Tables(items) => {
                    let inner = shorthand(inner);
                    for (item, entries) in items {
                        self.table(&format!("[[{inner}]]"), &inner, item, entries)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, header: &str, table: &str, node: &Node, entries: &Table) -> io::Result<()> {
        self.commented(&format!("\n{header}"), self.place(node.at()))?;
        self.entries(table, entries)
    }

    fn rules(&mut self) -> io::Result<()> {
        let rules = &self.court.policy.rules;
        if !rules.is_empty() {
            self.plain("\n[rules]")?;
        }
        rules.iter().try_for_each(|(id, setting)| self.rule(id, setting))
    }

    fn waivers(&mut self) -> io::Result<()> {
        for Located { value: waiver, at } in &self.court.policy.waivers {
            self.commented("\n[[waivers]]", self.place(at))?;
            self.entries("waivers", waiver.fields.entries())?;
        }
        Ok(())
    }

    fn controls(&mut self) -> io::Result<()> {
        for Located { value: framework, at } in &self.court.policy.frameworks {
            self.commented("\n[[frameworks]]", self.place(at))?;
            self.entries("frameworks", framework.fields.entries())?;
        }
        for Located { value: control, at } in &self.court.policy.controls {
            self.commented("\n[[controls]]", self.place(at))?;
            self.entries("controls", control.fields.entries())?;
        }
        Ok(())
    }

    fn rule(&mut self, id: &RuleId, setting: &Located<RuleSetting>) -> io::Result<()> {
        let least = match setting.value {
            RuleSetting::AtLeast(_) => "at least, what the plugin calls worse stays so; ",
            RuleSetting::Severity(_) | RuleSetting::Off => "",
        };
        let from = self.origin(Some(&setting.at), &Thing::Rule(id.clone()));
        self.commented(&format!("\"{id}\" = \"{}\"", setting.value.as_str()), format_args!("{least}{from}"))
    }

    /// Where a value comes from, and whether the lowest layer could not loosen it.
    fn origin(&self, at: Option<&Location>, thing: &Thing) -> String {
        let layers = &self.court.layers;
        let place = at.map_or_else(|| "assumed: no layer says it".to_owned(), |at| self.place(at));
        match layers.locker(layers.stack.len().saturating_sub(1), thing) {
            Some(locker) => format!("{place}, locked by {}", Untrusted::from(locker.label.as_str()).escaped()),
            None => place,
        }
    }

    /// `FILE:LINE`, the file as messages call it.
    fn place(&self, at: &Location) -> String {
        let sources = &self.court.layers.sources;
        let line = sources.line(at).map(|line| line.line).unwrap_or_default();
        format!("{}:{line}", Untrusted::from(sources.label(at)).escaped())
    }
}

/// The short form of a table's name, where there is one.
fn shorthand(table: String) -> String {
    let mut all = SHORTHANDS.iter();
    let short = all.find(|short| format!("plugins.{}.parameters.{}", short.plugin, short.parameter) == table);
    short.map_or(table, |short| short.key.to_owned())
}
