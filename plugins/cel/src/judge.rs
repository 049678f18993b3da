//! Judges the facts by the rules of the policy, each within its share of what a call may cost.

use std::collections::BTreeMap;

use loopgate_plugin::RuleSet;
use loopgate_plugin::prelude::*;

use crate::budget::Budget;
use crate::check::Checked;
use crate::evaluate::{Machine, Stop};
use crate::record::{HostName, Record};
use crate::rule::{CelRule, Program, Settings, Target};
use crate::template::shown;

/// Steps that all rules of a call may take together. A step costs up to 160 units of fuel, and the sandbox gives a call
/// 2,000 million: the rest is for the facts, which cost before anything is evaluated.
const STEPS: usize = 9_000_000;

/// A rule gets at least this part of what those before it left, however many come behind it: the rules of an upper layer,
/// which come first, lose nothing more to what a lower one adds.
const LARGEST_DIVISION: usize = 16;

/// Bytes that the findings of all rules may take together: the sandbox takes an answer of 32 MiB.
const FINDING_BYTES: usize = 16 << 20;

/// Steps that a finding costs beside its message.
const STEPS_A_FINDING: usize = 200;

/// Subjects that a reason names before it only counts them.
const SHOWN_SUBJECTS: usize = 5;

impl RuleSet for Settings {
    fn rules(&self) -> Vec<RuleInfo> {
        self.rules.iter().map(CelRule::info).collect()
    }

    fn judge(&self, facts: &Facts) -> Vec<Report> {
        let names = HostName::all(facts);
        let bytes = FINDING_BYTES / self.rules.len().max(1);
        let mut left = STEPS;
        let mut judges = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let share = left / (self.rules.len() - index).min(LARGEST_DIVISION);
            let mut judge = Judge::new(index, Machine::new(facts, &names, Budget::new(share)), bytes);
            judge.rule(rule);
            left -= share - judge.machine.budget.steps();
            judges.push(judge);
        }
        self.judge_again(&mut judges, left, bytes);
        judges.into_iter().map(Judge::report).collect()
    }
}

impl Settings {
    /// Judges the rules again for which their share was too little, with what all of them left.
    fn judge_again<'a>(&'a self, judges: &mut [Judge<'a>], mut steps: usize, bytes: usize) {
        let mut waiting = judges.iter().filter(|judge| judge.spent_at.is_some()).count();
        for (judge, rule) in judges.iter_mut().zip(&self.rules).filter(|(judge, _)| judge.spent_at.is_some()) {
            let share = steps / waiting;
            waiting -= 1;
            if share <= judge.share {
                continue;
            }
            let machine = Machine::new(judge.machine.facts, judge.machine.names, Budget::new(share));
            *judge = Judge::new(judge.index, machine, bytes);
            judge.rule(rule);
            steps -= share - judge.machine.budget.steps();
        }
    }
}

/// One rule at work.
struct Judge<'a> {
    machine: Machine<'a>,
    /// The rule's position in the policy.
    index: usize,
    /// The steps that it began with.
    share: usize,
    /// What its findings may still take.
    bytes: usize,
    judged: usize,
    findings: Vec<Finding>,
    unlisted: usize,
    unknown: BTreeMap<String, Subjects>,
    spent_at: Option<String>,
    problem: Option<String>,
    not_applicable: Option<String>,
}

/// Subjects that share a reason.
#[derive(Default)]
struct Subjects {
    first: Vec<String>,
    count: usize,
}

/// What came of one subject.
enum Verdict {
    /// The rule is not about it.
    NotMeant,
    Holds,
    Violated,
}

impl<'a> Judge<'a> {
    fn new(index: usize, machine: Machine<'a>, bytes: usize) -> Self {
        Self {
            share: machine.budget.steps(),
            machine,
            index,
            bytes,
            judged: 0,
            findings: Vec::new(),
            unlisted: 0,
            unknown: BTreeMap::new(),
            spent_at: None,
            problem: None,
            not_applicable: None,
        }
    }

    fn rule(&mut self, rule: &'a CelRule) {
        let Some(program) = &rule.program else {
            self.problem = Some("the expressions of the rule could not be read".to_owned());
            return;
        };
        let facts = self.machine.facts;
        match rule.target {
            Target::Host => self.all(program, [Record::Host(facts)]),
            Target::Listeners => self.all(program, facts.listeners.iter().map(Record::Listener)),
            Target::Interfaces => self.all(program, facts.interfaces.iter().map(Record::Interface)),
            Target::Names => self.all(program, self.machine.names.iter().map(Record::Name)),
            Target::Sysctls => self.all(program, facts.sysctls.iter().map(Record::Sysctl)),
        }
        if self.judged == 0 {
            let reason = nothing_to_judge(rule.target, program);
            match rule.target {
                // Settings are observed for the rules that are built in: another is not absent, it was not looked for.
                Target::Sysctls => self.problem = Some(reason),
                _ => self.not_applicable = Some(reason),
            }
        }
    }

    fn all(&mut self, program: &'a Program, subjects: impl IntoIterator<Item = Record<'a>>) {
        for subject in subjects {
            if let Err(Stop::Spent) = self.one(program, subject) {
                self.spent_at = Some(subject.name());
                return;
            }
        }
    }

