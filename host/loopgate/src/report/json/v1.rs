//! Version 1 of the JSON report. Documented field by field in `docs/report-json.md`.
//!
//! Fields may be added; none is removed, renamed or given another meaning within a version. Nothing here depends on
//! the machine that judges: no time, no path but those in the policy.

use loopgate_engine::Severity;
use loopgate_facts::{Area, Untrusted};
use serde::Serialize;

use crate::gate::{Standing, identity};
use crate::report::{self, Outcome};

#[derive(Serialize)]
pub(super) struct Report<'r> {
    schema: u32,
    tool: Tool,
    verdict: &'static str,
    exit_code: u8,
    fail_on: Severity,
    on_unknown: &'static str,
    as_of: Option<String>,
    host: Host<'r>,
    policy: Policy<'r>,
    plugins: Vec<Plugin<'r>>,
    tally: Tally,
    findings: Vec<Finding<'r>>,
    controls: Vec<Framework<'r>>,
    rules: Vec<Rule<'r>>,
    rules_off: Vec<String>,
    gaps: Vec<Gap<'r>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Host<'r> {
    hostname: &'r Untrusted,
    os: &'r str,
    kernel: &'r Untrusted,
    container: Option<&'r Untrusted>,
    network_namespace: Option<NetworkNamespace>,
    collected_at: String,
    effective_uid: Option<u32>,
    collector: &'r str,
}

#[derive(Serialize)]
struct NetworkNamespace {
    id: u64,
    initial: Option<bool>,
}

#[derive(Serialize)]
struct Policy<'r> {
    sha256: &'r str,
    default: bool,
    found: &'static str,
    layers: Vec<Layer<'r>>,
}

#[derive(Serialize)]
struct Layer<'r> {
    name: &'r str,
    built_in: bool,
    sha256: &'r str,
}

#[derive(Serialize)]
struct Plugin<'r> {
    name: &'r str,
    version: &'r Untrusted,
    sha256: &'r str,
    file: Option<&'r str>,
    failure: Option<&'r str>,
}

#[derive(Serialize)]
struct Tally {
    rules: Rules,
    findings: Severities,
    waived: usize,
    baselined: usize,
    baseline_gone: usize,
}

#[derive(Serialize)]
struct Rules {
    selected: usize,
    pass: usize,
    fail: usize,
    not_applicable: usize,
    unknown: usize,
    partly_judged: usize,
    off: usize,
}

#[derive(Serialize)]
struct Severities {
    critical: usize,
    high: usize,
    medium: usize,
    low: usize,
    info: usize,
}

#[derive(Serialize)]
struct Finding<'r> {
    fingerprint: &'r str,
    rule: String,
    severity: Severity,
    standing: &'static str,
    waiver: Option<Waiver<'r>>,
    fails: bool,
    subject: Subject<'r>,
    listener: Option<Listener<'r>>,
    message: &'r Untrusted,
    evidence: Vec<Evidence<'r>>,
    remediation: &'r Untrusted,
    policy: Option<PolicyLine<'r>>,
}

#[derive(Serialize)]
struct Waiver<'r> {
    reason: &'r str,
    owner: &'r str,
    expires: &'r str,
    policy: Option<PolicyLine<'r>>,
}

#[derive(Serialize)]
struct PolicyLine<'r> {
    file: &'r str,
    line: usize,
}

#[derive(Serialize)]
struct Subject<'r> {
    kind: &'static str,
    name: &'r str,
}

#[derive(Serialize)]
struct Listener<'r> {
    protocol: &'static str,
    address: String,
    port: u16,
    scope: &'static str,
    interface: Option<&'r Untrusted>,
    owners: Vec<Owner<'r>>,
}

#[derive(Serialize)]
struct Owner<'r> {
    pid: u32,
    name: &'r Untrusted,
    executable: Option<&'r Untrusted>,
    user: Option<&'r Untrusted>,
    unit: Option<&'r Untrusted>,
    container: Option<&'r Untrusted>,
}

