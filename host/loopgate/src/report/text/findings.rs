//! The findings: by subject, the subject with the worst finding first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;

use loopgate_engine::Subject;
use loopgate_facts::{Listener, Owner, Untrusted};

use super::Detail;
use crate::gate::{Standing, Waived};
use crate::page::{BOLD, DIM, Page, cut, name_of, severity_style, shown, styled};
use crate::prose::{Block, blocks};
use crate::report::{Finding, Report};

/// Where the text of a finding begins: behind `critical` and its margins.
const COLUMN: usize = 12;
/// Where the value of a piece of evidence begins, if its label leaves room.
const VALUE_COLUMN: usize = COLUMN + 16;
/// Where the text of a remedy begins.
const FIX_COLUMN: usize = COLUMN + 5;
/// How many pieces of evidence, and how much of each, are enough to see the point.
const EVIDENCE_SHOWN: usize = 6;
const EVIDENCE_COLUMNS: usize = 300;

pub(super) fn render(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let mut remedies = Remedies::default();
    for group in by_subject(report.findings.iter().filter(|finding| finding.standing == Standing::Counts)) {
        page.blank()?;
        if let Some(first) = group.first() {
            heading(page, first)?;
        }
        for (position, finding) in group.iter().enumerate() {
            render_one(page, finding, detail)?;
            let next = group.get(position + 1);
            if next.is_none_or(|next| next.remediation != finding.remediation) {
                remedies.render(page, finding, detail)?;
            }
        }
    }
    Ok(())
}

/// The findings that do not count: those that are waived, each with who accepts it, why and until when, and in full detail
/// those of the baseline.
pub(super) fn set_aside(page: &mut Page<'_>, report: &Report, detail: Detail) -> io::Result<()> {
    let waived = report.findings.iter().filter_map(|finding| match &finding.standing {
        Standing::Waived(waived) => Some((finding, waived)),
        Standing::Counts | Standing::Baselined => None,
    });
    let mut heading = Some("Waived");
    for (finding, waived) in waived {
        heading.take().map_or(Ok(()), |heading| page.heading(heading))?;
        set_aside_one(page, finding)?;
        page.labelled(&field("until"), DIM, VALUE_COLUMN, &waiver(waived))?;
    }
    let mut heading = Some("In the baseline").filter(|_| detail == Detail::Verbose);
    for finding in report.findings.iter().filter(|it| detail == Detail::Verbose && it.standing == Standing::Baselined) {
        heading.take().map_or(Ok(()), |heading| page.heading(heading))?;
        set_aside_one(page, finding)?;
    }
    Ok(())
}

fn set_aside_one(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    page.labelled(&format!("  {}", finding.severity), DIM, COLUMN, &shown(&finding.message))?;
    page.line(format!("{:COLUMN$}{}", "", styled(DIM, &finding.rule)))
}

fn waiver(waived: &Waived) -> String {
    let place = waived.policy.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
    let (owner, reason) = (shown(&waived.owner.as_str().into()), shown(&waived.reason.as_str().into()));
    format!("{}, {owner}: {reason}{place}", waived.expires)
}

/// The remedies that were shown, with the subject that each was shown for: many findings often have one remedy.
#[derive(Default)]
struct Remedies<'r> {
    shown: BTreeMap<&'r Untrusted, &'r Subject>,
}

impl<'r> Remedies<'r> {
    /// The subject that the remedy of the finding was shown for before.
    fn first(&mut self, finding: &'r Finding) -> Option<&'r Subject> {
        if finding.remediation.as_str().trim().is_empty() {
            return None;
        }
        match self.shown.entry(&finding.remediation) {
            Entry::Occupied(before) => Some(*before.get()),
            Entry::Vacant(place) => {
                place.insert(&finding.subject);
                None
            }
        }
    }

    fn render(&mut self, page: &mut Page<'_>, finding: &'r Finding, detail: Detail) -> io::Result<()> {
        match self.first(finding) {
            Some(before) if detail != Detail::Verbose => {
                page.labelled(&field("fix"), BOLD, FIX_COLUMN, &format!("as for {}", subject(before)))
            }
            _ => remediation(page, finding),
        }
    }
}

/// The findings by subject, in the order of the first finding of each; the findings are sorted worst first.
fn by_subject<'r>(findings: impl Iterator<Item = &'r Finding>) -> Vec<Vec<&'r Finding>> {
    let mut position = BTreeMap::new();
    let mut groups: Vec<Vec<&'r Finding>> = Vec::new();
    for finding in findings {
        let at = *position.entry(&finding.subject).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn heading(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let name = subject(&finding.subject);
    let Some(listener) = &finding.listener else {
        return page.line(styled(BOLD, name));
    };
    let owners = owners(listener);
    let room = page.width().saturating_sub(textwrap::core::display_width(&name) + 2).max(20);
    page.line(format!("{}  {}", styled(BOLD, &name), cut(&owners, room)))
}

/// A subject, as its findings and remarks are headed.
pub(super) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Listener(id) | Subject::Other(id) => shown(id),
        Subject::Interface(name) => format!("interface {}", shown(name)),
        Subject::Name(name) => format!("name {}", shown(name)),
        Subject::Sysctl(name) => format!("sysctl {}", shown(name)),
        Subject::Host => "this machine".to_owned(),
    }
}

