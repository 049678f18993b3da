//! From what a guest answers to the host's own types. Everything in an answer is hostile until it is converted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use loopgate_facts::{Area, Untrusted};

use super::bindings::exports::loopgate::policy::rules as wit;
use super::bindings::loopgate::policy::types::Area as WitArea;
use crate::{Evidence, Finding, Name, Outcome, PluginInfo, Problem, Remark, RuleInfo, RuleResult, Severity, Subject};

/// Converts a description; the error says what in it cannot be used.
pub(crate) fn plugin_info(info: wit::PluginInfo) -> Result<PluginInfo, Untrusted> {
    Ok(PluginInfo {
        name: name("the plugin", &info.name)?,
        version: info.version.into(),
        parameters_schema: info.parameters_schema.into(),
    })
}

/// Converts the rules that a plugin names; the error says what in them cannot be used.
pub(crate) fn rules(rules: Vec<wit::RuleInfo>) -> Result<Vec<RuleInfo>, Untrusted> {
    rules.into_iter().map(rule_info).collect()
}

fn rule_info(info: wit::RuleInfo) -> Result<RuleInfo, Untrusted> {
    Ok(RuleInfo {
        name: name("a rule", &info.name)?,
        title: info.title.into(),
        description: info.description.into(),
        rationale: info.rationale.into(),
        remediation: info.remediation.into(),
        severity: severity(info.severity),
        references: info.references.into_iter().map(Untrusted::from).collect(),
        needs: info.needs.iter().filter_map(|need| area(need).ok()).collect(),
        unknown_needs: info.needs.iter().filter_map(|need| area(need).err()).collect(),
    })
}

fn name(of: &str, text: &str) -> Result<Name, Untrusted> {
    text.parse().map_err(|error| format!("{of} is named `{text}`: {error}").into())
}

fn severity(severity: wit::Severity) -> Severity {
    match severity {
        wit::Severity::Info => Severity::Info,
        wit::Severity::Low => Severity::Low,
        wit::Severity::Medium => Severity::Medium,
        wit::Severity::High => Severity::High,
        wit::Severity::Critical => Severity::Critical,
    }
}

/// The area, or the name of one that this host does not observe.
fn area(area: &WitArea) -> Result<Area, Untrusted> {
    Ok(match area {
        WitArea::Host => Area::Host,
        WitArea::Interfaces => Area::Interfaces,
        WitArea::InterfaceSettings => Area::InterfaceSettings,
        WitArea::Listeners => Area::Listeners,
        WitArea::Owners => Area::Owners,
        WitArea::Probes => Area::Probes,
        WitArea::HostsFile => Area::HostsFile,
        WitArea::Resolver => Area::Resolver,
        WitArea::Sysctls => Area::Sysctls,
        WitArea::LocalRoutes => Area::LocalRoutes,
        WitArea::Firewall => Area::Firewall,
        WitArea::Other(name) => return Err(name.as_str().into()),
    })
}

/// Converts the problems of parameters.
pub(crate) fn problems(problems: Vec<wit::Problem>) -> Vec<Problem> {
    let convert = |problem: wit::Problem| {
        let part = problem.part.map(|part| part.start as usize..part.end as usize);
        Problem { path: problem.path.into(), message: problem.message.into(), part }
    };
    problems.into_iter().map(convert).collect()
}

/// The results of an answer, by rule.
pub(crate) struct Results(BTreeMap<String, Option<RuleResult>>);

impl Results {
    /// Takes the result of a rule: `None` where there is none or more than one.
    pub(crate) fn take(&mut self, rule: &str) -> Option<RuleResult> {
        self.0.remove(rule).flatten()
    }
}

/// Converts the results of an evaluation.
pub(crate) fn results(results: Vec<wit::RuleResult>) -> Results {
    let mut by_rule = BTreeMap::new();
    for result in results {
        let converted = RuleResult { outcome: outcome(result.outcome), remarks: remarks(result.remarks) };
        match by_rule.entry(result.rule) {
            Entry::Vacant(entry) => _ = entry.insert(Some(converted)),
            Entry::Occupied(mut entry) => _ = entry.insert(None),
        }
    }
    Results(by_rule)
}

fn remarks(remarks: Vec<wit::Remark>) -> Vec<Remark> {
    let convert = |remark: wit::Remark| Remark {
        subject: subject(remark.subject),
        message: remark.message.into(),
        parameter: remark.parameter.map(Untrusted::from),
    };
    remarks.into_iter().map(convert).collect()
}

fn outcome(outcome: wit::Outcome) -> Outcome {
    match outcome {
        wit::Outcome::Pass => Outcome::Pass,
        wit::Outcome::Fail(failure) => failed(failure),
        wit::Outcome::NotApplicable(why) => Outcome::NotApplicable(why.into()),
        wit::Outcome::Unknown(why) => Outcome::Unknown(texts(why)),
    }
}

/// A failure without findings names nothing that could be mended or waived: it is unknown what the guest meant.
fn failed(failure: wit::Failure) -> Outcome {
    if failure.findings.is_empty() {
        let mut why = vec!["the plugin reported a failure without a finding".into()];
        why.extend(texts(failure.unjudged));
        return Outcome::Unknown(why);
    }
    let findings = failure.findings.into_iter().map(finding).collect();
    Outcome::Fail { findings, unjudged: texts(failure.unjudged) }
}

fn finding(finding: wit::Finding) -> Finding {
    let evidence = |(label, value): (String, String)| Evidence { label: label.into(), value: value.into() };
    Finding {
        subject: subject(finding.subject),
        message: finding.message.into(),
        evidence: finding.evidence.into_iter().map(evidence).collect(),
        remediation: finding.remediation.map(Untrusted::from),
        severity: finding.severity.map(severity),
        parameter: finding.parameter.map(Untrusted::from),
    }
}

fn subject(subject: wit::Subject) -> Subject {
    match subject {
        wit::Subject::Listener(id) => Subject::Listener(id.into()),
        wit::Subject::Interface(name) => Subject::Interface(name.into()),
        wit::Subject::Name(name) => Subject::Name(name.into()),
        wit::Subject::Sysctl(name) => Subject::Sysctl(name.into()),
        wit::Subject::Host => Subject::Host,
        wit::Subject::Other(name) => Subject::Other(name.into()),
    }
}

fn texts(texts: Vec<String>) -> Vec<Untrusted> {
    texts.into_iter().map(Untrusted::from).collect()
}
