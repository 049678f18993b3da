//! `loopgate baseline`: record what is found now.

use std::path::Path;

use super::judge::Trial;
use crate::cli::{Baseline as Command, BaselineFile};
use crate::error::{Error, Place};
use crate::files;
use crate::gate::baseline::{Baseline, Change, MAX_BASELINE_BYTES};
use crate::output::{Document, Output};
use crate::page::{Page, counted};
use crate::report::json::write_safely;

pub(super) fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Write(arguments) => write(arguments),
        Command::Update(arguments) => change(arguments, |baseline, trial| {
            let judgement = trial.judgement(Some(baseline));
            baseline.add(&judgement.findings)
        }),
        Command::Prune(arguments) => change(arguments, |baseline, trial| {
            let judgement = trial.judgement(Some(baseline));
            baseline.prune(&judgement.findings, &judgement.rules)
        }),
    }
}

/// Reads a baseline.
pub(super) fn read(path: &Path) -> Result<Baseline, Error> {
    let from = Place::to_read(path);
    let bytes = super::read("the baseline", &from, MAX_BASELINE_BYTES)?;
    Baseline::from_json(&bytes).map_err(|source| Error::Baseline { from, source })
}

/// Records everything in a new file. A file that is there is somebody's decision, and stays.
fn write(arguments: &BaselineFile) -> Result<(), Error> {
    if files::exists(&arguments.file) {
        return Err(Error::BaselineExists { path: arguments.file.clone() });
    }
    let trial = hold(arguments)?;
    let mut baseline = Baseline::default();
    let change = baseline.add(&trial.judgement(None).findings);
    save(arguments, &baseline, change)
}

fn change(arguments: &BaselineFile, change: impl Fn(&mut Baseline, &Trial) -> Change) -> Result<(), Error> {
    let mut baseline = read(&arguments.file)?;
    let trial = hold(arguments)?;
    let change = change(&mut baseline, &trial);
    save(arguments, &baseline, change)
}

fn hold(arguments: &BaselineFile) -> Result<Trial, Error> {
    Trial::hold(&arguments.policy, &arguments.facts, &arguments.day)
}

fn save(arguments: &BaselineFile, baseline: &Baseline, change: Change) -> Result<(), Error> {
    let document = Document::data(|out| write_safely(&baseline.document(), out));
    Output::new(Some(&arguments.file)).write(&document)?;
    let output = Output::new(None);
    let sentence = format!(
        "{} recorded in {}: {} new, {} as before, {} dropped",
        counted(baseline.len(), "finding"),
        crate::page::shown(&arguments.file.display().to_string().as_str().into()),
        change.added,
        change.kept,
        change.dropped
    );
    output.write(&Document::text(|out| Page::new(out, output.width()).line(&sentence)))
}
