//! `loopgate init`: write a policy to begin with, or add to one what listens on a machine.
//!
//! What is approved already is what the plugin `approved` says is; what should not simply be approved is what the policy
//! itself would fail, and what no entry can say safely. A file that is there keeps every byte: whatever is added comes
//! behind it. It is written only after the result has been read back as a policy.

mod candidate;
mod doubt;
mod entry;
mod judged;
mod limit;
mod skeleton;
mod summary;
mod text;

use std::io;
use std::path::Path;

use loopgate_facts::Facts;

use self::entry::group;
use self::judged::Judged;
use self::summary::Summary;
use super::judge::Trial;
use crate::cli::Init;
use crate::error::{Error, Place};
use crate::files::{self, Trust};
use crate::output::{Document, Output};
use crate::page::{Page, shown};
use crate::plugins::Court;
use crate::policy::MAX_POLICY_BYTES;
use crate::policy::discovery::{Found, Root};
use crate::policy::layers::Layers;

pub(super) fn run(arguments: &Init) -> Result<(), Error> {
    let there = there(arguments)?;
    if !arguments.from_host {
        return new(arguments);
    }
    let is_new = there.is_none();
    let base = there.unwrap_or_else(|| skeleton::from_host(&arguments.extends));
    let target = Target { path: &arguments.file, is_new };
    let (base, court) = target.with_approvals(base)?;
    let facts = super::facts(&arguments.facts)?;
    target.add(&base, court, facts)
}

/// The text that is in the file already. Without `--from-host` there may be none: it is somebody's decision, and stays.
fn there(arguments: &Init) -> Result<Option<String>, Error> {
    let path = &arguments.file;
    let Place::File(_) = Place::to_write(path) else { return Ok(None) };
    let from = Place::File(path.clone());
    let fail = |source| Error::Read { what: "the policy", from: from.clone(), source };
    if !files::is_there(path).map_err(fail)? {
        return Ok(None);
    }
    if !arguments.from_host || !arguments.extends.is_empty() {
        return Err(Error::PolicyExists { path: path.clone() });
    }
    let bytes = files::read_regular(path, MAX_POLICY_BYTES, Trust::Named).map_err(fail)?;
    String::from_utf8(bytes).map(Some).map_err(|error| Error::not_text(from, &error))
}

fn new(arguments: &Init) -> Result<(), Error> {
    let text = skeleton::plain(&arguments.extends);
    let target = Target { path: &arguments.file, is_new: true };
    target.court(&text)?;
    target.write(&text)?;
    let sentence = format!("wrote {}; `loopgate policy show` prints what it amounts to", target.shown());
    target.say(|page| page.paragraph(0, &sentence))
}

/// The file that is written.
struct Target<'a> {
    path: &'a Path,
    is_new: bool,
}

impl Target<'_> {
    /// The policy that the file would be with this text. What is wrong with it is an error, and the file stays as it is.
    fn court(&self, text: &str) -> Result<Court, Error> {
        if text.len() as u64 > MAX_POLICY_BYTES {
            return Err(Error::PolicyTooLarge { path: self.path.to_owned(), limit: MAX_POLICY_BYTES });
        }
        let root = Root::Draft { path: self.path.to_owned(), text: text.to_owned() };
        Court::assemble(Layers::load(Found::Named, vec![root])?)
    }

    /// The text with the plugin that approves, which is added if the policy does not have it.
    fn with_approvals(&self, text: String) -> Result<(String, Court), Error> {
        let court = self.court(&text)?;
        if court.merged.plugins.iter().any(|plugin| plugin.name.as_str() == judged::APPROVED) {
            return Ok((text, court));
        }
        let text = text::appended(&text, skeleton::APPROVALS);
        let court = self.court(&text)?;
        Ok((text, court))
    }

    /// Adds entries for what no entry approves.
    fn add(&self, base: &str, court: Court, facts: Facts) -> Result<(), Error> {
        let trial = Trial::of(court, facts, None);
        let judged = Judged::new(&trial)?;
        let entries = group(&judged.candidates());
        let note = if self.is_new { text::settled(judged.settled(), trial.facts()) } else { String::new() };
        let added = text::additions(base, &entries, trial.facts(), trial.policy());
        let whole = text::appended(base, &format!("{note}{added}"));
        self.court(&whole)?;
        self.write(&whole)?;
        let summary = Summary { file: self.shown(), base, entries: &entries, judged: &judged };
        self.say(|page| summary.render(page))
    }

    /// Writes the text in one step, unless the file has it already.
    fn write(&self, text: &str) -> Result<(), Error> {
        let is_there =
            files::read_regular(self.path, MAX_POLICY_BYTES, Trust::Named).is_ok_and(|it| it == text.as_bytes());
        if is_there {
            return Ok(());
        }
        Output::new(Some(self.path)).write(&Document::data(|out| out.write_all(text.as_bytes())))
    }

    /// Says what was done, unless the policy itself went to standard output.
    fn say(&self, write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> Result<(), Error> {
        if Place::to_write(self.path) == Place::Output {
            return Ok(());
        }
        let output = Output::new(None);
        output.write(&Document::text(|out| write(&mut Page::new(out, output.width()))))
    }

    fn shown(&self) -> String {
        shown(&self.path.display().to_string().into())
    }
}
