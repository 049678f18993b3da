//! Controls of frameworks: what the rules that answer them make of them.

use std::collections::BTreeMap;

use loopgate_facts::{Host, Untrusted};

use super::{Finding, Outcome, Rule};
use crate::gate::Standing;
use crate::policy::controls::{Control as Asked, Framework};
use crate::policy::{Policy, RuleId};

/// A framework and its controls.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Name and version of the framework; `None` for controls of which no framework is for this machine.
    pub(crate) framework: Option<(String, String)>,
    /// The controls, by number.
    pub(crate) controls: Vec<Control>,
}

/// A control and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// Its number in the framework.
    pub(crate) id: Option<String>,
    /// What it asks for.
    pub(crate) title: String,
    /// What became of it.
    pub(crate) answer: Answer,
    /// The rules that answer it.
    pub(crate) rules: Vec<RuleId>,
}

/// What became of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every rule passed, or did not apply beside others that passed.
    Pass,
    /// A rule failed.
    Fail,
    /// Rules failed, and everything that they found is waived or in the baseline.
    Accepted,
    /// There is nothing here that it could be asked of.
    NotApplicable,
    /// A rule could not be judged, or was not.
    Unknown,
}

impl Answer {
    /// The word that machine formats use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Accepted => "accepted",
            Self::NotApplicable => "not-applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// The controls of a policy that are for this machine. Where no benchmark is for its distribution, the controls of the
/// benchmarks are shown without their numbers, which differ.
pub(super) fn sections(policy: &Policy, host: &Host, rules: &[Rule], findings: &[Finding]) -> Vec<Section> {
    let answers = Answers::new(rules, findings);
    let frameworks = || policy.frameworks.iter().map(|framework| &framework.value);
    let asked = || policy.controls.iter().map(|control| &control.value);
    let is_known = frameworks().any(|framework| !framework.is_general() && framework.is_for(host));
    let fitting = frameworks().filter(|framework| framework.is_for(host));
    let mut sections: Vec<Section> = fitting.map(|framework| section(framework, asked(), &answers)).collect();
    if !is_known {
        let is_of_benchmark = |control: &&Asked| {
            policy.frameworks.iter().any(|it| !it.value.is_general() && control.ids.contains_key(&it.value.name))
        };
        let controls = asked().filter(is_of_benchmark);
        let controls = controls.map(|control| answers.control(None, control)).collect();
        sections.insert(0, Section { framework: None, controls });
    }
    sections.retain(|section| !section.controls.is_empty());
    sections
}

fn section<'p>(framework: &Framework, controls: impl Iterator<Item = &'p Asked>, answers: &Answers<'_>) -> Section {
    let numbered = controls.filter_map(|control| Some((control.ids.get(&framework.name)?, control)));
    let mut controls: Vec<Control> = numbered.map(|(id, control)| answers.control(Some(id), control)).collect();
    controls.sort_by_cached_key(|control| control.id.as_deref().map(number));
    Section { framework: Some((framework.name.clone(), framework.version.clone())), controls }
}

/// What sorts 2.1.10 behind 2.1.9.
fn number(id: &str) -> (Vec<(u64, String)>, String) {
    let part = |part: &str| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        (digits.parse().unwrap_or(u64::MAX), part.to_owned())
    };
    (id.split('.').map(part).collect(), id.to_owned())
}

struct Answers<'r> {
    outcomes: BTreeMap<&'r RuleId, &'r Outcome>,
    counting: BTreeMap<&'r RuleId, usize>,
}

impl<'r> Answers<'r> {
    fn new(rules: &'r [Rule], findings: &'r [Finding]) -> Self {
        let mut counting: BTreeMap<&RuleId, usize> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.standing == Standing::Counts) {
            *counting.entry(&finding.rule).or_default() += 1;
        }
        Self { outcomes: rules.iter().map(|rule| (&rule.id, &rule.outcome)).collect(), counting }
    }

    fn control(&self, id: Option<&String>, control: &Asked) -> Control {
        let answers: Vec<Answer> = control.rules.iter().map(|rule| self.answer(rule)).collect();
        Control {
            id: id.cloned(),
            title: control.title.clone(),
            answer: together(&answers),
            rules: control.rules.clone(),
        }
    }

    /// A rule that was turned off answers nothing.
    fn answer(&self, rule: &RuleId) -> Answer {
        match self.outcomes.get(rule) {
            None | Some(Outcome::Unknown(_)) => Answer::Unknown,
            Some(Outcome::Passed) => Answer::Pass,
            Some(Outcome::NotApplicable(_)) => Answer::NotApplicable,
            Some(Outcome::Failed { .. }) if self.counting.contains_key(rule) => Answer::Fail,
            Some(Outcome::Failed { unjudged, .. }) if !unjudged.is_empty() => Answer::Unknown,
            Some(Outcome::Failed { .. }) => Answer::Accepted,
        }
    }
}

