//! Follows a packet through a ruleset as the kernel does, for all senders at once.
//!
//! Everything about the packet is known but who sent it: its protocol, where it is sent to, the interface that it comes
//! in by, and that it is the first of its connection. A rule cuts the set of senders into those that it matches and those
//! that it does not. What is not known about a packet puts senders on *both* sides, so that each sender ends with
//! every fate that it may have; where they agree, the verdict is certain all the same.
//!
//! | module | what it does |
//! | --- | --- |
//! | `path`, `way_back` | the hooks in the order of the kernel and routing between them, and the way of the answer |
//! | `hooks` | which chains are at a hook, in which order |
//! | `walk` | one base chain, with jumps and gotos |
//! | `run` | one rule, operation by operation |
//! | `load`, `test`, `lookup`, `translate` | loads, matches of iptables, sets, address translation |
//! | `symbol`, `condition` | bytes of which not every bit is known, and for whom a comparison of them holds |
//! | `journal`, `answer` | evidence, and what it comes to |

mod answer;
mod compute;
mod condition;
mod describe;
mod flow;
mod hooks;
mod ip_set;
mod journal;
mod load;
mod lookup;
mod machine;
mod packet;
mod path;
mod registers;
mod run;
mod symbol;
mod test;
mod translate;
mod walk;
mod way_back;

use loopgate_facts::Untrusted;

use crate::address_set::{AddressSet, IpVersion};
use crate::region::Region;

pub use answer::{Answer, Judged};
pub use journal::{Acceptance, Decider, Doubt, End, Fate, Limited, Narrowing, Step};
pub use machine::{Device, Machine};
pub use packet::Endpoint;

use flow::Flow;
use hooks::Hooks;
use journal::Journal;
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
}

/// Answers questions about one machine. It keeps what it learned of the ruleset, so one evaluator for many questions is
/// faster than many.
pub struct Evaluator<'m> {
    machine: Machine<'m>,
    hooks: Hooks,
    lookups: Lookups,
}

impl<'m> Evaluator<'m> {
    /// An evaluator for a machine.
    pub fn new(machine: Machine<'m>) -> Self {
        Self { machine, hooks: Hooks::of(machine.ruleset), lookups: Lookups::default() }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine<'m> {
        &self.machine
    }

    /// Answers a question.
    pub fn ask(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal::default(), false)
    }

    /// Answers a question for every port at once: the ports of the answer's regions are those that packets are sent *to*,
    /// and the port of the question does not count. What is translated ends there ([`Fate::Translated`]).
    pub fn sweep(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal::default(), true)
    }

    /// Answers a question, and keeps every step of the way.
    pub fn trace(&mut self, question: &Question) -> Answer {
        self.answer(question, Journal { steps: Some(Vec::new()), ..Journal::default() }, false)
    }

    fn answer(&mut self, question: &Question, journal: Journal, every_port: bool) -> Answer {
        let region = Region::of_addresses(question.sources.clone());
        let Self { machine, hooks, lookups } = self;
        let mut journey = Journey { machine, hooks, lookups, journal, run: 0 };
        let version = IpVersion::of(question.destination.address);
        let state = State::request(version, question.protocol, question.destination);
        let flow = Flow::new(State { every_port, ..state }, region.clone());
        match machine.device(question.interface) {
            None => journey.unknown(flow, "an interface that was not seen".into()),
            Some(device) => match device.bypasses.first() {
                Some(bypass) => journey.unknown(flow, bypass.clone()),
                None if device.is_loopback() => journey.here(device, &flow),
                None => journey.outside(device, flow),
            },
        }
        Answer::new(region, journey.journal)
    }
}

impl Journey<'_, '_> {
    fn unknown(&mut self, flow: Flow, why: Untrusted) {
        self.journal.ends.push(End::new(flow, Fate::Unknown(why), None, false));
    }
}
