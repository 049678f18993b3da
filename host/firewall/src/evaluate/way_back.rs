//! The way of an answer: what arrives is only reachable if its answer gets back to who asked.

use loopgate_facts::BlockReason;

use crate::address_set::{AddressSet, IpVersion};
use crate::region::Region;
use crate::routing::{ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute};
use crate::ruleset::Hook;

use super::flow::{Flow, Flows};
use super::journal::{End, Fate};
use super::machine::Device;
use super::packet::{Place, State, TCP, Tracking, UDP};
use super::path::{Arrived, Journey, by_own_source, sent_on};

/// Why it is not known whether an answer gets out that does not by itself.
const CHOSEN_WAY: &str = "the program can choose by which interface it answers (IP_PKTINFO)";

impl<'m> Journey<'_, 'm> {
    /// The answer to packets that have arrived has to leave too.
    pub(super) fn answer(&mut self, input: &'m Device, arrived: Arrived) {
        let Arrived { flow, output } = arrived;
        let fate = match output {
            None => Fate::Delivered(flow.state.endpoint),
            Some(interface) => Fate::Forwarded { endpoint: flow.state.endpoint, interface },
        };
        let forwarded = output.is_some();
        let outer = std::mem::take(&mut self.journal.ends);
        let answered = match (input.is_loopback(), output) {
            (true, _) => self.answer_here(input, output, &flow),
            (false, Some(interface)) => self.answer_from_elsewhere(interface, &flow),
            (false, None) => self.answer_outside(input, &flow),
        };
        let blocked = std::mem::replace(&mut self.journal.ends, outer);
        let blocked = blocked.into_iter().map(|end| End { fate: of_answer(end.fate), arrived: true, forwarded, ..end });
        self.journal.ends.extend(blocked);
        if !input.is_loopback() && !forwarded {
            self.choose_another_way(input, &flow, &answered);
        }
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
        let reply = self.stays_here(flow);
        let place = |hook| Place { hook, input: None, output: Some(loopback) };
        let flows = self.hook(place(Hook::Output), reply);
        let flows = self.out(place(Hook::Postrouting), flows);
        reply_arrives(self, loopback, flows)
    }

    /// An answer of a socket to this machine itself, which a mark can route elsewhere.
    fn stays_here(&mut self, flow: &Flow) -> Flows {
        let mark = self.mark_of_answer(&flow.state);
        let reply = Flow::new(State { mark, ..flow.state.reply() }, flow.region.clone());
        if mark == Some(0) {
            return Flows::one(reply);
        }
        let mut staying = Flows::default();
        for (region, route) in self.routes_of_answer(None, mark, &reply) {
            let reply = reply.with_region(region);
            match route {
                OutputRoute::Leaves { interface }
                    if self.machine.loopback().is_some_and(|lo| lo.index == interface) =>
                {
                    staying.add(reply);
                }
                OutputRoute::Leaves { .. } | OutputRoute::None => {
                    self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted));
                }
                OutputRoute::Unknown(why) => self.end(reply, Fate::Unknown(why)),
            }
        }
        staying
    }

    fn routes_of_answer(&self, interface: Option<u32>, mark: Option<u32>, reply: &Flow) -> Vec<(Region, OutputRoute)> {
        let destinations = reply.region.addresses();
        if destinations.is_empty() {
            return Vec::new();
        }
        let question = OutputQuestion {
            source: reply.state.endpoint.address,
            bound_interface: interface,
            destinations: &destinations,
            mark,
            protocol: reply.state.protocol,
        };
        let routes = self.output(&question).into_iter();
        routes.map(|(addresses, route)| (reply.region.within(&addresses), route)).collect()
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

    /// An answer of this machine to others.
    fn answer_outside(&mut self, input: &'m Device, flow: &Flow) -> Flows {
        // Link-local addresses are answered by the interface they were seen on (RFC 4007, 6).
        let link_local = link_local(flow.state.version);
        let (near, far) = (flow.region.within(&link_local), flow.region.within(&link_local.complement()));
        let mut answered = Flows::default();
        for (region, interface) in [(near, Some(input.index)), (far, self.responder.interface)] {
            answered.extend(self.answer_by_way(interface, &flow.with_region(region)));
        }
        answered
    }

    /// A program can choose by which interface its datagrams leave (`IP_PKTINFO`, `ip(7)`), as servers do that answer
    /// by the one they were asked by. Whether it does is not known.
    fn choose_another_way(&mut self, input: &'m Device, flow: &Flow, answered: &Flows) {
        if flow.state.protocol != UDP || self.responder.interface.is_some() {
            return;
        }
        let left = answered.iter().fold(flow.region.clone(), |left, answer| left.difference(&answer.region));
        if left.is_empty() {
            return;
        }
        let before = self.journal.length();
        let chosen = self.answer_by_way(Some(input.index), &flow.with_region(left));
        // What happens on a way that may not be taken is no evidence.
        self.journal.split_off(&before);
        for answer in chosen.into_iter().filter(|answer| !is_from_elsewhere(&answer.state)) {
            let flow = flow.with_region(answer.region);
            let end = End::new(flow, Fate::Unknown(CHOSEN_WAY.into()), None, false);
            self.journal.ends.push(End { arrived: true, ..end });
        }
    }

    /// An answer by an interface, or by any that a route leads over.
    fn answer_by_way(&mut self, interface: Option<u32>, flow: &Flow) -> Flows {
        let mark = self.mark_of_answer(&flow.state);
        let reply = State { mark, ..flow.state.reply() };
        let mut answered = Flows::default();
        for (device, flows) in self.leaving(interface, mark, &Flow::new(reply, flow.region.clone())) {
            let flows = self.hook(Place { hook: Hook::Output, input: None, output: Some(device) }, flows);
            let (elsewhere, straight) = flows.partition(|state| state.rerouted);
            answered.extend(self.out_by(device, straight));
            for flow in elsewhere {
                let mark = flow.state.route_mark;
                let state = State { rerouted: false, route_mark: Some(0), ..(*flow.state).clone() };
                for (device, flows) in self.leaving(interface, mark, &flow.with_state(state)) {
                    answered.extend(self.out_by(device, flows));
                }
            }
        }
        answered
    }

    fn out_by(&mut self, device: &'m Device, flows: Flows) -> Flows {
        // To an address of this machine, whoever used it outside: the answer stays here.
        if device.is_loopback() {
            for flow in flows {
                self.end(flow, Fate::Blocked(BlockReason::AnswerNotRouted));
            }
            return Flows::default();
        }
        self.out(Place { hook: Hook::Postrouting, input: None, output: Some(device) }, flows)
    }

    /// `inet_request_mark` (`include/net/inet_sock.h`).
    fn mark_of_answer(&self, request: &State) -> Option<u32> {
        match self.responder.mark {
            Some(0) if request.protocol == TCP && self.machine.routing.answers_with_marks() => request.mark,
            mark => mark,
        }
    }

    /// The devices that answers of this machine leave by.
    fn leaving(&mut self, interface: Option<u32>, mark: Option<u32>, reply: &Flow) -> Vec<(&'m Device, Flows)> {
        let mut leaving = Vec::new();
        for (region, route) in self.routes_of_answer(interface, mark, reply) {
            let reply = reply.with_region(region);
            match route {
                OutputRoute::Leaves { interface } => self.leaves_by(interface, reply, &mut leaving),
                OutputRoute::None => self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted)),
                OutputRoute::Unknown(why) => self.end(reply, Fate::Unknown(why)),
            }
        }
        leaving
    }

    fn leaves_by(&mut self, interface: u32, reply: Flow, leaving: &mut Vec<(&'m Device, Flows)>) {
        match self.machine.device(interface) {
            Some(device) => match leaving.iter_mut().find(|(known, _)| known.index == interface) {
                Some((_, flows)) => flows.add(reply),
                None => leaving.push((device, Flows::one(reply))),
            },
            None => self.end(reply, Fate::Unknown("an interface that was not seen".into())),
        }
    }

    /// The answer of a container or another machine comes in by the interface that the packet left by, and is routed as
    /// any packet is that comes in.
    fn answer_from_elsewhere(&mut self, interface: u32, flow: &Flow) -> Flows {
        let endpoint = flow.state.endpoint.address;
        let Some(from) = self.machine.device(interface) else {
            self.end(flow.clone(), Fate::Unknown("an interface that was not seen".into()));
            return Flows::default();
        };
        // Whoever gets it there, the answer comes back with a source that `without_impossible` says is dropped.
        if flow.state.version == IpVersion::V6 && endpoint.is_loopback() {
            self.end(flow.clone(), Fate::Blocked(BlockReason::AnswerNotRouted));
            return Flows::default();
        }
        let place = |hook, output| Place { hook, input: Some(from), output };
        let reply = Flow::new(flow.state.reply(), flow.region.clone());
        let flows = self.hook(place(Hook::Ingress, None), Flows::one(reply));
        let flows = self.hook(place(Hook::Prerouting, None), flows);
        let mut leaving = Vec::new();
        for flow in flows {
            self.route_back(from, &flow, &mut leaving);
        }
        let mut answered = Flows::default();
        for (device, flows) in leaving {
            let flows = self.hook(place(Hook::Forward, Some(device)), flows.change(sent_on));
            answered.extend(self.out(place(Hook::Postrouting, Some(device)), flows));
        }
        answered
    }

    fn route_back(&mut self, from: &Device, reply: &Flow, leaving: &mut Vec<(&'m Device, Flows)>) {
        let destinations = reply.region.addresses();
        let question = ForwardQuestion {
            interface: from.index,
            source: reply.state.endpoint.address,
            destinations: &destinations,
            mark: reply.state.mark,
            protocol: reply.state.protocol,
        };
        for (addresses, route) in self.machine.routing.forward(&question) {
            let reply = reply.with_region(reply.region.within(&addresses));
            match route {
                InputRoute::Forward { interface } => self.leaves_by(interface, reply, leaving),
                InputRoute::Local | InputRoute::Blocked(_) => {
                    self.end(reply, Fate::Blocked(BlockReason::AnswerNotRouted));
                }
                InputRoute::Unknown(why) => self.end(reply, Fate::Unknown(why)),
            }
        }
    }
}

/// An answer that comes in by a device for a client on this machine.
fn reply_arrives<'m>(journey: &mut Journey<'_, 'm>, device: &'m Device, flows: Flows) -> Flows {
    let place = |hook| Place { hook, input: Some(device), output: None };
    let flows = journey.hook(place(Hook::Ingress), flows);
    let flows = journey.hook(place(Hook::Prerouting), flows);
    journey.hook(place(Hook::Input), flows)
}

/// An answer that conntrack does not know has the address that the packet was translated to, not the one it was sent
/// to.
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

/// The link-local addresses of IPv6; IPv4 has none of which a machine has one for each of its interfaces.
fn link_local(version: IpVersion) -> AddressSet {
    const FIRST: u128 = 0xfe80 << 112;
    match version {
        IpVersion::V4 => AddressSet::empty(version),
        IpVersion::V6 => AddressSet::from_range(version, FIRST..=FIRST | u128::MAX >> 10),
    }
}
