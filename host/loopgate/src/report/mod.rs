//! The report: everything that a run has to say, as plain data in a fixed order.
//!
//! The same facts, policy and plugins give the same report. Renderers turn it into bytes and add nothing.

pub(crate) mod controls;
pub(crate) mod json;
mod places;
pub(crate) mod text;

use jiff::Timestamp;
use loopgate_engine::{Evidence, Remark as Said, Severity, Subject, sha256};
use loopgate_facts::{Facts, Gap, Host, Listener, Untrusted};

use self::places::Places;
use crate::gate::{Answer, Counted, JudgedRule, Judgement, Settled, Standing, Tally, Verdict, gap_reason};
use crate::policy::discovery::Found;
use crate::policy::layers::Layers;
use crate::policy::{OnUnknown, Policy, PolicyLine, RuleId, Source};

/// A compliance report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// The least severity that fails.
    pub(crate) fail_on: Severity,
    /// What an unknown outcome does to the verdict.
    pub(crate) on_unknown: OnUnknown,
    /// What the verdict is made of.
    pub(crate) tally: Tally,
    /// The time that it was judged as of, where that is not when it was seen.
    pub(crate) as_of: Option<Timestamp>,
    /// The machine that was judged.
    pub(crate) host: Host,
    /// The policy that it was judged by.
    pub(crate) policy: PolicySummary,
    /// The plugins that judged, by name.
    pub(crate) plugins: Vec<PluginSummary>,
    /// The rules, in the order of the plugins and of their descriptions.
    pub(crate) rules: Vec<Rule>,
    /// The controls of frameworks that the rules answer.
    pub(crate) controls: Vec<controls::Section>,
    /// The rules that the policy turned off.
    pub(crate) off: Vec<RuleId>,
    /// The findings, worst first, then by rule, port and subject.
    pub(crate) findings: Vec<Finding>,
    /// How many findings of the baseline are no more.
    pub(crate) gone: usize,
    /// What could not be observed, by area.
    pub(crate) gaps: Vec<GapEffect>,
}

/// The policy, as a report names it.
#[derive(Clone, Debug)]
pub(crate) struct PolicySummary {
    /// How it was found.
    pub(crate) found: Found,
    /// The SHA-256 of its text; of several layers, of the list of their digests.
    pub(crate) sha256: String,
    /// Whether it is the default policy and nothing else, wherever that was read from.
    pub(crate) is_default: bool,
    /// Its layers, the uppermost first.
    pub(crate) layers: Vec<LayerSummary>,
}

/// A layer of the policy, as a report names it.
#[derive(Clone, Debug)]
pub(crate) struct LayerSummary {
    /// How messages call it. Only for people: the same policy may lie in many folders.
    pub(crate) label: String,
    /// How reports call it on every machine alike.
    pub(crate) name: String,
    /// Whether it is part of the binary.
    pub(crate) is_built_in: bool,
    /// The SHA-256 of its text.
    pub(crate) sha256: String,
}

/// A plugin, as a report names it.
#[derive(Clone, Debug)]
pub(crate) struct PluginSummary {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: Untrusted,
    /// The SHA-256 of its component.
    pub(crate) sha256: String,
    /// Its file as the policy names it, `None` for a built-in one.
    pub(crate) file: Option<String>,
    /// How it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// A rule and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its name.
    pub(crate) id: RuleId,
    /// What is true when it passes.
    pub(crate) title: Untrusted,
    /// Its severity under the policy.
    pub(crate) severity: Severity,
    /// Controls and weaknesses that it serves.
    pub(crate) references: Vec<Untrusted>,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// What else there is to know of single subjects, by subject.
    pub(crate) remarks: Vec<Remark>,
}

/// Something to know about a subject that is no violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Remark {
    /// What it is about.
    pub(crate) subject: Subject,
    /// What there is to know.
    pub(crate) message: Untrusted,
    /// The line of the policy that decided.
    pub(crate) policy: Option<PolicyLine>,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is as it should be.
    Passed,
    /// It has findings.
    Failed {
        /// How many.
        findings: usize,
        /// What could not be judged beside them, and why.
        unjudged: Vec<Untrusted>,
    },
    /// There was nothing to look at; why.
    NotApplicable(Untrusted),
    /// It could not be told; why.
    Unknown(Vec<Untrusted>),
}

/// One violation.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// The rule.
    pub(crate) rule: RuleId,
    /// Its severity under the policy.
    pub(crate) severity: Severity,
    /// What it is about.
    pub(crate) subject: Subject,
    /// The listener that it is about.
    pub(crate) listener: Option<Listener>,
    /// What is wrong.
    pub(crate) message: Untrusted,
    /// What shows it.
    pub(crate) evidence: Vec<Evidence>,
    /// How to mend it.
    pub(crate) remediation: Untrusted,
    /// The line of the policy that decided, where its plugin says so.
    pub(crate) policy: Option<PolicyLine>,
    /// What recognises it in another report; see [`crate::gate::identity`].
    pub(crate) fingerprint: String,
    /// Whether it counts for the verdict.
    pub(crate) standing: Standing,
}

