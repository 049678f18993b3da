//! What is tested, in the words of iptables.

use std::fmt::Write;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use loopgate_facts::Untrusted;

use super::{BEHIND, Part, quote};
use crate::Ruleset;
use crate::ip_set::{IpSet, IpSetId};
use crate::iptables_save::names::{ADDRESS_TYPES, PACKET_TYPES, PROTOCOLS, STATES, STATUSES, TCP_FLAGS};
use crate::rule::{Comparison, Direction, End, InterfaceEnd, IpSetReference, Predicate, Test};
use crate::ruleset::Family;

/// An option: the match that has it, its name, its value.
type Words = (&'static str, &'static str, String);

/// A test. `protocol` tells whose ports are meant.
pub(super) fn part(test: &Test, protocol: Option<u8>, family: Family, ruleset: &Ruleset) -> Part {
    if let Predicate::Unknown(text) = &test.predicate {
        return Part::bare(unknown(text, test.inverted));
    }
    let words = words(&test.predicate, protocol, family, ruleset);
    let Some((extension, option, value)) = words.filter(|words| words.0 != "rpfilter") else {
        return Part::bare(reverse_path(test).unwrap_or_else(|| wordless(test)));
    };
    let not = if test.inverted { "! " } else { "" };
    let space = if value.is_empty() { "" } else { " " };
    let rank = if extension.is_empty() { rank(option) } else { BEHIND };
    Part { extension, option, rank, words: format!("{not}{option}{space}{value}"), end: end(&test.predicate) }
}

/// A test whose values iptables has no words for.
fn wordless(test: &Test) -> String {
    let what = match &test.predicate {
        Predicate::Ports { .. } => "ports".to_owned(),
        Predicate::TcpFlags { mask, set } => format!("TCP flags {set:#04x} of {mask:#04x}"),
        Predicate::Icmp { protocol, kinds, codes } => {
            let (kinds, codes) = ((kinds.start(), kinds.end()), (codes.start(), codes.end()));
            format!("types {}-{} and codes {}-{} of protocol {protocol}", kinds.0, kinds.1, codes.0, codes.1)
        }
        Predicate::AddressType { end, types, .. } => {
            format!("types {types:#x} of the {} address", by(*end, "source", "destination"))
        }
        Predicate::PacketType(kind) => format!("packet type {kind}"),
        Predicate::ConntrackState(states) => format!("connection states {states:#x}"),
        Predicate::ConntrackStatus(bits) => format!("connection status {bits:#x}"),
        Predicate::HeaderPresent(name) => format!("header of {}", name.as_str()),
        Predicate::TimeToLive { value, .. } => format!("time to live beside {value}"),
        _ => "a test".to_owned(),
    };
    if test.inverted { format!("[not {what}]") } else { format!("[{what}]") }
}

/// What is said behind the options of a match: those of `addrtype` hold for both its types.
fn end(predicate: &Predicate) -> &'static str {
    match predicate {
        Predicate::AddressType { input_interface: true, output_interface: true, .. } => {
            " --limit-iface-in --limit-iface-out"
        }
        Predicate::AddressType { input_interface: true, .. } => " --limit-iface-in",
        Predicate::AddressType { output_interface: true, .. } => " --limit-iface-out",
        Predicate::InIpSet(question) => match (question.return_nomatch, question.counters) {
            (false, false) => "",
            (true, false) => " --return-nomatch",
            (false, true) => " [counters]",
            (true, true) => " --return-nomatch [counters]",
        },
        _ => "",
    }
}

/// The order in which `iptables-save(8)` shows the options of every rule.
fn rank(option: &str) -> u8 {
    let order = ["-s", "-d", "-i", "-o", "-p", "-f"];
    order.iter().position(|known| *known == option).and_then(|rank| u8::try_from(rank).ok()).unwrap_or(BEHIND)
}

