//! Entries past their date.

use loopgate_plugin::prelude::*;

use crate::entry::pointer;
use crate::judgement::Register;
use crate::settings::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("entry-expired", include_str!("entry-expired.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let register = Register::new(facts, settings);
    for (position, entry) in register.entries().filter(|(_, entry)| register.is_over(entry)) {
        let until = entry.until.map(|until| until.to_string()).unwrap_or_default();
        let message = format!("the approval of {} ended on {until}; {} owns it", entry.selector, entry.owner);
        let finding = Finding::new(Subject::Other(entry.selector.to_string()), message);
        report.fail(finding.evidence("reason", entry.reason.to_string()).parameter(pointer(position)));
    }
}
