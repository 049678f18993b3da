//! The same rules, read from the kernel and from what the tools print of them, give the same verdicts.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the bans are for the product"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use loopgate_collect::linux::reach::Surroundings;
use loopgate_firewall::evaluate::Question;
use loopgate_test_differential::arena::Arena;
use loopgate_test_differential::generate::Case;
use loopgate_test_differential::load::Loader;
use loopgate_test_differential::ruleset::{Ruleset, Tool};
use loopgate_test_differential::shrink::shrink;
use loopgate_test_differential::sources::{Compared, Difference, Text, compare, is_listed_whole, question};
use loopgate_test_support::in_namespace;

mod kept;

/// Random rulesets to try: `LOOPGATE_SEED` and `LOOPGATE_COUNT` say otherwise.
const COUNT: u64 = 300;

/// Rulesets with differences that are made smaller and shown.
const SHOWN: usize = 5;

#[test]
fn random_rules_are_the_same_from_the_kernel_and_as_text() {
    in_namespace("random_rules_are_the_same_from_the_kernel_and_as_text", || {
        let number = |name: &str, otherwise| env::var(name).map_or(otherwise, |value| value.parse().unwrap());
        let (first, count) = (number("LOOPGATE_SEED", 1), number("LOOPGATE_COUNT", COUNT));
        let mut host = Host::new();
        (first..first + count).for_each(|seed| host.try_seed(seed));
        host.judge();
    });
}

/// What the rules are asked on, and what came of it.
struct Host {
    _arena: Arena,
    surroundings: Surroundings,
    loader: Loader,
    /// By the text that was compared with: how many rulesets, and what of them.
    rulesets: BTreeMap<String, (usize, Compared)>,
    not_understood: BTreeSet<String>,
    refused: Vec<String>,
    different: Vec<String>,
}

impl Host {
    fn new() -> Self {
        Self {
            _arena: Arena::without_listeners().unwrap(),
            surroundings: Surroundings::this_machine().unwrap(),
            loader: Loader::open().unwrap(),
            rulesets: BTreeMap::new(),
            not_understood: BTreeSet::new(),
            refused: Vec::new(),
            different: Vec::new(),
        }
    }

    fn try_seed(&mut self, seed: u64) {
        let case = Case::new(seed);
        if !is_listed_whole(&case.ruleset) {
            return;
        }
        let questions = case.questions.iter();
        let questions: Vec<_> = questions
            .map(|asked| question(&self.surroundings, asked.link, asked.protocol, asked.destination))
            .collect();
        let Some(found) = self.compare(&case.ruleset, &questions) else { return };
        if let Some(difference) = found.into_iter().next() {
            self.note(seed, &case.ruleset, &questions, &difference);
        }
    }

    /// Loads a ruleset and compares; `None` where the tools refuse it.
    fn compare(&mut self, ruleset: &Ruleset, questions: &[Question]) -> Option<Vec<Difference>> {
        self.loader.load(ruleset).ok()?;
        Some(self.compare_loaded(&ruleset.tools(), questions))
    }

    fn compare_loaded(&mut self, tools: &[Tool], questions: &[Question]) -> Vec<Difference> {
        let live = Surroundings::rules();
        let mut found = Vec::new();
        for text in Text::all(tools).unwrap() {
            let (compared, different) = compare(&self.surroundings, &live, &text, questions);
            let (rulesets, sum) = self.rulesets.entry(text.name.clone()).or_default();
            *rulesets += 1;
            *sum += compared;
            self.not_understood.extend(text.not_understood.iter().cloned());
            found.extend(different);
        }
        found
    }

    fn note(&mut self, seed: u64, ruleset: &Ruleset, questions: &[Question], difference: &Difference) {
        if self.different.len() >= SHOWN {
            self.different.push(format!("seed {seed}: {}", difference.shown));
            return;
        }
        let same = |found: Vec<Difference>| found.into_iter().find(|found| found.verdicts == difference.verdicts);
        let smallest = shrink(ruleset, |smaller| self.compare(smaller, questions).and_then(same).is_some());
        let last = self.compare(&smallest, questions).and_then(same);
        let shown = last.map_or_else(|| difference.shown.clone(), |last| last.shown);
        self.different.push(format!("seed {seed}: {shown}\n{smallest}"));
    }

    fn judge(&self) {
        for (text, (rulesets, Compared { questions, parts, certain })) in &self.rulesets {
            eprintln!("{text}: {rulesets} rulesets, {questions} questions, {parts} parts, {certain} of them certain");
        }
        eprintln!("not understood: {:?}\nrefused by the tools: {:?}", self.not_understood, self.refused);
        let shown = self.different.join("\n\n");
        assert!(self.different.is_empty(), "{} rulesets are read differently: {shown}", self.different.len());
    }
}
