//! The way of a packet through the machine, hook by hook.

use std::collections::BTreeSet;
use std::net::IpAddr;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::region::Region;
use crate::routing::{FibAnswer, FibQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute};
use crate::rule::{Direction, FibResult};
use crate::ruleset::{ChainId, ChainKind, Hook, RuleId};

use super::flow::{Flow, Flows};
use super::hooks::{Hooks, Stop};
use super::index::Indexes;
use super::journal::{Doubt, End, Fate, Journal, Step};
use super::learned::Learned;
use super::lookup::Lookups;
use super::machine::{Device, Machine};
use super::packet::{Place, State, TCP, Tracking};
use super::responder::Responder;
use super::run::Runner;

/// One question being answered.
pub(super) struct Journey<'a, 'm> {
    pub(super) machine: &'a Machine<'m>,
    pub(super) hooks: &'a Hooks,
    pub(super) lookups: &'a mut Lookups,
    pub(super) indexes: &'a mut Indexes,
    /// Sets that rules change.
    pub(super) learned: &'a Learned,
    pub(super) journal: Journal,
    /// Rules run so far.
    pub(super) run: u64,
    /// Rules that are passed over, as if they were not there.
    pub(super) without: Option<&'a BTreeSet<RuleId>>,
    /// What the kernel does by itself is passed over too, and nobody answers.
    pub(super) rules_alone: bool,
    /// The socket that answers.
    pub(super) responder: Responder,
}

/// Packets that have arrived: at a socket of this machine, or at the interface they leave by.
pub(super) struct Arrived {
    pub(super) flow: Flow,
    pub(super) output: Option<u32>,
}

