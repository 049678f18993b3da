//! A selector: everything that a listener must be.

use std::fmt;

use loopgate_parameters::{OneOrMany, Parameter, Place, Reader, expect};
use serde_json::{Value, json};

use crate::{AddressPattern, Candidate, Container, PathPattern, Pattern, Ports, Process};

/// Whether a selector matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may: this could not be seen.
    Unknown(&'static str),
}

/// Everything that a listener must be. What is `None` may be anything.
///
/// A listener can have several owners, and every one of them must match: otherwise whoever else holds the socket would be
/// selected along. systemd as process 1 beside others does not count: it keeps the sockets that it opens for services.
///
/// What names no container selects no process of one by its executable or user: both are chosen by whoever made the image.
/// Nor does it select by its executable a process outside of a container that has a file system of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The file that the owners execute.
    pub executable: Option<OneOrMany<PathPattern>>,
    /// The systemd unit of the owners.
    pub unit: Option<OneOrMany<Pattern>>,
    /// The user of the owners.
    pub user: Option<OneOrMany<Pattern>>,
    /// The name of the container.
    pub container: Option<OneOrMany<Pattern>>,
    /// The image of the container.
    pub image: Option<OneOrMany<Pattern>>,
    /// The transport protocol.
    pub protocol: Option<OneOrMany<Protocol>>,
    /// The bound port.
    pub port: Option<OneOrMany<Ports>>,
    /// The bound address.
    pub address: Option<OneOrMany<AddressPattern>>,
}

impl Selector {
    /// Reads the fields of a selector, which are some of the fields of an object.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            executable: reader.optional("executable", "Full path of the program that holds the socket, or a glob."),
            unit: reader.optional("unit", "systemd unit of the program, such as `nginx.service`, or a glob."),
            user: reader.optional("user", "User that the program runs as: the name, or the number if it has none."),
            container: reader.optional("container", "Name of the container that the program is in, or a glob."),
            image: reader.optional("image", "Image of that container, such as `docker.io/library/redis:*`."),
            protocol: reader.optional("protocol", "Transport protocol: tcp, udp, udplite, sctp."),
            port: reader.optional("port", "Port, range such as `8000-8010`, `ephemeral`, or a list of these."),
            address: reader.optional("address", "Bound address, network, or scope such as `private` or `unspecified`."),
        }
    }

    /// Whether it says nothing, and so would select everything.
    pub fn is_empty(&self) -> bool {
        let owner = [self.unit.is_none(), self.user.is_none(), self.container.is_none(), self.image.is_none()];
        let place = [self.protocol.is_none(), self.port.is_none(), self.address.is_none()];
        self.executable.is_none() && owner.into_iter().chain(place).all(|is_none| is_none)
    }

    /// Whether it selects a listener.
    pub fn matches(&self, candidate: &Candidate<'_>) -> Match {
        let place = self.place(candidate).into_iter().map(|(_, is)| is).fold(Match::Yes, Match::and);
        if place == Match::No || !self.asks_owners() {
            return place;
        }
        match place.and(self.matches_owners(candidate)) {
            Match::Yes if candidate.may_have_more_owners => Match::Unknown("whether it has more owners"),
            is => is,
        }
    }

    /// The fields that keep it from selecting a listener, such as `port`; empty where it selects it or may.
    pub fn differences(&self, candidate: &Candidate<'_>) -> Vec<&'static str> {
        let mut fields = self.place(candidate).to_vec();
        for process in counting(&candidate.owners) {
            fields.extend(self.process(process, candidate.published_to));
        }
        let mut different: Vec<_> = fields.iter().filter(|(_, is)| *is == Match::No).map(|(field, _)| *field).collect();
        different.dedup();
        different
    }

    /// Whether each field that asks for a place matches.
    fn place(&self, candidate: &Candidate<'_>) -> [(&'static str, Match); 3] {
        let protocol = any(self.protocol.as_ref(), |protocol| (protocol.0 == candidate.protocol).into());
        let address = any(self.address.as_ref(), |address| address.contains(candidate.address, candidate.scope).into());
        let port = any(self.port.as_ref(), |ports| match ports.contains(candidate.port, candidate.ephemeral_ports) {
            Some(contains) => contains.into(),
            None => Match::Unknown("which ports are ephemeral"),
        });
        [("port", port), ("protocol", protocol), ("address", address)]
    }

    /// Whether it depends on who owns the listener.
    fn asks_owners(&self) -> bool {
        let asks = [self.unit.is_some(), self.user.is_some(), self.container.is_some(), self.image.is_some()];
        self.executable.is_some() || asks.contains(&true)
    }

    fn matches_owners(&self, candidate: &Candidate<'_>) -> Match {
        let mut owners = counting(&candidate.owners).peekable();
        if owners.peek().is_none() {
            return self.matches_unowned(candidate);
        }
        owners
            .flat_map(|process| self.process(process, candidate.published_to))
            .map(|(_, is)| is)
            .fold(Match::Yes, Match::and)
    }

    /// Without an owner in sight the container that a published port leads to may still be known.
    fn matches_unowned(&self, candidate: &Candidate<'_>) -> Match {
        let asks_processes = [self.executable.is_some(), self.unit.is_some(), self.user.is_some()].contains(&true);
        match candidate.published_to {
            Some(container) if !asks_processes => self.matches_named(container),
            _ => Match::Unknown("its owner"),
        }
    }

    /// Whether each field that asks for an owner matches a process.
    fn process(&self, process: &Process<'_>, published_to: Option<Container<'_>>) -> [(&'static str, Match); 4] {
        let is_elsewhere = process.is_elsewhere && process.container.is_none();
        let executable = any(self.executable.as_ref(), |path| match process.executable {
            Some(executable) => (!is_elsewhere && path.matches(executable)).into(),
            None => Match::Unknown("the executable of its owner"),
        });
        let unit = any(self.unit.as_ref(), |unit| match process.unit {
            Some(found) => unit.matches(found).into(),
            None if process.is_placed => Match::No,
            None => Match::Unknown("the unit of its owner"),
        });
        let user = any(self.user.as_ref(), |user| user_matches(user, process));
        let container = self.matches_container(process, process.container.or(published_to));
        [("container", container), ("executable", executable), ("unit", unit), ("user", user)]
    }

    fn matches_container(&self, process: &Process<'_>, container: Option<Container<'_>>) -> Match {
        let names_one = self.container.is_some() || self.image.is_some();
        let asks_for_its_content = self.executable.is_some() || self.user.is_some();
        match container {
            None if !process.is_placed && (names_one || asks_for_its_content) => {
                Match::Unknown("whether its owner is in a container")
            }
            None => (!names_one).into(),
            Some(_) if !names_one => (!asks_for_its_content).into(),
            Some(container) => self.matches_named(container),
        }
    }

    fn matches_named(&self, container: Container<'_>) -> Match {
        let name = any(self.container.as_ref(), |pattern| match container.name {
            Some(name) => pattern.matches(name).into(),
            None => Match::Unknown("the name of its container"),
        });
        let image = any(self.image.as_ref(), |pattern| match container.image {
            Some(image) => pattern.matches(image).into(),
            None => Match::Unknown("the image of its container"),
        });
        name.and(image)
    }
}

