//! Reads what `ipset save` prints.
//!
//! A line becomes the attributes that `ipset restore` would give the kernel for it (`ipset(8)`), and these are read as
//! those that the kernel gives. What is not understood of a set or of a member makes that set unknown.

use std::collections::HashMap;
use std::net::IpAddr;

use loopgate_facts::Untrusted;

use super::builder::{Draft, HEADER_BITMASK, HEADER_NETMASK};
use super::kind::{FLAGS, HARDWARE_ADDRESS, INTERFACE, Kind, NAME, Network, PORT, PROTOCOL, Source};
use super::member::{NOMATCH, PHYSDEV, WILDCARD};
use super::{IpSetId, IpSets};
use crate::attribute::append;
use crate::iptables_save::names::PROTOCOLS;
use crate::ruleset::Family;

/// A file that does not hold sets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SaveError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It neither makes a set nor adds to one.
    #[error("this is not a line of ipset save: {}", .0.escaped())]
    NotALine(Untrusted),
    /// A set comes twice.
    #[error("the set {} is there twice", .0.escaped())]
    Twice(Untrusted),
    /// It adds to a set that no line before it makes.
    #[error("there is no set {}", .0.escaped())]
    NoSet(Untrusted),
}

/// Whether text looks as if `ipset save` had printed it.
pub fn is_save(text: &[u8]) -> bool {
    lines(text).next().is_some_and(|(_, line)| matches!(line.as_slice(), [first, ..] if first.is("create")))
}

/// Reads a file.
pub fn parse(text: &[u8]) -> Result<IpSets, SaveError> {
    let mut file = File::default();
    for (line, words) in lines(text) {
        file.line(&words).map_err(|problem| SaveError { line, problem })?;
    }
    let ids = file.names.keys().map(|name| (name.clone(), id(name))).collect();
    Ok(file.sets.into_iter().map(|draft| draft.finish(&ids)).collect())
}

fn id(name: &[u8]) -> IpSetId {
    IpSetId::Name(Untrusted::from_bytes(name))
}

/// A word of a line, without its quotes.
#[derive(Clone, Copy)]
struct Word<'a> {
    value: &'a [u8],
    quoted: bool,
}

impl Word<'_> {
    fn is(self, text: &str) -> bool {
        !self.quoted && self.value == text.as_bytes()
    }
}

/// The words of the lines that have some, with their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Vec<Word<'_>>)> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let split = lines.map(|(index, line)| (index + 1, words(line)));
    split.filter(|(_, words)| words.first().is_some_and(|word| !word.value.starts_with(b"#")))
}

/// The words of a line. Within quotes blanks are part of a word, and a backslash means nothing (`build_argv`,
/// `lib/ipset.c`).
fn words(line: &[u8]) -> Vec<Word<'_>> {
    let (mut words, mut rest) = (Vec::new(), line.trim_ascii());
    while let Some(first) = rest.first() {
        let quoted = *first == b'"';
        let word = rest.strip_prefix(b"\"").unwrap_or(rest);
        let is_end = |byte: &u8| if quoted { *byte == b'"' } else { byte.is_ascii_whitespace() };
        let length = word.iter().position(is_end).unwrap_or(word.len());
        words.push(Word { value: word.get(..length).unwrap_or_default(), quoted });
        rest = word.get(length + usize::from(quoted)..).unwrap_or_default().trim_ascii_start();
    }
    words
}

#[derive(Default)]
struct File {
    sets: Vec<Draft>,
    names: HashMap<Box<[u8]>, usize>,
}