fn words(predicate: &Predicate, protocol: Option<u8>, family: Family, ruleset: &Ruleset) -> Option<Words> {
    Some(match predicate {
        Predicate::AddressMask { end, address, mask } => ("", by(*end, "-s", "-d"), masked(*address, *mask)),
        Predicate::AddressRange { end, range } => {
            ("iprange", by(*end, "--src-range", "--dst-range"), format!("{}-{}", range.start(), range.end()))
        }
        Predicate::Protocol(number) => ("", "-p", protocol_name(*number)),
        Predicate::Ports { ends, ranges } => ports(ends, ranges, protocol)?,
        Predicate::TcpFlags { mask, set } => ("tcp", "--tcp-flags", format!("{} {}", flags(*mask)?, flags(*set)?)),
        Predicate::TcpOption(kind) => ("tcp", "--tcp-option", kind.to_string()),
        Predicate::Icmp { protocol, kinds, codes } => icmp(*protocol, kinds, codes)?,
        Predicate::Fragment => ("", "-f", String::new()),
        Predicate::TimeToLive { how, value } => time_to_live(*how, *value, family)?,
        Predicate::DifferentiatedServices(value) => ("dscp", "--dscp", format!("{value:#04x}")),
        Predicate::TypeOfService { value, mask } => ("tos", "--tos", format!("{value:#04x}/{mask:#04x}")),
        Predicate::Length(range) => ("length", "--length", port_range(range)),
        Predicate::Ipsec { end, protected, more } => ("policy", "--dir", policy(*end, *protected, more)),
        Predicate::BridgePort { end, name } => bridge_port(*end, name.as_ref()),
        Predicate::Bridged => ("physdev", "--physdev-is-bridged", String::new()),
        Predicate::Interface { end, name, prefix } => {
            let option = if *end == InterfaceEnd::Input { "-i" } else { "-o" };
            let plus = if *prefix { "+" } else { "" };
            ("", option, quote(&format!("{}{plus}", Untrusted::from_bytes(name).as_str())))
        }
        Predicate::InterfaceGroup { end, group, mask } => {
            let option = if *end == InterfaceEnd::Input { "--src-group" } else { "--dst-group" };
            ("devgroup", option, mark(*group, *mask))
        }
        Predicate::AddressType { end, types, .. } => {
            ("addrtype", by(*end, "--src-type", "--dst-type"), list(*types, ADDRESS_TYPES)?)
        }
        Predicate::Mark { value, mask } => ("mark", "--mark", mark(*value, *mask)),
        Predicate::PacketType(kind) => ("pkttype", "--pkt-type", name(*kind, PACKET_TYPES)?.to_owned()),
        Predicate::ReversePath { .. } => ("rpfilter", "", String::new()),
        Predicate::InIpSet(question) => ("set", "--match-set", ip_set(&question.set, ruleset)),
        Predicate::Unknown(_) | Predicate::HeaderPresent(_) => return None,
        connection => return of_connection(connection),
    })
}

fn time_to_live(how: Comparison, value: u8, family: Family) -> Option<Words> {
    let options = match family {
        Family::Ip6 => ["hl", "--hl-eq", "--hl-lt", "--hl-gt"],
        _ => ["ttl", "--ttl-eq", "--ttl-lt", "--ttl-gt"],
    };
    let [extension, equal, less, greater] = options;
    let option = match how {
        Comparison::Equal => equal,
        Comparison::Less => less,
        Comparison::Greater => greater,
        _ => return None,
    };
    Some((extension, option, value.to_string()))
}

fn policy(end: InterfaceEnd, protected: bool, more: &Untrusted) -> String {
    let direction = if end == InterfaceEnd::Input { "in" } else { "out" };
    let policy = if protected { "ipsec" } else { "none" };
    let space = if more.as_str().is_empty() { "" } else { " " };
    format!("{direction} --pol {policy}{space}{}", more.as_str())
}

fn bridge_port(end: InterfaceEnd, name: Option<&Untrusted>) -> Words {
    let option = match (end, name) {
        (InterfaceEnd::Input, Some(_)) => "--physdev-in",
        (InterfaceEnd::Output, Some(_)) => "--physdev-out",
        (InterfaceEnd::Input, None) => "--physdev-is-in",
        (InterfaceEnd::Output, None) => "--physdev-is-out",
    };
    ("physdev", option, name.map(|name| quote(name.as_str())).unwrap_or_default())
}

