//! What the firewall does with traffic that no listener stands for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::{
    BackendKind, BaseChain, ChainKind, ChainPolicy, Decision, Firewall, Hook, Interface, InterfaceKind, Listener,
    LoopbackTraffic, MAX_BASE_CHAINS, MAX_OPENED_PORTS, OpenedPort, Prefix, Protocol, ReachVerdict, Sources,
    SpoofedEnd, SpoofedLoopback, TableFamily, UnusedPort,
};

use crate::Ruleset;
use crate::address_set::{AddressSet, IpVersion};
use crate::evaluate::{Answer, Decider, Endpoint, Evaluator, Fate, Judged, Question, Responder};
use crate::region::{PortSet, Region};
use crate::ruleset::{self, Backend, Chain, DeviceName, Family, Policy};

use super::entrance::{Entrance, is_way_in};
use super::managers::managers;
use super::record::outcome;
use super::ways::Ways;
use super::{decision, protocol_number, reference, shadowed};

/// The protocols that every summary is made for.
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// Fills in what the rules do; which backends were read is for the caller to say.
pub fn summarise(
    evaluator: &mut Evaluator<'_>,
    interfaces: &[Interface],
    listeners: &[Listener],
    firewall: &mut Firewall,
) {
    let outside = || interfaces.iter().filter(|interface| interface.kind != InterfaceKind::Loopback);
    let sweeps: Vec<_> =
        outside().flat_map(|interface| sweeps(evaluator, Entrance::whole(interface, interfaces), listeners)).collect();
    let unused = PROTOCOLS.map(|protocol| (protocol, unused_port(protocol, &sweeps, listeners)));
    let ways: Vec<_> = sweeps.iter().filter(|sweep| is_way_in(sweep.interface, interfaces)).collect();
    firewall.base_chains = base_chains(evaluator.machine().ruleset);
    firewall.managers = Some(managers(evaluator.machine().ruleset));
    if let Some(lo) = interfaces.iter().find(|interface| interface.kind == InterfaceKind::Loopback) {
        firewall.loopback = loopback(evaluator, lo, unused);
    }
    let ways_in = outside().filter(|interface| is_way_in(interface, interfaces));
    firewall.spoofed_loopback = ways_in.flat_map(|interface| spoofed(evaluator, interface, unused)).collect();
    firewall.default_input =
        unused.iter().map(|(protocol, port)| default_input(evaluator, *protocol, *port, &ways)).collect();
    firewall.opened = opened(evaluator.machine().ruleset, &ways, listeners, unused);
    let shadowed = shadowed::find(evaluator, interfaces, listeners, &sweeps);
    firewall.shadowed = shadowed.rules;
    firewall.unlisted_shadowed = shadowed.unlisted;
    firewall.shadowed_complete = shadowed.is_complete;
}

/// The interface that packets come in by, the address that they are sent to, and the number of their protocol.
pub(super) type Way = (u32, IpAddr, u8);

/// What becomes of packets to every port of one address by one interface.
pub(super) struct Sweep<'a> {
    pub(super) interface: &'a Interface,
    pub(super) entrance: Entrance<'a>,
    pub(super) protocol: Protocol,
    pub(super) destination: IpAddr,
    pub(super) answer: Answer,
    pub(super) judged: Vec<Judged>,
}

impl Sweep<'_> {
    pub(super) fn way(&self) -> Way {
        (self.interface.index, self.destination, protocol_number(self.protocol))
    }

    fn ports(&self) -> impl Iterator<Item = &PortSet> {
        self.judged.iter().flat_map(|part| part.region.parts()).map(|(_, ports)| ports)
    }
}

fn sweeps<'a>(evaluator: &mut Evaluator<'_>, entrance: Entrance<'a>, listeners: &[Listener]) -> Vec<Sweep<'a>> {
    let interface = entrance.interface;
    let mut found = Vec::new();
    for entry in &interface.addresses {
        for protocol in PROTOCOLS {
            let question = question(interface, protocol_number(protocol), entry.address, 0);
            let answer =
                evaluator.sweep_with_shadows(&question, &shadowed::followed(protocol_number(protocol), listeners));
            let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
            found.push(Sweep { interface, entrance, protocol, destination: entry.address, answer, judged });
        }
    }
    found
}

pub(super) fn question(interface: &Interface, protocol: u8, address: IpAddr, port: u16) -> Question {
    Question {
        interface: interface.index,
        protocol,
        destination: Endpoint { address, port },
        sources: AddressSet::all(IpVersion::of(address)),
        responder: Responder::default(),
    }
}

