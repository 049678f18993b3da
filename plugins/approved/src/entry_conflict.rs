//! Entries that contradict each other.

use std::collections::BTreeMap;

use loopgate_plugin::prelude::*;

use crate::entry::{Entry, pointer};
use crate::judgement::{Approvals, Numbered, Register};
use crate::limit::Kept;
use crate::settings::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("entry-conflict", include_str!("entry-conflict.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let register = Register::new(facts, settings);
    report_equal_selectors(&register, report);
    for (listener, Approvals { valid, .. }) in register.governed() {
        let allows =
            |kept: fn(&Kept<'_>) -> bool| valid.iter().find(|(_, entry)| kept(&entry.limit.is_kept(facts, listener)));
        let allowing = allows(|kept| matches!(kept, Kept::Yes));
        let forbidding = allows(|kept| matches!(kept, Kept::No { .. }));
        let is_told_already = |one: &Entry, other: &Entry| one.selector == other.selector;
        if let (Some(allowing), Some(forbidding)) = (allowing, forbidding)
            && !is_told_already(allowing.1, forbidding.1)
        {
            report.fail(disagreement(listener, *allowing, *forbidding));
        }
    }
}

fn disagreement(listener: &Listener, (position, allowing): Numbered<'_>, (_, forbidding): Numbered<'_>) -> Finding {
    let message = format!(
        "two entries disagree on {}: that for {} allows what that for {} forbids",
        listener.describe(),
        allowing.selector,
        forbidding.selector
    );
    Finding::of_listener(listener, message)
        .evidence("allows", allowing.to_string())
        .evidence("forbids", forbidding.to_string())
        .parameter(pointer(position))
}

/// Two entries for the same listeners that allow different things, whether such a listener is there or not.
fn report_equal_selectors(register: &Register<'_>, report: &mut Report) {
    let mut first: BTreeMap<String, Numbered<'_>> = BTreeMap::new();
    for (position, entry) in register.entries().filter(|(_, entry)| !register.is_over(entry)) {
        let selector = entry.selector.to_string();
        match first.get(&selector) {
            None => _ = first.insert(selector, (position, entry)),
            Some((_, before)) if before.limit == entry.limit => {}
            Some((_, before)) => {
                let message = format!(
                    "two entries for {selector} allow different things: reach {} and reach {}",
                    before.limit, entry.limit
                );
                report.fail(Finding::new(Subject::Other(selector), message).parameter(pointer(position)));
            }
        }
    }
}
