//! Tells whether a table is for IPv4 or for IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::sections::{File, TableText};
use super::words::words;
use super::{Assumption, Note};
use crate::ruleset::Family;

/// The family of each table of a file: what the caller says, else the header, else the first address of the table or
/// of another with the same header, else IPv4 with a note.
pub(super) fn of_tables(file: &File<'_>, asked: Option<Family>, notes: &mut Vec<Note>) -> Vec<Family> {
    let guesses: Vec<_> = file.tables.iter().map(|table| header(table).or_else(|| from_rules(table))).collect();
    let mut families = Vec::with_capacity(guesses.len());
    for (table, guess) in file.tables.iter().zip(&guesses) {
        if asked.is_some() && header(table).is_some_and(|family| Some(family) != asked) {
            notes.push(Note { line: table.line, what: Assumption::OtherFamily });
        }
        families.push(asked.or(*guess).or_else(|| neighbours(file, table, &guesses)).unwrap_or_else(|| {
            notes.push(Note { line: table.line, what: Assumption::Family });
            Family::Ip
        }));
    }
    families
}

fn header(table: &TableText<'_>) -> Option<Family> {
    table.header?.ip6.map(|ip6| if ip6 { Family::Ip6 } else { Family::Ip })
}

/// What the tables that were printed together with this one are, if they agree.
fn neighbours(file: &File<'_>, table: &TableText<'_>, guesses: &[Option<Family>]) -> Option<Family> {
    let together = file.tables.iter().zip(guesses).filter(|(other, _)| other.header == table.header);
    let mut known = together.filter_map(|(_, guess)| *guess);
    let first = known.next()?;
    known.all(|other| other == first).then_some(first)
}

fn from_rules(table: &TableText<'_>) -> Option<Family> {
    table.rules.iter().find_map(|rule| from_rule(rule.text))
}

fn from_rule(text: &[u8]) -> Option<Family> {
    let mut words = words(text);
    while let Some(option) = words.next() {
        let told = match &*option.value {
            b"-s" | b"--source" | b"-d" | b"--destination" => {
                words.find(|word| !word.is("!")).and_then(|word| from_address(&word.value))
            }
            b"icmp6" | b"ipv6-icmp" | b"icmpv6" if !option.quoted => Some(Family::Ip6),
            _ => None,
        };
        if told.is_some() {
            return told;
        }
    }
    None
}

fn from_address(value: &[u8]) -> Option<Family> {
    let address = std::str::from_utf8(value).ok()?.split('/').next()?;
    let v4 = Ipv4Addr::from_str(address).ok().map(|_| Family::Ip);
    v4.or_else(|| Ipv6Addr::from_str(address).ok().map(|_| Family::Ip6))
}