fn of_connection(predicate: &Predicate) -> Option<Words> {
    let (option, value) = match predicate {
        Predicate::ConntrackMark { value, mask } => return Some(("connmark", "--mark", mark(*value, *mask))),
        Predicate::ConntrackState(states) => ("--ctstate", list(*states, STATES)?),
        Predicate::ConntrackStatus(0) => ("--ctstatus", "NONE".to_owned()),
        Predicate::ConntrackStatus(bits) => ("--ctstatus", list(*bits, STATUSES)?),
        Predicate::ConntrackDirection(direction) => {
            ("--ctdir", if *direction == Direction::Original { "ORIGINAL" } else { "REPLY" }.to_owned())
        }
        Predicate::ConntrackProtocol(number) => ("--ctproto", number.to_string()),
        Predicate::ConntrackAddress { direction, end, address, mask } => {
            let option = tuple(*direction, *end, ["--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"]);
            (option, address_under(*address, *mask))
        }
        Predicate::ConntrackPort { direction, end, range } => {
            let options = ["--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"];
            (tuple(*direction, *end, options), port_range(range))
        }
        _ => return None,
    };
    Some(("conntrack", option, value))
}

fn tuple(direction: Direction, end: End, [a, b, c, d]: [&'static str; 4]) -> &'static str {
    match direction {
        Direction::Original => by(end, a, b),
        Direction::Reply => by(end, c, d),
    }
}

fn by(end: End, source: &'static str, destination: &'static str) -> &'static str {
    match end {
        End::Source => source,
        End::Destination => destination,
    }
}

/// An address with the length of its mask, or with a mask that is no prefix.
pub(super) fn masked(address: IpAddr, mask: IpAddr) -> String {
    let (bits, width) = match mask {
        IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, 32),
        IpAddr::V6(mask) => (mask.to_bits(), 128),
    };
    let length = bits.leading_ones();
    let is_prefix = length <= width && bits.checked_shl(length).unwrap_or(0) == 0;
    if is_prefix { format!("{address}/{length}") } else { format!("{address}/{mask}") }
}

/// The same; the mask of a whole address is left out.
pub(crate) fn address_under(address: IpAddr, mask: IpAddr) -> String {
    if is_whole(mask) { address.to_string() } else { masked(address, mask) }
}

fn is_whole(mask: IpAddr) -> bool {
    match mask {
        IpAddr::V4(mask) => mask.to_bits() == u32::MAX,
        IpAddr::V6(mask) => mask.to_bits() == u128::MAX,
    }
}

/// A protocol by name, or by number where it has none.
pub(crate) fn protocol_name(number: u8) -> String {
    name(number, PROTOCOLS).map_or_else(|| number.to_string(), str::to_owned)
}

