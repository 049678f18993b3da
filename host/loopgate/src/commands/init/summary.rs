//! What `loopgate init` did, for people.

use std::io;

use super::doubt::Doubt;
use super::entry::Entry;
use super::judged::Judged;
use super::text::heading;
use crate::page::{BAD, DIM, DOUBT, GOOD, Page, counted, shown};

/// What there is to say.
pub(super) struct Summary<'a> {
    /// The file as messages call it.
    pub(super) file: String,
    /// Its text before.
    pub(super) base: &'a str,
    /// What it has now, or what is to be decided.
    pub(super) entries: &'a [Entry],
    /// What the policy said before.
    pub(super) judged: &'a Judged<'a>,
}

/// What to do about rules that the policy has and a policy of approvals does without.
const BINDING: &str = "the built-in policy `server` leaves it to entries where something may be bound: extend it in place \
                       of `default`";

/// Whether nothing speaks against an entry but where it is bound.
fn is_only_about_binding(entry: &Entry) -> bool {
    let is_about_binding = |doubt: &Doubt| match doubt {
        Doubt::Fails { rule, .. } => rule.plugin.as_str() == "listeners" && rule.rule.as_str().ends_with("-bind"),
        _ => false,
    };
    !entry.doubts.is_empty() && entry.doubts.iter().all(is_about_binding)
}

/// Where what follows a label begins.
const COLUMN: usize = 12;

impl Summary<'_> {
    pub(super) fn render(&self, page: &mut Page<'_>) -> io::Result<()> {
        let (added, open): (Vec<&Entry>, Vec<&Entry>) = self.entries.iter().partition(|entry| entry.is_approved());
        page.paragraph(0, &self.sentence(added.len(), open.len()))?;
        for entry in added {
            page.labelled("  added", GOOD, COLUMN, &format!("{} (reach {})", entry.title(), entry.limit))?;
        }
        for entry in open {
            self.open(page, entry)?;
        }
        if self.entries.iter().any(is_only_about_binding) {
            page.styled_paragraph(2, DIM, BINDING)?;
        }
        for finding in self.judged.stale() {
            let line = finding.policy.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
            page.labelled("  stale", DOUBT, COLUMN, &format!("{}{line}", shown(&finding.message)))?;
        }
        for reason in self.judged.unjudged() {
            page.labelled("  unknown", DOUBT, COLUMN, &shown(reason))?;
        }
        page.styled_paragraph(0, DIM, &format!("`loopgate check --policy {}` judges by it", self.file))
    }

    fn sentence(&self, added: usize, open: usize) -> String {
        let (file, settled) = (&self.file, counted(self.judged.settled(), "listener"));
        let entries = match added {
            1 => "1 entry".to_owned(),
            several => format!("{several} entries"),
        };
        format!("{file}: {entries} added, {open} left to decide; nothing added for {settled}")
    }

    /// What is to be decided, with the reasons; what was listed before only by its name.
    fn open(&self, page: &mut Page<'_>, entry: &Entry) -> io::Result<()> {
        let heading = heading(entry);
        let is_listed = self.base.lines().any(|line| line.trim_end() == heading);
        let doubts: Vec<String> = entry.doubts.iter().map(ToString::to_string).collect();
        let reasons = if is_listed { "listed already".to_owned() } else { doubts.join("; ") };
        page.labelled("  decide", BAD, COLUMN, &format!("{}: {reasons}", entry.title()))
    }
}
