//! Entries and decisions as TOML. Whatever a machine calls its things stays within a string or a comment.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};
use loopgate_facts::{Facts, Untrusted};
use serde_json::{Value as Json, json};

use super::doubt::Doubt;
use super::entry::{Entry, Port};
use crate::page::counted;
use crate::policy::{Policy, RuleId, written};

/// A text with another behind it; what is there stays as it is, byte for byte.
pub(super) fn appended(text: &str, addition: &str) -> String {
    if addition.is_empty() {
        return text.to_owned();
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let whole = format!("{gap}{addition}");
    let whole = if text.contains("\r\n") { whole.replace('\n', "\r\n") } else { whole };
    format!("{text}{whole}")
}

/// What is added to a policy: the entries, then the decisions that it does not list yet.
pub(super) fn additions(base: &str, entries: &[Entry], facts: &Facts, policy: &Policy) -> String {
    let waived_days = i64::from(policy.waiver_days).min(WAIVED_DAYS);
    let writer = Writer { host: &facts.host.hostname, at: facts.host.collected_at, waived_days };
    let lines: BTreeSet<&str> = base.lines().map(str::trim_end).collect();
    let approved = entries.iter().filter(|entry| entry.is_approved()).map(|entry| writer.entry(entry));
    let open = entries.iter().filter(|entry| !entry.is_approved() && !lines.contains(heading(entry).as_str()));
    approved.chain(open.map(|entry| writer.decision(entry))).collect()
}

/// What a new policy says of the listeners that it has no entry for.
pub(super) fn settled(count: usize, facts: &Facts) -> String {
    let (host, day) = (facts.host.hostname.escaped(), day(facts.host.collected_at));
    let listeners = counted(count, "listener");
    format!("#\n# On {host}, {day}: {listeners} on loopback or approved by a policy above, without an entry here.\n")
}

/// The first line of a decision. A policy that has it lists the decision already.
pub(super) fn heading(entry: &Entry) -> String {
    format!("# DECIDE: {}", entry.title())
}

struct Writer<'a> {
    host: &'a Untrusted,
    at: Timestamp,
    /// How many days a proposed waiver lasts.
    waived_days: i64,
}

impl Writer<'_> {
    fn entry(&self, entry: &Entry) -> String {
        let reason = format!("{}, as found on {} on {}", entry.name(), self.host.escaped(), day(self.at));
        let mut lines = vec![String::new(), format!("# {}", listeners(entry)), "[[approved]]".to_owned()];
        lines.extend(selector(entry));
        lines.extend(assignments(&[
            ("reach", entry.limit.json()),
            ("owner", json!("unassigned")),
            ("reason", json!(reason)),
        ]));
        text(&lines)
    }

    fn decision(&self, entry: &Entry) -> String {
        let mut lines = vec![String::new(), heading(entry)];
        lines.extend(entry.doubts.iter().map(|doubt| format!("#   {doubt}.")));
        lines
            .push("#   To accept it, take the `#` off the lines below, and say who answers for it and why.".to_owned());
        if entry.needs_approval {
            lines.push("#[[approved]]".to_owned());
            lines.extend(selector(entry).iter().map(|line| commented(line)));
            lines.push(commented(&assignment("reach", &entry.limit.json())));
            lines.extend(unsigned());
        }
        for rule in rules(entry) {
            lines.extend(self.waiver(entry, rule));
        }
        text(&lines)
    }

    /// A waiver ends: what it accepts is to be looked at again.
    fn waiver(&self, entry: &Entry, rule: &RuleId) -> Vec<String> {
        let end = self.at.checked_add(SignedDuration::from_hours(24 * self.waived_days)).unwrap_or(self.at);
        let mut lines = vec!["#[[waivers]]".to_owned(), commented(&assignment("rule", &json!(rule.to_string())))];
        lines.extend(selector(entry).iter().map(|line| commented(line)));
        lines.extend(unsigned());
        lines.push(format!("#expires = {}", day(end)));
        lines
    }
}

/// How many days a proposed waiver lasts, unless the policy allows fewer.
const WAIVED_DAYS: i64 = 90;

/// Owner and reason for somebody to write: an entry with these is refused.
fn unsigned() -> [String; 2] {
    ["#owner = \"\"".to_owned(), "#reason = \"\"".to_owned()]
}

fn rules(entry: &Entry) -> impl Iterator<Item = &RuleId> {
    entry.doubts.iter().filter_map(|doubt| match doubt {
        Doubt::Fails { rule, .. } => Some(rule),
        _ => None,
    })
}