/// Who holds a listener: the first owner in full, the others counted.
fn owners(listener: &Listener) -> String {
    let Some(first) = listener.owners.first() else {
        return "owner unknown".to_owned();
    };
    match listener.owners.len() - 1 {
        0 => owner(first),
        1 => format!("{} and 1 other process", owner(first)),
        more => format!("{} and {more} other processes", owner(first)),
    }
}

fn owner(owner: &Owner) -> String {
    let mut parts = vec![format!("{} (pid {})", shown(&owner.name), owner.pid)];
    parts.extend(owner.user.as_ref().map(|user| format!("user {}", shown(user))));
    parts.extend(owner.unit.as_ref().map(shown));
    parts.extend(
        owner
            .container
            .as_ref()
            .map(|container| format!("{} container {}", shown(&container.runtime.as_str().into()), name_of(container))),
    );
    parts.join(", ")
}

fn render_one(page: &mut Page<'_>, finding: &Finding, detail: Detail) -> io::Result<()> {
    let severity = format!("  {}", finding.severity);
    page.labelled(&severity, severity_style(finding.severity), COLUMN, &shown(&finding.message))?;
    page.line(format!("{:COLUMN$}{}", "", styled(DIM, format!("{}  {}", finding.rule, finding.short_fingerprint()))))?;
    evidence(page, finding, detail)?;
    if let Some(line) = &finding.policy {
        page.labelled(&field("policy"), DIM, VALUE_COLUMN, &line.to_string())?;
    }
    if detail == Detail::Verbose {
        page.labelled(&field("fingerprint"), DIM, VALUE_COLUMN, &finding.fingerprint)?;
    }
    Ok(())
}

fn evidence(page: &mut Page<'_>, finding: &Finding, detail: Detail) -> io::Result<()> {
    let (most, columns) = match detail {
        Detail::Verbose => (usize::MAX, usize::MAX),
        Detail::Quiet | Detail::Normal => (EVIDENCE_SHOWN, EVIDENCE_COLUMNS),
    };
    for item in finding.evidence.iter().take(most) {
        let label = field(&shown(&item.label));
        let column = VALUE_COLUMN.max(textwrap::core::display_width(&label) + 1).min(page.width() / 2);
        page.labelled(&label, DIM, column, &cut(&shown(&item.value), columns))?;
    }
    match finding.evidence.len().saturating_sub(most) {
        0 => Ok(()),
        more => page.line(format!("{:COLUMN$}{}", "", styled(DIM, format!("and {more} more; --verbose shows all")))),
    }
}

/// The remedy: its first paragraph behind the label, whatever follows below it.
fn remediation(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let text = finding.remediation.as_str().trim();
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut label = field("fix");
    for block in blocks(&first.into()) {
        let (Block::Paragraph(line) | Block::Item(line) | Block::Code(line)) = block else { continue };
        page.labelled(&std::mem::take(&mut label), BOLD, FIX_COLUMN, &line)?;
    }
    page.prose(FIX_COLUMN, &rest.into())
}

fn field(label: &str) -> String {
    format!("{:COLUMN$}{label}", "")
}

#[cfg(test)]
mod tests {
    use loopgate_facts::Container;

    use crate::sample;

    #[test]
    fn a_container_is_called_by_its_name_or_else_by_the_beginning_of_its_id() {
        let mut owner = sample::listener("0.0.0.0", 80, "nginx").owners.remove(0);
        let id = "0123456789abcdef".into();
        let container = Container { id, runtime: "docker".to_owned(), name: None, image: None };
        owner.container = Some(container.clone());
        assert!(super::owner(&owner).ends_with("docker container 0123456789ab"));
        owner.container = Some(Container { name: Some("web\u{1b}".into()), ..container });
        assert!(super::owner(&owner).ends_with("docker container web\\u{1b}"));
    }
}
