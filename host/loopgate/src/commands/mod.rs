//! The commands: each reads its input, does its work, and writes one document.

mod baseline;
mod check;
mod explain;
mod facts;
mod init;
mod judge;
mod listeners;
mod policy;
mod reach;
mod rules;
mod shell;

use loopgate_collect::Collector as _;
use loopgate_facts::{Facts, MAX_DOCUMENT_BYTES};

use crate::cli::{Cli, Command, FactsFile, PolicyFile};
use crate::error::{Error, Place, ReadError};
use crate::files;
use crate::plugins::Court;
use crate::policy::discovery::discover;
use crate::policy::layers::Layers;

/// Runs the command and gives the exit code.
pub(crate) fn run(cli: Cli) -> Result<u8, Error> {
    match cli.command {
        Command::Check(arguments) => return check::run(&arguments),
        Command::Facts(arguments) => facts::run(&arguments)?,
        Command::Listeners(arguments) => listeners::run(&arguments)?,
        Command::Reach(arguments) => reach::run(&arguments)?,
        Command::Init(arguments) => init::run(&arguments)?,
        Command::Baseline(arguments) => baseline::run(&arguments)?,
        Command::Rules(arguments) => rules::run(&arguments)?,
        Command::Explain(arguments) => explain::run(&arguments)?,
        Command::Policy(command) => policy::run(&command)?,
        Command::Completions { shell } => shell::completions(shell)?,
        Command::Man => shell::man()?,
    }
    Ok(0)
}

/// The facts of the file, or of this machine.
fn facts(file: &FactsFile) -> Result<Facts, Error> {
    let Some(path) = &file.path else {
        return Ok(loopgate_collect::this_machine().collect());
    };
    let from = Place::to_read(path);
    let document = read("the facts", &from, MAX_DOCUMENT_BYTES as u64)?;
    Facts::from_json(&document).map_err(|source| Error::Facts { from, source })
}

/// The policy that was named or found, with its plugins.
fn court(file: &PolicyFile) -> Result<Court, Error> {
    let (found, roots) = discover(&file.paths)?;
    Court::assemble(Layers::load(found, roots)?)
}

pub(crate) fn read(what: &'static str, from: &Place, limit: u64) -> Result<Vec<u8>, Error> {
    files::read(from, limit).map_err(|source: ReadError| Error::Read { what, from: from.clone(), source })
}
