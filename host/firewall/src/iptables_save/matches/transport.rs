//! Matches of transport protocols, which `-p` loads by itself, and `multiport`.

use crate::iptables_save::grammar::{Extension, Given, OptionSpec, test};
use crate::iptables_save::matches::{all, one};
use crate::iptables_save::names::{ICMP, ICMP6, IcmpType, TCP_FLAGS};
use crate::iptables_save::values::{bits, find, number, ports};
use crate::rule::{End, Predicate};

/// Matches that have the name of their protocol.
pub(in crate::iptables_save) const TRANSPORT: &[Extension] = &[
    Extension { names: &["tcp"], options: TCP, lower: all },
    Extension { names: &["udp"], options: &[SOURCE, DESTINATION], lower: all },
    Extension { names: &["udplite"], options: &[SOURCE, DESTINATION], lower: all },
    Extension { names: &["sctp"], options: &[SOURCE, DESTINATION, test(&["--chunk-types"], 2, unknown)], lower: all },
    Extension {
        names: &["dccp"],
        options: &[SOURCE, DESTINATION, test(&["--dccp-types"], 1, unknown), test(&["--dccp-option"], 1, unknown)],
        lower: all,
    },
    Extension { names: &["icmp"], options: &[test(&["--icmp-type"], 1, icmp)], lower: all },
    Extension { names: &["icmp6", "icmpv6", "ipv6-icmp"], options: &[test(&["--icmpv6-type"], 1, icmp6)], lower: all },
];

/// `multiport`, which takes one option.
pub(super) const MULTIPORT: Extension = Extension {
    names: &["multiport"],
    options: &[
        test(&["--sports", "--source-ports"], 1, |given| port_list(given, &[End::Source])),
        test(&["--dports", "--destination-ports"], 1, |given| port_list(given, &[End::Destination])),
        test(&["--ports"], 1, |given| port_list(given, &[End::Source, End::Destination])),
    ],
    lower: one,
};

const SOURCE: OptionSpec = test(&["--sport", "--source-port"], 1, |given| port(given, End::Source));
const DESTINATION: OptionSpec = test(&["--dport", "--destination-port"], 1, |given| port(given, End::Destination));

const TCP: &[OptionSpec] = &[
    SOURCE,
    DESTINATION,
    test(&["--tcp-flags"], 2, tcp_flags),
    // "The SYN bit set and the ACK, RST and FIN bits cleared", `iptables-extensions(8)`.
    test(&["--syn"], 0, |_| Some(Predicate::TcpFlags { mask: 0x17, set: 2 })),
    test(&["--tcp-option"], 1, |given| Some(Predicate::TcpOption(number(given.text()?).filter(|kind| *kind != 0)?))),
];

fn port(given: &Given<'_>, end: End) -> Option<Predicate> {
    Some(Predicate::Ports { ends: vec![end], ranges: vec![ports(given.text()?)?] })
}

fn port_list(given: &Given<'_>, ends: &[End]) -> Option<Predicate> {
    let ranges: Vec<_> = given.text()?.split(',').map(ports).collect::<Option<_>>()?;
    Some(Predicate::Ports { ends: ends.to_vec(), ranges })
}

fn tcp_flags(given: &Given<'_>) -> Option<Predicate> {
    let [mask, set] = given.values.as_slice() else { return None };
    let flags = |text: &[u8]| bits(std::str::from_utf8(text).ok()?, TCP_FLAGS);
    Some(Predicate::TcpFlags { mask: flags(mask)?, set: flags(set)? })
}

fn unknown(given: &Given<'_>) -> Option<Predicate> {
    Some(Predicate::Unknown(given.words()))
}

/// Type 255 is every type (`icmp_type_code_match`, `net/netfilter/xt_tcpudp.c`).
fn icmp(given: &Given<'_>) -> Option<Predicate> {
    let text = given.text()?;
    let any = text.eq_ignore_ascii_case("any") || text == "255" || text.starts_with("255/");
    if any {
        return Some(Predicate::Icmp { protocol: 1, kinds: 0..=u8::MAX, codes: 0..=u8::MAX });
    }
    Some(icmp_type(1, of_name(text, ICMP)?))
}

fn icmp6(given: &Given<'_>) -> Option<Predicate> {
    Some(icmp_type(58, of_name(given.text()?, ICMP6)?))
}

fn of_name(text: &str, table: &[(&str, IcmpType)]) -> Option<IcmpType> {
    find(text, table).or_else(|| match text.split_once('/') {
        Some((kind, code)) => Some((number(kind)?, Some(number(code)?))),
        None => Some((number(text)?, None)),
    })
}

fn icmp_type(protocol: u8, (kind, code): IcmpType) -> Predicate {
    let codes = code.map_or(0..=u8::MAX, |code| code..=code);
    Predicate::Icmp { protocol, kinds: kind..=kind, codes }
}
