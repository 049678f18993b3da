//! The gate: from what plugins answered to what counts, and to a verdict.
//!
//! This is the one place that turns rules off, changes severities, and settles what an outcome is worth; the reports
//! show what it decided and decide nothing.

pub(crate) mod baseline;
mod counted;
pub(crate) mod identity;
mod outcome;
mod verdict;
mod waivers;

use loopgate_engine::{Failure, Finding, Outcome, PluginInfo, Remark, RuleInfo, RuleResult, Severity};
use loopgate_facts::Facts;

pub(crate) use counted::{Counted, Standing, Waived};
pub(crate) use outcome::{Settled, gap_reason};
pub(crate) use verdict::{Tally, Verdict};
pub(crate) use waivers::{PLUGIN as WAIVERS, about_waivers};

use self::baseline::Baseline;
use crate::policy::{Parameters, Policy, RuleId, RuleSetting, Sources};

/// What a plugin answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The plugin.
    pub(crate) plugin: PluginInfo,
    /// The SHA-256 of its component, in hexadecimal digits.
    pub(crate) sha256: String,
    /// Its file as the policy names it, `None` for a built-in one.
    pub(crate) file: Option<String>,
    /// Its rules.
    pub(crate) rules: Vec<RuleInfo>,
    /// The parameters that it judged by.
    pub(crate) parameters: Parameters,
    /// A result for each of its rules, in order, or why there are none.
    pub(crate) results: Result<Vec<Option<RuleResult>>, Failure>,
}

impl Answer {
    fn outcome(&self, position: usize) -> Result<Option<&Outcome>, &Failure> {
        self.results.as_ref().map(|_| self.result(position).map(|result| &result.outcome))
    }

    fn remarks(&self, position: usize) -> &[Remark] {
        self.result(position).map(|result| result.remarks.as_slice()).unwrap_or_default()
    }

    fn result(&self, position: usize) -> Option<&RuleResult> {
        self.results.as_ref().ok()?.get(position)?.as_ref()
    }
}

/// A rule that was selected, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct JudgedRule {
    /// Its name.
    pub(crate) id: RuleId,
    /// What its plugin says of it.
    pub(crate) info: RuleInfo,
    /// Its severity under the policy.
    pub(crate) severity: Severity,
    /// What became of it. The findings are in [`Judgement::findings`].
    pub(crate) outcome: Settled,
    /// What else its plugin says of single subjects.
    pub(crate) remarks: Vec<Remark>,
}

impl JudgedRule {
    /// The findings of the rule with the severity that each has under the policy.
    fn findings<'a>(&'a self, policy: &Policy) -> Vec<(Severity, &'a Finding)> {
        let Settled::Failed { findings, .. } = &self.outcome else { return Vec::new() };
        let own = |finding: &Finding| finding.severity.unwrap_or(self.info.severity);
        let severity = |finding: &Finding| severity_under(policy, &self.id, own(finding));
        findings.iter().map(|finding| (severity(finding), finding)).collect()
    }
}

/// What the gate made of all answers.
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// What it is made of.
    pub(crate) tally: Tally,
    /// The rules, in the order of the plugins and of their descriptions.
    pub(crate) rules: Vec<JudgedRule>,
    /// The findings, worst first, then by rule, port and subject.
    pub(crate) findings: Vec<Counted>,
    /// How many findings of the baseline are no more.
    pub(crate) gone: usize,
    /// The rules that the policy turned off.
    pub(crate) off: Vec<RuleId>,
}

/// Everything that a judgement is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'c> {
    /// The policy.
    pub(crate) policy: &'c Policy,
    /// Its texts.
    pub(crate) sources: &'c Sources,
    /// What was observed.
    pub(crate) facts: &'c Facts,
    /// What the plugins make of it.
    pub(crate) answers: &'c [Answer],
    /// What was found before.
    pub(crate) baseline: Option<&'c Baseline>,
}

