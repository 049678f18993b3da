//! Ports: one, a range, or those that the kernel hands out.

use std::fmt;
use std::ops::RangeInclusive;

use loopgate_parameters::{Parameter, Place, expect};
use serde_json::{Value, json};

/// One port, a range of ports, or the ephemeral ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// From the first to the last.
    Range(RangeInclusive<u16>),
    /// Those that the kernel chooses for sockets that ask for none: `net.ipv4.ip_local_port_range`, which holds for IPv6
    /// too.
    Ephemeral,
}

/// The two ends of a range of ports as the kernel writes them (`net.ipv4.ip_local_port_range`, `ip(7)`): with blanks between.
pub fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = text.split_whitespace().map(str::parse);
    match (ends.next(), ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some(first..=last),
        _ => None,
    }
}

impl Ports {
    /// Whether the port is one of these; `None` where that depends on the ephemeral ports and they are not known.
    pub fn contains(&self, port: u16, ephemeral: Option<&RangeInclusive<u16>>) -> Option<bool> {
        match self {
            Self::Range(range) => Some(range.contains(&port)),
            Self::Ephemeral => ephemeral.map(|range| range.contains(&port)),
        }
    }

    /// The one port that it is; `None` for several.
    pub fn single(&self) -> Option<u16> {
        match self {
            Self::Range(range) if range.start() == range.end() => Some(*range.start()),
            _ => None,
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.single()) {
            (_, Some(port)) => write!(formatter, "{port}"),
            (Self::Range(range), None) => write!(formatter, "{}-{}", range.start(), range.end()),
            (Self::Ephemeral, None) => formatter.write_str("ephemeral"),
        }
    }
}

impl Parameter for Ports {
    fn schema() -> Value {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u16::MAX },
            { "type": "string", "pattern": "^([0-9]{1,5}-[0-9]{1,5}|ephemeral)$" },
        ] })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let expected = "a port from 1 to 65535, a range such as \"8000-8010\", or \"ephemeral\"";
        match value {
            Value::String(word) if word == "ephemeral" => Some(Self::Ephemeral),
            Value::String(text) => range(text, expected, value, place),
            _ => {
                let port = value.as_u64().and_then(|port| port.try_into().ok()).filter(|port| *port != 0);
                expect(port, expected, value, place).map(|port| Self::Range(port..=port))
            }
        }
    }
}

fn range(text: &str, expected: &str, value: &Value, place: &mut Place<'_>) -> Option<Ports> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port != 0);
    let ends = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
    let (first, last) = expect(ends, expected, value, place)?;
    if first > last {
        place.problem(format!("the range is upside down: {first} is above {last}; write \"{last}-{first}\""));
        return None;
    }
    Some(Ports::Range(first..=last))
}