/// The owners that count: all but systemd as process 1 beside others. Any other process 1 is a program like every other, as in
/// a container.
fn counting<'c, 'facts>(owners: &'c [Process<'facts>]) -> impl Iterator<Item = &'c Process<'facts>> {
    let is_alone = owners.len() == 1;
    owners.iter().filter(move |process| is_alone || !opens_sockets_for_others(process))
}

fn opens_sockets_for_others(process: &Process<'_>) -> bool {
    let is_systemd = process.executable.is_some_and(|path| path.ends_with("/systemd"));
    process.pid == 1 && is_systemd && !process.is_elsewhere && process.container.is_none()
}

fn user_matches(pattern: &Pattern, process: &Process<'_>) -> Match {
    match (process.user, process.uid) {
        (Some(user), _) => pattern.matches(user).into(),
        (None, Some(uid)) => pattern.matches(&uid.to_string()).into(),
        (None, None) => Match::Unknown("the user of its owner"),
    }
}

/// Whether one of the patterns matches; where there are none, everything does.
fn any<T>(patterns: Option<&OneOrMany<T>>, matches: impl Fn(&T) -> Match) -> Match {
    match patterns {
        None => Match::Yes,
        Some(OneOrMany(patterns)) => patterns.iter().map(matches).fold(Match::No, Match::or),
    }
}

impl Match {
    /// Both: no if one is no, yes if both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(what), _) | (_, Self::Unknown(what)) => Self::Unknown(what),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown(what), _) | (_, Self::Unknown(what)) => Self::Unknown(what),
            (Self::No, Self::No) => Self::No,
        }
    }
}

impl From<bool> for Match {
    fn from(is_match: bool) -> Self {
        if is_match { Self::Yes } else { Self::No }
    }
}

/// A transport protocol by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(&'static str);

const PROTOCOLS: [&str; 4] = ["tcp", "udp", "udplite", "sctp"];

impl Parameter for Protocol {
    fn schema() -> Value {
        json!({ "enum": PROTOCOLS })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let word = PROTOCOLS.into_iter().find(|word| value.as_str() == Some(word));
        expect(word, "tcp, udp, udplite or sctp", value, place).map(Self)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.0)
    }
}

/// In words: `/usr/sbin/nginx on tcp 80,443`.
impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |kind: &str, names: String| if names.is_empty() { names } else { format!("{kind} {names}") };
        let what = [
            list(self.executable.as_ref()),
            list(self.unit.as_ref()),
            named("user", list(self.user.as_ref())),
            named("container", list(self.container.as_ref())),
            named("image", list(self.image.as_ref())),
        ];
        let place = [list(self.address.as_ref()), list(self.protocol.as_ref()), list(self.port.as_ref())];
        let join = |parts: &[String]| {
            parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
        };
        match (join(&what), join(&place)) {
            (what, place) if place.is_empty() => formatter.write_str(&what),
            (what, place) if what.is_empty() => write!(formatter, "anything on {place}"),
            (what, place) => write!(formatter, "{what} on {place}"),
        }
    }
}

fn list<T: fmt::Display>(patterns: Option<&OneOrMany<T>>) -> String {
    let patterns = patterns.map(|OneOrMany(patterns)| patterns.as_slice()).unwrap_or_default();
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
