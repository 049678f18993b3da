//! The kernel's own answers about routing (`RTM_GETROUTE`, `rtnetlink(7)`), for sets of addresses at once.
//!
//! An answer holds `route_localnet`, `rp_filter`, `accept_local`, policy rules and VRFs already, because the kernel
//! applies them when it answers; nothing of that is modelled here. A set is cut where an answer can change, and one
//! address of each piece is asked about.

mod ask;
mod cuts;
mod facts;
mod objects;
mod rules;
mod tunnels;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use loopgate_facts::{BlockReason, Bypass, Interface, LocalRoute, RoutingAnswer, RpFilter, Untrusted};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::rule::FibResult;

use super::bypass::bridges_that_ask_netfilter;
use super::interfaces::Devices;
use super::netlink::NetlinkError;
use super::root::Root;
use super::settings;
use ask::{Asker, Refusal, Reply, RouteRequest};
use cuts::{Cuts, Tables};
use rules::{Packets, Selector};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::wire;

pub(super) use cuts::kinds;

const TCP: u8 = 6;
const UDP: u8 = 17;
const UDPLITE: u8 = 136;

/// Why it is not known by which interface a packet leaves.
const SPLIT: &str = "a route shares packets among several interfaces";

/// Answers from the kernel that the program runs on.
pub(super) struct KernelRouting {
    tables: Tables,
    /// IPv6 packets are forwarded at all (`net.ipv6.conf.all.forwarding`): the kernel looks at it after the route.
    forwards_ipv6: Option<bool>,
    /// Interfaces that forward all the same (`force_forwarding`).
    forced: Vec<u32>,
    loopback: u32,
    /// Bridges that hand their frames to netfilter (`br_netfilter`).
    bridges: Vec<u32>,
    /// `net.ipv4.tcp_fwmark_accept`, which holds for IPv6 too.
    answers_with_marks: bool,
    /// Where any answer can change, for IPv4 and IPv6; `None` where the tables are too large.
    cuts: [Option<Cuts>; 2],
    asker: Mutex<Asker>,
    memory: Mutex<Memory>,
}

/// Answers that were given, each for all addresses of its version.
#[derive(Default)]
struct Memory {
    input: HashMap<InputKey, Vec<(AddressSet, InputRoute)>>,
    forward: HashMap<ForwardKey, Vec<(AddressSet, InputRoute)>>,
    output: HashMap<OutputKey, Vec<(AddressSet, OutputRoute)>>,
    fib: HashMap<FibKey, Vec<(AddressSet, FibAnswer)>>,
    /// Every set that is part of an answer, once: what is computed with it for one destination holds for the others.
    sets: Vec<AddressSet>,
}

