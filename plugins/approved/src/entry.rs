//! An entry: what is approved, how far it may reach, by whom, why, and until when.

use std::fmt;

use loopgate_plugin::prelude::*;
use loopgate_plugin::{Date, Words};
use loopgate_selector::Selector;

use crate::limit::Limit;

/// One approval.
pub(crate) struct Entry {
    /// What it approves.
    pub(crate) selector: Selector,
    /// How far that may reach.
    pub(crate) limit: Limit,
    /// Who answers for it.
    pub(crate) owner: Words,
    /// Why it is there.
    pub(crate) reason: Words,
    /// The last day that it holds; for ever without one.
    pub(crate) until: Option<Date>,
    /// Whether it may match nothing: what it approves comes and goes.
    pub(crate) optional: bool,
}

impl Entry {
    /// Whether it no longer holds on a day.
    pub(crate) fn is_over(&self, today: Option<Date>) -> bool {
        // On a day that is not known, nothing with an end can be said to hold.
        self.until.is_some_and(|until| today.is_none_or(|today| today > until))
    }
}

impl Parameters for Entry {
    fn read(reader: &mut Reader<'_>) -> Self {
        let entry = Self {
            selector: Selector::read(reader),
            limit: reader
                .required("reach", "How far it may reach: host, link, private, public, or a list of networks."),
            owner: reader.required("owner", "Who answers for it: a person or a team."),
            reason: reader.required("reason", "Why it listens."),
            until: reader.optional("until", "The last day that the approval holds, such as 2027-01-31."),
            optional: reader.or("optional", "Whether it may match nothing, because it comes and goes.", false),
        };
        if reader.is_sound() && entry.selector.is_empty() {
            reader.problem("it selects everything: set executable, unit, user, container, image, port or address");
        }
        entry
    }
}

/// What it approves, and how far.
impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (reach {})", self.selector, self.limit)
    }
}

/// Today, as far as the facts know.
pub(crate) fn today(facts: &Facts) -> Option<Date> {
    Date::of_utc_time(&facts.machine.collected_at)
}

/// The JSON Pointer of an entry.
pub(crate) fn pointer(position: usize) -> String {
    format!("/listeners/{position}")
}