/// Something that could not be observed, and the rules that needed it.
#[derive(Clone, Debug)]
pub(crate) struct GapEffect {
    /// The gap.
    pub(crate) gap: Gap,
    /// How the rules that it leaves unknown name it as their reason.
    pub(crate) reason: Untrusted,
    /// The rules that need its area.
    pub(crate) affects: Vec<RuleId>,
}

impl Report {
    /// Puts together what the gate decided and what it decided about.
    pub(crate) fn new(layers: &Layers, policy: &Policy, facts: &Facts, answers: &[Answer], gate: Judgement) -> Self {
        let places = Places::new(&layers.sources, policy, answers);
        let rules: Vec<Rule> = gate.rules.iter().map(|rule| Rule::new(rule, &places)).collect();
        let findings: Vec<Finding> =
            gate.findings.iter().filter_map(|counted| finding(counted, &gate, &places)).collect();
        Self {
            verdict: gate.verdict,
            fail_on: policy.fail_on,
            on_unknown: policy.on_unknown,
            as_of: None,
            host: facts.host.clone(),
            policy: PolicySummary::new(layers),
            plugins: answers.iter().map(PluginSummary::new).collect(),
            controls: controls::sections(policy, &facts.host, &rules, &findings),
            findings,
            gone: gate.gone,
            gaps: facts.gaps.iter().map(|gap| GapEffect::new(gap, &gate.rules)).collect(),
            rules,
            tally: gate.tally,
            off: gate.off,
        }
    }
}

impl PolicySummary {
    /// Names a policy.
    pub(crate) fn new(layers: &Layers) -> Self {
        let summaries: Vec<LayerSummary> = layers.sources.ranked().map(LayerSummary::new).collect();
        let sha256 = match summaries.as_slice() {
            [single] => single.sha256.clone(),
            several => {
                let digests = several.iter().map(|layer| format!("{}\n", layer.sha256));
                sha256(digests.collect::<String>().as_bytes())
            }
        };
        let is_default = layers.sources.ranked().all(Source::is_default) && summaries.len() == 1;
        Self { found: layers.found, sha256, is_default, layers: summaries }
    }
}

impl LayerSummary {
    fn new(source: &Source) -> Self {
        Self {
            label: source.label.clone(),
            name: source.name.clone(),
            is_built_in: source.is_built_in,
            sha256: sha256(source.text.as_bytes()),
        }
    }
}

impl PluginSummary {
    fn new(answer: &Answer) -> Self {
        Self {
            name: answer.plugin.name.to_string(),
            version: answer.plugin.version.clone(),
            sha256: answer.sha256.clone(),
            file: answer.file.clone(),
            failure: answer.results.as_ref().err().map(ToString::to_string),
        }
    }
}

impl Rule {
    fn new(rule: &JudgedRule, places: &Places<'_>) -> Self {
        let mut remarks: Vec<Remark> = rule.remarks.iter().map(|said| Remark::new(&rule.id, said, places)).collect();
        remarks.sort();
        Self {
            id: rule.id.clone(),
            title: rule.info.title.clone(),
            severity: rule.severity,
            references: rule.info.references.clone(),
            outcome: Outcome::new(&rule.outcome),
            remarks,
        }
    }
}

impl Remark {
    fn new(rule: &RuleId, said: &Said, places: &Places<'_>) -> Self {
        let policy = places.find(&rule.plugin, said.parameter.as_ref());
        Self { subject: said.subject.clone(), message: said.message.clone(), policy }
    }
}

impl Outcome {
    fn new(settled: &Settled) -> Self {
        match settled {
            Settled::Passed => Self::Passed,
            Settled::Failed { findings, unjudged } => {
                Self::Failed { findings: findings.len(), unjudged: unjudged.clone() }
            }
            Settled::NotApplicable(why) => Self::NotApplicable(why.clone()),
            Settled::Unknown(reasons) => Self::Unknown(reasons.clone()),
        }
    }

    /// The word that machine formats use.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Failed { .. } => "fail",
            Self::NotApplicable(_) => "not-applicable",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl GapEffect {
    fn new(gap: &Gap, rules: &[JudgedRule]) -> Self {
        let needing = rules.iter().filter(|rule| rule.info.needs.contains(&gap.area));
        Self { gap: gap.clone(), reason: gap_reason(gap), affects: needing.map(|rule| rule.id.clone()).collect() }
    }
}

impl Finding {
    /// As much of the fingerprint as tells thousands of findings apart.
    pub(crate) fn short_fingerprint(&self) -> &str {
        self.fingerprint.get(..8).unwrap_or_default()
    }
}

/// A finding with what its rule says where it says nothing itself.
fn finding(counted: &Counted, gate: &Judgement, places: &Places<'_>) -> Option<Finding> {
    let rule = gate.rules.get(counted.position)?;
    let reported = &counted.finding;
    Some(Finding {
        rule: counted.rule.clone(),
        severity: counted.severity,
        subject: reported.subject.clone(),
        listener: counted.listener.clone(),
        message: reported.message.clone(),
        evidence: reported.evidence.clone(),
        remediation: reported.remediation.clone().unwrap_or_else(|| rule.info.remediation.clone()),
        policy: places.find(&rule.id.plugin, reported.parameter.as_ref()),
        fingerprint: counted.fingerprint.clone(),
        standing: counted.standing.clone(),
    })
}
