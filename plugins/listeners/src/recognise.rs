//! Which service is behind a listener.
//!
//! What its owners are goes before the port: the control store of Ray listens on the port of Redis. Signs are tried
//! from the most to the least specific: an option that opens this very port, the executable, a word of the command line
//! of an interpreter, the unit. Every owner counts. The port alone decides only where no owner was recognised.

use std::fmt;

use loopgate_plugin::prelude::*;

use crate::catalogue::{Catalogue, Service};

/// A service that was recognised behind a listener.
#[derive(Debug)]
pub(crate) struct Recognised<'catalogue> {
    /// The service.
    pub(crate) service: &'catalogue Service,
    /// What it was recognised by.
    pub(crate) sign: Sign,
}

/// What a service was recognised by; the text is the value that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// An option of the command line that opens the port.
    Option(String),
    /// The path of the executable.
    Executable(String),
    /// The name that the process was called by, or has.
    Name(String),
    /// A word of the command line of an interpreter.
    CommandLine(String),
    /// The systemd unit.
    Unit(String),
    /// The port alone.
    Port(OwnerIs),
}

impl fmt::Display for Sign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(word) => write!(formatter, "option {word}"),
            Self::Executable(path) => write!(formatter, "executable {path}"),
            Self::Name(name) => write!(formatter, "name {name}"),
            Self::CommandLine(word) => write!(formatter, "command line {word}"),
            Self::Unit(unit) => write!(formatter, "unit {unit}"),
            Self::Port(_) => formatter.write_str("port alone"),
        }
    }
}

/// What is known of the owners of a listener that only its port says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerIs {
    /// No owner was seen.
    Unseen,
    /// An interpreter or a forwarder, behind which anything can be.
    Anything,
    /// A program that the catalogue does not know.
    Unrelated,
}

/// The service behind a listener, if it is one of the catalogue: the worst, where owners differ.
pub(crate) fn recognise<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
) -> Option<Recognised<'catalogue>> {
    let Some(published) = &listener.published else { return recognise_at(catalogue, listener) };
    // A container has the port that the catalogue knows, whatever it is published as.
    let behind = Listener { port: published.target.port, reachability: Vec::new(), ..listener.clone() };
    recognise_at(catalogue, &behind).or_else(|| recognise_at(catalogue, listener))
}

fn recognise_at<'catalogue>(catalogue: &'catalogue Catalogue, listener: &Listener) -> Option<Recognised<'catalogue>> {
    let owners = listener.owners.iter();
    let by_owner = owners.filter_map(|owner| by_owner(catalogue, listener, owner));
    by_owner.max_by_key(|found| found.service.severity).or_else(|| by_port(catalogue, listener))
}

/// Whether the service behind a listener could be told at all: of each owner its executable was seen, and of one that
/// can be anything its command line too.
pub(crate) fn is_identifiable(listener: &Listener) -> bool {
    let is_seen = |owner: &Owner| match owner.program() {
        Some(program) => !is_interpreter(program) || !owner.command_line.is_empty(),
        None => !owner.command_line.is_empty(),
    };
    !listener.owners.is_empty() && listener.owners.iter().all(is_seen)
}

fn by_owner<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
    owner: &Owner,
) -> Option<Recognised<'catalogue>> {
    SIGNS.iter().find_map(|by| {
        let (service, sign) = by(catalogue, listener, owner)?;
        Some(Recognised { service, sign })
    })
}

/// The ways to recognise an owner, the most specific first.
const SIGNS: [Recogniser; 4] = [by_option, by_executable, by_command_line, by_unit];

/// Finds the service that a process is, and by what.
type Recogniser = for<'catalogue> fn(&'catalogue Catalogue, &Listener, &Owner) -> Option<(&'catalogue Service, Sign)>;

fn by_option<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
    owner: &Owner,
) -> Option<(&'catalogue Service, Sign)> {
    let mut options = owner.command_line.iter().filter(|word| word.starts_with('-'));
    options.find_map(|word| Some((catalogue.by_option(word, listener)?, Sign::Option(word.clone()))))
}

