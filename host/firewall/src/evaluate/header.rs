//! The matches of iptables that look at the IP header beside its addresses, and at how the packet came.

use std::ops::RangeInclusive;

use crate::address_set::IpVersion;
use crate::rule::{Comparison, InterfaceEnd, PayloadBase};

use super::condition::Condition;
use super::packet::{SCTP, TCP, UDP, UDPLITE};
use super::symbol::{Symbol, compare, equal};
use super::test::View;

impl View<'_, '_> {
    fn network(&self, offset: u32, length: u32) -> Vec<Symbol> {
        self.headers.bytes(PayloadBase::Network, offset, length)
    }

    /// `ttl_mt` and `hl_mt6` (`net/netfilter/xt_hl.c`).
    pub(super) fn time_to_live(&self, how: Comparison, value: u8) -> Condition {
        let offset = if self.version() == IpVersion::V4 { 8 } else { 7 };
        compare(self.version(), &self.network(offset, 1), how, &[value])
    }

    /// `dscp_mt` (`net/netfilter/xt_dscp.c`).
    pub(super) fn differentiated_services(&self, value: u8) -> Condition {
        const MOST: u8 = 0b11_1111;
        if value > MOST { Condition::Known(false) } else { self.type_of_service(value << 2, MOST << 2) }
    }

    /// `tos_mt` there. The traffic class of IPv6 lies across the first two bytes (`ipv6_get_dsfield`,
    /// `include/net/dsfield.h`).
    pub(super) fn type_of_service(&self, value: u8, mask: u8) -> Condition {
        let (offset, masks, values) = match self.version() {
            IpVersion::V4 => (1, vec![mask], vec![value]),
            IpVersion::V6 => (0, vec![mask >> 4, mask << 4], vec![value >> 4, value << 4]),
        };
        let symbols = self.network(offset, u32::from(self.version() == IpVersion::V6) + 1);
        let masked: Vec<_> = symbols.iter().zip(masks).map(|(symbol, mask)| symbol.masked(mask, 0)).collect();
        equal(self.version(), &masked, &values)
    }

    /// `length_mt` (`net/netfilter/xt_length.c`): the total length of IPv4, and of IPv6 the payload with the header.
    pub(super) fn length(&self, range: &RangeInclusive<u16>) -> Condition {
        let place = if self.version() == IpVersion::V4 { 2 } else { 4 };
        let is_written = |&(base, offset, length): &(PayloadBase, u32, u32)| {
            base == PayloadBase::Network && offset < place + 2 && offset.saturating_add(length) > place
        };
        if self.state.overwritten.iter().any(is_written) {
            return Condition::unknown(self.version());
        }
        let range = u32::from(*range.start())..=u32::from(*range.end());
        Condition::within(self.version(), &range, &self.ordinary_length(), &self.any_length())
    }

    /// From the headers that a packet has to have up to what an ordinary one carries: of TCP no data yet, but up to 40
    /// bytes of options (RFC 9293, 3.1), of SCTP what goes into one frame.
    fn ordinary_length(&self) -> RangeInclusive<u32> {
        const DATA: u32 = u16::MAX as u32;
        let header = if self.version() == IpVersion::V4 { 20 } else { 40 };
        match self.state.protocol {
            TCP if self.state.later => header + 20..=DATA,
            TCP => header + 20..=header + 60,
            UDP | UDPLITE => header + 8..=DATA,
            SCTP => header + 12..=1500,
            _ => self.any_length(),
        }
    }

    /// Fragments of a packet can be shorter than its headers. What is longer than a number of 16 bits begins at 0 again
    /// before Linux 6.3.
    fn any_length(&self) -> RangeInclusive<u32> {
        match self.version() {
            IpVersion::V4 => 20..=u16::MAX.into(),
            IpVersion::V6 => 0..=u32::from(u16::MAX) + 40,
        }
    }

    /// Whether the packet came in protected by `IPsec`, or leaves so (`policy_mt`, `net/netfilter/xt_policy.c`). Only
    /// who has a key sends protected packets; what leaves is up to the policies.
    pub(super) fn protection(&self, end: InterfaceEnd) -> Condition {
        match end {
            _ if !self.machine.ruleset.ipsec => Condition::Known(false),
            InterfaceEnd::Input => Condition::usually(self.version(), false),
            InterfaceEnd::Output => Condition::unknown(self.version()),
        }
    }

    /// `physdev_mt` (`net/netfilter/xt_physdev.c`): of a packet that came in by no port of a bridge each option says
    /// no, and inverted yes. Ports by which packets leave are known only of those.
    pub(super) fn bridging(&self) -> Condition {
        match self.place.input {
            Some(input) if input.bridged => Condition::unknown(self.version()),
            _ => Condition::Known(false),
        }
    }
}