impl File {
    fn line(&mut self, line: &[Word<'_>]) -> Result<(), Problem> {
        match line {
            [verb, name, kind, options @ ..] if verb.is("create") => self.create(name.value, kind.value, options),
            [verb, name, member, options @ ..] if verb.is("add") => self.add(name.value, member.value, options),
            _ => {
                let text: Vec<_> = line.iter().map(|word| word.value).collect();
                Err(Problem::NotALine(Untrusted::from_bytes(&text.join(&b' '))))
            }
        }
    }

    fn create(&mut self, name: &[u8], kind: &[u8], options: &[Word<'_>]) -> Result<(), Problem> {
        if self.names.insert(name.into(), self.sets.len()).is_some() {
            return Err(Problem::Twice(Untrusted::from_bytes(name)));
        }
        let family = family(kind, options);
        let mut draft = Draft::new(id(name), name, kind, family, header(options).as_deref().unwrap_or_default());
        if header(options).is_none() {
            draft.spoil("its options are not understood".into());
        }
        self.sets.push(draft);
        Ok(())
    }

    fn add(&mut self, name: &[u8], member: &[u8], options: &[Word<'_>]) -> Result<(), Problem> {
        let known = self.names.get(name).and_then(|position| self.sets.get_mut(*position));
        let draft = known.ok_or_else(|| Problem::NoSet(Untrusted::from_bytes(name)))?;
        let Some(kind) = draft.kind() else { return Ok(()) };
        match attributes(kind, member, options) {
            Some(attributes) => draft.add(&attributes),
            None => draft.spoil(format!("a member: {}", Untrusted::from_bytes(member).as_str()).into()),
        }
        Ok(())
    }
}

/// Sets of addresses are of IPv4 unless they say otherwise; others are of no family.
fn family(kind: &[u8], options: &[Word<'_>]) -> Option<Family> {
    let has_addresses = |kind: &Kind| kind.sources.iter().any(|source| matches!(source, Source::Network(_)));
    Kind::named(kind).filter(|kind| has_addresses(kind))?;
    let six = options.windows(2).any(|pair| matches!(pair, [name, value] if name.is("family") && value.is("inet6")));
    Some(if six { Family::Ip6 } else { Family::Ip })
}

/// The options of a set, of which few have a say in what matches.
fn header(options: &[Word<'_>]) -> Option<Vec<u8>> {
    const FLAGS: [&str; 4] = ["counters", "comment", "skbinfo", "forceadd"];
    const WITH_VALUE: [&str; 8] =
        ["hashsize", "maxelem", "bucketsize", "initval", "timeout", "size", "range", "family"];
    let (mut header, mut rest) = (Vec::new(), options);
    while let Some((name, behind)) = rest.split_first() {
        rest = behind;
        if FLAGS.iter().any(|flag| name.is(flag)) {
            continue;
        }
        let (value, behind) = rest.split_first()?;
        rest = behind;
        if name.is("netmask") {
            append(&mut header, HEADER_NETMASK, &[number(value.value)?]);
        } else if name.is("bitmask") {
            append(&mut header, HEADER_BITMASK, &address(value.value)?.1);
        } else if !WITH_VALUE.iter().any(|option| name.is(option)) {
            return None;
        }
    }
    Some(header)
}

/// A member as attributes.
fn attributes(kind: &Kind, member: &[u8], options: &[Word<'_>]) -> Option<Vec<u8>> {
    let mut flags = flags(options)?;
    let mut bytes = Vec::new();
    if kind.is_list() {
        append(&mut bytes, NAME, member);
        return Some(bytes);
    }
    let parts: Vec<_> = member.split(|byte| *byte == b',').collect();
    let lacks_hardware_address = matches!(kind.sources, [_, Source::HardwareAddress]) && parts.len() == 1;
    if parts.len() != kind.sources.len() && !lacks_hardware_address {
        return None;
    }
    for (source, part) in kind.sources.iter().zip(parts) {
        match source {
            Source::Network(network) => append_network(&mut bytes, *network, part)?,
            Source::ProtocolAndPort => append_service(&mut bytes, part)?,
            Source::Port => append(&mut bytes, PORT, &number::<u16>(part)?.to_be_bytes()),
            // It is compared with what is not known.
            Source::HardwareAddress => append(&mut bytes, HARDWARE_ADDRESS, &[0; 6]),
            Source::Interface => {
                let bridge_port = part.strip_prefix(b"physdev:");
                flags |= if bridge_port.is_some() { PHYSDEV } else { 0 };
                append(&mut bytes, INTERFACE, bridge_port.unwrap_or(part));
            }
        }
    }
    append(&mut bytes, FLAGS, &flags.to_be_bytes());
    Some(bytes)
}

fn flags(options: &[Word<'_>]) -> Option<u32> {
    const WITH_VALUE: [&str; 9] =
        ["timeout", "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue", "before", "after"];
    let (mut flags, mut rest) = (0, options);
    while let Some((name, behind)) = rest.split_first() {
        rest = behind;
        if name.is("nomatch") {
            flags |= NOMATCH;
        } else if name.is("wildcard") {
            flags |= WILDCARD;
        } else {
            rest = rest.get(1..).filter(|_| WITH_VALUE.iter().any(|option| name.is(option)))?;
        }
    }
    Some(flags)
}

/// `10.0.0.0/8`; without a length it is one address.
fn append_network(bytes: &mut Vec<u8>, network: Network, text: &[u8]) -> Option<()> {
    let mut halves = text.splitn(2, |byte| *byte == b'/');
    let (address, nested) = address(halves.next()?)?;
    let length = halves.next().map(number::<u8>);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    append(bytes, network.address, &nested);
    match (network.prefix, length) {
        (Some(attribute), None) => append(bytes, attribute, &[bits]),
        (Some(attribute), Some(length)) => append(bytes, attribute, &[length?]),
        (None, None) => {}
        (None, Some(_)) => return None,
    }
    Some(())
}

/// An address with its attribute.
fn address(text: &[u8]) -> Option<(IpAddr, Vec<u8>)> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    let mut nested = Vec::new();
    match address {
        IpAddr::V4(address) => append(&mut nested, 1, &address.octets()),
        IpAddr::V6(address) => append(&mut nested, 2, &address.octets()),
    }
    Some((address, nested))
}

/// `tcp:443`. What stands behind the protocol of ICMP is a type, which no port is compared with.
fn append_service(bytes: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, port) = text.split_once(':')?;
    let known = PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let protocol = known.or_else(|| number(name.as_bytes()))?;
    let port = if matches!(protocol, 1 | 58) { 0 } else { number::<u16>(port.as_bytes())? };
    append(bytes, PROTOCOL, &[protocol]);
    append(bytes, PORT, &port.to_be_bytes());
    Some(())
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