/// Judges the answers under a policy. What is waived or in the baseline does not count.
pub(crate) fn judge(case: &Case<'_>) -> Judgement {
    let Case { policy, sources, facts, answers, baseline } = *case;
    let is_off = |id: &RuleId| policy.setting(id) == Some(RuleSetting::Off);
    let all = answers.iter().flat_map(|answer| judged_rules(policy, facts, answer));
    let (off, rules): (Vec<_>, Vec<_>) = all.partition(|rule| is_off(&rule.id));
    let mut findings = counted::count(policy, facts, &rules, 0);
    let (off, rules) = waive(policy, facts, sources, (off, rules), &mut findings);
    let gone = baseline.map_or(0, |baseline| baseline.apply(&mut findings));
    let tally = tally(&rules, &findings);
    let verdict = tally.verdict(policy.fail_on, policy.on_unknown);
    Judgement { verdict, tally, rules, findings, gone, off: off.into_iter().map(|rule| rule.id).collect() }
}

type Rules = Vec<JudgedRule>;

/// Takes out what is waived, and adds the rules about waivers to those that were turned off and to the others.
fn waive(
    policy: &Policy,
    facts: &Facts,
    sources: &Sources,
    (mut off, mut rules): (Rules, Rules),
    findings: &mut Vec<Counted>,
) -> (Rules, Rules) {
    let about_waivers = waivers::apply(policy, facts, sources, &rules, findings);
    let (more_off, about_waivers): (Rules, Rules) =
        about_waivers.into_iter().partition(|rule| policy.setting(&rule.id) == Some(RuleSetting::Off));
    findings.extend(counted::count(policy, facts, &about_waivers, rules.len()));
    counted::sort(findings);
    off.extend(more_off);
    rules.extend(about_waivers);
    (off, rules)
}

fn judged_rules(policy: &Policy, facts: &Facts, answer: &Answer) -> Vec<JudgedRule> {
    let judged = |(position, info): (usize, &RuleInfo)| {
        let id = RuleId::new(&answer.plugin.name, &info.name);
        let severity = severity_under(policy, &id, info.severity);
        let outcome = outcome::settle(info, answer.outcome(position), facts);
        JudgedRule { id, info: info.clone(), severity, outcome, remarks: answer.remarks(position).to_vec() }
    };
    answer.rules.iter().enumerate().map(judged).collect()
}

/// The severity that a rule or a finding of it has under the policy; `own` is what it has by itself.
fn severity_under(policy: &Policy, id: &RuleId, own: Severity) -> Severity {
    policy.setting(id).map_or(own, |setting| setting.applied_to(own))
}

