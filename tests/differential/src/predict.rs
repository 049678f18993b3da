//! What loopgate says becomes of a probe. This is the only file that knows the evaluator.

use std::collections::HashMap;
use std::net::SocketAddr;

use loopgate_collect::linux::reach::Surroundings;
use loopgate_facts::{BlockReason, ReachVerdict};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{self, Endpoint, Evaluator, Fate, Judged};

use crate::arena::Settings;
use crate::generate::Question;
use crate::plan::LINKS;

/// What is said of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// It comes to this address and port of the host, and the answer leaves.
    Delivered(SocketAddr),
    /// It leaves for this address and port, and the answer gets back.
    Forwarded(SocketAddr),
    /// It does not get through, or the answer does not.
    Blocked(BlockReason),
    /// It is not known, because of these constructs.
    Unknown(Vec<String>),
}

/// Knows the host under each of its settings.
#[derive(Default)]
pub struct Predictor {
    surroundings: HashMap<Settings, Surroundings>,
}

impl Predictor {
    /// What is said about the rules that are loaded now, and the settings in effect now.
    pub fn predict(&mut self, settings: Settings, questions: &[Question]) -> Result<Vec<Vec<Prediction>>, String> {
        if !self.surroundings.contains_key(&settings) {
            let surroundings = Surroundings::this_machine().map_err(|error| error.to_string())?;
            self.surroundings.insert(settings, surroundings);
        }
        let surroundings = &self.surroundings[&settings];
        let rules = Surroundings::rules();
        let mut asker = Asker { surroundings, evaluator: surroundings.evaluator(&rules) };
        questions.iter().map(|question| asker.ask(question)).collect()
    }

    /// How the rules that are loaded now are understood, for a report.
    pub fn rules() -> String {
        format!("{:#?}", Surroundings::rules())
    }
}

struct Asker<'a> {
    surroundings: &'a Surroundings,
    evaluator: Evaluator<'a>,
}

impl Asker<'_> {
    fn ask(&mut self, question: &Question) -> Result<Vec<Prediction>, String> {
        let destination = question.destination;
        let name = LINKS[question.link].device.as_bytes();
        let device = self.surroundings.devices().iter().find(|device| device.name == name);
        let asked = evaluate::Question {
            interface: device.ok_or("the device is not there")?.index,
            protocol: question.protocol.number(),
            destination: Endpoint { address: destination.ip(), port: destination.port() },
            sources: AddressSet::all(IpVersion::of(destination.ip())),
        };
        let answer = self.evaluator.ask(&asked);
        let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }));
        question.sources.iter().map(|source| of(&judged, destination, *source)).collect()
    }
}

fn of(judged: &[Judged], destination: SocketAddr, source: SocketAddr) -> Result<Prediction, String> {
    let mut parts = judged.iter().filter(|part| part.region.contains(source.ip(), source.port()));
    let (Some(part), None) = (parts.next(), parts.next()) else {
        return Err(format!("{source} is in none or several parts of the answer: {judged:?}"));
    };
    let translated = part.translated.map(|endpoint| SocketAddr::new(endpoint.address, endpoint.port));
    let endpoint = translated.unwrap_or(destination);
    Ok(match part.verdict {
        ReachVerdict::Reachable if part.forwarded => Prediction::Forwarded(endpoint),
        ReachVerdict::Reachable => Prediction::Delivered(endpoint),
        ReachVerdict::Blocked => {
            Prediction::Blocked(part.reason.ok_or_else(|| format!("blocked for no reason: {part:?}"))?)
        }
        ReachVerdict::Unknown => {
            let because = part.unknown_because.iter().map(|why| why.as_str().to_owned());
            let texts = part.limits.iter().map(|limit| limit.as_str().to_owned());
            Prediction::Unknown(because.chain(texts).collect())
        }
    })
}
