//! `loopgate facts`: observe this machine and write down what was seen.

use loopgate_collect::Collector as _;

use crate::cli::Facts;
use crate::error::Error;
use crate::output::{Document, Output};
use crate::report::json;

pub(super) fn run(arguments: &Facts) -> Result<(), Error> {
    let facts = loopgate_collect::this_machine().collect();
    let output = Output::new(arguments.output.path.as_deref());
    output.write(&Document::data(|out| json::write_safely(&facts, out)))
}
