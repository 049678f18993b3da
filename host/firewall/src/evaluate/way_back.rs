//! The way of an answer: what arrives is only reachable if its answer gets back to who asked.

use loopgate_facts::BlockReason;

use crate::address_set::{AddressSet, IpVersion};
use crate::routing::{InputQuestion, InputRoute, OutputQuestion, OutputRoute};
use crate::ruleset::Hook;

use super::flow::{Flow, Flows};
use super::journal::{End, Fate};
use super::machine::Device;
use super::packet::{Place, State, Tracking};
use super::path::{Arrived, Journey, by_own_source, sent_on};

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
                self.hook(place(Hook::Forward, Some(device)), flows.change(sent_on))
            }
        };
        self.out(Place { hook: Hook::Postrouting, input: from, output: Some(device) }, flows)
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