fn tally(rules: &[JudgedRule], findings: &[Counted]) -> Tally {
    let counting = findings.iter().filter(|finding| finding.counts());
    let mut tally = Tally {
        findings: counting.map(|finding| finding.severity).collect(),
        waived: findings.iter().filter(|finding| matches!(finding.standing, Standing::Waived(_))).count(),
        baselined: findings.iter().filter(|finding| finding.standing == Standing::Baselined).count(),
        ..Tally::default()
    };
    for rule in rules {
        match &rule.outcome {
            Settled::Passed => tally.passed += 1,
            Settled::NotApplicable(_) => tally.not_applicable += 1,
            Settled::Unknown(_) => tally.unknown += 1,
            Settled::Failed { unjudged, .. } => {
                tally.failed += 1;
                tally.partly_judged += usize::from(!unjudged.is_empty());
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use loopgate_engine::Subject;
    use loopgate_facts::{Area, Gap};

    use super::*;
    use crate::sample;

    fn verdict_of(policy: &Policy, facts: &Facts, outcome: Option<Outcome>) -> (Verdict, Judgement) {
        let judgement =
            sample::judged(policy, facts, &[sample::answer("demo", &[("rule", Severity::High, outcome)])], None);
        (judgement.verdict, judgement)
    }

    fn gap(area: Area) -> Gap {
        Gap { area, subject: None, reason: "not permitted".into(), leaves_unknown: "everything".into() }
    }

    #[test]
    fn a_gap_in_a_needed_area_turns_a_pass_and_not_applicable_into_unknown() {
        for outcome in [Outcome::Pass, Outcome::NotApplicable("no listeners".into())] {
            let mut facts = sample::facts();
            assert_eq!(verdict_of(&sample::policy(), &facts, Some(outcome.clone())).0, Verdict::Compliant);
            facts.gaps.push(gap(Area::Probes));
            assert_eq!(verdict_of(&sample::policy(), &facts, Some(outcome.clone())).0, Verdict::Compliant);
            facts.gaps.push(gap(Area::Listeners));
            assert_eq!(verdict_of(&sample::policy(), &facts, Some(outcome)).0, Verdict::Incomplete);
        }
    }

    #[test]
    fn an_omitted_rule_and_an_empty_failure_are_unknown() {
        let nothing = Outcome::Fail { findings: Vec::new(), unjudged: Vec::new() };
        for outcome in [None, Some(nothing), Some(Outcome::Unknown(Vec::new()))] {
            let (verdict, judgement) = verdict_of(&sample::policy(), &sample::facts(), outcome);
            assert_eq!((verdict, judgement.tally.unknown), (Verdict::Incomplete, 1));
        }
    }

    #[test]
    fn a_failed_plugin_leaves_its_rules_unknown_and_the_others_alone() {
        let mut failed = sample::answer("demo", &[("rule", Severity::High, None)]);
        failed.results = Err(Failure::StackOverflow);
        let other = sample::answer("other", &[("rule", Severity::High, Some(Outcome::Pass))]);
        let judgement = sample::judged(&sample::policy(), &sample::facts(), &[failed, other], None);
        assert_eq!(judgement.verdict, Verdict::Incomplete);
        assert_eq!((judgement.tally.unknown, judgement.tally.passed), (1, 1));
    }

    #[test]
    fn a_finding_below_the_threshold_beside_a_gap_is_incomplete() {
        let finding = Finding { severity: Some(Severity::Low), ..sample::finding(Subject::Host) };
        let outcome = Outcome::Fail { findings: vec![finding], unjudged: Vec::new() };
        let mut facts = sample::facts();
        assert_eq!(verdict_of(&sample::policy(), &facts, Some(outcome.clone())).0, Verdict::Compliant);
        facts.gaps.push(gap(Area::Listeners));
        assert_eq!(verdict_of(&sample::policy(), &facts, Some(outcome)).0, Verdict::Incomplete);
    }

    #[test]
    fn the_policy_goes_before_the_finding_and_the_finding_before_the_rule() {
        let own = Finding { severity: Some(Severity::Low), ..sample::finding(Subject::Host) };
        let plain = sample::finding(Subject::Host);
        let outcome = Outcome::Fail { findings: vec![own, plain], unjudged: Vec::new() };
        let mut policy = sample::policy();
        let (_, judgement) = verdict_of(&policy, &sample::facts(), Some(outcome.clone()));
        assert_eq!(judgement.tally.findings, [Severity::High, Severity::Low]);
        sample::set(&mut policy, "demo/rule", RuleSetting::Severity(Severity::Info));
        let (_, judgement) = verdict_of(&policy, &sample::facts(), Some(outcome));
        assert_eq!(judgement.tally.findings, [Severity::Info, Severity::Info]);
    }

    #[test]
    fn a_least_severity_raises_what_is_lower_and_leaves_what_is_worse() {
        let finding = |severity| Finding { severity, ..sample::finding(Subject::Host) };
        let findings = vec![finding(Some(Severity::Info)), finding(Some(Severity::Critical)), finding(None)];
        let mut policy = sample::policy();
        sample::set(&mut policy, "demo/rule", RuleSetting::AtLeast(Severity::Medium));
        let outcome = Outcome::Fail { findings, unjudged: Vec::new() };
        let (_, judgement) = verdict_of(&policy, &sample::facts(), Some(outcome));
        assert_eq!(judgement.tally.findings, [Severity::Critical, Severity::High, Severity::Medium]);
        assert_eq!(judgement.rules[0].severity, Severity::High);
    }

    #[test]
    fn a_policy_that_turns_everything_off_is_incomplete() {
        let mut policy = sample::policy();
        sample::set(&mut policy, "demo/rule", RuleSetting::Off);
        let (verdict, judgement) = verdict_of(&policy, &sample::facts(), Some(Outcome::Pass));
        assert_eq!((verdict, judgement.off.len()), (Verdict::Incomplete, 1));
    }
}
