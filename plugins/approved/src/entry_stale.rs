//! Entries that match nothing.

use std::collections::BTreeSet;

use loopgate_plugin::prelude::*;

use crate::entry::pointer;
use crate::judgement::Register;
use crate::settings::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("entry-stale", include_str!("entry-stale.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let register = Register::new(facts, settings);
    let (mut matching, mut doubtful) = (BTreeSet::new(), BTreeSet::new());
    for (_, approvals) in register.listeners() {
        matching.extend(approvals.valid.iter().map(|(position, _)| *position));
        doubtful.extend(approvals.doubtful.iter().map(|((position, _), what)| (*position, *what)));
    }
    let may_be_stale = register
        .entries()
        .filter(|(position, entry)| !entry.optional && !register.is_over(entry) && !matching.contains(position));
    // A finding that nothing matches is only true if everything was seen; the driver reports the gaps.
    let is_complete = facts.is_complete(&Area::Listeners) && facts.is_complete(&Area::Firewall);
    for (position, entry) in may_be_stale {
        match doubtful.range((position, "")..).next().filter(|(doubted, _)| *doubted == position) {
            Some((_, what)) => report.unjudged(format!(
                "whether the entry for {} matches something could not be told: {what} could not be seen",
                entry.selector
            )),
            None if is_complete => {
                let message = format!("nothing matches the entry for {}; {} owns it", entry.selector, entry.owner);
                let finding = Finding::new(Subject::Other(entry.selector.to_string()), message);
                report.fail(finding.evidence("reason", entry.reason.to_string()).parameter(pointer(position)));
            }
            None => {}
        }
    }
}