/// A failure decides, then what is not known; a control applies where one of its rules does.
fn together(answers: &[Answer]) -> Answer {
    let order = [Answer::Fail, Answer::Unknown, Answer::Accepted, Answer::Pass, Answer::NotApplicable];
    order.into_iter().find(|answer| answers.contains(answer)).unwrap_or(Answer::Unknown)
}

/// The distribution of a machine, in words.
pub(crate) fn distribution(host: &Host) -> String {
    match &host.distribution {
        Some(found) => {
            let version = found.version_id.as_ref().map(Untrusted::as_str).unwrap_or_default();
            format!("{} {version}", found.id.as_str()).trim_end().to_owned()
        }
        None => "a machine of an unknown distribution".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use loopgate_engine::{Outcome as Reported, Severity, Subject};
    use loopgate_facts::Distribution;

    use super::*;
    use crate::policy::layers::Layers;
    use crate::sample;

    const CONTROLS: &str = r#"
        schema = 1
        [[frameworks]]
        name = "Benchmark 12"
        version = "1.0"
        distributions = ["debian 12"]
        [[frameworks]]
        name = "Standard"
        version = "4"
        [[controls]]
        title = "Nothing listens everywhere"
        ids = { "Benchmark 12" = "2.1.10", Standard = "A.1" }
        rules = ["demo/a", "demo/b"]
        [[controls]]
        title = "Loopback is shielded"
        ids = { "Benchmark 12" = "2.1.9" }
        rules = "demo/c"
    "#;

    /// The sections for a machine, as lines.
    fn shown(distribution: Option<(&str, &str)>) -> Vec<String> {
        let mut facts = sample::facts();
        facts.host.distribution = distribution.map(|(id, version)| Distribution {
            id: id.into(),
            version_id: Some(version.into()),
            id_like: Vec::new(),
        });
        let fail = Reported::Fail { findings: vec![sample::finding(Subject::Host)], unjudged: Vec::new() };
        let rules = [("a", Some(Reported::Pass)), ("b", Some(fail)), ("c", Some(Reported::NotApplicable("no".into())))];
        let rules = rules.map(|(name, outcome)| (name, Severity::High, outcome));
        let policy = controlled();
        let report = sample::report(&policy, &facts, &[sample::answer("demo", &rules)]);
        let line = |section: &Section, control: &Control| {
            let framework = section.framework.as_ref().map_or("-", |(name, _)| name.as_str());
            let id = control.id.as_deref().unwrap_or("-");
            format!("{framework} {id} {} {}", control.answer.as_str(), control.title)
        };
        let lines = report.controls.iter().flat_map(|it| it.controls.iter().map(move |control| line(it, control)));
        lines.collect()
    }

    fn controlled() -> Policy {
        let layers = Layers::of_text("p.toml", CONTROLS);
        assert_eq!(layers.problems, []);
        let draft = &layers.stack.first().unwrap().draft;
        Policy { frameworks: draft.frameworks.clone(), controls: draft.controls.clone(), ..sample::policy() }
    }

    #[test]
    fn a_machine_hears_of_the_benchmark_for_its_distribution_and_of_standards() {
        assert_eq!(
            shown(Some(("debian", "12"))),
            [
                "Benchmark 12 2.1.9 not-applicable Loopback is shielded",
                "Benchmark 12 2.1.10 fail Nothing listens everywhere",
                "Standard A.1 fail Nothing listens everywhere",
            ]
        );
    }

    #[test]
    fn a_machine_without_a_benchmark_hears_of_the_controls_without_numbers() {
        for distribution in [None, Some(("arch", "1")), Some(("debian", "120"))] {
            assert_eq!(
                shown(distribution),
                [
                    "- - fail Nothing listens everywhere",
                    "- - not-applicable Loopback is shielded",
                    "Standard A.1 fail Nothing listens everywhere",
                ]
            );
        }
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let mut ids = ["2.1.22", "2.1.3", "A.1", "4.4.2.2", "2.1.3.1", "1.2.5"];
        ids.sort_by_cached_key(|id| number(id));
        assert_eq!(ids, ["1.2.5", "2.1.3", "2.1.3.1", "2.1.22", "4.4.2.2", "A.1"]);
    }

    #[test]
    fn a_failure_decides_and_then_what_is_not_known() {
        use Answer::{Accepted, Fail, NotApplicable, Pass, Unknown};
        assert_eq!(together(&[Pass, Unknown, Fail]), Fail);
        assert_eq!(together(&[Pass, Unknown, Accepted]), Unknown);
        assert_eq!(together(&[Pass, Accepted]), Accepted);
        assert_eq!(together(&[Pass, NotApplicable]), Pass);
        assert_eq!(together(&[NotApplicable, NotApplicable]), NotApplicable);
        assert_eq!(together(&[]), Unknown);
    }
}
