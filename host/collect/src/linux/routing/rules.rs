//! Policy rules (`ip-rule(8)`): what they ask of a packet.

use std::collections::BTreeSet;

use loopgate_facts::{Prefix, Untrusted};
use loopgate_firewall::address_set::IpVersion;

use super::cuts::prefix;
use crate::linux::interfaces::Devices;
use crate::linux::netlink::{NetlinkError, Request, dump, find};
use crate::linux::rtnetlink::{NETLINK_ROUTE, short};

/// A policy rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) version: IpVersion,
    /// The prefixes that it asks for.
    pub(super) prefixes: Vec<Prefix>,
    pub(super) selectors: BTreeSet<Selector>,
    /// The interface that packets it concerns came in by, 0 for one that is not there. Packets of this machine come in
    /// by the loopback device (`fib_rule_match`, `net/core/fib_rules.c`).
    input: Option<u32>,
    /// The interface that their sockets are bound to.
    output: Option<u32>,
}

/// Packets that are routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packets {
    /// They came in by an interface.
    Incoming {
        interface: u32,
        /// The interface that the way back to their source is looked up for.
        reverse: Option<u32>,
    },
    /// This machine sends them, from a socket that may be bound to an interface.
    Own {
        /// The index of the loopback device.
        loopback: u32,
        bound: Option<u32>,
    },
    Any,
}

impl Rule {
    /// Whether it can match packets.
    pub(super) fn concerns(&self, packets: Packets) -> bool {
        let (input, output) = match packets {
            Packets::Incoming { interface, reverse } => ([Some(interface), reverse], None),
            Packets::Own { loopback, bound } => ([Some(loopback), None], bound),
            Packets::Any => return true,
        };
        self.input.is_none_or(|wanted| input.contains(&Some(wanted)))
            && self.output.is_none_or(|wanted| Some(wanted) == output)
    }
}

/// Something that a rule asks for, besides interfaces, which are part of every question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Selector {
    Source,
    Destination,
    Mark,
    Protocol,
    SourcePort,
    DestinationPort,
    /// The type of service, the flow label of IPv6, or the number of a tunnel.
    Service,
    /// The user who sends.
    User,
}

impl Selector {
    /// Why a question cannot be answered where this is not known.
    pub(super) fn reason(self) -> Untrusted {
        let what = match self {
            Self::Source => "a source",
            Self::Destination => "a destination",
            Self::Mark => "a mark",
            Self::Protocol => "a protocol",
            Self::SourcePort => "a source port",
            Self::DestinationPort => "a destination port",
            Self::Service => "a type of service",
            Self::User => "a user",
        };
        format!("policy routing asks for {what} that is not known").into()
    }
}

/// `FRA_*` (`include/uapi/linux/fib_rules.h`). The kernel leaves out what a rule does not ask for.
const SELECTORS: [(u16, Selector); 9] = [
    (10, Selector::Mark),
    // The mask: it can select marks of which some bits are zero.
    (16, Selector::Mark),
    (12, Selector::Service),
    (20, Selector::User),
    (22, Selector::Protocol),
    (23, Selector::SourcePort),
    (24, Selector::DestinationPort),
    (25, Selector::Service),
    (26, Selector::Service),
];

/// The rules of one version.
pub(super) fn rules(family: u8, version: IpVersion, devices: &Devices) -> Result<Vec<Rule>, NetlinkError> {
    const RTM_NEWRULE: u16 = 32;
    const RTM_GETRULE: u16 = 34;
    let body = [&[family][..], &[0; HEADER - 1]].concat();
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETRULE, answer: RTM_NEWRULE, body };
    dump(&request, |payload| parse(payload, family, version, &|name| devices.rule_index(name)))
}

/// `sizeof(struct fib_rule_hdr)`.
const HEADER: usize = 12;

/// `index` gives the interface that a name stands for, if rules by that name concern no other.
pub(super) fn parse(
    payload: &[u8],
    wanted: u8,
    version: IpVersion,
    index: &dyn Fn(&[u8]) -> Option<u32>,
) -> Result<Option<Rule>, NetlinkError> {
    const FRA_DST: u16 = 1;
    const FRA_SRC: u16 = 2;
    const FRA_IIFNAME: u16 = 3;
    const FRA_OIFNAME: u16 = 17;
    /// The rule matches what it does not describe.
    const FIB_RULE_INVERT: u32 = 2;
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [family, destination, source, service, _, _, _, _, flags @ ..] = *header;
    if family != wanted {
        return Ok(None);
    }
    let is_inverted = u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0;
    let interface = |kind| {
        let name = find(rest, kind)?.filter(|_| !is_inverted);
        Ok::<_, NetlinkError>(name.and_then(|name| index(name.bytes())))
    };
    let (input, output) = (interface(FRA_IIFNAME)?, interface(FRA_OIFNAME)?);
    let mut rule = Rule { version, prefixes: Vec::new(), selectors: BTreeSet::new(), input, output };
    let ends = [(FRA_DST, destination, Selector::Destination), (FRA_SRC, source, Selector::Source)];
    for (kind, length, selector) in ends.into_iter().filter(|(_, length, _)| *length > 0) {
        rule.prefixes.push(prefix(find(rest, kind)?, length, family)?);
        rule.selectors.insert(selector);
    }
    if service != 0 {
        rule.selectors.insert(Selector::Service);
    }
    for (kind, selector) in SELECTORS {
        if find(rest, kind)?.is_some() {
            rule.selectors.insert(selector);
        }
    }
    Ok(Some(rule))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, family in prop::sample::select(vec![2_u8, 10])) {
            let _ = parse(&bytes, family, IpVersion::V4, &|_| None);
            let _ = parse(&[&[family, 0, 24][..], &[0; 9], &bytes].concat(), family, IpVersion::V4, &|_| None);
        }
    }
}
