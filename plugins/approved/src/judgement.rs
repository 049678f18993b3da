//! Which entries match a listener.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use loopgate_plugin::prelude::*;
use loopgate_selector::{Match, Ports, Selector};

use crate::candidate::{candidate, ephemeral_ports};
use crate::entry::{Entry, today};
use crate::settings::Settings;

/// The entries that can match, found without looking at all of them: thousands of listeners meet a thousand entries.
#[derive(Default)]
pub(crate) struct Index {
    /// Entries for single ports, by port.
    by_port: BTreeMap<u16, Vec<usize>>,
    /// Of the others those for single executables, by path.
    by_executable: BTreeMap<String, Vec<usize>>,
    /// All others.
    rest: Vec<usize>,
}

impl Index {
    pub(crate) fn new(entries: &[Entry]) -> Self {
        let mut index = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            index.insert(position, &entry.selector);
        }
        index
    }

    fn insert(&mut self, position: usize, selector: &Selector) {
        if let Some(ports) = single_ports(selector) {
            for port in ports {
                self.by_port.entry(port).or_default().push(position);
            }
        } else if let Some(paths) = single_executables(selector) {
            for path in paths {
                self.by_executable.entry(path).or_default().push(position);
            }
        } else {
            self.rest.push(position);
        }
    }

    /// The positions of the entries that can match, in order.
    fn candidates(&self, listener: &Listener) -> Vec<usize> {
        let mut positions = self.near(listener);
        positions.extend(&self.rest);
        if listener.owners.is_empty() || listener.owners.iter().any(|owner| owner.executable.is_none()) {
            positions.extend(self.by_executable.values().flatten());
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// The positions of the entries that name its port or the executable of an owner.
    fn near(&self, listener: &Listener) -> Vec<usize> {
        let of_port = self.by_port.get(&listener.port).into_iter();
        let paths = listener.owners.iter().filter_map(|owner| owner.executable.as_deref());
        let paths = paths.map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
        of_port.chain(paths.filter_map(|path| self.by_executable.get(path))).flatten().copied().collect()
    }
}

fn single_ports(selector: &Selector) -> Option<Vec<u16>> {
    selector.port.as_ref()?.0.iter().map(Ports::single).collect()
}

fn single_executables(selector: &Selector) -> Option<Vec<String>> {
    selector.executable.as_ref()?.0.iter().map(|path| path.exact().map(str::to_owned)).collect()
}

/// The facts as the rules of this plugin look at them.
pub(crate) struct Register<'facts> {
    pub(crate) facts: &'facts Facts,
    settings: &'facts Settings,
    ephemeral_ports: Option<RangeInclusive<u16>>,
    today: Option<loopgate_plugin::Date>,
}

/// An entry and its position among the parameters.
pub(crate) type Numbered<'facts> = (usize, &'facts Entry);

/// What the entries say of one listener.
#[derive(Default)]
pub(crate) struct Approvals<'facts> {
    /// Entries that match and hold.
    pub(crate) valid: Vec<Numbered<'facts>>,
    /// Entries that match and are past their date.
    pub(crate) over: Vec<Numbered<'facts>>,
    /// Entries that may match, with what could not be seen.
    pub(crate) doubtful: Vec<(Numbered<'facts>, &'static str)>,
}

impl<'facts> Register<'facts> {
    pub(crate) fn new(facts: &'facts Facts, settings: &'facts Settings) -> Self {
        Self { facts, settings, ephemeral_ports: ephemeral_ports(facts), today: today(facts) }
    }

    /// The listeners that need an approval: all that packets from elsewhere can be addressed to or may arrive at, whatever
    /// keeps them away, and those on loopback where the policy says so.
    pub(crate) fn governed(&self) -> impl Iterator<Item = &'facts Listener> {
        let (facts, loopback) = (self.facts, self.settings.loopback);
        let is_governed = move |listener: &&Listener| {
            loopback || !facts.is_confined_to_host(listener) || listener.reach.possible > Reach::Host
        };
        facts.listeners.iter().filter(is_governed)
    }

    /// What the entries say of a listener.
    pub(crate) fn approvals(&self, listener: &'facts Listener) -> Approvals<'facts> {
        let candidate = candidate(listener, self.ephemeral_ports.as_ref());
        let mut approvals = Approvals::default();
        for position in self.settings.index.candidates(listener) {
            let Some(entry) = self.settings.entries.get(position) else { continue };
            match (entry.selector.matches(&candidate), entry.is_over(self.today)) {
                (Match::No, _) => {}
                (Match::Yes, true) => approvals.over.push((position, entry)),
                (Match::Yes, false) => approvals.valid.push((position, entry)),
                (Match::Unknown(what), _) => approvals.doubtful.push(((position, entry), what)),
            }
        }
        approvals
    }

    /// The entry that a listener misses by one field, and that field.
    pub(crate) fn nearest(&self, listener: &'facts Listener) -> Option<(Numbered<'facts>, &'static str)> {
        let candidate = candidate(listener, self.ephemeral_ports.as_ref());
        let mut positions = self.settings.index.near(listener);
        positions.sort_unstable();
        positions.into_iter().find_map(|position| {
            let entry = self.settings.entries.get(position)?;
            match entry.selector.differences(&candidate).as_slice() {
                [field] => Some(((position, entry), *field)),
                _ => None,
            }
        })
    }

    /// The entries with their positions.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Numbered<'facts>> {
        self.settings.entries.iter().enumerate()
    }

    /// Whether an entry is past its date.
    pub(crate) fn is_over(&self, entry: &Entry) -> bool {
        entry.is_over(self.today)
    }
}
