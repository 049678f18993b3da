//! Which entries match a listener.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use loopgate_plugin::prelude::*;
use loopgate_selector::{Candidate, Match, PathPattern, Ports, Selector};

use crate::candidate::{candidate, ephemeral_ports, may_have_more_owners};
use crate::entry::{Entry, today};
use crate::settings::Settings;

/// The entries that can match, found without looking at all of them: thousands of listeners meet a thousand entries.
#[derive(Default)]
pub(crate) struct Index {
    /// Entries for single ports and short ranges, by port.
    by_port: BTreeMap<u16, Vec<usize>>,
    /// Of the others those for single executables, by path.
    by_executable: BTreeMap<String, Vec<usize>>,
    /// Of the others those for executables in certain folders, by folder.
    by_folder: BTreeMap<String, Vec<usize>>,
    /// Of the others those for single units, by name.
    by_unit: BTreeMap<String, Vec<usize>>,
    /// Of the others those for containers.
    for_containers: Vec<usize>,
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
        if let Some(ports) = few_ports(selector) {
            for port in ports {
                self.by_port.entry(port).or_default().push(position);
            }
        } else if let Some(paths) = single_executables(selector) {
            for path in paths {
                self.by_executable.entry(path).or_default().push(position);
            }
        } else if let Some(folders) = folders(selector) {
            for folder in folders {
                self.by_folder.entry(folder).or_default().push(position);
            }
        } else if let Some(units) = single_units(selector) {
            for unit in units {
                self.by_unit.entry(unit).or_default().push(position);
            }
        } else if selector.container.is_some() || selector.image.is_some() {
            self.for_containers.push(position);
        } else {
            self.rest.push(position);
        }
    }

    /// The positions of the entries that can match, in order.
    fn candidates(&self, listener: &Listener) -> Vec<usize> {
        let mut positions = self.near(listener);
        positions.extend(&self.rest);
        if may_be_in_container(listener) {
            positions.extend(&self.for_containers);
        }
        if listener.owners.is_empty() || listener.owners.iter().any(|owner| owner.executable.is_none()) {
            positions.extend(self.by_executable.values().chain(self.by_folder.values()).flatten());
        }
        if listener.owners.is_empty() || listener.owners.iter().any(|owner| owner.unit.is_none()) {
            positions.extend(self.by_unit.values().flatten());
        }
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// The positions of the entries that name its port, or the executable or unit of an owner.
    fn near(&self, listener: &Listener) -> Vec<usize> {
        let of_port = self.by_port.get(&listener.port).into_iter();
        let paths = listener.owners.iter().filter_map(|owner| owner.executable.as_deref());
        let paths = paths.map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
        let of_folders = paths.clone().flat_map(folders_above).filter_map(|folder| self.by_folder.get(folder));
        let of_paths = paths.filter_map(|path| self.by_executable.get(path)).chain(of_folders);
        let units = listener.owners.iter().filter_map(|owner| owner.unit.as_deref());
        let of_units = units.filter_map(|unit| self.by_unit.get(unit));
        of_port.chain(of_paths).chain(of_units).flatten().copied().collect()
    }
}

/// Whether it is in a container, or that could not be seen.
fn may_be_in_container(listener: &Listener) -> bool {
    let is_published_to_one = listener.published.as_ref().is_some_and(|published| published.container.is_some());
    let may_be = |owner: &Owner| owner.container.is_some() || owner.cgroup.is_none();
    is_published_to_one || listener.owners.is_empty() || listener.owners.iter().any(may_be)
}

/// Wider ranges are held against every listener.
const MOST_PORTS: usize = 64;

fn few_ports(selector: &Selector) -> Option<Vec<u16>> {
    let few = |ports: &Ports| match ports {
        Ports::Range(range) if range.len() <= MOST_PORTS => Some(range.clone()),
        Ports::Range(_) | Ports::Ephemeral => None,
    };
    let ranges: Option<Vec<_>> = selector.port.as_ref()?.0.iter().map(few).collect();
    Some(ranges?.into_iter().flatten().collect())
}

