//! Facts, policies and answers for tests.

use loopgate_engine::{Evidence, Finding, Outcome, PluginInfo, RuleInfo, RuleResult, Severity, Subject};
use loopgate_facts::{Area, Facts, Listener, Owner, Protocol, Reachability, Socket};

use crate::gate::baseline::Baseline;
use crate::gate::{Answer, Case, Judgement, judge};
use crate::policy::layers::Layers;
use crate::policy::{Located, Location, OnUnknown, Parameters, Policy, RuleId, RuleSetting, Source, Sources};
use crate::report::Report;

/// A machine with nothing on it, not even what every collector gives.
pub(crate) fn facts() -> Facts {
    let document = r#"{
        "schema": 1,
        "host": { "hostname": "web-1", "os": "linux", "kernel": "6.12.0", "container": null,
                  "network_namespace": { "id": 4026531840, "initial": true }, "collected_at": "2026-01-02T03:04:05Z",
                  "effective_uid": 0, "capabilities": [], "collector": "0.1.0" },
        "interfaces": [], "listeners": [], "probes": [], "names": { "hosts": [], "localhost": null },
        "sysctls": [], "local_routes": [],
        "firewall": { "backends": [], "base_chains": [], "loopback": [], "spoofed_loopback": [], "default_input": [],
                      "opened": [], "shadowed": [], "shadowed_complete": true },
        "routing": [], "bypasses": [], "gaps": [] }"#;
    serde_json::from_str(document).unwrap()
}

/// A TCP listener with one owner.
pub(crate) fn listener(address: &str, port: u16, owner: &str) -> Listener {
    Listener {
        sockets: vec![Socket { inode: 7, uid: Some(100), mark: Some(0) }],
        owners: vec![Owner {
            pid: 812,
            name: owner.into(),
            executable_elsewhere: false,
            executable: Some(format!("/usr/bin/{owner}").as_str().into()),
            command_line: vec![owner.into()],
            uid: Some(100),
            user: Some("redis".into()),
            cgroup: None,
            unit: Some("redis-server.service".into()),
            container: None,
        }],
        ..Listener::at(Protocol::Tcp, address.parse().unwrap(), port)
    }
}

/// A region of packets over `eth0` that arrive.
pub(crate) fn reachable_from(sources: &str) -> Vec<Reachability> {
    let document = format!(
        r#"[{{ "interfaces": ["eth0"], "destinations": ["192.0.2.1"], "port": 80, "sources": ["{sources}"],
               "verdict": "reachable", "reason": null, "unknown_because": [], "path": "input", "translated_to": null,
               "decided_by": null, "narrowed_by": [], "notes": [] }}]"#
    );
    serde_json::from_str(&document).unwrap()
}

/// A policy without settings for rules.
pub(crate) fn policy() -> Policy {
    Policy {
        fail_on: Severity::Medium,
        on_unknown: OnUnknown::Incomplete,
        rules: std::collections::BTreeMap::new(),
        waivers: Vec::new(),
        waiver_days: 365,
        frameworks: Vec::new(),
        controls: Vec::new(),
    }
}

/// Sets a rule.
pub(crate) fn set(policy: &mut Policy, id: &str, value: RuleSetting) {
    policy.rules.insert(RuleId::parse(id).unwrap(), Located { value, at: nowhere() });
}

/// The beginning of the policy.
pub(crate) fn nowhere() -> Location {
    let source = Sources::default().open(Source::file("policy.toml", "policy.toml", ""));
    Location { source, span: 0..0 }
}

/// A policy that says nothing.
fn layers() -> Layers {
    Layers::of_text("policy.toml", "schema = 1\n")
}

/// A rule that needs the listeners.
pub(crate) fn rule(name: &str, severity: Severity) -> RuleInfo {
    RuleInfo {
        name: name.parse().unwrap(),
        title: format!("The rule {name} holds").as_str().into(),
        description: "Looks at every listener.".into(),
        rationale: "Because.".into(),
        remediation: "Bind it to 127.0.0.1.".into(),
        severity,
        references: vec!["CWE-1327".into()],
        needs: vec![Area::Listeners],
        unknown_needs: vec![],
    }
}

/// The answer of a plugin with these rules and outcomes.
pub(crate) fn answer(plugin: &str, rules: &[(&str, Severity, Option<Outcome>)]) -> Answer {
    Answer {
        plugin: info(plugin),
        sha256: "5e".repeat(32),
        file: None,
        rules: rules.iter().map(|(name, severity, _)| rule(name, *severity)).collect(),
        parameters: Parameters::none(nowhere()),
        results: Ok(rules.iter().map(|(_, _, outcome)| outcome.clone().map(result)).collect()),
    }
}

/// A result without remarks.
pub(crate) fn result(outcome: Outcome) -> RuleResult {
    RuleResult { outcome, remarks: Vec::new() }
}

/// A plugin of this name.
pub(crate) fn info(plugin: &str) -> PluginInfo {
    PluginInfo { name: plugin.parse().unwrap(), version: "0.1.0".into(), parameters_schema: "{}".into() }
}

/// A finding about a subject.
pub(crate) fn finding(subject: Subject) -> Finding {
    Finding {
        subject,
        message: "Something is not as it should be.".into(),
        evidence: vec![Evidence { label: "bound address".into(), value: "0.0.0.0".into() }],
        remediation: None,
        severity: None,
        parameter: None,
    }
}

/// The report on these facts and answers.
pub(crate) fn report(policy: &Policy, facts: &Facts, answers: &[Answer]) -> Report {
    Report::new(&layers(), policy, facts, answers, judged(policy, facts, answers, None))
}

/// What the gate makes of these facts and answers.
pub(crate) fn judged(policy: &Policy, facts: &Facts, answers: &[Answer], baseline: Option<&Baseline>) -> Judgement {
    judge(&Case { policy, sources: &layers().sources, facts, answers, baseline })
}