#[derive(Serialize)]
struct Evidence<'r> {
    label: &'r Untrusted,
    value: &'r Untrusted,
}

#[derive(Serialize)]
struct Framework<'r> {
    name: Option<&'r str>,
    version: Option<&'r str>,
    controls: Vec<Control<'r>>,
}

#[derive(Serialize)]
struct Control<'r> {
    id: Option<&'r str>,
    title: &'r str,
    outcome: &'static str,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct Rule<'r> {
    id: String,
    title: &'r Untrusted,
    severity: Severity,
    references: &'r [Untrusted],
    outcome: &'static str,
    findings: usize,
    reasons: Vec<&'r Untrusted>,
    remarks: Vec<Remark<'r>>,
}

#[derive(Serialize)]
struct Remark<'r> {
    subject: Subject<'r>,
    message: &'r Untrusted,
    policy: Option<PolicyLine<'r>>,
}

#[derive(Serialize)]
struct Gap<'r> {
    area: Area,
    subject: Option<&'r Untrusted>,
    reason: &'r Untrusted,
    leaves_unknown: &'r Untrusted,
    rules: Vec<String>,
}

impl<'r> From<&'r report::Report> for Report<'r> {
    fn from(report: &'r report::Report) -> Self {
        Self {
            schema: 1,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            verdict: report.verdict.as_str(),
            exit_code: report.verdict.exit_code(),
            fail_on: report.fail_on,
            on_unknown: report.on_unknown.as_str(),
            as_of: report.as_of.map(|time| time.to_string()),
            host: host(&report.host),
            policy: policy(&report.policy),
            plugins: report.plugins.iter().map(plugin).collect(),
            tally: tally(report),
            findings: report.findings.iter().map(|found| finding(found, report.fail_on)).collect(),
            controls: report.controls.iter().map(framework).collect(),
            rules: report.rules.iter().map(rule).collect(),
            rules_off: report.off.iter().map(ToString::to_string).collect(),
            gaps: report.gaps.iter().map(gap).collect(),
        }
    }
}

fn host(host: &loopgate_facts::Host) -> Host<'_> {
    Host {
        hostname: &host.hostname,
        os: &host.os,
        kernel: &host.kernel,
        container: host.container.as_ref(),
        network_namespace: host
            .network_namespace
            .map(|namespace| NetworkNamespace { id: namespace.id, initial: namespace.initial }),
        collected_at: host.collected_at.to_string(),
        effective_uid: host.effective_uid,
        collector: &host.collector,
    }
}

fn policy(policy: &report::PolicySummary) -> Policy<'_> {
    Policy {
        sha256: &policy.sha256,
        default: policy.is_default,
        found: policy.found.as_str(),
        layers: policy.layers.iter().map(layer).collect(),
    }
}

fn layer(layer: &report::LayerSummary) -> Layer<'_> {
    Layer { name: &layer.name, built_in: layer.is_built_in, sha256: &layer.sha256 }
}

fn plugin(plugin: &report::PluginSummary) -> Plugin<'_> {
    Plugin {
        name: &plugin.name,
        version: &plugin.version,
        sha256: &plugin.sha256,
        file: plugin.file.as_deref(),
        failure: plugin.failure.as_deref(),
    }
}

fn tally(report: &report::Report) -> Tally {
    let tally = &report.tally;
    Tally {
        rules: Rules {
            selected: tally.selected(),
            pass: tally.passed,
            fail: tally.failed,
            not_applicable: tally.not_applicable,
            unknown: tally.unknown,
            partly_judged: tally.partly_judged,
            off: report.off.len(),
        },
        findings: Severities {
            critical: tally.of(Severity::Critical),
            high: tally.of(Severity::High),
            medium: tally.of(Severity::Medium),
            low: tally.of(Severity::Low),
            info: tally.of(Severity::Info),
        },
        waived: tally.waived,
        baselined: tally.baselined,
        baseline_gone: report.gone,
    }
}