    fn one(&mut self, program: &'a Program, subject: Record<'a>) -> Result<(), Stop> {
        match self.verdict(program, subject) {
            Ok(Verdict::NotMeant) => Ok(()),
            Ok(Verdict::Holds) => {
                self.judged += 1;
                Ok(())
            }
            Ok(Verdict::Violated) => {
                self.judged += 1;
                self.violated(program, subject)
            }
            Err(Stop::Unknown(unknown)) => {
                self.judged += 1;
                self.unknown.entry(self.machine.describe(unknown)).or_default().add(subject);
                Ok(())
            }
            Err(Stop::Spent) => Err(Stop::Spent),
        }
    }

    fn verdict(&mut self, program: &'a Program, subject: Record<'a>) -> Result<Verdict, Stop> {
        if let Some(when) = &program.when
            && !self.truth(when, subject)?
        {
            return Ok(Verdict::NotMeant);
        }
        Ok(if self.truth(&program.check, subject)? { Verdict::Holds } else { Verdict::Violated })
    }

    fn truth(&mut self, condition: &'a Checked, subject: Record<'a>) -> Result<bool, Stop> {
        self.machine.evaluate_condition(&condition.node, subject)
    }

    fn violated(&mut self, program: &'a Program, subject: Record<'a>) -> Result<(), Stop> {
        self.machine.budget.work(STEPS_A_FINDING)?;
        let message = program.message.fill(&mut self.machine, subject)?;
        let mut named = Vec::new();
        for (name, node) in program.when.iter().chain([&program.check]).flat_map(|checked| &checked.named) {
            if named.iter().all(|(known, _)| known != name) {
                named.push((name.clone(), shown(&mut self.machine, node, subject)?));
            }
        }
        let texts = named.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let Some(left) = self.bytes.checked_sub(message.len() + texts + subject.weight()) else {
            self.unlisted += 1;
            return Ok(());
        };
        self.bytes = left;
        let finding = subject.finding(self.machine.facts, message, program.names_reach());
        let finding = named.into_iter().fold(finding, |finding, (name, value)| finding.evidence(name, value));
        self.findings.push(finding.parameter(format!("/rules/{}/check", self.index)));
        Ok(())
    }

    fn report(self) -> Report {
        let mut report = Report::default();
        self.findings.into_iter().for_each(|finding| report.fail(finding));
        for (unknown, subjects) in &self.unknown {
            report.unjudged(format!("{unknown}: {subjects}"));
        }
        if self.unlisted > 0 {
            report.unjudged(format!("{} more violate the rule, too many to list", self.unlisted));
        }
        if let Some(subject) = self.spent_at {
            report.unjudged(format!(
                "its expressions take more steps or memory than a rule may: nothing from {subject} on was judged"
            ));
        }
        if let Some(problem) = self.problem {
            report.unjudged(problem);
        }
        if let Some(reason) = self.not_applicable {
            report.not_applicable(reason);
        }
        report
    }
}

impl Subjects {
    fn add(&mut self, subject: Record<'_>) {
        self.count += 1;
        if self.first.len() < SHOWN_SUBJECTS {
            self.first.push(subject.name());
        }
    }
}

impl std::fmt::Display for Subjects {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.first.join(", "))?;
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

fn nothing_to_judge(target: Target, program: &Program) -> String {
    match (target, &program.when) {
        (Target::Host, _) => "the machine is not one that the rule is about".to_owned(),
        (Target::Sysctls, _) => "no setting that was observed is one that the rule is about".to_owned(),
        (target, Some(_)) => format!("none of the {} is one that the rule is about", target.as_str()),
        (target, None) => format!("there are no {}", target.as_str()),
    }
}

impl Program {
    /// Whether who can reach a listener has to do with the verdict.
    fn names_reach(&self) -> bool {
        self.when.iter().chain([&self.check]).any(|checked| checked.names_reach)
    }
}

impl Record<'_> {
    /// What reports call it.
    fn name(&self) -> String {
        match self {
            Self::Listener(listener) => listener.id.clone(),
            Self::Interface(interface) => interface.name.clone(),
            Self::Name(name) => name.name.to_owned(),
            Self::Sysctl(sysctl) => sysctl.name.clone(),
            _ => "the machine".to_owned(),
        }
    }

    /// Bytes that a finding about it takes beside its message, roughly.
    fn weight(&self) -> usize {
        const FIXED: usize = 512;
        const REGION: usize = 512;
        let Self::Listener(listener) = self else { return FIXED };
        let owner = |owner: &Owner| {
            let texts = [&owner.executable, &owner.user, &owner.unit].into_iter().flatten();
            owner.name.len() + texts.map(String::len).sum::<usize>()
        };
        FIXED + listener.owners.iter().take(5).map(owner).sum::<usize>() + REGION * listener.reachability.len().min(4)
    }

    fn finding(&self, facts: &Facts, message: String, names_reach: bool) -> Finding {
        match self {
            Self::Listener(listener) if names_reach => {
                Finding::of_listener(listener, message).reach_of(facts, listener)
            }
            Self::Listener(listener) => Finding::of_listener(listener, message),
            Self::Interface(interface) => Finding::of_interface(interface, message),
            Self::Name(name) => Finding::new(Subject::Name(name.name.to_owned()), message),
            Self::Sysctl(sysctl) => Finding::of_sysctl(sysctl, message),
            _ => Finding::new(Subject::Host, message),
        }
    }
}
