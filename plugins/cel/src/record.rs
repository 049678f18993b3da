//! The parts of the facts that expressions name, and how a field of one is read.

use loopgate_plugin::prelude::*;

use crate::fields;
use crate::types::{Element, Type};
use crate::value::Value;

/// A part of the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    Host(&'a Facts),
    Listener(&'a Listener),
    Owner(&'a Owner),
    Container(&'a Container),
    Published(&'a Published),
    Interface(&'a NetworkInterface),
    InterfaceAddress(&'a InterfaceAddress),
    Name(&'a HostName<'a>),
    Sysctl(&'a Sysctl),
}

/// One name of one line of the host table.
#[derive(Debug)]
pub(crate) struct HostName<'a> {
    pub(crate) name: &'a str,
    pub(crate) entry: &'a HostsEntry,
}

impl<'a> HostName<'a> {
    /// Every name that the host table has.
    pub(crate) fn all(facts: &'a Facts) -> Vec<Self> {
        let of = |entry: &'a HostsEntry| entry.names.iter().map(move |name| Self { name, entry });
        facts.names.hosts.iter().flat_map(of).collect()
    }
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Host,
    Listener,
    Owner,
    Container,
    Published,
    Interface,
    InterfaceAddress,
    Name,
    Sysctl,
}

/// What is known of a field.
pub(crate) enum Seen<'a> {
    /// It has this value.
    Value(Value<'a>),
    /// It is not there.
    Absent,
    /// It could not be told.
    Unknown,
}

/// A field of a record.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) of: Type,
    /// The area of the facts that it comes from, beside the one that its record comes from.
    pub(crate) area: Option<&'static Area>,
    /// Whether a record can be without it. Everything else that has no value could not be observed.
    pub(crate) can_be_absent: bool,
    pub(crate) get: Getter,
}

/// Reads a field.
#[derive(Clone, Copy)]
pub(crate) enum Getter {
    Host(for<'a> fn(&'a Facts) -> Seen<'a>),
    Listener(for<'a> fn(&'a Listener) -> Seen<'a>),
    Owner(for<'a> fn(&'a Owner) -> Seen<'a>),
    Container(for<'a> fn(&'a Container) -> Seen<'a>),
    Published(for<'a> fn(&'a Published) -> Seen<'a>),
    Interface(for<'a> fn(&'a NetworkInterface) -> Seen<'a>),
    InterfaceAddress(for<'a> fn(&'a InterfaceAddress) -> Seen<'a>),
    Name(for<'a> fn(&'a HostName<'a>) -> Seen<'a>),
    Sysctl(for<'a> fn(&'a Sysctl) -> Seen<'a>),
}

impl Getter {
    /// Reads the field of a record. A record of another kind, which the checker excludes, has nothing that is known.
    pub(crate) fn get(self, record: Record<'_>) -> Seen<'_> {
        match (self, record) {
            (Self::Host(get), Record::Host(it)) => get(it),
            (Self::Listener(get), Record::Listener(it)) => get(it),
            (Self::Owner(get), Record::Owner(it)) => get(it),
            (Self::Container(get), Record::Container(it)) => get(it),
            (Self::Published(get), Record::Published(it)) => get(it),
            (Self::Interface(get), Record::Interface(it)) => get(it),
            (Self::InterfaceAddress(get), Record::InterfaceAddress(it)) => get(it),
            (Self::Name(get), Record::Name(it)) => get(it),
            (Self::Sysctl(get), Record::Sysctl(it)) => get(it),
            _ => Seen::Unknown,
        }
    }
}

impl Record<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Host(_) => Kind::Host,
            Self::Listener(_) => Kind::Listener,
            Self::Owner(_) => Kind::Owner,
            Self::Container(_) => Kind::Container,
            Self::Published(_) => Kind::Published,
            Self::Interface(_) => Kind::Interface,
            Self::InterfaceAddress(_) => Kind::InterfaceAddress,
            Self::Name(_) => Kind::Name,
            Self::Sysctl(_) => Kind::Sysctl,
        }
    }
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 9] = [
        Self::Host,
        Self::Listener,
        Self::Owner,
        Self::Container,
        Self::Published,
        Self::Interface,
        Self::InterfaceAddress,
        Self::Name,
        Self::Sysctl,
    ];

    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Listener => "listener",
            Self::Owner => "owner",
            Self::Container => "container",
            Self::Published => "published",
            Self::Interface => "interface",
            Self::InterfaceAddress => "interface address",
            Self::Name => "name",
            Self::Sysctl => "sysctl",
        }
    }

    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Owner | Self::Interface | Self::InterfaceAddress => "an",
            _ => "a",
        }
    }

    /// Its fields.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Host => fields::HOST,
            Self::Listener => fields::LISTENER,
            Self::Owner => fields::OWNER,
            Self::Container => fields::CONTAINER,
            Self::Published => fields::PUBLISHED,
            Self::Interface => fields::INTERFACE,
            Self::InterfaceAddress => fields::INTERFACE_ADDRESS,
            Self::Name => fields::NAME,
            Self::Sysctl => fields::SYSCTL,
        }
    }

    /// The field of a name.
    pub(crate) fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }

    /// The type of a record of this kind.
    pub(crate) const fn one(self) -> Type {
        Type::One(Element::Record(self))
    }

    /// The type of a list of records of this kind.
    pub(crate) const fn list(self) -> Type {
        Type::List(Element::Record(self))
    }
}