impl Memory {
    fn share<A>(&mut self, pieces: Vec<(AddressSet, A)>) -> Vec<(AddressSet, A)> {
        let shared = pieces.into_iter().map(|(addresses, answer)| {
            let known = self.sets.iter().find(|known| **known == addresses).cloned();
            let shared = known.unwrap_or_else(|| {
                self.sets.push(addresses.clone());
                addresses
            });
            (shared, answer)
        });
        shared.collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct InputKey {
    interface: u32,
    destination: IpAddr,
    mark: u32,
    protocol: u8,
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ForwardKey {
    interface: u32,
    source: IpAddr,
    mark: u32,
    protocol: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OutputKey {
    source: IpAddr,
    interface: Option<u32>,
    mark: u32,
    protocol: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FibKey {
    version: IpVersion,
    interface: Option<u32>,
    mark: u32,
    kind: bool,
}

impl KernelRouting {
    /// Reads what cuts sets of addresses: the routing tables and policy rules.
    pub(super) fn new(devices: &Devices, interfaces: &[Interface], root: &Root) -> Result<Self, NetlinkError> {
        let tables = Tables::read(devices, validates_sources(interfaces))?;
        Ok(Self {
            cuts: [IpVersion::V4, IpVersion::V6].map(|version| tables.all_cuts(version)),
            tables,
            forced: devices.force_forwarding().collect(),
            forwards_ipv6: interfaces.iter().find_map(|interface| interface.settings.ipv6_forwarding),
            loopback: devices.loopback_index(),
            bridges: bridges_that_ask_netfilter(devices, root),
            answers_with_marks: settings::answers_with_marks(root),
            asker: Mutex::new(Asker::new()?),
            memory: Mutex::default(),
        })
    }

    /// What was answered about packets that came in, as facts.
    pub(super) fn facts(&self, devices: &Devices) -> Vec<RoutingAnswer> {
        facts::facts(&self.memory.lock().unwrap_or_else(PoisonError::into_inner).input, devices)
    }

    /// Where routing may tell addresses apart within prefixes that are delivered locally: at the routes of the same
    /// tables, and at what policy rules ask for.
    pub(super) fn cuts_of_local_prefixes(&self, prefixes: &[LocalRoute]) -> Vec<AddressSet> {
        let tables: Vec<_> = prefixes.iter().map(|route| route.table).collect();
        self.tables.prefixes_of(&tables)
    }

    /// Addresses of IPv6 that every machine on a link may answer to (RFC 4291, 2.6), as far as this one does.
    pub(super) fn anycast(&self) -> Vec<IpAddr> {
        self.tables.anycast()
    }

    fn all_cuts(&self, version: IpVersion) -> Option<&Cuts> {
        let [v4, v6] = &self.cuts;
        if version == IpVersion::V4 { v4.as_ref() } else { v6.as_ref() }
    }

    /// The address that stands for one that no route and no rule tells apart from it: of many containers behind a
    /// bridge one is asked about.
    fn alike(&self, address: IpAddr) -> IpAddr {
        self.all_cuts(IpVersion::of(address)).map_or(address, |cuts| cuts.representative(address))
    }

    fn ask(&self, request: &RouteRequest) -> Reply {
        self.asker.lock().unwrap_or_else(PoisonError::into_inner).ask(request)
    }

    /// Whether the route that a question comes to shares its packets among several interfaces.
    fn is_split(&self, request: &RouteRequest) -> bool {
        let version = IpVersion::of(request.destination);
        // Asked for an entry, IPv6 does not hold rules against the source (`ip6_route_lookup`, `net/ipv6/route.c`).
        let misses_rules = version == IpVersion::V6 && self.tables.asks_for(version, &[Selector::Source]).is_some();
        self.tables.may_be_split(request.destination) && (misses_rules || self.is_entry_split(request))
    }

    fn is_entry_split(&self, request: &RouteRequest) -> bool {
        // With a source, IPv6 gives the entry of a device that carries it (`rt6_device_match`), even of another prefix.
        let source = request.source.filter(IpAddr::is_ipv4);
        match self.ask(&RouteRequest { fib_match: true, source, ..request.clone() }) {
            Reply::Route { interface, others, object, is_entry: true, .. } => {
                let told = interface.into_iter().chain(others).collect::<Vec<_>>();
                let hops = match object.filter(|_| told.is_empty()) {
                    Some(object) => self.tables.interfaces_of(object),
                    None => Some(told),
                };
                hops.is_none_or(|hops| hops.iter().any(|hop| Some(hop) != hops.first()))
            }
            Reply::Route { .. } | Reply::Refused(_) => true,
        }
    }

    /// Whom rules concern that a question may come to. Of IPv4 the kernel also looks for the way back to the source, as
    /// if that came in by the loopback device, or by the device that a packet goes on by (`__fib_validate_source`,
    /// `net/ipv4/fib_frontend.c`).
    fn incoming(&self, question: &InputQuestion<'_>) -> Packets {
        let InputQuestion { interface, destination, .. } = *question;
        match destination {
            IpAddr::V6(_) => Packets::Incoming { interface, reverse: None },
            IpAddr::V4(_) if self.tables.is_local(destination) => {
                Packets::Incoming { interface, reverse: Some(self.loopback) }
            }
            IpAddr::V4(_) => Packets::Any,
        }
    }

    /// What routes do to packets beside the rules.
    pub(super) fn bypasses(&self) -> impl Iterator<Item = Bypass> {
        self.tables.tunnels().into_iter().map(tunnels::Tunnel::bypass)
    }

    /// The mark to ask with, or why there is no answer: policy routing asks for something that is not known.
    fn known(
        &self,
        (version, packets): (IpVersion, Packets),
        mark: Option<u32>,
        hidden: &[Selector],
    ) -> Result<u32, Untrusted> {
        let asks_for = |any: &[Selector]| self.tables.asks_of(version, packets, any);
        let unmarked = if mark.is_none() { asks_for(&[Selector::Mark]) } else { None };
        let missing = unmarked.or_else(|| asks_for(hidden));
        missing.map_or(Ok(mark.unwrap_or_default()), |selector| Err(selector.reason()))
    }

    fn input_of(&self, key: InputKey, source: IpAddr) -> InputRoute {
        match self.routed(key, source) {
            InputRoute::Blocked(BlockReason::NotRouted) if self.bridges_back(&key) => {
                InputRoute::Unknown("the bridge may send it on by itself (br_netfilter)".into())
            }
            route => route,
        }
    }

    fn routed(&self, key: InputKey, source: IpAddr) -> InputRoute {
        // `ip_route_input_slow` takes it to broadcast addresses alone; in a question it would mean no source at all.
        if source == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && !is_broadcast(key.destination) {
            return InputRoute::Blocked(BlockReason::Martian);
        }
        let request = RouteRequest {
            destination: key.destination,
            source: Some(source),
            input: Some(key.interface),
            output: None,
            mark: key.mark,
            transport: Some((key.protocol, key.port)),
            fib_match: false,
        };
        match self.ask(&request) {
            Reply::Route { kind: kinds::LOCAL, .. } => InputRoute::Local,
            // TCP takes no connection to such an address (`tcp_v6_conn_request`, `net/ipv6/tcp_ipv6.c`).
            Reply::Route { kind: kinds::ANYCAST, .. } if key.protocol == TCP => {
                InputRoute::Blocked(BlockReason::Martian)
            }
            Reply::Route { kind: kinds::ANYCAST, .. } if [UDP, UDPLITE].contains(&key.protocol) => InputRoute::Local,
            Reply::Route { kind: kinds::UNICAST, interface: Some(interface), .. } => {
                self.forward(&key, &request, interface)
            }
            Reply::Route { kind: kinds::BLACKHOLE | kinds::UNREACHABLE | kinds::PROHIBIT | kinds::THROW, .. } => {
                InputRoute::Blocked(BlockReason::NotRouted)
            }
            Reply::Route { kind, .. } => {
                InputRoute::Unknown(format!("a route of type {kind} to the destination").into())
            }
            Reply::Refused(refusal) => refused(&refusal),
        }
    }

    fn forward(&self, key: &InputKey, request: &RouteRequest, interface: u32) -> InputRoute {
        if self.is_split(request) {
            return InputRoute::Unknown(SPLIT.into());
        }
        // `ip6_forward`: packets that leave by the interface they came in by take another way around this check.
        let local_source = matches!(request.source, Some(IpAddr::V6(source)) if stays_on_link(source));
        if local_source && interface != key.interface {
            return InputRoute::Blocked(BlockReason::Martian);
        }
        match (key.destination, self.forwards_ipv6) {
            // `ip6_forward`, `net/ipv6/ip6_output.c`; for IPv4 the answer holds it.
            (IpAddr::V6(_), _) if self.forced.contains(&key.interface) => InputRoute::Forward { interface },
            (IpAddr::V6(_), Some(false)) => InputRoute::Blocked(BlockReason::NotRouted),
            (IpAddr::V6(_), None) => InputRoute::Unknown("whether IPv6 packets are forwarded".into()),
            _ => InputRoute::Forward { interface },
        }
    }

    /// Whether the way to a destination is the bridge that the packet came in by. Where its destination was translated
    /// the bridge then sends it there, even if the machine forwards nothing (`br_nf_pre_routing_finish`,
    /// `net/bridge/br_netfilter_hooks.c`).
    fn bridges_back(&self, key: &InputKey) -> bool {
        let request = || RouteRequest {
            destination: key.destination,
            source: None,
            input: None,
            output: None,
            mark: key.mark,
            transport: None,
            fib_match: false,
        };
        self.bridges.contains(&key.interface)
            && matches!(self.ask(&request()), Reply::Route { interface, .. } if interface == Some(key.interface))
    }

    /// Whether packets to an address go no further, although it is nobody's alone.
    fn stays_here(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                matches!(self.tables.address_type(address, None), kinds::BROADCAST | kinds::MULTICAST)
            }
            IpAddr::V6(v6) => v6.is_multicast() || self.tables.is_anycast(address),
        }
    }

    fn output_of(&self, key: OutputKey, destination: IpAddr) -> OutputRoute {
        if destination.is_multicast() || destination.is_unspecified() && !self.answers_nobody(key, destination) {
            return OutputRoute::None;
        }
        let version = IpVersion::of(destination);
        let by_protocol = self.tables.asks_for(version, &[Selector::Protocol]).is_some();
        // A route may depend on the source, which has to be an address of this machine to ask with. A socket of IPv6
        // that is bound to an interface has no other, and a question only where it has no source
        // (`ip6_route_output_flags_noref`, `net/ipv6/route.c`).
        let strict = version == IpVersion::V6 && key.interface.is_some() && !is_link_local(destination);
        if strict && self.tables.asks_for(version, &[Selector::Source]).is_some() {
            return OutputRoute::Unknown(Selector::Source.reason());
        }
        let source = Some(key.source).filter(|source| !strict && self.tables.is_local(*source));
        let request = RouteRequest {
            destination,
            source,
            input: None,
            output: key.interface,
            mark: key.mark,
            transport: by_protocol.then_some((key.protocol, 0)),
            fib_match: false,
        };
        match self.ask(&request) {
            Reply::Route { kind: kinds::LOCAL, .. } => OutputRoute::Leaves { interface: self.loopback },
            Reply::Route { kind: kinds::UNICAST, .. } if key.interface.is_none() && self.is_split(&request) => {
                OutputRoute::Unknown(SPLIT.into())
            }
            Reply::Route { kind: kinds::UNICAST | kinds::ANYCAST, interface: Some(interface), .. } => {
                OutputRoute::Leaves { interface }
            }
            // The kernel itself answers a segment from a broadcast address; programs may not (`EACCES`, `ip(7)`).
            Reply::Route { kind: kinds::BROADCAST, interface: Some(interface), .. }
                if key.protocol == TCP && self.tables.is_local(key.source) =>
            {
                OutputRoute::Leaves { interface }
            }
            Reply::Route { .. } => OutputRoute::None,
            // `__mkroute_output` refuses to send from a loopback address by another interface.
            Reply::Refused(refusal) if refusal.is_no_route() || refusal.is_martian() => OutputRoute::None,
            Reply::Refused(refusal) => OutputRoute::Unknown(refusal.to_string().into()),
        }
    }

    /// The kernel itself answers a segment from `::`, by the default route (`tcp_v6_send_synack`,
    /// `net/ipv6/tcp_ipv6.c`), and forwards answers so; for a program that sends, `::` is this machine
    /// (`udpv6_sendmsg`, `net/ipv6/udp.c`).
    fn answers_nobody(&self, key: OutputKey, destination: IpAddr) -> bool {
        destination.is_ipv6() && (key.protocol == TCP || !self.tables.is_local(key.source))
    }

    fn fib_of(&self, key: FibKey, address: IpAddr) -> FibAnswer {
        match (key.kind, address) {
            (true, IpAddr::V4(address)) => FibAnswer::AddressType(self.tables.address_type(address, key.interface)),
            (true, IpAddr::V6(_)) => self.address_type_v6(key, address),
            (false, _) => self.fib_interface(key, address),
        }
    }

    fn fib_request(key: FibKey, destination: IpAddr) -> RouteRequest {
        let (source, input, transport) = (None, None, None);
        // `nft_fib6_flowi_init`: link-local addresses are looked for on one interface.
        let output = key.interface.filter(|_| is_link_local(destination));
        RouteRequest { destination, source, input, output, mark: key.mark, transport, fib_match: destination.is_ipv4() }
    }

    /// `__nft_fib6_eval_type` (`net/ipv6/netfilter/nft_fib_ipv6.c`).
    fn address_type_v6(&self, key: FibKey, address: IpAddr) -> FibAnswer {
        if address.is_multicast() {
            return FibAnswer::AddressType(kinds::MULTICAST);
        }
        let kind = match self.ask(&Self::fib_request(key, address)) {
            Reply::Route { kind: kind @ (kinds::LOCAL | kinds::UNICAST | kinds::ANYCAST), .. } => kind,
            Reply::Route { kind, .. } => return FibAnswer::AddressType(kind),
            Reply::Refused(refusal) => {
                let kind = refusal.address_type().map(FibAnswer::AddressType);
                return kind.unwrap_or_else(|| FibAnswer::Unknown(refusal.to_string().into()));
            }
        };
        FibAnswer::AddressType(self.reachable_type(key, address, kind))
    }

    /// The type of an address that there is a way to. With an interface only its own addresses are local.
    fn reachable_type(&self, key: FibKey, address: IpAddr, kind: u8) -> u8 {
        let carried = key.interface.is_some_and(|interface| self.tables.carries(interface, address));
        match kind {
            _ if self.tables.is_first_of_link(address) => kinds::ANYCAST,
            kinds::LOCAL if key.interface.is_none() || carried => kinds::LOCAL,
            kinds::ANYCAST => kinds::ANYCAST,
            _ if carried => kinds::LOCAL,
            _ if !is_unicast(address) => kinds::UNSPECIFIED,
            _ => kinds::UNICAST,
        }
    }

    /// `nft_fib4_eval` and `nft_fib6_eval`: only unicast routes lead over an interface, and broadcast ones of IPv4.
    fn fib_interface(&self, key: FibKey, address: IpAddr) -> FibAnswer {
        if address.is_ipv6() && address.is_multicast() {
            return FibAnswer::Interface(None);
        }
        // In a question the kernel treats these apart, in a rule like any other.
        if (address.is_unspecified() || address.is_multicast()) && self.tables.has_way_to(address) && address.is_ipv4()
        {
            return FibAnswer::Unknown("the way to an address that is nobody's".into());
        }
        if is_link_local(address) && key.interface.is_none() {
            return FibAnswer::Unknown("the interface of a link-local address".into());
        }
        // `nft_fib6_eval` looks at the one that the packet would take.
        if address.is_ipv6() && self.is_split(&Self::fib_request(key, address)) {
            return FibAnswer::Unknown(SPLIT.into());
        }
        match self.ask(&Self::fib_request(key, address)) {
            Reply::Route { kind: kinds::UNICAST | kinds::BROADCAST, interface, others, .. } => match key.interface {
                None => FibAnswer::Interface(interface),
                Some(wanted) => {
                    FibAnswer::Interface((interface == Some(wanted) || others.contains(&wanted)).then_some(wanted))
                }
            },
            Reply::Route { .. } => FibAnswer::Interface(None),
            Reply::Refused(refusal) if refusal.is_no_route() => FibAnswer::Interface(None),
            Reply::Refused(refusal) => FibAnswer::Unknown(refusal.to_string().into()),
        }
    }
}

impl Routing for KernelRouting {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let version = IpVersion::of(question.destination);
        let packets = self.incoming(question);
        let hidden = if version == IpVersion::V4 { &HIDDEN_FROM_INPUT_V4[..] } else { &HIDDEN_FROM_INPUT_V6 };
        let mark = match self.known((version, packets), question.mark, hidden) {
            Ok(mark) => mark,
            Err(why) => return vec![(question.sources.clone(), InputRoute::Unknown(why))],
        };
        let destination = self.alike(question.destination);
        let by_port = self.tables.asks_of(version, packets, &[Selector::Protocol, Selector::DestinationPort]).is_some();
        let by_protocol = by_port || self.tables.is_anycast(question.destination);
        let protocol = if by_protocol { question.protocol } else { 0 };
        let port = if by_port { question.port } else { 0 };
        let key = InputKey { interface: question.interface, destination, mark, protocol, port };
        let ask = |cuts: &Cuts| cuts.pieces(|source| self.input_of(key, source));
        let pieces = || match self.all_cuts(version) {
            Some(cuts) => ask(cuts),
            None => self
                .tables
                .input_cuts(version)
                .as_ref()
                .map_or_else(|| vec![(AddressSet::all(version), InputRoute::Unknown(self.tables.too_large()))], ask),
        };
        within(recall(&self.memory, |memory| &mut memory.input, key, pieces), question.sources)
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let version = question.destinations.version();
        let packets = match version {
            IpVersion::V4 => Packets::Any,
            IpVersion::V6 => Packets::Incoming { interface: question.interface, reverse: None },
        };
        let mark = match self.known((version, packets), question.mark, &HIDDEN_FROM_FORWARDED) {
            Ok(mark) => mark,
            Err(why) => return vec![(question.destinations.clone(), InputRoute::Unknown(why))],
        };
        let ForwardQuestion { interface, protocol, .. } = *question;
        let source = self.alike(question.source);
        let by_protocol = self.tables.asks_for(version, &[Selector::Protocol]).is_some();
        let protocol = if by_protocol { protocol } else { 0 };
        let pieces = || match self.all_cuts(version) {
            // Nothing is sent on to a group, to all of a link (`ip_route_input_slow`), or to an anycast address of its
            // own.
            Some(cuts) => cuts.pieces(|destination| {
                if self.stays_here(destination) {
                    InputRoute::Local
                } else {
                    self.input_of(InputKey { interface, destination, mark, protocol, port: 0 }, source)
                }
            }),
            None => vec![(AddressSet::all(version), InputRoute::Unknown(self.tables.too_large()))],
        };
        let key = ForwardKey { interface, source, mark, protocol };
        within(recall(&self.memory, |memory| &mut memory.forward, key, pieces), question.destinations)
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        let version = question.destinations.version();
        // A question can have no source but an own one.
        let (packets, hidden) = if self.tables.is_local(question.source) {
            (Packets::Own { loopback: self.loopback, bound: question.bound_interface }, &HIDDEN_FROM_OUTPUT[..])
        } else {
            (Packets::Any, &HIDDEN_WITH_SOURCE[..])
        };
        let mark = match self.known((version, packets), question.mark, hidden) {
            Ok(mark) => mark,
            Err(why) => return vec![(question.destinations.clone(), OutputRoute::Unknown(why))],
        };
        let OutputQuestion { source, bound_interface: interface, protocol, .. } = *question;
        let key = OutputKey { source, interface, mark, protocol };
        let pieces = || match self.all_cuts(version) {
            Some(cuts) => cuts.pieces(|destination| self.output_of(key, destination)),
            None => vec![(AddressSet::all(version), OutputRoute::Unknown(self.tables.too_large()))],
        };
        within(recall(&self.memory, |memory| &mut memory.output, key, pieces), question.destinations)
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        let version = question.addresses.version();
        let kind = question.result == FibResult::AddressType;
        // Types of IPv4 addresses are a matter of the local table alone.
        let (asked, hidden) =
            if kind && version == IpVersion::V4 { (Some(0), &[][..]) } else { (question.mark, &HIDDEN_FROM_FIB[..]) };
        let mark = match self.known((version, Packets::Any), asked, hidden) {
            Ok(mark) => mark,
            Err(why) => return vec![(question.addresses.clone(), FibAnswer::Unknown(why))],
        };
        let key = FibKey { version, interface: question.interface, mark, kind };
        let pieces = || match self.all_cuts(version) {
            Some(cuts) => cuts.pieces(|address| self.fib_of(key, address)),
            None => vec![(AddressSet::all(version), FibAnswer::Unknown(self.tables.too_large()))],
        };
        within(recall(&self.memory, |memory| &mut memory.fib, key, pieces), question.addresses)
    }

    fn depends_on_ports(&self, version: IpVersion) -> bool {
        self.tables.asks_for(version, &[Selector::DestinationPort]).is_some()
    }

    fn answers_with_marks(&self) -> bool {
        self.answers_with_marks
    }
}

// What questions do not say of a packet.
const HIDDEN_FROM_INPUT_V4: [Selector; 2] = [Selector::SourcePort, Selector::Service];
/// A packet counts as one of root (`ip6_route_input`), a question as one of nobody (`inet6_rtm_getroute`).
const HIDDEN_FROM_INPUT_V6: [Selector; 3] = [Selector::SourcePort, Selector::Service, Selector::User];
const HIDDEN_FROM_OUTPUT: [Selector; 4] =
    [Selector::SourcePort, Selector::DestinationPort, Selector::Service, Selector::User];
const HIDDEN_FROM_FORWARDED: [Selector; 4] =
    [Selector::SourcePort, Selector::DestinationPort, Selector::Service, Selector::User];
const HIDDEN_WITH_SOURCE: [Selector; 5] =
    [Selector::SourcePort, Selector::DestinationPort, Selector::Service, Selector::User, Selector::Source];
const HIDDEN_FROM_FIB: [Selector; 4] = [Selector::Source, Selector::Protocol, Selector::Service, Selector::User];

/// The broadcast addresses that are so on every link.
fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_broadcast() || address.is_unspecified())
}

