//! The way of a packet through the machine, hook by hook, and of its answer.

use std::net::IpAddr;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::region::Region;
use crate::routing::{InputQuestion, InputRoute, OutputQuestion, OutputRoute};
use crate::rule::Direction;
use crate::ruleset::{ChainId, Hook, RuleId};

use super::flow::{Flow, Flows};
use super::hooks::{Hooks, Stop};
use super::journal::{Doubt, End, Fate, Journal, Step};
use super::lookup::Lookups;
use super::machine::{Device, Machine};
use super::packet::{Place, State, TCP, Tracking};
use super::run::Runner;

/// One question being answered.
pub(super) struct Journey<'a, 'm> {
    pub(super) machine: &'a Machine<'m>,
    pub(super) hooks: &'a Hooks,
    pub(super) lookups: &'a mut Lookups,
    pub(super) journal: Journal,
    /// Rules run so far.
    pub(super) run: u64,
}

/// Packets that have arrived: at a socket of this machine, or at the interface they leave by.
struct Arrived {
    flow: Flow,
    output: Option<u32>,
}

impl<'m> Journey<'_, 'm> {
    /// From outside, by an interface.
    pub(super) fn outside(&mut self, input: &'m Device, flow: Flow) {
        let arrived = self.receive(input, Flows::one(flow));
        for arrived in arrived {
            self.answer(input, arrived);
        }
    }

    /// From this machine to itself.
    pub(super) fn here(&mut self, loopback: &'m Device, flow: &Flow) {
        let own = self.own_addresses(flow);
        let outside = flow.region.difference(&own);
        self.end(flow.with_region(outside), Fate::Blocked(BlockReason::Martian));
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

    fn own_addresses(&self, flow: &Flow) -> Region {
        let version = flow.region.version();
        let of_version = |address: &&IpAddr| IpVersion::of(**address) == version;
        let addresses = self.machine.devices.iter().flat_map(|device| &device.addresses).filter(of_version);
        let loopback = match version {
            IpVersion::V4 => AddressSet::from_range(version, 0x7f00_0000..=0x7fff_ffff),
            IpVersion::V6 => AddressSet::from_range(version, 1..=1),
        };
        let numbers = addresses.map(|address| crate::address_set::number(*address)).map(|number| number..=number);
        Region::of_addresses(loopback.union(&AddressSet::from_ranges(version, numbers)))
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
                let question = OutputQuestion {
                    source,
                    bound_interface: None,
                    destinations: &AddressSet::single(address),
                    mark: flow.state.mark,
                    protocol: flow.state.protocol,
                };
                let route = self.output(&question).into_iter().next();
                self.leave(route.map_or(OutputRoute::None, |(_, route)| route), flow, &mut routed);
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

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
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
            let flows = self.hook(place(Hook::Forward, Some(output)), flows);
            let flows = self.out(place(Hook::Postrouting, Some(output)), flows);
            arrived.extend(flows.into_iter().map(|flow| Arrived { flow, output: Some(interface) }));
        }
        arrived
    }

    /// What IPv6 drops before any rule of its hooks sees it (`ip6_rcv_core`, `net/ipv6/ip6_input.c`): loopback addresses
    /// from outside, and multicast sources. TCP takes no connection from an IPv4-mapped source (`tcp_v6_conn_request`,
    /// `net/ipv6/tcp_ipv6.c`), which other protocols do.
    fn without_impossible(&mut self, input: &Device, flows: Flows) -> Flows {
        let mut possible = Flows::default();
        for flow in flows {
            if input.is_loopback() || flow.state.version == IpVersion::V4 {
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
    fn out(&mut self, postrouting: Place<'m>, flows: Flows) -> Flows {
        let flows = self.hook(postrouting, flows);
        self.hook(Place { hook: Hook::Egress, ..postrouting }, flows)
    }

    /// Everything that happens at a hook.
    fn hook(&mut self, place: Place<'m>, mut flows: Flows) -> Flows {
        let hooks = self.hooks;
        for version in [IpVersion::V4, IpVersion::V6] {
            if !flows.iter().any(|flow| flow.state.version == version) {
                continue;
            }
            flows = self.stops(place, hooks.at(version, place.hook), flows);
        }
        match place.hook {
            Hook::Input | Hook::Postrouting => flows.change(|state| State { confirmed: true, ..state.clone() }),
            _ => flows,
        }
    }

    fn stops(&mut self, place: Place<'m>, stops: &[Stop], flows: Flows) -> Flows {
        stops.iter().fold(flows, |flows, stop| match stop {
            Stop::Chain(chain) => self.chain(place, *chain, flows),
            Stop::Track => flows.change(tracked),
            Stop::Translate(chains) => self.translate(place, chains, flows),
            Stop::Either(orders) => self.either(place, orders, &flows),
            Stop::Unclear => {
                self.end_all(flows, &Fate::Unknown("the order of many chains with one priority".into()));
                Flows::default()
            }
        })
    }

    /// Every order that is possible. Packets with which they do the same are certain all the same.
    fn either(&mut self, place: Place<'m>, orders: &[Vec<Stop>], flows: &Flows) -> Flows {
        let mut all = Flows::default();
        for order in orders {
            for chain in order.iter().filter_map(|stop| if let Stop::Chain(chain) = stop { Some(*chain) } else { None })
            {
                let because: Untrusted = "the order of what has one priority".into();
                let doubt = |flow: &Flow| Doubt {
                    region: flow.region.clone(),
                    rule: RuleId { chain, position: 0 },
                    because: because.clone(),
                };
                self.journal.doubts.extend(flows.iter().map(doubt));
            }
            all.extend(self.stops(place, order, flows.clone()));
        }
        all
    }

    fn chain(&mut self, place: Place<'m>, chain: ChainId, flows: Flows) -> Flows {
        if flows.is_empty() || !self.is_registered(place, chain) {
            return flows;
        }
        for flow in flows.iter() {
            let (region, answer) = (&flow.region, flow.state.direction == Direction::Reply);
            self.journal.step(|| Step::Chain { chain, hook: place.hook, region: region.clone(), answer });
        }
        let Self { machine, lookups, journal, run, .. } = self;
        Runner { machine, place, lookups, journal }.walk(chain, flows, run)
    }

    /// Chains at a device hook see the packets of their devices only.
    fn is_registered(&self, place: Place<'_>, chain: ChainId) -> bool {
        let device = match place.hook {
            Hook::Ingress => place.input,
            Hook::Egress => place.output,
            _ => return true,
        };
        let base = self.machine.ruleset.chain(chain).and_then(|chain| chain.base.as_ref());
        base.zip(device).is_some_and(|(base, device)| base.devices.contains(&device.name))
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

    /// The answer to packets that have arrived has to leave too.
    fn answer(&mut self, input: &'m Device, arrived: Arrived) {
        let Arrived { flow, output } = arrived;
        let fate = match output {
            None => Fate::Delivered(flow.state.endpoint),
            Some(interface) => Fate::Forwarded { endpoint: flow.state.endpoint, interface },
        };
        let forwarded = output.is_some();
        let outer = std::mem::take(&mut self.journal.ends);
        let answered = if input.is_loopback() {
            self.answer_here(input, output, &flow)
        } else {
            self.answer_outside(input, output, &flow)
        };
        let blocked = std::mem::replace(&mut self.journal.ends, outer);
        let blocked = blocked.into_iter().map(|end| End { fate: of_answer(end.fate), forwarded, ..end });
        self.journal.ends.extend(blocked);
        for answer in answered {
            let rare = answer.state.rare;
            let fate =
                if is_from_elsewhere(&answer.state) { Fate::Blocked(BlockReason::AnswerBlocked) } else { fate.clone() };
            let arrived = Flow { region: answer.region, ..flow.clone() };
            self.journal.ends.push(End { rare, ..End::new(arrived, fate, None, forwarded) });
        }
    }

    /// Answers within this machine go over the loopback device and come in again.
    fn answer_here(&mut self, loopback: &'m Device, output: Option<u32>, flow: &Flow) -> Flows {
        // From a container or another machine, back to this one.
        if let Some(device) = output.and_then(|index| self.machine.device(index)) {
            return self.answer_comes_back(device, flow);
        }
        let reply = Flows::one(Flow::new(flow.state.reply(), flow.region.clone()));
        let place = |hook| Place { hook, input: None, output: Some(loopback) };
        let flows = self.hook(place(Hook::Output), reply);
        let flows = self.out(place(Hook::Postrouting), flows);
        reply_arrives(self, loopback, flows)
    }

    /// An answer from elsewhere to an address of this machine, which has to be let in as any other packet is.
    fn answer_comes_back(&mut self, device: &'m Device, flow: &Flow) -> Flows {
        let mut let_in = Flows::default();
        let answering = AddressSet::single(flow.state.endpoint.address);
        for (destination, flow) in by_own_source(flow) {
            let question = InputQuestion {
                interface: device.index,
                destination,
                sources: &answering,
                mark: Some(0),
                protocol: flow.state.protocol,
                port: flow.state.endpoint.port,
            };
            let route = self.machine.routing.input(&question).into_iter().next();
            let reply = Flow::new(flow.state.reply(), flow.region);
            match route.map(|(_, route)| route) {
                Some(InputRoute::Local) => let_in.add(reply),
                Some(InputRoute::Unknown(why)) => self.end(reply, Fate::Unknown(why)),
                _ => self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted)),
            }
        }
        reply_arrives(self, device, let_in)
    }

    fn answer_outside(&mut self, input: &'m Device, output: Option<u32>, flow: &Flow) -> Flows {
        let endpoint = flow.state.endpoint.address;
        // Whoever gets it there, the answer comes back with a source that `without_impossible` says is dropped.
        if output.is_some() && flow.state.version == IpVersion::V6 && endpoint.is_loopback() {
            self.end(flow.clone(), Fate::Blocked(BlockReason::AnswerNotRouted));
            return Flows::default();
        }
        // Link-local addresses are answered by the interface they were seen on (RFC 4007, 6).
        let link_local = link_local(flow.state.version);
        let (near, far) = (flow.region.within(&link_local), flow.region.within(&link_local.complement()));
        let mut answered = Flows::default();
        for (region, bound_interface) in [(near, Some(input.index)), (far, None)] {
            answered.extend(self.answer_to(output, bound_interface, &flow.with_region(region)));
        }
        answered
    }

    fn answer_to(&mut self, output: Option<u32>, bound_interface: Option<u32>, flow: &Flow) -> Flows {
        let destinations = flow.region.addresses();
        let mut answered = Flows::default();
        if destinations.is_empty() {
            return answered;
        }
        let question = OutputQuestion {
            source: flow.state.endpoint.address,
            bound_interface,
            destinations: &destinations,
            mark: Some(0),
            protocol: flow.state.protocol,
        };
        let from = output.and_then(|index| self.machine.device(index));
        for (addresses, route) in self.output(&question) {
            let region = flow.region.within(&addresses);
            if region.is_empty() {
                continue;
            }
            let reply = Flow::new(flow.state.reply(), region);
            match route {
                OutputRoute::Leaves { interface } => match self.machine.device(interface) {
                    // To an address of this machine, whoever used it outside: the answer stays here.
                    Some(device) if device.is_loopback() => {
                        self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted));
                    }
                    Some(device) => answered.extend(self.answer_by(from, device, reply)),
                    None => self.end(reply, Fate::Unknown("an interface that was not seen".into())),
                },
                OutputRoute::None => self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted)),
                OutputRoute::Unknown(why) => self.end(reply, Fate::Unknown(why)),
            }
        }
        answered
    }

    /// An answer that leaves by a device: of this machine, or forwarded from another.
    fn answer_by(&mut self, from: Option<&'m Device>, device: &'m Device, reply: Flow) -> Flows {
        let flows = Flows::one(reply);
        let flows = match from {
            None => self.hook(Place { hook: Hook::Output, input: None, output: Some(device) }, flows),
            Some(input) => {
                let place = |hook, output| Place { hook, input: Some(input), output };
                let flows = self.hook(place(Hook::Ingress, None), flows);
                let flows = self.hook(place(Hook::Prerouting, None), flows);
                self.hook(place(Hook::Forward, Some(device)), flows)
            }
        };
        self.out(Place { hook: Hook::Postrouting, input: from, output: Some(device) }, flows)
    }

    fn end(&mut self, flow: Flow, fate: Fate) {
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
fn by_own_source(flow: &Flow) -> Vec<(IpAddr, Flow)> {
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

/// An answer that comes in by a device for a client on this machine.
fn reply_arrives<'m>(journey: &mut Journey<'_, 'm>, device: &'m Device, flows: Flows) -> Flows {
    let place = |hook| Place { hook, input: Some(device), output: None };
    let flows = journey.hook(place(Hook::Ingress), flows);
    let flows = journey.hook(place(Hook::Prerouting), flows);
    journey.hook(place(Hook::Input), flows)
}

/// What conntrack says of a packet (`nf_conntrack_in`). An answer to a packet that was not tracked begins a connection
/// of its own, which TCP does not allow (`tcp_new`, `net/netfilter/nf_conntrack_proto_tcp.c`).
fn tracked(state: &State) -> State {
    let tracking = match (state.tracking, state.direction) {
        (Tracking::None, Direction::Reply) if !state.untracked_request => Tracking::Established,
        (Tracking::None, Direction::Reply) if state.protocol == TCP => Tracking::Invalid,
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

/// An answer that conntrack does not know has the address that the packet was translated to, not the one it was sent to.
fn is_from_elsewhere(answer: &State) -> bool {
    (answer.is_translated() || answer.sender_hidden) && answer.tracking != Tracking::Established
}

/// What keeps an answer from leaving keeps the packet from being answered.
fn of_answer(fate: Fate) -> Fate {
    match fate {
        Fate::Blocked(BlockReason::AnswerNotRouted) => Fate::Blocked(BlockReason::AnswerNotRouted),
        Fate::Blocked(_) => Fate::Blocked(BlockReason::AnswerBlocked),
        other => other,
    }
}

fn impossible_sources(protocol: u8) -> AddressSet {
    const V4_MAPPED: u128 = 0xffff << 32;
    const MULTICAST: u128 = 0xff << 120;
    let mapped = (protocol == TCP).then_some(V4_MAPPED..=V4_MAPPED | 0xffff_ffff);
    let ranges = [1..=1, MULTICAST..=u128::MAX].into_iter().chain(mapped);
    AddressSet::from_ranges(IpVersion::V6, ranges)
}

/// The link-local addresses of IPv6; IPv4 has none of which a machine has one for each of its interfaces.
fn link_local(version: IpVersion) -> AddressSet {
    const FIRST: u128 = 0xfe80 << 112;
    match version {
        IpVersion::V4 => AddressSet::empty(version),
        IpVersion::V6 => AddressSet::from_range(version, FIRST..=FIRST | u128::MAX >> 10),
    }
}

fn route_words(route: &InputRoute) -> String {
    match route {
        InputRoute::Local => "to this machine".to_owned(),
        InputRoute::Forward { interface } => format!("onward by interface {interface}"),
        InputRoute::Blocked(reason) => format!("no further: {reason}"),
        InputRoute::Unknown(why) => format!("not known: {}", why.escaped()),
    }
}