/// Every folder that a path is in, with the `/` at its end.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..=at))
}

/// The folders of all its patterns; `None` if one of them can match in any folder.
fn folders(selector: &Selector) -> Option<Vec<String>> {
    let folder = |path: &PathPattern| Some(path.folder().to_owned()).filter(|folder| !folder.is_empty());
    selector.executable.as_ref()?.0.iter().map(folder).collect()
}

fn single_units(selector: &Selector) -> Option<Vec<String>> {
    selector.unit.as_ref()?.0.iter().map(|unit| unit.exact().map(str::to_owned)).collect()
}

fn single_executables(selector: &Selector) -> Option<Vec<String>> {
    selector.executable.as_ref()?.0.iter().map(|path| path.exact().map(str::to_owned)).collect()
}

/// What the entries say of each listener, by their positions: worked out once for all rules of a call.
#[derive(Default)]
pub(crate) struct Matches(OnceCell<Vec<Matched>>);

/// What the entries say of one listener.
#[derive(Default)]
struct Matched {
    yes: Vec<usize>,
    perhaps: Vec<(usize, &'static str)>,
}

/// The facts as the rules of this plugin look at them.
pub(crate) struct Register<'facts> {
    pub(crate) facts: &'facts Facts,
    settings: &'facts Settings,
    ephemeral_ports: Option<RangeInclusive<u16>>,
    may_have_more_owners: bool,
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
        let (ephemeral_ports, may_have_more_owners) = (ephemeral_ports(facts), may_have_more_owners(facts));
        Self { facts, settings, ephemeral_ports, may_have_more_owners, today: today(facts) }
    }

    /// Every listener with what the entries say of it.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (&'facts Listener, Approvals<'facts>)> {
        let matched =
            self.settings.matches.0.get_or_init(|| self.facts.listeners.iter().map(|it| self.matched(it)).collect());
        self.facts.listeners.iter().zip(matched).map(|(listener, matched)| (listener, self.approvals(matched)))
    }

    /// The same for the listeners that need an approval: all that packets from elsewhere can be addressed to or may arrive
    /// at, whatever keeps them away, and those on loopback where the policy says so.
    pub(crate) fn governed(&self) -> impl Iterator<Item = (&'facts Listener, Approvals<'facts>)> {
        let (facts, loopback) = (self.facts, self.settings.loopback);
        self.listeners().filter(move |(listener, _)| {
            loopback || !facts.is_confined_to_host(listener) || listener.reach.possible > Reach::Host
        })
    }

    fn candidate<'a>(&'a self, listener: &'a Listener) -> Candidate<'a> {
        candidate(listener, self.ephemeral_ports.as_ref(), self.may_have_more_owners)
    }

    fn matched(&self, listener: &Listener) -> Matched {
        let candidate = self.candidate(listener);
        let mut matched = Matched::default();
        for position in self.settings.index.candidates(listener) {
            let Some(entry) = self.settings.entries.get(position) else { continue };
            match entry.selector.matches(&candidate) {
                Match::Yes => matched.yes.push(position),
                Match::Unknown(what) => matched.perhaps.push((position, what)),
                Match::No => {}
            }
        }
        matched
    }

    fn approvals(&self, matched: &Matched) -> Approvals<'facts> {
        let entry = |position: usize| Some((position, self.settings.entries.get(position)?));
        let matching = matched.yes.iter().filter_map(|position| entry(*position));
        let (over, valid) = matching.partition(|(_, entry)| entry.is_over(self.today));
        let doubtful = matched.perhaps.iter().filter_map(|(position, what)| Some((entry(*position)?, *what)));
        Approvals { valid, over, doubtful: doubtful.collect() }
    }

    /// The entry that a listener misses by one field, and that field.
    pub(crate) fn nearest(&self, listener: &'facts Listener) -> Option<(Numbered<'facts>, &'static str)> {
        let candidate = self.candidate(listener);
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