/// `IPV6_ADDR_UNICAST` (`__ipv6_addr_type`, `net/ipv6/addrconf_core.c`), of an address that is not multicast.
fn is_unicast(address: IpAddr) -> bool {
    !address.is_unspecified() && !matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// `ip6_forward`, `net/ipv6/ip6_output.c`.
fn stays_on_link(source: Ipv6Addr) -> bool {
    source.is_unspecified() || source.is_multicast() || source.is_loopback() || source.is_unicast_link_local()
}

/// Whether the kernel may hold the IPv4 source of a packet against the routes (`rp_filter`) on some interface, as far
/// as is known.
fn validates_sources(interfaces: &[Interface]) -> bool {
    interfaces.iter().any(|interface| interface.settings.rp_filter != Some(RpFilter::Off))
}

/// An answer for every address of a version.
type Pieces<A> = Vec<(AddressSet, A)>;

/// An earlier answer, or a new one. The memory is not locked while the kernel is asked.
fn recall<K: Copy + Eq + std::hash::Hash, A: Clone>(
    memory: &Mutex<Memory>,
    of: impl Fn(&mut Memory) -> &mut HashMap<K, Pieces<A>>,
    key: K,
    ask: impl FnOnce() -> Pieces<A>,
) -> Pieces<A> {
    let known = of(&mut memory.lock().unwrap_or_else(PoisonError::into_inner)).get(&key).cloned();
    known.unwrap_or_else(|| {
        let found = ask();
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let found = memory.share(found);
        of(&mut memory).insert(key, found.clone());
        found
    })
}

fn within<A>(pieces: Vec<(AddressSet, A)>, asked: &AddressSet) -> Vec<(AddressSet, A)> {
    if asked.is_all() {
        return pieces;
    }
    let cut = pieces.into_iter().map(|(addresses, answer)| (addresses.intersection(asked), answer));
    cut.filter(|(addresses, _)| !addresses.is_empty()).collect()
}

/// `ip_route_input_slow` and `__fib_validate_source`: a packet that may not come in so is a martian; without a way, or
/// where forwarding is off, it is unreachable.
fn refused(refusal: &Refusal) -> InputRoute {
    if refusal.is_martian() {
        InputRoute::Blocked(BlockReason::Martian)
    } else if refusal.is_no_route() {
        InputRoute::Blocked(BlockReason::NotRouted)
    } else {
        InputRoute::Unknown(refusal.to_string().into())
    }
}
