//! The catalogue, indexed by what services are known by.
//!
//! A machine can have ten thousand listeners, and each owner is looked up by several signs: going through every entry
//! for each of them would take most of the fuel of a call.

use std::collections::BTreeMap;

use loopgate_plugin::prelude::Listener;

use super::Service;

/// Services, those of the policy before the built-in ones, and the ways to find them.
pub(crate) struct Catalogue {
    services: Vec<Service>,
    executables: Names,
    units: Names,
    file_names: Names,
    /// Words that hold a slash, with their service.
    paths: Vec<(String, usize)>,
    options: Vec<(String, usize)>,
    ports: BTreeMap<u16, Vec<usize>>,
}

impl Catalogue {
    pub(crate) fn new(services: Vec<Service>) -> Self {
        let mut catalogue = Self {
            services: Vec::new(),
            executables: Names::default(),
            units: Names::default(),
            file_names: Names::default(),
            paths: Vec::new(),
            options: Vec::new(),
            ports: BTreeMap::new(),
        };
        for (index, service) in services.iter().enumerate() {
            catalogue.add(index, service);
        }
        Self { services, ..catalogue }
    }

    fn add(&mut self, index: usize, service: &Service) {
        service.executables.iter().for_each(|pattern| self.executables.add(pattern, index));
        service.units.iter().for_each(|pattern| self.units.add(pattern, index));
        self.options.extend(service.options.iter().map(|option| (option.clone(), index)));
        for word in &service.words {
            if word.contains('/') {
                self.paths.push((word.clone(), index));
            } else {
                self.file_names.add(word, index);
            }
        }
        for port in &service.ports {
            self.ports.entry(*port).or_default().push(index);
        }
    }

    /// The service whose executable has a file name.
    pub(crate) fn by_executable(&self, name: &str, listener: &Listener) -> Option<&Service> {
        self.first(self.executables.find(name), listener)
    }

    /// The service that a unit runs, given without `.service` and instance.
    pub(crate) fn by_unit(&self, name: &str, listener: &Listener) -> Option<&Service> {
        self.first(self.units.find(name), listener)
    }

    /// The service that a word of a command line names, by its last component or by several.
    pub(crate) fn by_word(&self, word: &str, listener: &Listener) -> Option<&Service> {
        let file_name = word.rsplit('/').next().unwrap_or(word);
        let paths = self.paths.iter().filter(|(pattern, _)| ends_in(pattern, word)).map(|(_, index)| *index);
        self.first(self.file_names.find(file_name).chain(paths), listener)
    }

    /// The service whose option a word is, where the option opens the port of the listener.
    pub(crate) fn by_option(&self, word: &str, listener: &Listener) -> Option<&Service> {
        let opens = |option: &str, index: &usize| {
            let service = self.services.get(*index)?;
            argument_of(option, word).filter(|argument| opens_port(argument, service, listener))
        };
        let services = self.options.iter().filter(|(option, index)| opens(option, index).is_some());
        self.first(services.map(|(_, index)| *index), listener)
    }

    /// The service whose usual port a listener has.
    pub(crate) fn by_port(&self, listener: &Listener) -> Option<&Service> {
        let services = self.ports.get(&listener.port).map(Vec::as_slice).unwrap_or_default();
        self.first(services.iter().copied(), listener)
    }

    /// The first of some services, in the order of the catalogue, that may be behind a listener.
    fn first(&self, indices: impl Iterator<Item = usize>, listener: &Listener) -> Option<&Service> {
        let may_listen = |index: &usize| self.services.get(*index).is_some_and(|service| service.may_listen(listener));
        self.services.get(indices.filter(may_listen).min()?)
    }
}

/// Services by name. A `*` at the end of a pattern stands for anything.
#[derive(Default)]
struct Names {
    exact: BTreeMap<String, Vec<usize>>,
    prefixes: Vec<(String, usize)>,
}

impl Names {
    fn add(&mut self, pattern: &str, index: usize) {
        match pattern.strip_suffix('*') {
            Some(prefix) => self.prefixes.push((prefix.to_owned(), index)),
            None => self.exact.entry(pattern.to_owned()).or_default().push(index),
        }
    }

    fn find(&self, name: &str) -> impl Iterator<Item = usize> {
        let exact = self.exact.get(name).map(Vec::as_slice).unwrap_or_default();
        let prefixes = self.prefixes.iter().filter(move |(prefix, _)| name.starts_with(prefix.as_str()));
        exact.iter().copied().chain(prefixes.map(|(_, index)| *index))
    }
}

/// Whether a path ends in a pattern of whole components.
fn ends_in(pattern: &str, path: &str) -> bool {
    path.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// What follows an option in the same word: `--inspect=9230` gives `=9230`, `--inspect` gives nothing.
fn argument_of<'word>(option: &str, word: &'word str) -> Option<&'word str> {
    let rest = word.strip_prefix(option)?;
    (rest.is_empty() || rest.starts_with(['=', ':'])).then_some(rest)
}

/// Whether an argument opens the port of a listener: it names it, it leaves the choice to the system (0), or it names
/// none and the port is the usual one.
fn opens_port(argument: &str, service: &Service, listener: &Listener) -> bool {
    let mut named = argument.split(['=', ':', ',']).filter_map(|part| part.parse::<u16>().ok()).peekable();
    if named.peek().is_none() {
        return service.ports.contains(&listener.port);
    }
    named.any(|port| port == 0 || port == listener.port)
}