impl<'m> Journey<'_, 'm> {
    /// From outside, by an interface.
    pub(super) fn outside(&mut self, input: &'m Device, flow: Flow) {
        let arrived = self.receive(input, Flows::one(flow));
        for arrived in arrived {
            if self.rules_alone {
                let fate = Fate::Delivered(arrived.flow.state.endpoint);
                self.end(arrived.flow, fate);
            } else {
                self.answer(input, arrived);
            }
        }
    }

    /// From this machine to itself.
    pub(super) fn here(&mut self, loopback: &'m Device, flow: &Flow) {
        let own = self.own(flow.region.version());
        if !own.contains(flow.state.endpoint.address, 0) {
            return self.elsewhere(flow);
        }
        self.end(flow.with_region(flow.region.difference(&own)), Fate::Blocked(BlockReason::Martian));
        let flows = Flows::one(flow.with_region(flow.region.intersection(&own)));
        let place = Place { hook: Hook::Output, input: None, output: Some(loopback) };
        let flows = self.hook(place, flows);
        for (device, flows) in self.reroute(loopback, flows) {
            let place = Place { hook: Hook::Postrouting, input: None, output: Some(device) };
            let flows = self.out(place, flows);
            if device.index == loopback.index {
                for arrived in self.receive(loopback, flows) {
                    self.answer(loopback, arrived);
                }
            } else {
                for flow in flows {
                    self.answer(loopback, Arrived { flow, output: Some(device.index) });
                }
            }
        }
    }

    /// Packets of this machine to an address of others, which leave by another device if at all.
    fn elsewhere(&mut self, flow: &Flow) {
        for (source, flow) in by_own_source(flow) {
            let fate = match self.way_out(source, &flow) {
                OutputRoute::Leaves { .. } | OutputRoute::Unknown(_) => {
                    Fate::Unknown("what this machine sends to others is not followed".into())
                }
                OutputRoute::None => Fate::Blocked(BlockReason::NotRouted),
            };
            self.end(flow, fate);
        }
    }

    /// By which way packets of this machine leave.
    fn way_out(&self, source: IpAddr, flow: &Flow) -> OutputRoute {
        let question = OutputQuestion {
            source,
            bound_interface: None,
            destinations: &AddressSet::single(flow.state.endpoint.address),
            mark: flow.state.mark,
            protocol: flow.state.protocol,
        };
        self.output(&question).into_iter().next().map_or(OutputRoute::None, |(_, route)| route)
    }

    /// The addresses that programs of this machine can send from: those of its devices, those of loopback, and those
    /// that a route calls local.
    fn own(&self, version: IpVersion) -> Region {
        let of_version = |address: &&IpAddr| IpVersion::of(**address) == version;
        let addresses = self.machine.devices.iter().flat_map(|device| &device.addresses).filter(of_version);
        let loopback = match version {
            IpVersion::V4 => AddressSet::from_range(version, 0x7f00_0000..=0x7fff_ffff),
            IpVersion::V6 => AddressSet::from_range(version, 1..=1),
        };
        let numbers = addresses.map(|address| crate::address_set::number(*address)).map(|number| number..=number);
        let carried = loopback.union(&AddressSet::from_ranges(version, numbers));
        Region::of_addresses(self.routed_here(version).fold(carried, |own, addresses| own.union(&addresses)))
    }

    fn routed_here(&self, version: IpVersion) -> impl Iterator<Item = AddressSet> {
        /// `RTN_LOCAL` (`include/uapi/linux/rtnetlink.h`).
        const LOCAL: u8 = 2;
        let addresses = &AddressSet::all(version);
        let question = FibQuestion { addresses, interface: None, mark: Some(0), result: FibResult::AddressType };
        let pieces = self.machine.routing.fib(&question).into_iter();
        pieces.filter(|(_, answer)| *answer == FibAnswer::AddressType(LOCAL)).map(|(addresses, _)| addresses)
    }

    /// Packets of this machine are routed again where their destination was translated.
    fn reroute(&mut self, loopback: &'m Device, flows: Flows) -> Vec<(&'m Device, Flows)> {
        let mut routed: Vec<(&Device, Flows)> = Vec::new();
        for flow in flows {
            let address = flow.state.endpoint.address;
            if !flow.state.is_translated() || self.machine.is_own(address) {
                self.leave(OutputRoute::Leaves { interface: loopback.index }, flow, &mut routed);
                continue;
            }
            for (source, flow) in by_own_source(&flow) {
                self.leave(self.way_out(source, &flow), flow, &mut routed);
            }
        }
        routed
    }

    fn leave(&mut self, route: OutputRoute, flow: Flow, routed: &mut Vec<(&'m Device, Flows)>) {
        match route {
            OutputRoute::Leaves { interface } => match self.machine.device(interface) {
                Some(device) => match routed.iter_mut().find(|(known, _)| known.index == interface) {
                    Some((_, flows)) => flows.add(flow),
                    None => routed.push((device, Flows::one(flow))),
                },
                None => self.end(flow, Fate::Unknown("an interface that was not seen".into())),
            },
            OutputRoute::Unknown(why) => self.end(flow, Fate::Unknown(why)),
            OutputRoute::None => self.end(flow, Fate::Blocked(BlockReason::NotRouted)),
        }
    }

    pub(super) fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        self.machine.routing.output(question)
    }

    /// From the device to the socket, or to the device it leaves by.
    fn receive(&mut self, input: &'m Device, flows: Flows) -> Vec<Arrived> {
        let place = |hook, output| Place { hook, input: Some(input), output };
        let flows = self.hook(place(Hook::Ingress, None), flows);
        let flows = self.without_impossible(input, flows);
        let flows = self.hook(place(Hook::Prerouting, None), flows);
        let mut arrived = Vec::new();
        let mut forwarded: Vec<(u32, Flows)> = Vec::new();
        let mut local = Flows::default();
        for flow in flows {
            self.route(input, &flow, &mut local, &mut forwarded);
        }
        let local = self.hook(place(Hook::Input, None), local);
        arrived.extend(local.into_iter().map(|flow| Arrived { flow, output: None }));
        for (interface, flows) in forwarded {
            let Some(output) = self.machine.device(interface) else {
                self.end_all(flows, &Fate::Unknown("an interface that was not seen".into()));
                continue;
            };
            let flows = self.hook(place(Hook::Forward, Some(output)), flows.change(sent_on));
            let flows = self.out(place(Hook::Postrouting, Some(output)), flows);
            arrived.extend(flows.into_iter().map(|flow| Arrived { flow, output: Some(interface) }));
        }
        arrived
    }

    /// What IPv6 drops before any rule of its hooks sees it (`ip6_rcv_core`, `net/ipv6/ip6_input.c`): loopback
    /// addresses from outside, and multicast sources. TCP takes no connection from an IPv4-mapped source
    /// (`tcp_v6_conn_request`, `net/ipv6/tcp_ipv6.c`), which other protocols do.
    fn without_impossible(&mut self, input: &Device, flows: Flows) -> Flows {
        let mut possible = Flows::default();
        for flow in flows {
            if self.rules_alone || input.is_loopback() || flow.state.version == IpVersion::V4 {
                possible.add(flow);
                continue;
            }
            let impossible = if flow.state.endpoint.address.is_loopback() {
                flow.region.clone()
            } else {
                flow.region.within(&impossible_sources(flow.state.protocol))
            };
            possible.add(flow.with_region(flow.region.difference(&impossible)));
            self.end(flow.with_region(impossible), Fate::Blocked(BlockReason::Martian));
        }
        possible
    }

    fn route(&mut self, input: &Device, flow: &Flow, local: &mut Flows, forwarded: &mut Vec<(u32, Flows)>) {
        // A packet that this machine sent to itself keeps the route it left by (`skb_valid_dst`, `ip_rcv_finish_core`).
        if input.is_loopback() {
            return local.add(flow.clone());
        }
        let state = &flow.state;
        let sources = flow.region.addresses();
        let question = InputQuestion {
            interface: input.index,
            destination: state.endpoint.address,
            sources: &sources,
            mark: state.mark,
            protocol: state.protocol,
            port: state.endpoint.port,
        };
        for (addresses, route) in self.machine.routing.input(&question) {
            let flow = flow.with_region(flow.region.within(&addresses));
            if flow.region.is_empty() {
                continue;
            }
            self.journal.step(|| Step::Routed { region: flow.region.clone(), outcome: route_words(&route) });
            match route {
                InputRoute::Local => local.add(flow),
                InputRoute::Forward { interface } => {
                    match forwarded.iter_mut().find(|(known, _)| *known == interface) {
                        Some((_, flows)) => flows.add(flow),
                        None => forwarded.push((interface, Flows::one(flow))),
                    }
                }
                InputRoute::Blocked(reason) => self.end(flow, Fate::Blocked(reason)),
                InputRoute::Unknown(why) => self.end(flow, Fate::Unknown(why)),
            }
        }
    }

    /// After routing, and on to the device.
    pub(super) fn out(&mut self, postrouting: Place<'m>, flows: Flows) -> Flows {
        let flows = self.hook(postrouting, flows);
        self.hook(Place { hook: Hook::Egress, ..postrouting }, flows)
    }

    /// Everything that happens at a hook.
    pub(super) fn hook(&mut self, place: Place<'m>, mut flows: Flows) -> Flows {
        let hooks = self.hooks;
        for version in [IpVersion::V4, IpVersion::V6] {
            if !flows.iter().any(|flow| flow.state.version == version) {
                continue;
            }
            flows = self.stops(place, hooks.at(version, place.hook), flows);
        }
        let flows = flows.on_their_way();
        match place.hook {
            Hook::Input | Hook::Postrouting => flows.change(|state| State { confirmed: true, ..state.clone() }),
            _ => flows,
        }
    }

    fn stops(&mut self, place: Place<'m>, stops: &[Stop], flows: Flows) -> Flows {
        stops.iter().fold(flows, |flows, stop| match stop {
            Stop::Chain(chain) => self.chain(place, *chain, flows),
            Stop::Track => self.track(flows),
            Stop::Translate(chains) => self.translate(place, chains, flows),
            Stop::Either(orders) => self.either(place, orders, &flows.on_their_way()),
            Stop::Unclear => {
                self.end_all(flows, &Fate::Unknown("the order of many chains with one priority".into()));
                Flows::default()
            }
        })
    }

    /// Conntrack looks for the connection in the zone of the packet. For the answer that may be another.
    fn track(&mut self, flows: Flows) -> Flows {
        let is_open = |state: &State| state.direction == Direction::Reply && state.zone != state.request_zone;
        let (open, flows) = flows.partition(is_open);
        self.end_all(open, &Fate::Unknown("the zones of a connection".into()));
        flows.change(tracked)
    }

    /// Every order that is possible. Where all do the same, the first stands for them.
    fn either(&mut self, place: Place<'m>, orders: &[Vec<Stop>], flows: &Flows) -> Flows {
        let before = self.journal.length();
        let mut outcomes: Vec<(Flows, Journal)> = Vec::new();
        for order in orders {
            let after = self.stops(place, order, flows.clone()).on_their_way();
            outcomes.push((after, self.journal.split_off(&before)));
        }
        let mut outcomes = outcomes.into_iter();
        let Some((mut all, first)) = outcomes.next() else { return flows.clone() };
        let differing: Vec<_> =
            outcomes.filter(|(after, journal)| !(after.is_same(&all) && journal.ends_as(&first))).collect();
        self.journal.append(first);
        if let (false, Some(rule)) = (differing.is_empty(), first_rule(orders)) {
            let because = Untrusted::from("the order of what has one priority");
            let doubt = |flow: &Flow| Doubt { region: flow.region.clone(), rule, because: because.clone() };
            self.journal.doubts.extend(flows.iter().map(doubt));
        }
        for (after, journal) in differing {
            all.extend(after);
            self.journal.append(journal);
        }
        all
    }

    fn chain(&mut self, place: Place<'m>, chain: ChainId, flows: Flows) -> Flows {
        if flows.is_empty() || !self.is_registered(place, chain) {
            return flows;
        }
        for flow in flows.iter().filter(|flow| !flow.is_decided()) {
            let (region, answer) = (&flow.region, flow.state.direction == Direction::Reply);
            self.journal.step(|| Step::Chain { chain, hook: place.hook, region: region.clone(), answer });
        }
        let reroutes = self.reroutes(place, chain);
        let flows = if reroutes { flows.change(on_its_route) } else { flows };
        let Self { machine, lookups, indexes, journal, run, learned, without, .. } = self;
        let mut runner = Runner { machine, place, lookups, indexes, journal, learned, without: *without };
        let flows = runner.walk(chain, flows, run);
        if reroutes { flows.change(off_its_route) } else { flows }
    }

    /// Whether packets that a chain marks otherwise are routed again behind it (`nf_route_table_hook4`,
    /// `net/netfilter/nft_chain_route.c`; `ipt_mangle_out`, `net/ipv4/netfilter/iptable_mangle.c`).
    fn reroutes(&self, place: Place<'_>, chain: ChainId) -> bool {
        let base = self.machine.ruleset.chain(chain).and_then(|chain| chain.base.as_ref());
        place.hook == Hook::Output && base.is_some_and(|base| base.kind == ChainKind::Route)
    }

    /// Chains at a device hook see the packets of their devices only.
    fn is_registered(&self, place: Place<'_>, chain: ChainId) -> bool {
        let device = match place.hook {
            Hook::Ingress => place.input,
            Hook::Egress => place.output,
            _ => return true,
        };
        let base = self.machine.ruleset.chain(chain).and_then(|chain| chain.base.as_ref());
        base.zip(device).is_some_and(|(base, device)| base.devices.iter().any(|wanted| wanted.means(&device.name)))
    }

    /// Only the first packet of a tracked connection is translated, and the first rule that says how decides.
    fn translate(&mut self, place: Place<'m>, chains: &[ChainId], flows: Flows) -> Flows {
        let destination = matches!(place.hook, Hook::Prerouting | Hook::Output);
        let flows = match place.hook {
            Hook::Prerouting | Hook::Output => flows.change(to_the_sender),
            Hook::Postrouting => flows.change(from_where_it_was_sent),
            _ => flows,
        };
        let is_mapped = |state: &State| if destination { state.mapped } else { state.source_mapped };
        let (mut open, mut done) = flows.partition(|state| state.tracking == Tracking::New && !is_mapped(state));
        for chain in chains {
            let (mapped, others) = self.chain(place, *chain, open).partition(is_mapped);
            done.extend(mapped);
            open = others;
        }
        done.extend(open.change(|state| State {
            mapped: state.mapped || destination,
            source_mapped: state.source_mapped || !destination,
            ..state.clone()
        }));
        done
    }

    pub(super) fn end(&mut self, flow: Flow, fate: Fate) {
        if !flow.region.is_empty() {
            self.journal.ends.push(End::new(flow, fate, None, false));
        }
    }

    fn end_all(&mut self, flows: Flows, fate: &Fate) {
        for flow in flows {
            self.end(flow, fate.clone());
        }
    }
}

