//! The matches of iptables.

use std::net::{IpAddr, Ipv6Addr};

use crate::address_set::{AddressSet, IpVersion};
use crate::region::Region;
use crate::routing::{FibAnswer, FibQuestion};
use crate::rule::{Direction, End, FibResult, InterfaceEnd, Predicate, Test};

use super::condition::Condition;
use super::learned::Learned;
use super::load::{state_bits, status_bits, tuple_end};
use super::lookup::Lookups;
use super::machine::{Device, Machine};
use super::packet::{Headers, MESSAGES, Place, State, TCP, Tracking, address_bytes};
use super::symbol::{Symbol, between, equal, known};

/// What a test can look at.
pub(super) struct View<'a, 'm> {
    pub(super) machine: &'a Machine<'m>,
    pub(super) state: &'a State,
    pub(super) headers: &'a Headers,
    pub(super) place: &'a Place<'m>,
    /// Sets that rules change.
    pub(super) learned: &'a Learned,
}

/// For which senders all tests hold.
pub(super) fn all(tests: &[Test], view: &View<'_, '_>, lookups: &mut Lookups) -> Condition {
    let mut condition = Condition::Known(true);
    for test in tests {
        condition = condition.and(view.holds(&test.predicate, lookups).not_if(test.inverted));
        if matches!(condition, Condition::Known(false)) {
            break;
        }
    }
    condition
}

// Types of addresses, `include/uapi/linux/rtnetlink.h`.
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;

impl View<'_, '_> {
    pub(super) fn version(&self) -> IpVersion {
        self.state.version
    }

    fn holds(&self, predicate: &Predicate, lookups: &mut Lookups) -> Condition {
        match predicate {
            Predicate::AddressRange { end, range } => self.address_range(*end, *range.start(), *range.end()),
            Predicate::AddressMask { end, address, mask } => {
                masked(self.version(), self.headers.address(self.version(), *end), *address, *mask)
            }
            Predicate::Protocol(number) => Condition::Known(*number == self.state.protocol),
            Predicate::Ports { ends, ranges } => self.ports(ends, ranges),
            Predicate::TcpFlags { mask, set } => self.tcp_flags(*mask, *set),
            Predicate::TcpOption(_) if self.state.protocol != TCP => Condition::Known(false),
            Predicate::Icmp { .. } if MESSAGES.contains(&self.state.protocol) => Condition::unknown(self.version()),
            // A listener of this protocol never gets the first. The first fragment of a packet is none behind the
            // first, and without it the packet is not put together.
            Predicate::Icmp { .. } | Predicate::Fragment => Condition::Known(false),
            Predicate::HeaderPresent(_) => Condition::usually(self.version(), false),
            Predicate::TimeToLive { how, value } => self.time_to_live(*how, *value),
            Predicate::DifferentiatedServices(value) => self.differentiated_services(*value),
            Predicate::TypeOfService { value, mask } => self.type_of_service(*value, *mask),
            Predicate::Length(range) => self.length(range),
            Predicate::Ipsec { end, protected, .. } => self.protection(*end).not_if(!protected),
            Predicate::BridgePort { .. } | Predicate::Bridged => self.bridging(),
            Predicate::Interface { end, name, prefix } => Condition::Known(is_named(self.device(*end), name, *prefix)),
            Predicate::InterfaceGroup { end, group, mask } => self.interface_group(*end, *group, *mask),
            Predicate::AddressType { end, types, input_interface, output_interface } => {
                self.address_type(*end, *types, (*input_interface, *output_interface))
            }
            Predicate::Mark { value, mask } => self.known_or_unknown(self.state.mark.map(|mark| mark & mask == *value)),
            Predicate::PacketType(kind) => Condition::Known(*kind == 0),
            Predicate::ReversePath { loose, mark, accept_local } => self.reverse_path(*loose, *mark, *accept_local),
            Predicate::InIpSet(question) => self.in_ip_set(question, lookups),
            Predicate::TcpOption(_) | Predicate::Unknown(_) => Condition::unknown(self.version()),
            connection => self.connection(connection),
        }
    }

    fn known_or_unknown(&self, holds: Option<bool>) -> Condition {
        holds.map_or_else(|| Condition::unknown(self.version()), Condition::Known)
    }