/// A port that rules treat like most others and on which nothing listens: in the middle of the widest range that no
/// rule cuts.
fn unused_port(protocol: Protocol, sweeps: &[Sweep<'_>], listeners: &[Listener]) -> u16 {
    let mut cuts = BTreeSet::from([1, u32::from(u16::MAX) + 1]);
    let of_protocol = sweeps.iter().filter(|sweep| sweep.protocol == protocol);
    for range in of_protocol.flat_map(Sweep::ports).flat_map(PortSet::ranges) {
        cuts.extend([u32::from(*range.start()).max(1), u32::from(*range.end()) + 1]);
    }
    for listener in listeners.iter().filter(|listener| listener.protocol == protocol) {
        cuts.extend([u32::from(listener.port), u32::from(listener.port) + 1]);
    }
    let widest = cuts.iter().zip(cuts.iter().skip(1)).max_by_key(|(first, next)| *next - *first);
    widest.and_then(|(first, next)| u16::try_from(first + (next - first) / 2).ok()).unwrap_or(u16::MAX)
}

/// The port for each protocol on which nothing listens.
type Unused = [(Protocol, u16); PROTOCOLS.len()];

/// This machine to itself.
fn loopback(evaluator: &mut Evaluator<'_>, lo: &Interface, unused: Unused) -> Vec<LoopbackTraffic> {
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let carried = addresses.into_iter().filter(|address| lo.addresses.iter().any(|entry| entry.address == *address));
    let mut found = Vec::new();
    for address in carried {
        for (protocol, port) in unused {
            let question = Question {
                sources: AddressSet::single(address),
                ..question(lo, protocol_number(protocol), address, port)
            };
            let judged = evaluator.ask(&question).judge(|fate| matches!(fate, Fate::Delivered(_)));
            found.push(LoopbackTraffic { address, protocol, decision: decision(evaluator.machine().ruleset, &judged) });
        }
    }
    found
}

/// Packets from outside with a loopback address at one of their ends.
fn spoofed(evaluator: &mut Evaluator<'_>, interface: &Interface, unused: Unused) -> Vec<SpoofedLoopback> {
    let [(protocol, port), ..] = unused;
    let mut found = Vec::new();
    for (prefix, loopback) in loopback_prefixes() {
        let own = interface.addresses.iter().map(|entry| entry.address).find(|own| own.is_ipv4() == loopback.is_ipv4());
        let Some(own) = own else { continue };
        let ends = [
            (SpoofedEnd::Source, own, AddressSet::prefix(prefix)),
            (SpoofedEnd::Destination, loopback, AddressSet::all(IpVersion::of(loopback))),
        ];
        for (end, destination, sources) in ends {
            let answer = evaluator
                .ask(&Question { sources, ..question(interface, protocol_number(protocol), destination, port) });
            let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }));
            let decision = decision(evaluator.machine().ruleset, &judged);
            let by_rules = (end == SpoofedEnd::Source).then(|| by_rules(evaluator, interface, prefix));
            found.push(SpoofedLoopback { interface: interface.name.clone(), prefix, end, decision, by_rules });
        }
    }
    found
}

/// What the rules do with packets from outside that claim a loopback address, to all that is sent to the interface.
fn by_rules(evaluator: &mut Evaluator<'_>, interface: &Interface, prefix: Prefix) -> Decision {
    let sources = AddressSet::prefix(prefix);
    let own = interface.addresses.iter().map(|entry| entry.address);
    let mut judged = Vec::new();
    for destination in own.filter(|own| own.is_ipv4() == prefix.address().is_ipv4()) {
        for protocol in PROTOCOLS {
            let question = question(interface, protocol_number(protocol), destination, 0);
            let answer = evaluator.sweep_of_rules(&Question { sources: sources.clone(), ..question });
            let parts = answer.judge(|fate| matches!(fate, Fate::Delivered(_))).into_iter();
            judged.extend(parts.filter(|part| protocol != Protocol::Udp || !is_for_dhcp_clients(&part.region)));
        }
    }
    decision(evaluator.machine().ruleset, &judged)
}

/// Whether packets of UDP go to no other port than those of clients of DHCP (RFC 2131, RFC 8415). Managers let these in
/// before anything else, because a machine has to have an address first.
fn is_for_dhcp_clients(region: &Region) -> bool {
    let clients = PortSet::from_ranges([68..=68, 546..=546]);
    region.parts().iter().all(|(_, ports)| ports.difference(&clients).is_empty())
}