/// Packets of this machine, by the address that they come from: they are routed by it. The loopback addresses of IPv4
/// are one.
pub(super) fn by_own_source(flow: &Flow) -> Vec<(IpAddr, Flow)> {
    let loopback = match flow.state.version {
        IpVersion::V4 => AddressSet::from_range(IpVersion::V4, 0x7f00_0000..=0x7fff_ffff),
        IpVersion::V6 => AddressSet::empty(IpVersion::V6),
    };
    let sources = flow.region.addresses();
    let others = sources.difference(&loopback);
    let each = others.ranges().map(|range| AddressSet::from_range(others.version(), range));
    let groups = each.chain([sources.intersection(&loopback)]);
    groups.filter_map(|group| Some((group.first()?, flow.with_region(flow.region.within(&group))))).collect()
}

/// Before a chain that may make it leave by another way.
fn on_its_route(state: &State) -> State {
    State { mark_before: state.mark, ..state.clone() }
}

/// Behind that chain: what the mark is then decides, whatever it becomes later.
fn off_its_route(state: &State) -> State {
    if state.mark == state.mark_before {
        return State { mark_before: Some(0), ..state.clone() };
    }
    State { mark_before: Some(0), rerouted: true, route_mark: state.mark, ..state.clone() }
}

pub(super) fn sent_on(state: &State) -> State {
    State { sent_on: true, ..state.clone() }
}