    fn address_range(&self, end: End, from: IpAddr, to: IpAddr) -> Condition {
        if IpVersion::of(from) != self.version() || IpVersion::of(to) != self.version() {
            return Condition::Known(false);
        }
        let symbols = self.headers.address(self.version(), end);
        between(self.version(), symbols, &address_bytes(from), &address_bytes(to))
    }

    fn ports(&self, ends: &[End], ranges: &[std::ops::RangeInclusive<u16>]) -> Condition {
        let mut condition = Condition::Known(false);
        for end in ends {
            for range in ranges {
                let (from, to) = (range.start().to_be_bytes(), range.end().to_be_bytes());
                condition = condition.or(between(self.version(), &self.headers.port(*end), &from, &to));
            }
        }
        condition
    }

    fn tcp_flags(&self, mask: u8, set: u8) -> Condition {
        if self.state.protocol != TCP {
            return Condition::Known(false);
        }
        equal(self.version(), &[self.headers.tcp_flags().masked(mask, 0)], &[set])
    }

    pub(super) fn device(&self, end: InterfaceEnd) -> Option<&Device> {
        match end {
            InterfaceEnd::Input => self.place.input,
            InterfaceEnd::Output => self.place.output,
        }
    }

    /// `devgroup_mt` (`net/netfilter/xt_devgroup.c`), whose hooks are those that have such a device.
    fn interface_group(&self, end: InterfaceEnd, group: u32, mask: u32) -> Condition {
        let of_device = self.device(end).and_then(|device| device.group);
        self.known_or_unknown(of_device.map(|own| (own ^ group) & mask == 0))
    }

    /// Asks the routing table about an address of the packet, and tells for which senders the answer is wanted.
    fn fib(
        &self,
        end: End,
        interface: Option<u32>,
        result: FibResult,
        wanted: impl Fn(&FibAnswer) -> bool,
    ) -> Condition {
        let sender = self.state.is_sender(end);
        if sender && self.state.sender_hidden {
            return Condition::unknown(self.version());
        }
        let asked = if sender {
            AddressSet::all(self.version())
        } else {
            AddressSet::single(self.state.shown_endpoint().address)
        };
        let question = FibQuestion { addresses: &asked, interface, mark: Some(0), result };
        let mut condition = Condition::Known(false);
        for (addresses, answer) in self.machine.routing.fib(&question) {
            let here = match &answer {
                FibAnswer::Unknown(_) => Condition::unknown(self.version()),
                answer => Condition::Known(wanted(answer)),
            };
            let among = if sender { Condition::Exact(Region::of_addresses(addresses)) } else { Condition::Known(true) };
            condition = condition.or(among.and(here));
        }
        condition
    }

    /// `addrtype_mt_v1` (`net/netfilter/xt_addrtype.c`).
    fn address_type(&self, end: End, types: u16, (by_input, by_output): (bool, bool)) -> Condition {
        let device = if by_input {
            self.place.input
        } else if by_output {
            self.place.output
        } else {
            None
        };
        let among =
            |answer: &FibAnswer| matches!(answer, FibAnswer::AddressType(kind) if *kind < 16 && types & 1 << kind != 0);
        self.fib(end, device.map(|device| device.index), FibResult::AddressType, among)
    }

    /// `rpfilter_mt` (`net/ipv4/netfilter/ipt_rpfilter.c`): a source that the routing table calls unicast (or local, if
    /// that is accepted), over the interface it came in by.
    fn reverse_path(&self, loose: bool, mark: bool, accept_local: bool) -> Condition {
        let Some(input) = self.place.input else { return Condition::unknown(self.version()) };
        if input.is_loopback() {
            return Condition::Known(true);
        }
        if mark && self.state.mark != Some(0) {
            return Condition::unknown(self.version());
        }
        let kind = self.fib(End::Source, None, FibResult::AddressType, |answer| match answer {
            FibAnswer::AddressType(kind) => *kind == UNICAST || accept_local && *kind == LOCAL,
            _ => false,
        });
        let interface = (!loose).then_some(input.index);
        let route = self.fib(End::Source, interface, FibResult::Interface, |answer| {
            matches!(answer, FibAnswer::Interface(Some(_)))
        });
        kind.and(route).or(self.sender_is_nobody())
    }

