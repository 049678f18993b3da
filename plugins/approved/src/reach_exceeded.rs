//! Approved listeners that reach further than they may.

use loopgate_plugin::prelude::*;

use crate::entry::{Entry, pointer};
use crate::judgement::{Numbered, Register};
use crate::limit::Kept;
use crate::settings::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("reach-exceeded", include_str!("reach-exceeded.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let register = Register::new(facts, settings);
    for (listener, approvals) in register.governed() {
        for numbered in approvals.valid {
            judge(facts, listener, numbered, report);
        }
        for ((_, entry), what) in approvals.doubtful {
            judge_doubtful(facts, listener, entry, what, report);
        }
    }
}

fn judge(facts: &Facts, listener: &Listener, (position, entry): Numbered<'_>, report: &mut Report) {
    match entry.limit.is_kept(facts, listener) {
        Kept::Yes => {}
        Kept::Unknown(why) => report.unjudged(format!(
            "whether {} keeps to reach {} could not be told: {why}",
            listener.describe(),
            entry.limit
        )),
        Kept::No { region, beyond } => {
            let finding = Finding::of_listener(listener, message(facts, listener, entry, region));
            let finding = match beyond {
                Some(beyond) => finding.evidence("too many", beyond),
                None => finding,
            };
            report.fail(finding.reach_of(facts, listener).parameter(pointer(position)));
        }
    }
}

/// An entry that may be about the listener matters only if it would not allow its reach.
fn judge_doubtful(facts: &Facts, listener: &Listener, entry: &Entry, what: &str, report: &mut Report) {
    if !matches!(entry.limit.is_kept(facts, listener), Kept::Yes) {
        report.unjudged(format!(
            "the entry for {} may forbid the reach of {}, but {what} could not be seen",
            entry.selector,
            listener.describe()
        ));
    }
}

fn message(facts: &Facts, listener: &Listener, entry: &Entry, region: Option<&Reachability>) -> String {
    let (name, limit) = (listener.describe(), &entry.limit);
    let Some(region) = region else {
        let whom = listener.reach.certain.whom();
        return format!("{whom} can reach {name}, and the entry for {} allows {limit}", entry.selector);
    };
    let over = facts.interface_name(region.interface);
    let by = match facts.rule(region.decided_by) {
        Some(rule) => format!("by {rule}"),
        None => "because no rule stops them".to_owned(),
    };
    let whom = region.farthest.whom();
    format!("{whom} can reach {name} over {over}, {by}, and the entry for {} allows {limit}", entry.selector)
}
