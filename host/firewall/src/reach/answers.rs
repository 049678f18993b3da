//! Answers about the listeners of one machine, each of which is worked out once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::evaluate::{Endpoint, Evaluator, Fate, PortClasses, Question, Responder};

use super::record::outcome;
use super::ways::Outcome;

/// Answers about a machine. Listeners whose ports no rule tells apart share one.
pub struct Answers<'e, 'm> {
    evaluator: &'e mut Evaluator<'m>,
    ports: HashMap<Way, Rc<PortClasses>>,
    known: HashMap<(Way, u16), Outcome>,
}

/// Packets that come in by one interface with one destination address, and sockets that answer alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    interface: u32,
    protocol: u8,
    destination: IpAddr,
    responder: Responder,
}

impl Way {
    fn of(question: &Question) -> Self {
        let Question { interface, protocol, destination, responder, .. } = *question;
        Self { interface, protocol, destination: destination.address, responder }
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

    /// Who gets through to the destination of a question, or to another endpoint that `takes` names. Questions are
    /// about every source.
    pub(super) fn about(&mut self, question: &Question, takes: impl Fn(Endpoint) -> bool) -> Outcome {
        let Some(representative) = self.ports(question).representative(question.destination.port) else {
            return self.asked(question, takes);
        };
        let key = (Way::of(question), representative);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let destination = Endpoint { port: representative, ..question.destination };
        // Nothing is translated on these ports.
        let found = self.asked(&Question { destination, ..question.clone() }, |endpoint| endpoint == destination);
        self.known.insert(key, found.clone());
        found
    }

    fn asked(&mut self, question: &Question, takes: impl Fn(Endpoint) -> bool) -> Outcome {
        let answer = self.evaluator.ask(question);
        let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(endpoint) if takes(*endpoint)));
        outcome(self.evaluator.machine().ruleset, question, judged).into()
    }
}
