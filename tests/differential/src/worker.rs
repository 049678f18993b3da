//! Tries random rulesets, one after the other, in the network namespace of this process.

use std::io;
use std::time::Instant;

use crate::arena::{Arena, Settings};
use crate::compare::{Contradiction, compare};
use crate::generate::{Case, Question};
use crate::load::Loader;
use crate::plan;
use crate::predict::{Prediction, Predictor};
use crate::probe::{Observed, Probe, fire};
use crate::report::Report;
use crate::ruleset::Ruleset;
use crate::shrink::shrink;

/// Contradictions after which a worker gives up: the first ones say enough.
const ENOUGH: usize = 3;

/// What tries rulesets.
pub struct Worker {
    arena: Arena,
    loader: Loader,
    predictor: Predictor,
    next_probe: u32,
    report: Report,
}

/// A disagreement.
struct Found {
    question: Question,
    said: Prediction,
    observed: Observed,
    contradiction: Contradiction,
}

impl Worker {
    /// A worker in the network namespace of this process, which becomes the host.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            arena: Arena::new()?,
            loader: Loader::open()?,
            predictor: Predictor::default(),
            next_probe: 1,
            report: Report::default(),
        })
    }

    /// Tries the rulesets of some seeds, until it is time to end or there are enough contradictions.
    pub fn run(mut self, seeds: std::ops::Range<u64>, until: Option<Instant>) -> io::Result<Report> {
        for seed in seeds {
            let over = until.is_some_and(|until| Instant::now() >= until);
            if over || self.report.contradictions.len() >= ENOUGH {
                break;
            }
            self.try_seed(seed)?;
        }
        Ok(self.report)
    }

    fn try_seed(&mut self, seed: u64) -> io::Result<()> {
        let case = Case::new(seed);
        self.arena.apply(case.settings)?;
        if let Err(error) = self.loader.load(&case.ruleset) {
            self.report.refused += 1;
            let line = error.lines().find(|line| !line.is_empty()).unwrap_or_default();
            *self.report.refusals.entry(format!("{line} (seed {seed})")).or_default() += 1;
            return Ok(());
        }
        let found = self
            .ask(case.settings, &case.questions)
            .map_err(|error| io::Error::other(format!("seed {seed}: {error}")))?;
        self.count(&case);
        if let Some(found) = found {
            match self.again(&case, &case.ruleset, &found)? {
                Some(found) => self.note(seed, &case, &found)?,
                None => self.report.flukes.push(found.summary(seed, &case)),
            }
        }
        Ok(())
    }

    fn count(&mut self, case: &Case) {
        self.report.rulesets += 1;
        let mut keys: Vec<&str> = case.ruleset.keys().collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            *self.report.keys.entry(key.into()).or_default() += 1;
        }
    }

    /// Sends the packets of some questions, and gives the first disagreement.
    fn ask(&mut self, settings: Settings, questions: &[Question]) -> io::Result<Option<Found>> {
        self.arena.forget_connections()?;
        let said = self.predictor.predict(settings, questions).map_err(io::Error::other)?;
        let probes: Vec<Probe> = questions.iter().flat_map(probes).collect();
        let observed = self.fire(&probes)?;
        let mut found = None;
        let whose =
            questions.iter().flat_map(|question| question.sources.iter().map(move |source| (question, *source)));
        let outcomes = probes.iter().zip(said.into_iter().flatten()).zip(observed);
        for ((question, source), ((probe, said), observed)) in whose.zip(outcomes) {
            self.tally(probe, &said, &observed);
            if let (None, Some(contradiction)) = (&found, compare(probe, &said, &observed)) {
                let question = Question { sources: vec![source], ..question.clone() };
                found = Some(Found { question, said, observed, contradiction });
            }
        }
        Ok(found)
    }

    fn fire(&mut self, probes: &[Probe]) -> io::Result<Vec<Observed>> {
        let first = self.next_probe;
        self.next_probe = first.wrapping_add(u32::try_from(probes.len()).unwrap_or(0)).max(1);
        fire(&self.arena, first, probes)
    }

    fn tally(&mut self, probe: &Probe, said: &Prediction, observed: &Observed) {
        self.report.probes += 1;
        self.report.connections += u64::from(probe.is_connection());
        if observed.answered {
            *(if observed.delivered.is_some() { &mut self.report.delivered } else { &mut self.report.forwarded }) += 1;
        }
        if let Prediction::Unknown(because) = said {
            self.report.unknown += 1;
            let first = because.first().cloned().unwrap_or_default();
            *self.report.unknown_because.entry(first).or_default() += 1;
        }
    }

    /// Loads a ruleset and sends the one packet that was found again.
    fn again(&mut self, case: &Case, ruleset: &Ruleset, found: &Found) -> io::Result<Option<Found>> {
        if self.loader.load(ruleset).is_err() {
            return Ok(None);
        }
        let report = self.report.clone();
        let found = self.ask(case.settings, std::slice::from_ref(&found.question));
        self.report = report;
        found
    }

    fn note(&mut self, seed: u64, case: &Case, found: &Found) -> io::Result<()> {
        let smallest = shrink(&case.ruleset, |smaller| {
            let again = self.again(case, smaller, found);
            again.is_ok_and(|again| again.is_some_and(|again| again.contradiction == found.contradiction))
        });
        let last = self.again(case, &smallest, found)?;
        let text = describe(seed, case, &smallest, last.as_ref().unwrap_or(found));
        self.report.contradictions.push(text);
        Ok(())
    }
}

fn probes(question: &Question) -> impl Iterator<Item = Probe> + '_ {
    let Question { link, protocol, destination, .. } = *question;
    question.sources.iter().map(move |&source| Probe { link, protocol, source, destination })
}

fn describe(seed: u64, case: &Case, ruleset: &Ruleset, found: &Found) -> String {
    let mut text = format!("{}\n{ruleset}", found.summary(seed, case));
    if ruleset.tables.is_empty() {
        text.push_str("(no ruleset at all)\n");
    }
    text
}

impl Found {
    fn summary(&self, seed: u64, case: &Case) -> String {
        let Self { question, said, observed, contradiction } = self;
        let source = question.sources.first().map(ToString::to_string).unwrap_or_default();
        format!(
            "{}\nseed:     {seed} (LOOPGATE_SEED={seed} LOOPGATE_COUNT=1)\npacket:   {:?} {source} -> {} from {}\n\
             settings: {:?}\nsaid:     {said:?}\nhappened: {observed:?}",
            contradiction.as_str(),
            question.protocol,
            question.destination,
            plan::device_of(question.link),
            case.settings,
        )
    }
}
