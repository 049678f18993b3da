//! The values of expressions: borrowed from the facts and the program wherever they can be.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use loopgate_plugin::prelude::*;

use crate::record::{HostName, Record};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(Text<'a>),
    /// An address, never an IPv4 address mapped into IPv6.
    Address(IpAddr),
    /// A list.
    List(List<'a>),
    /// A part of the facts.
    Record(Record<'a>),
}

/// A text that was observed or written down, or one that an expression made.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    /// Of the facts or of the expression.
    Kept(&'a str),
    /// Made while evaluating.
    Made(Rc<str>),
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    Listeners(&'a [Listener]),
    Owners(&'a [Owner]),
    Interfaces(&'a [NetworkInterface]),
    InterfaceAddresses(&'a [InterfaceAddress]),
    Names(&'a [HostName<'a>]),
    Sysctls(&'a [Sysctl]),
    Texts(&'a [String]),
    Numbers(&'a [u32]),
    Addresses(&'a [IpAddress]),
    /// Written down in the expression.
    Kept(&'a [Value<'static>]),
    /// Made while evaluating.
    Made(Rc<[Value<'a>]>),
}

impl<'a> Value<'a> {
    /// A text of the facts.
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Text::Kept(text))
    }

    /// A text that was made.
    pub(crate) fn made(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Made(text.into()))
    }

    /// An address of the facts.
    pub(crate) fn address(address: &IpAddress) -> Self {
        Self::Address(address.to_std().to_canonical())
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text.as_str()) } else { None }
    }

    pub(crate) fn as_address(&self) -> Option<IpAddr> {
        if let Self::Address(address) = self { Some(*address) } else { None }
    }

    /// Whether two values of the same type are equal; `None` for values that cannot be compared.
    pub(crate) fn equals(&self, other: &Value<'_>) -> Option<bool> {
        match (self, other) {
            (Self::Int(one), Value::Int(other)) => Some(one == other),
            (Self::Text(one), Value::Text(other)) => Some(one.as_str() == other.as_str()),
            (Self::Bool(one), Value::Bool(other)) => Some(one == other),
            (Self::Address(one), Value::Address(other)) => Some(one == other),
            _ => None,
        }
    }
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Kept(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Listeners(list) => list.len(),
            Self::Owners(list) => list.len(),
            Self::Interfaces(list) => list.len(),
            Self::InterfaceAddresses(list) => list.len(),
            Self::Names(list) => list.len(),
            Self::Sysctls(list) => list.len(),
            Self::Texts(list) => list.len(),
            Self::Numbers(list) => list.len(),
            Self::Addresses(list) => list.len(),
            Self::Kept(list) => list.len(),
            Self::Made(list) => list.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Value<'a>> {
        Some(match self {
            Self::Listeners(list) => Value::Record(Record::Listener(list.get(index)?)),
            Self::Owners(list) => Value::Record(Record::Owner(list.get(index)?)),
            Self::Interfaces(list) => Value::Record(Record::Interface(list.get(index)?)),
            Self::InterfaceAddresses(list) => Value::Record(Record::InterfaceAddress(list.get(index)?)),
            Self::Names(list) => Value::Record(Record::Name(list.get(index)?)),
            Self::Sysctls(list) => Value::Record(Record::Sysctl(list.get(index)?)),
            Self::Texts(list) => Value::text(list.get(index)?),
            Self::Numbers(list) => Value::Int(i64::from(*list.get(index)?)),
            Self::Addresses(list) => Value::address(list.get(index)?),
            Self::Kept(list) => list.get(index)?.clone(),
            Self::Made(list) => list.get(index)?.clone(),
        })
    }
}

/// As messages and evidence show it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(formatter),
            Self::Int(value) => value.fmt(formatter),
            Self::Text(text) => formatter.write_str(text.as_str()),
            Self::Address(address) => address.fmt(formatter),
            Self::List(list) => list.fmt(formatter),
            Self::Record(record) => formatter.write_str(record.kind().name()),
        }
    }
}

impl fmt::Display for List<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in (0..self.len()).filter_map(|index| self.get(index)).enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            item.fmt(formatter)?;
        }
        Ok(())
    }
}
