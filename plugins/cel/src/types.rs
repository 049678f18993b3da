//! The types of expressions, which are known before anything is judged.

use std::fmt;

use crate::record::Kind;

/// The type of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// One value.
    One(Element),
    /// A list of values. There are no lists of lists: nothing in the facts is one.
    List(Element),
}

/// The type of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// Any text.
    Text,
    /// One of a closed set of words, so that a mistyped one is found before it matches nothing.
    Word(Words),
    /// An IP address. It is no text: `::1` and `0:0:0:0:0:0:0:1` are the same.
    Address,
    /// A record with fields.
    Record(Kind),
    /// What an empty list holds.
    Nothing,
}

/// The words that a field can be.
pub(crate) type Words = &'static [&'static str];

/// How far senders can be away, nearest first.
pub(crate) const REACHES: Words = &["none", "host", "link", "private", "public"];

/// The scopes of addresses.
pub(crate) const SCOPES: Words = &["loopback", "link-local", "private", "shared", "public", "unspecified", "multicast"];

/// The transport protocols.
pub(crate) const PROTOCOLS: Words = &["tcp", "udp", "udplite", "sctp"];

/// Where a listener comes from.
pub(crate) const ORIGINS: Words = &["socket", "published-port"];

/// The states of reverse path filtering.
pub(crate) const RP_FILTERS: Words = &["off", "strict", "loose"];

impl Type {
    pub(crate) const BOOL: Self = Self::One(Element::Bool);
    pub(crate) const INT: Self = Self::One(Element::Int);
    pub(crate) const TEXT: Self = Self::One(Element::Text);
    pub(crate) const ADDRESS: Self = Self::One(Element::Address);

    /// The type of a value that can be either of two, if there is one.
    pub(crate) fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::One(one), Self::One(other)) => one.join(other).map(Self::One),
            (Self::List(one), Self::List(other)) => one.join(other).map(Self::List),
            _ => None,
        }
    }

    /// One word for the page.
    pub(crate) fn short(self) -> String {
        match self {
            Self::One(element) => element.short().to_owned(),
            Self::List(element) => format!("list of {}", element.short()),
        }
    }

    /// Whether it is a text, a word included.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::One(element) if element.is_text())
    }

    /// Whether a message can show it.
    pub(crate) fn can_be_shown(self) -> bool {
        let (Self::One(element) | Self::List(element)) = self;
        !matches!(element, Element::Record(_))
    }
}

impl Element {
    /// The type of a value that can be either of two, if there is one.
    pub(crate) fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one),
            (Self::Nothing, one) | (one, Self::Nothing) => Some(one),
            (one, other) if one.is_text() && other.is_text() => Some(Self::Text),
            _ => None,
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Text | Self::Word(_) => "string",
            Self::Address => "address",
            Self::Record(kind) => kind.name(),
            Self::Nothing => "nothing",
        }
    }

    /// Whether it is a text, a word included.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Word(_))
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(element) => element.fmt(formatter),
            Self::List(Element::Nothing) => formatter.write_str("an empty list"),
            Self::List(element) => write!(formatter, "a list, each {element}"),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => formatter.write_str("true or false"),
            Self::Int => formatter.write_str("a whole number"),
            Self::Text => formatter.write_str("a text"),
            Self::Word(words) => write!(formatter, "one of {}", words.join(", ")),
            Self::Address => formatter.write_str("an address"),
            Self::Record(kind) => write!(formatter, "{} `{}`", kind.article(), kind.name()),
            Self::Nothing => formatter.write_str("nothing"),
        }
    }
}
