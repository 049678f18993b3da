//! Follows a packet through a ruleset as the kernel does, for all senders at once.
//!
//! Everything about the packet is known but who sent it: its protocol, where it is sent to, the interface that it comes
//! in by, and that it is the first of its connection. A rule cuts the set of senders into those that it matches and
//! those that it does not. What is not known about a packet puts senders on *both* sides, so that each sender ends with
//! every fate that it may have; where they agree, the verdict is certain all the same.
//!
//! | module | what it does |
//! | --- | --- |
//! | `path`, `way_back` | the hooks in the order of the kernel and routing between them, and the way of the answer |
//! | `beneath` | what decides at the devices below the one that packets come in by |
//! | `hooks` | which chains are at a hook, in which order |
//! | `walk`, `index` | one base chain, with jumps and gotos, without the rules that cannot match |
//! | `run` | one rule, operation by operation |
//! | `learned` | sets that packets add to |
//! | `responder` | what of the socket decides about its answers |
//! | `load`, `test`, `lookup`, `translate` | loads, matches of iptables, sets, address translation |
//! | `symbol`, `condition` | bytes of which not every bit is known, and for whom a comparison of them holds |
//! | `journal`, `answer` | evidence, and what it comes to |
//! | `shadow` | rules that packets never come to, because one before them decides |
//! | `ports` | which ports have one answer |
//! | `pieces` | which destination addresses no rule tells apart |

mod answer;
mod beneath;
mod compute;
mod condition;
mod describe;
mod flow;
mod header;
mod hooks;
mod index;
mod ip_set;
mod journal;
mod learned;
mod load;
mod lookup;
mod machine;
mod packet;
mod path;
mod pieces;
mod ports;
mod registers;
mod responder;
mod run;
mod shadow;
mod symbol;
mod test;
mod translate;
mod walk;
mod way_back;

use std::collections::BTreeSet;

use loopgate_facts::{BlockReason, Untrusted};

use crate::address_set::{AddressSet, IpVersion};
use crate::region::{PortSet, Region};
use crate::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use crate::ruleset::RuleId;

pub use answer::{Answer, Judged, Obstacle};
pub use journal::{Acceptance, Decider, Doubt, End, Fate, Limited, Narrowing, Step};
pub use machine::{Device, Machine};
pub use packet::Endpoint;
pub use pieces::{Pieces, Purpose, keeps_addresses, looks_at_interfaces, pieces, translates_from_outside};
pub use ports::PortClasses;
pub use responder::Responder;
pub use shadow::{Earlier, Ruling, Shadows};

use beneath::Beneath;
use flow::Flow;
use hooks::Hooks;
use index::Indexes;
use journal::Journal;
use learned::Learned;
use lookup::Lookups;
use packet::State;
use path::Journey;

/// What is asked: what becomes of the first packet of a connection?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Index of the interface that it comes in by; the loopback device for packets of the machine itself.
    pub interface: u32,
    /// Its transport protocol, as IP numbers it.
    pub protocol: u8,
    /// Where it is sent to.
    pub destination: Endpoint,
    /// Whose packets are asked about.
    pub sources: AddressSet,
    /// Whose answers they get, where the socket is known.
    pub responder: Responder,
}

/// Answers questions about one machine. It keeps what it learned of the ruleset, so one evaluator for many questions is
/// faster than many.
pub struct Evaluator<'m> {
    machine: Machine<'m>,
    beneath: Beneath,
    hooks: Hooks,
    lookups: Lookups,
    indexes: Indexes,
    learned: Learned,
}

impl<'m> Evaluator<'m> {
    /// An evaluator for a machine.
    pub fn new(machine: Machine<'m>) -> Self {
        Self {
            machine,
            beneath: Beneath::of(&machine),
            hooks: Hooks::of(machine.ruleset),
            learned: Learned::of(machine.ruleset),
            lookups: Lookups::default(),
            indexes: Indexes::default(),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine<'m> {
        &self.machine
    }

    /// Answers a question.
    pub fn ask(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal::default(), Asked::default())
    }

