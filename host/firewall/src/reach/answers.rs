//! Answers about the listeners of one machine, each of which is worked out once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use loopgate_facts::{Interface, Reachability};

use crate::evaluate::{Endpoint, Evaluator, Fate, PortClasses, Question};

use super::records;

/// Answers about a machine. Listeners whose ports no rule tells apart share one.
pub struct Answers<'e, 'm> {
    evaluator: &'e mut Evaluator<'m>,
    ports: HashMap<Way, Rc<PortClasses>>,
    known: HashMap<(Way, u16), Vec<Reachability>>,
}

/// Packets that come in by one interface with one destination address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    interface: u32,
    protocol: u8,
    destination: IpAddr,
}

impl Way {
    fn of(question: &Question) -> Self {
        let Question { interface, protocol, destination, .. } = *question;
        Self { interface, protocol, destination: destination.address }
    }
}

impl<'e, 'm> Answers<'e, 'm> {
    /// Answers of an evaluator.
    pub fn new(evaluator: &'e mut Evaluator<'m>) -> Self {
        Self { evaluator, ports: HashMap::new(), known: HashMap::new() }
    }

    /// Who answers.
    pub fn evaluator(&mut self) -> &mut Evaluator<'m> {
        self.evaluator
    }

    /// Which ports of the question's destination have one answer. Questions are about every source.
    pub(super) fn ports(&mut self, question: &Question) -> Rc<PortClasses> {
        let Self { evaluator, ports, .. } = self;
        ports.entry(Way::of(question)).or_insert_with(|| Rc::new(evaluator.port_classes(question))).clone()
    }

    /// Who gets through to the destination of a question, or to another endpoint that `takes` names. Questions are about
    /// every source.
    pub(super) fn about(
        &mut self,
        interface: &Interface,
        question: &Question,
        takes: impl Fn(Endpoint) -> bool,
    ) -> Vec<Reachability> {
        let Some(representative) = self.ports(question).representative(question.destination.port) else {
            return self.asked(interface, question, takes);
        };
        let key = (Way::of(question), representative);
        if !self.known.contains_key(&key) {
            let destination = Endpoint { port: representative, ..question.destination };
            // Nothing is translated on these ports.
            let question = Question { destination, ..question.clone() };
            let found = self.asked(interface, &question, |endpoint| endpoint == destination);
            self.known.insert(key, found);
        }
        let known = self.known.get(&key).into_iter().flatten();
        known.map(|region| Reachability { port: question.destination.port, ..region.clone() }).collect()
    }

    fn asked(
        &mut self,
        interface: &Interface,
        question: &Question,
        takes: impl Fn(Endpoint) -> bool,
    ) -> Vec<Reachability> {
        let answer = self.evaluator.ask(question);
        let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(endpoint) if takes(*endpoint)));
        records(self.evaluator.machine().ruleset, &interface.name, question, judged)
    }
}