fn finding(finding: &report::Finding, fail_on: Severity) -> Finding<'_> {
    Finding {
        fingerprint: &finding.fingerprint,
        rule: finding.rule.to_string(),
        severity: finding.severity,
        standing: match finding.standing {
            Standing::Counts => "counts",
            Standing::Waived(_) => "waived",
            Standing::Baselined => "baselined",
        },
        waiver: waiver(&finding.standing),
        fails: finding.standing == Standing::Counts && finding.severity >= fail_on,
        subject: subject(&finding.subject),
        listener: finding.listener.as_ref().map(listener),
        message: &finding.message,
        evidence: finding.evidence.iter().map(|item| Evidence { label: &item.label, value: &item.value }).collect(),
        remediation: &finding.remediation,
        policy: finding.policy.as_ref().map(policy_line),
    }
}

fn subject(subject: &loopgate_engine::Subject) -> Subject<'_> {
    let (kind, name) = identity::subject(subject);
    Subject { kind, name }
}

fn waiver(standing: &Standing) -> Option<Waiver<'_>> {
    let Standing::Waived(waived) = standing else { return None };
    let policy = waived.policy.as_ref().map(policy_line);
    Some(Waiver { reason: &waived.reason, owner: &waived.owner, expires: &waived.expires, policy })
}

fn policy_line(line: &crate::policy::PolicyLine) -> PolicyLine<'_> {
    PolicyLine { file: &line.file, line: line.line }
}

fn listener(listener: &loopgate_facts::Listener) -> Listener<'_> {
    Listener {
        protocol: listener.protocol.as_str(),
        address: listener.address.to_string(),
        port: listener.port,
        scope: listener.scope.as_str(),
        interface: listener.interface(),
        owners: listener.owners.iter().map(owner).collect(),
    }
}

fn owner(owner: &loopgate_facts::Owner) -> Owner<'_> {
    Owner {
        pid: owner.pid,
        name: &owner.name,
        executable: owner.executable.as_ref(),
        user: owner.user.as_ref(),
        unit: owner.unit.as_ref(),
        container: owner.container.as_ref().map(|container| &container.id),
    }
}

fn framework(section: &report::controls::Section) -> Framework<'_> {
    let (name, version) = section.framework.as_ref().map(|(name, version)| (name.as_str(), version.as_str())).unzip();
    Framework { name, version, controls: section.controls.iter().map(control).collect() }
}

fn control(control: &report::controls::Control) -> Control<'_> {
    Control {
        id: control.id.as_deref(),
        title: &control.title,
        outcome: control.answer.as_str(),
        rules: control.rules.iter().map(ToString::to_string).collect(),
    }
}

fn rule(rule: &report::Rule) -> Rule<'_> {
    let (findings, reasons) = match &rule.outcome {
        Outcome::Passed => (0, Vec::new()),
        Outcome::Failed { findings, unjudged } => (*findings, unjudged.iter().collect()),
        Outcome::NotApplicable(why) => (0, vec![why]),
        Outcome::Unknown(reasons) => (0, reasons.iter().collect()),
    };
    Rule {
        id: rule.id.to_string(),
        title: &rule.title,
        severity: rule.severity,
        references: &rule.references,
        outcome: rule.outcome.as_str(),
        findings,
        reasons,
        remarks: rule.remarks.iter().map(remark).collect(),
    }
}

fn remark(remark: &report::Remark) -> Remark<'_> {
    Remark {
        subject: subject(&remark.subject),
        message: &remark.message,
        policy: remark.policy.as_ref().map(policy_line),
    }
}

fn gap(effect: &report::GapEffect) -> Gap<'_> {
    Gap {
        area: effect.gap.area,
        subject: effect.gap.subject.as_ref(),
        reason: &effect.gap.reason,
        leaves_unknown: &effect.gap.leaves_unknown,
        rules: effect.affects.iter().map(ToString::to_string).collect(),
    }
}