    /// Answers a question for every port at once: the ports of the answer's regions are those that packets are sent
    /// *to*, and the port of the question does not count. What is translated ends there ([`Fate::Translated`]).
    pub fn sweep(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal::default(), Asked { every_port: true, ..Asked::default() })
    }

    /// The same, with what rules behind those that decide would have decided about packets to some of the ports
    /// ([`Answer::shadows`]).
    pub fn sweep_with_shadows(&mut self, question: &Question, ports: &PortSet) -> Answer {
        let journal = Journal { shadows: Some(Shadows::of(ports.clone())), ..Journal::default() };
        self.answer(question, journal, Asked { every_port: true, ..Asked::default() })
    }

    /// The same as [`Evaluator::sweep`], as if some rules were not there.
    pub fn sweep_without(&mut self, question: &Question, rules: &BTreeSet<RuleId>) -> Answer {
        self.answer(question, Journal::default(), Asked { every_port: true, without: Some(rules), ..Asked::default() })
    }

    /// The same as [`Evaluator::sweep_with_shadows`], for the packets of connections that are there already.
    pub fn sweep_of_connections(&mut self, question: &Question) -> Answer {
        let journal = Journal { shadows: Some(Shadows::of(PortSet::from_ranges([]))), ..Journal::default() };
        self.answer(question, journal, Asked { every_port: true, later: true, ..Asked::default() })
    }

    /// Which ports of the question's destination have one answer; its own port does not count.
    pub fn port_classes(&mut self, question: &Question) -> PortClasses {
        self.lookups.gave_up();
        let classes = PortClasses::of(&self.sweep(question));
        // What routing does about a port leaves no evidence, and neither does a set that is too large to be asked about
        // every port.
        let by_port = self.machine.routing.depends_on_ports(IpVersion::of(question.destination.address));
        if by_port || self.lookups.gave_up() { classes.each_by_itself() } else { classes }
    }

    /// Which ports of the question's destination are translated before routing, whatever becomes of the others.
    pub fn translated_ports(&mut self, question: &Question) -> PortClasses {
        let input = InputRoute::Blocked(BlockReason::NotRouted);
        let routing = Instead { input, routing: self.machine.routing };
        let machine = Machine { routing: &routing, ..self.machine };
        let asked = Asked { every_port: true, ..Asked::default() };
        PortClasses::of(&self.answer_on(machine, question, Journal::default(), asked))
    }

    /// The same as [`Evaluator::sweep`], for what the rules alone do: as if the kernel took the packets for this machine
    /// whoever they claim to be from, and nobody answered them.
    pub fn sweep_of_rules(&mut self, question: &Question) -> Answer {
        let routing = Instead { input: InputRoute::Local, routing: self.machine.routing };
        let machine = Machine { routing: &routing, ..self.machine };
        let asked = Asked { every_port: true, rules_alone: true, ..Asked::default() };
        self.answer_on(machine, question, Journal::default(), asked)
    }

    /// Answers a question, and keeps every step of the way.
    pub fn trace(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal { steps: Some(Vec::new()), ..Journal::default() }, Asked::default())
    }

    fn answer(&mut self, question: &Question, journal: Journal, asked: Asked<'_>) -> Answer {
        self.answer_on(self.machine, question, journal, asked)
    }

    fn answer_on(&mut self, machine: Machine<'_>, question: &Question, journal: Journal, asked: Asked<'_>) -> Answer {
        let region = Region::of_addresses(question.sources.clone());
        let Self { beneath, hooks, lookups, indexes, learned, .. } = self;
        let (responder, Asked { without, rules_alone, .. }) = (question.responder, asked);
        let machine = &machine;
        let mut journey =
            Journey { machine, hooks, lookups, indexes, learned, journal, run: 0, without, rules_alone, responder };
        let version = IpVersion::of(question.destination.address);
        let state = State::request(version, question.protocol, question.destination);
        let flow = Flow::new(State { every_port: asked.every_port, later: asked.later, ..state }, region.clone());
        match machine.device(question.interface) {
            None => journey.unknown(flow, "an interface that was not seen".into()),
            Some(device) => match beneath.obstacle(device) {
                Some(why) => journey.unknown(flow, why.clone()),
                None if version == IpVersion::V6 && !device.ipv6 => journey.dropped(flow),
                None if device.is_loopback() => journey.here(device, &flow),
                None => journey.outside(device, flow),
            },
        }
        Answer::new(region, journey.journal)
    }
}

/// Routing by which everything that came in has one fate, and all else is as it is.
struct Instead<'a> {
    input: InputRoute,
    routing: &'a dyn Routing,
}

impl Routing for Instead<'_> {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        vec![(question.sources.clone(), self.input.clone())]
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        self.routing.forward(question)
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        self.routing.output(question)
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        self.routing.fib(question)
    }

    fn depends_on_ports(&self, version: IpVersion) -> bool {
        self.routing.depends_on_ports(version)
    }

    fn answers_with_marks(&self) -> bool {
        self.routing.answers_with_marks()
    }
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Asked<'q> {
    every_port: bool,
    /// About packets that are not the first of their connection.
    later: bool,
    /// Rules that are passed over.
    without: Option<&'q BTreeSet<RuleId>>,
    /// About what the rules do, and not the kernel by itself.
    rules_alone: bool,
}

impl Journey<'_, '_> {
    fn unknown(&mut self, flow: Flow, why: Untrusted) {
        self.journal.ends.push(End::new(flow, Fate::Unknown(why), None, false));
    }

    /// The device does not speak the version of IP.
    fn dropped(&mut self, flow: Flow) {
        self.journal.ends.push(End::new(flow, Fate::Blocked(BlockReason::NotRouted), None, false));
    }
}