/// The lines that select what an entry is about.
fn selector(entry: &Entry) -> Vec<String> {
    let who = &entry.who;
    let images = who.images.iter().map(|image| any_version(image)).collect();
    let names = [
        ("executable", &who.executables),
        ("unit", &who.units),
        ("user", &who.users),
        ("container", &who.containers),
        ("image", &images),
    ];
    let names = names.into_iter().filter(|(_, values)| !values.is_empty());
    let mut lines: Vec<String> = names.map(|(field, values)| assignment(field, &one_or_many(values))).collect();
    let ports: Vec<Json> = entry.ports.iter().copied().map(port).collect();
    lines.extend(assignments(&[
        ("protocol", json!(entry.protocol.as_str())),
        ("port", one_or_many(&ports)),
        ("address", address(&entry.addresses)),
    ]));
    lines
}

/// An image of any tag or digest: a program that is upgraded keeps its path, and a container its name and repository.
fn any_version(image: &str) -> String {
    let name = image.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    let version = image.find('@').or_else(|| image.get(name..)?.find(':').map(|colon| name.saturating_add(colon)));
    match version.and_then(|at| image.get(..=at)) {
        Some(repository) => format!("{repository}*"),
        None => image.to_owned(),
    }
}

fn port(port: Port) -> Json {
    match port {
        Port::Fixed(port) => json!(port),
        Port::Ephemeral => json!("ephemeral"),
    }
}

/// The addresses; one word for the wildcards of both versions. A listener on one address that moves to all of them, or
/// on all of one version that moves to both, is another one.
fn address(addresses: &BTreeSet<IpAddr>) -> Json {
    let wildcards = BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    if *addresses == wildcards { json!("unspecified") } else { one_or_many(addresses) }
}

fn one_or_many<'v, T: serde::Serialize + 'v>(values: impl IntoIterator<Item = &'v T>) -> Json {
    let mut values: Vec<Json> = values.into_iter().map(|value| json!(value)).collect();
    match (values.len(), values.pop()) {
        (1, Some(single)) => single,
        (_, last) => values.into_iter().chain(last).collect(),
    }
}

fn assignment(field: &str, value: &Json) -> String {
    format!("{field} = {}", written::inline(value))
}

fn assignments(fields: &[(&str, Json)]) -> Vec<String> {
    fields.iter().map(|(field, value)| assignment(field, value)).collect()
}

fn commented(line: &str) -> String {
    format!("#{line}")
}

/// The listeners of an entry, for people; of many only the first.
fn listeners(entry: &Entry) -> String {
    const MOST: usize = 6;
    let first: Vec<&str> = entry.listeners.iter().take(MOST).map(String::as_str).collect();
    let more = match entry.listeners.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", first.join(" "))
}

/// The day of a time in UTC, as TOML writes it.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_its_repository_and_takes_any_version() {
        for (image, any) in [
            ("redis", "redis"),
            ("redis:7.2", "redis:*"),
            ("registry:5000/web/shop", "registry:5000/web/shop"),
            ("registry:5000/web/shop:1.4", "registry:5000/web/shop:*"),
            ("docker.io/library/redis@sha256:0123", "docker.io/library/redis@*"),
            ("docker.io/library/redis:7@sha256:0123", "docker.io/library/redis:7@*"),
            ("größe:1", "größe:*"),
            ("", ""),
        ] {
            assert_eq!(any_version(image), any);
        }
    }

    #[test]
    fn only_both_wildcards_are_all_addresses() {
        let addresses = |texts: &[&str]| address(&texts.iter().map(|text| text.parse().unwrap()).collect());
        assert_eq!(addresses(&["0.0.0.0", "::"]), json!("unspecified"));
        assert_eq!(addresses(&["0.0.0.0"]), json!("0.0.0.0"));
        assert_eq!(addresses(&["::"]), json!("::"));
        assert_eq!(addresses(&["::", "10.0.0.5"]), json!(["10.0.0.5", "::"]));
    }

    #[test]
    fn what_is_appended_follows_the_line_ends_of_the_text() {
        assert_eq!(appended("a\r\nb", "c\n"), "a\r\nb\r\nc\r\n");
        assert_eq!(appended("a\nb\n", "c\n"), "a\nb\nc\n");
        assert_eq!(appended("a", ""), "a");
    }
}
