//! Listeners that no entry approves.

use loopgate_plugin::prelude::*;

use crate::entry::{Entry, pointer};
use crate::judgement::{Approvals, Register};
use crate::settings::Settings;

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("unapproved-listener", include_str!("unapproved-listener.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let register = Register::new(facts, settings);
    for (listener, approvals) in register.governed() {
        match (approvals.valid.first(), approvals.doubtful.first()) {
            (Some((position, entry)), _) => remark(listener, *position, entry, report),
            (None, Some(((_, entry), what))) => report.unjudged(format!(
                "{} may be what the entry for {} approves, but {what} could not be seen",
                listener.describe(),
                entry.selector
            )),
            (None, None) => report.fail(finding(&register, listener, &approvals)),
        }
    }
}

fn remark(listener: &Listener, position: usize, entry: &Entry, report: &mut Report) {
    let until = entry.until.map(|until| format!(", until {until}")).unwrap_or_default();
    let message = format!("approved for reach {}: {}, {}{until}", entry.limit, entry.owner, entry.reason);
    report.remark(Subject::Listener(listener.id.clone()), message, Some(pointer(position)));
}

fn finding(register: &Register<'_>, listener: &Listener, approvals: &Approvals<'_>) -> Finding {
    let facts = register.facts;
    let (name, reach) = (listener.describe(), facts.reach_clause(listener));
    if let Some((position, entry)) = approvals.over.first() {
        let until = entry.until.map(|until| until.to_string()).unwrap_or_default();
        let message = format!("the approval of {name} by the entry for {} ended on {until}, {reach}", entry.selector);
        return Finding::of_listener(listener, message).reach_of(facts, listener).parameter(pointer(*position));
    }
    match register.nearest(listener) {
        Some(((position, entry), field)) => {
            let message =
                format!("{name} is not approved, {reach}; the entry for {} has another {field}", entry.selector);
            Finding::of_listener(listener, message).reach_of(facts, listener).parameter(pointer(position))
        }
        None => Finding::of_listener(listener, format!("{name} is not approved, {reach}")).reach_of(facts, listener),
    }
}