fn by_executable<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
    owner: &Owner,
) -> Option<(&'catalogue Service, Sign)> {
    let service = owner.program().and_then(|name| catalogue.by_executable(name, listener));
    if let (Some(service), Some(path)) = (service, &owner.executable) {
        return Some((service, Sign::Executable(path.clone())));
    }
    // One executable can be several programs, by the name it is called by, which the kernel does not see. A process
    // may choose both names, but one that wants to hide has an easier way: to be named like nothing at all.
    [called_as(owner), Some(owner.name.as_str())]
        .into_iter()
        .flatten()
        .find_map(|name| Some((catalogue.by_executable(name, listener)?, Sign::Name(name.to_owned()))))
}

/// The name that a process was called by: the file name of its first argument, of which a server that shows its state
/// there makes a sentence (`redis-server 0.0.0.0:6379`).
fn called_as(owner: &Owner) -> Option<&str> {
    owner.command_line.first()?.split_whitespace().next()?.rsplit('/').next()
}

/// Words count under an interpreter only: `ssh -L 6379:localhost:6379 redis-server` is no Redis.
fn by_command_line<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
    owner: &Owner,
) -> Option<(&'catalogue Service, Sign)> {
    if !owner.program().is_none_or(is_interpreter) {
        return None;
    }
    let mut words = owner.command_line.iter().filter(|word| !word.starts_with('-'));
    words.find_map(|word| Some((catalogue.by_word(word, listener)?, Sign::CommandLine(word.clone()))))
}

fn by_unit<'catalogue>(
    catalogue: &'catalogue Catalogue,
    listener: &Listener,
    owner: &Owner,
) -> Option<(&'catalogue Service, Sign)> {
    let unit = owner.unit.as_deref()?;
    let name = unit.strip_suffix(".service").or_else(|| unit.strip_suffix(".socket"))?;
    let service = catalogue.by_unit(name.split('@').next()?, listener)?;
    Some((service, Sign::Unit(unit.to_owned())))
}

fn by_port<'catalogue>(catalogue: &'catalogue Catalogue, listener: &Listener) -> Option<Recognised<'catalogue>> {
    let service = catalogue.by_port(listener)?;
    Some(Recognised { service, sign: Sign::Port(owner_is(listener)) })
}

fn owner_is(listener: &Listener) -> OwnerIs {
    let can_be_anything = |owner: &Owner| owner.program().is_none_or(|name| is_interpreter(name) || is_forwarder(name));
    if listener.owners.is_empty() {
        OwnerIs::Unseen
    } else if listener.owners.iter().any(can_be_anything) {
        OwnerIs::Anything
    } else {
        OwnerIs::Unrelated
    }
}

/// Whether a name is the one of a pattern; a `*` at its end stands for anything.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Programs that run other programs given as text: what matters is their command line.
fn is_interpreter(program: &str) -> bool {
    const INTERPRETERS: [&str; 20] = [
        "bash", "beam.smp", "bun", "busybox", "dash", "deno", "dotnet", "gunicorn", "java", "mono", "node", "nodejs",
        "perl*", "php*", "pypy*", "python*", "ruby*", "sh", "uvicorn", "zsh",
    ];
    INTERPRETERS.iter().any(|pattern| matches_name(pattern, program))
}

/// Programs that hold a port for a service that runs elsewhere: in a container, behind a tunnel, or not yet.
fn is_forwarder(program: &str) -> bool {
    const FORWARDERS: [&str; 16] = [
        "conmon",
        "containerd-shim*",
        "docker-proxy",
        "inetd",
        "init",
        "kubectl",
        "ncat",
        "pasta*",
        "rootlesskit",
        "rootlessport*",
        "slirp4netns",
        "socat",
        "ssh",
        "sshd*",
        "systemd",
        "xinetd",
    ];
    FORWARDERS.iter().any(|pattern| matches_name(pattern, program))
}

#[cfg(test)]
mod tests;