/// A rule to name where the order of chains is in doubt.
fn first_rule(orders: &[Vec<Stop>]) -> Option<RuleId> {
    let chain = orders.iter().flatten().find_map(|stop| match stop {
        Stop::Chain(chain) => Some(*chain),
        Stop::Translate(chains) => chains.first().copied(),
        _ => None,
    })?;
    Some(RuleId { chain, position: 0 })
}

/// What conntrack says of a packet (`nf_conntrack_in`). An answer to a packet that was not tracked begins a connection
/// of its own, which TCP does not allow (`tcp_new`, `net/netfilter/nf_conntrack_proto_tcp.c`).
fn tracked(state: &State) -> State {
    let tracking = match (state.tracking, state.direction) {
        (Tracking::None, Direction::Reply) if !state.untracked_request => Tracking::Established,
        (Tracking::None, Direction::Reply) if state.protocol == TCP => Tracking::Invalid,
        (Tracking::None, Direction::Original) if state.later => Tracking::Established,
        (Tracking::None, _) => Tracking::New,
        (known, _) => known,
    };
    State { tracking, ..state.clone() }
}

/// The destination of an answer is the sender again (`nf_nat_packet`, `net/netfilter/nf_nat_core.c`).
fn to_the_sender(state: &State) -> State {
    State { sender_hidden: state.sender_hidden && !is_known_answer(state), ..state.clone() }
}

/// The source of an answer is what the packet was sent to again.
fn from_where_it_was_sent(state: &State) -> State {
    State { source_restored: state.source_restored || is_known_answer(state), ..state.clone() }
}

fn is_known_answer(state: &State) -> bool {
    state.direction == Direction::Reply && state.tracking == Tracking::Established
}

fn impossible_sources(protocol: u8) -> AddressSet {
    const V4_MAPPED: u128 = 0xffff << 32;
    const MULTICAST: u128 = 0xff << 120;
    let mapped = (protocol == TCP).then_some(V4_MAPPED..=V4_MAPPED | 0xffff_ffff);
    let ranges = [1..=1, MULTICAST..=u128::MAX].into_iter().chain(mapped);
    AddressSet::from_ranges(IpVersion::V6, ranges)
}

fn route_words(route: &InputRoute) -> String {
    match route {
        InputRoute::Local => "to this machine".to_owned(),
        InputRoute::Forward { interface } => format!("onward by interface {interface}"),
        InputRoute::Blocked(reason) => format!("no further: {reason}"),
        InputRoute::Unknown(why) => format!("not known: {}", why.escaped()),
    }
}