fn name<T: PartialEq + Copy>(value: T, table: &[(&'static str, T)]) -> Option<&'static str> {
    table.iter().find(|(_, known)| *known == value).map(|(name, _)| *name)
}

/// The names of single bits, in the order of the table; `None` if one has no name.
fn list<T>(bits: T, table: &[(&'static str, T)]) -> Option<String>
where
    T: Copy + Into<u32>,
{
    let bits = bits.into();
    let known = table.iter().map(|(name, bit)| (*name, (*bit).into())).filter(|(_, bit)| bit.is_power_of_two());
    let there: Vec<_> = known.filter(|(_, bit)| bits & bit != 0).collect();
    let all = there.iter().fold(0, |sum, (_, bit)| sum | bit);
    let names: Vec<_> = there.iter().map(|(name, _)| *name).collect();
    (all == bits && bits != 0).then(|| names.join(","))
}

fn flags(bits: u8) -> Option<String> {
    if bits == 0 { Some("NONE".to_owned()) } else { list(bits, TCP_FLAGS) }
}

pub(super) fn mark(value: u32, mask: u32) -> String {
    if mask == u32::MAX { format!("{value:#x}") } else { format!("{value:#x}/{mask:#x}") }
}

fn port_range(range: &RangeInclusive<u16>) -> String {
    let (low, high) = (range.start(), range.end());
    if low == high { low.to_string() } else { format!("{low}:{high}") }
}

/// One range of one end is an option of the protocol's own match; all others are `multiport`.
fn ports(ends: &[End], ranges: &[RangeInclusive<u16>], protocol: Option<u8>) -> Option<Words> {
    let own = match protocol {
        Some(6) => Some("tcp"),
        Some(17) => Some("udp"),
        Some(33) => Some("dccp"),
        Some(132) => Some("sctp"),
        Some(136) => Some("udplite"),
        _ => None,
    };
    if let (Some(own), [end], [range]) = (own, ends, ranges) {
        return Some((own, by(*end, "--sport", "--dport"), port_range(range)));
    }
    let option = match ends {
        [end] => by(*end, "--sports", "--dports"),
        [_, _] => "--ports",
        _ => return None,
    };
    let ranges: Vec<_> = ranges.iter().map(port_range).collect();
    Some(("multiport", option, ranges.join(",")))
}

fn icmp(protocol: u8, kinds: &RangeInclusive<u8>, codes: &RangeInclusive<u8>) -> Option<Words> {
    let (extension, option) = match protocol {
        1 => ("icmp", "--icmp-type"),
        58 => ("icmp6", "--icmpv6-type"),
        _ => return None,
    };
    let every = |range: &RangeInclusive<u8>| *range == (0..=u8::MAX);
    let one = |range: &RangeInclusive<u8>| (range.start() == range.end()).then_some(*range.start());
    let value = match (one(kinds), one(codes)) {
        (None, _) if every(kinds) && every(codes) && protocol == 1 => "any".to_owned(),
        (Some(kind), None) if every(codes) => kind.to_string(),
        (Some(kind), Some(code)) => format!("{kind}/{code}"),
        _ => return None,
    };
    Some((extension, option, value))
}

/// A set with the ends of the packet that are asked for.
pub(super) fn ip_set(set: &IpSetReference, ruleset: &Ruleset) -> String {
    let mut text = match (ruleset.ip_sets.get(&set.id), &set.id) {
        (Some(IpSet { name, .. }), _) | (None, IpSetId::Name(name)) => quote(name.as_str()),
        (None, IpSetId::Number(number)) => format!("(number {number})"),
    };
    for (position, end) in set.ends.iter().enumerate() {
        text.push_str(if position == 0 { " " } else { "," });
        text.push_str(by(*end, "src", "dst"));
    }
    text
}

/// Options of `rpfilter` have no value, and its negation is one of them.
fn reverse_path(test: &Test) -> Option<String> {
    let Predicate::ReversePath { loose, mark, accept_local } = test.predicate else { return None };
    let mut words = "-m rpfilter".to_owned();
    let options = [(loose, "loose"), (mark, "validmark"), (accept_local, "accept-local"), (test.inverted, "invert")];
    for (_, option) in options.iter().filter(|(there, _)| *there) {
        // Writing to a string cannot fail.
        let _ = write!(words, " --{option}");
    }
    Some(words)
}

fn unknown(text: &Untrusted, inverted: bool) -> String {
    let words = own_words(text);
    if inverted && !words.contains(" ! ") { format!("[not {words}]") } else { words }
}

/// Text that is a part of a rule in the notation of iptables already, and other text in brackets.
pub(super) fn own_words(text: &Untrusted) -> String {
    let text = text.as_str();
    if text.starts_with('-') || text.starts_with("! -") { text.to_owned() } else { format!("[{text}]") }
}

/// A rate in the words of `iptables(8)`, or those of `nft(8)` if it is a limit that `iptables-nft` wrote.
pub(super) fn rate(text: &Untrusted) -> String {
    limit(text.as_str()).unwrap_or_else(|| own_words(text))
}

/// `limit rate 3/minute burst 5 packets`.
fn limit(text: &str) -> Option<String> {
    let (amount, behind) = text.strip_prefix("limit rate ")?.split_once('/')?;
    let (unit, behind) = behind.split_once(' ')?;
    let burst = behind.strip_prefix("burst ")?.strip_suffix(" packets")?;
    let unit = name(unit, &[("sec", "second"), ("min", "minute"), ("hour", "hour"), ("day", "day")])?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = is_number(amount) && is_number(burst);
    sound.then(|| format!("-m limit --limit {amount}/{unit} --limit-burst {burst}"))
}