fn loopback_prefixes() -> impl Iterator<Item = (Prefix, IpAddr)> {
    const PREFIXES: [(IpAddr, u8, IpAddr); 2] = [
        (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), 128, IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    PREFIXES.into_iter().filter_map(|(first, length, address)| Some((Prefix::new(first, length).ok()?, address)))
}

fn default_input(evaluator: &mut Evaluator<'_>, protocol: Protocol, port: u16, sweeps: &[&Sweep<'_>]) -> UnusedPort {
    let mut ways = Ways::default();
    for sweep in sweeps.iter().filter(|sweep| sweep.protocol == protocol) {
        let question = question(sweep.interface, protocol_number(protocol), sweep.destination, port);
        let judged = evaluator.ask(&question).judge(|fate| matches!(fate, Fate::Delivered(_)));
        let outcome = outcome(evaluator.machine().ruleset, &question, judged);
        ways.add(sweep.interface, sweep.destination, outcome.into());
    }
    UnusedPort { protocol, port, reachability: ways.regions(port) }
}

/// What a rule lets in from outside on ports where nothing listens. What it lets in on every port, it does not open.
fn opened(ruleset: &Ruleset, sweeps: &[&Sweep<'_>], listeners: &[Listener], unused: Unused) -> Vec<OpenedPort> {
    let mut found = BTreeSet::new();
    for sweep in sweeps {
        let default = unused.iter().find(|(protocol, _)| *protocol == sweep.protocol).map(|(_, port)| *port);
        let listened = listeners.iter().filter(|listener| listener.protocol == sweep.protocol);
        let listened = PortSet::from_ranges(listened.map(|listener| listener.port..=listener.port));
        for part in sweep.judged.iter().filter(|part| part.verdict == ReachVerdict::Reachable) {
            let Some(decider @ Decider::Rule(_)) = part.decider else { continue };
            for (addresses, ports) in part.region.parts() {
                if default.is_some_and(|default| ports.contains(default)) {
                    continue;
                }
                for range in ports.difference(&listened).ranges() {
                    let Sources { listed, excluded, unlisted } = addresses.listed().clone();
                    found.insert(OpenedPort {
                        protocol: sweep.protocol,
                        first_port: *range.start(),
                        last_port: *range.end(),
                        interface: Some(sweep.interface.name.clone()),
                        sources: listed,
                        excluded_sources: excluded,
                        unlisted_sources: unlisted,
                        rule: reference(ruleset, decider),
                    });
                }
            }
        }
    }
    found.into_iter().take(MAX_OPENED_PORTS).collect()
}

/// Where the kernel enters rules.
fn base_chains(ruleset: &Ruleset) -> Vec<BaseChain> {
    ruleset.chains.iter().filter_map(|chain| base_chain(ruleset, chain)).take(MAX_BASE_CHAINS).collect()
}

fn base_chain(ruleset: &Ruleset, chain: &Chain) -> Option<BaseChain> {
    let (table, base) = (ruleset.table(chain.table)?, chain.base.as_ref()?);
    Some(BaseChain {
        hook: hook(base.hook),
        priority: base.priority,
        backend: match (table.backend, table.family) {
            (Backend::NfTables, _) => BackendKind::NfTables,
            (Backend::Legacy, Family::Ip6) => BackendKind::Ip6Tables,
            (Backend::Legacy, _) => BackendKind::IpTables,
            (Backend::Beside, _) => return None,
        },
        family: family(table.family),
        table: table.name.clone(),
        chain: chain.name.clone(),
        kind: match base.kind {
            ruleset::ChainKind::Filter => ChainKind::Filter,
            ruleset::ChainKind::Nat => ChainKind::Nat,
            ruleset::ChainKind::Route => ChainKind::Route,
        },
        policy: match base.policy {
            Policy::Accept => ChainPolicy::Accept,
            Policy::Drop => ChainPolicy::Drop,
        },
        devices: base.devices.iter().map(DeviceName::shown).collect(),
        rules: u32::try_from(chain.rules.len()).unwrap_or(u32::MAX),
    })
}

fn hook(hook: ruleset::Hook) -> Hook {
    match hook {
        ruleset::Hook::Ingress => Hook::Ingress,
        ruleset::Hook::Prerouting => Hook::Prerouting,
        ruleset::Hook::Input => Hook::Input,
        ruleset::Hook::Forward => Hook::Forward,
        ruleset::Hook::Output => Hook::Output,
        ruleset::Hook::Postrouting => Hook::Postrouting,
        ruleset::Hook::Egress => Hook::Egress,
    }
}

fn family(family: Family) -> TableFamily {
    match family {
        Family::Ip => TableFamily::Ip,
        Family::Ip6 => TableFamily::Ip6,
        Family::Inet => TableFamily::Inet,
        Family::Arp => TableFamily::Arp,
        Family::Bridge => TableFamily::Bridge,
        Family::Netdev => TableFamily::Netdev,
    }
}