    /// `rpfilter_mt` of IPv6 leaves `::` to those who route it (`net/ipv6/netfilter/ip6t_rpfilter.c`).
    fn sender_is_nobody(&self) -> Condition {
        if self.version() == IpVersion::V4 || !self.state.is_sender(End::Source) {
            return Condition::Known(false);
        }
        Condition::Exact(Region::of_addresses(AddressSet::single(Ipv6Addr::UNSPECIFIED.into())))
    }

    /// `conntrack_mt` (`net/netfilter/xt_conntrack.c`).
    fn connection(&self, predicate: &Predicate) -> Condition {
        if let Predicate::ConntrackState(wanted) = predicate {
            return Condition::Known(u32::from(*wanted) & self.connection_state() != 0);
        }
        if !matches!(self.state.tracking, Tracking::New | Tracking::Established) {
            // Without a connection these neither hold nor not, and what the whole match gives depends on its other
            // parts.
            return Condition::unknown(self.version());
        }
        match predicate {
            Predicate::ConntrackStatus(mask) => self.connection_status(*mask),
            Predicate::ConntrackDirection(direction) => {
                Condition::Known(*direction == self.state.connection_direction())
            }
            Predicate::ConntrackProtocol(number) => Condition::Known(*number == self.state.protocol),
            Predicate::ConntrackAddress { direction, end, address, mask } => {
                self.connection_address(*direction, *end, *address, *mask)
            }
            Predicate::ConntrackPort { direction, end, range } => self.connection_port(*direction, *end, range),
            Predicate::ConntrackMark { value, mask } => {
                self.known_or_unknown(self.state.ct_mark.map(|mark| mark & mask == *value))
            }
            _ => Condition::unknown(self.version()),
        }
    }

    /// The bits of [`Predicate::ConntrackState`].
    fn connection_state(&self) -> u32 {
        const DNAT: u32 = 256;
        let tracked = matches!(self.state.tracking, Tracking::New | Tracking::Established);
        state_bits(self.state) | if tracked && self.state.is_translated() { DNAT } else { 0 }
    }

    fn connection_status(&self, mask: u32) -> Condition {
        let (set, unknown) = status_bits(self.state);
        if set & mask != 0 {
            Condition::Known(true)
        } else if unknown & mask != 0 {
            Condition::unknown(self.version())
        } else {
            Condition::Known(false)
        }
    }

    fn connection_address(&self, direction: Direction, end: End, address: IpAddr, mask: IpAddr) -> Condition {
        match tuple_end(self.state, direction, end) {
            None => {
                let sender = if self.state.direction == Direction::Original { End::Source } else { End::Destination };
                masked(self.version(), self.headers.address(self.version(), sender), address, mask)
            }
            Some(endpoint) => {
                let symbols: Vec<_> = known(&address_bytes(endpoint.address)).collect();
                masked(self.version(), &symbols, address, mask)
            }
        }
    }

    fn connection_port(&self, direction: Direction, end: End, range: &std::ops::RangeInclusive<u16>) -> Condition {
        let symbols = match tuple_end(self.state, direction, end) {
            None => self.state.sender_port(),
            Some(endpoint) => self.state.port_of(endpoint),
        };
        between(self.version(), &symbols, &range.start().to_be_bytes(), &range.end().to_be_bytes())
    }
}

fn masked(version: IpVersion, symbols: &[Symbol], address: IpAddr, mask: IpAddr) -> Condition {
    if IpVersion::of(address) != version || IpVersion::of(mask) != version {
        return Condition::Known(false);
    }
    let mask = address_bytes(mask);
    let symbols: Vec<_> = symbols.iter().zip(&mask).map(|(symbol, &mask)| symbol.masked(mask, 0)).collect();
    // The kernel compares `(packet & mask) == address`, so bits of the address outside the mask never match.
    equal(version, &symbols, &address_bytes(address))
}

/// Without a device the name is empty (`ip_packet_match`, `net/ipv4/netfilter/ip_tables.c`).
fn is_named(device: Option<&Device>, wanted: &[u8], prefix: bool) -> bool {
    let name = device.map_or(&[][..], |device| &device.name);
    if prefix { name.starts_with(wanted) } else { name == wanted }
}
