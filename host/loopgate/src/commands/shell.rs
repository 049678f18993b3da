//! `loopgate completions` and `loopgate man`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::Error;
use crate::output::{Document, Output};

pub(super) fn completions(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loopgate", &mut script);
    Output::new(None).write(&Document::Data(script))
}

pub(super) fn man() -> Result<(), Error> {
    Output::new(None).write(&Document::data(|out| clap_mangen::Man::new(Cli::command()).render(out)))
}
