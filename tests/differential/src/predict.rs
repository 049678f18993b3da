//! What loopgate says becomes of a probe. This is the only file that knows the evaluator.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use loopgate_collect::linux::reach::Surroundings;
use loopgate_facts::{BlockReason, ReachVerdict};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{self, Answer, End, Endpoint, Evaluator, Fate, Judged};

use crate::arena::Settings;
use crate::generate::Question;
use crate::plan;

/// What is said of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// It gets through, and so does its answer: to one of these. Where it is not known whether a rule translates it,
    /// there are several.
    Reachable(Vec<Target>),
    /// It does not get through, or the answer does not, for one of these reasons.
    Blocked(Vec<BlockReason>),
    /// It is not known, because of these constructs.
    Unknown(Vec<String>),
}

/// Where a packet gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// To this address and port of the host.
    Delivered(SocketAddr),
    /// On its way to this address and port.
    Forwarded(SocketAddr),
}

/// Knows the host under each of its settings.
#[derive(Default)]
pub struct Predictor {
    surroundings: HashMap<Settings, Surroundings>,
}

impl Predictor {
    /// What is said about the rules that are loaded now, and the settings in effect now.
    pub fn predict(&mut self, settings: Settings, questions: &[Question]) -> Result<Vec<Vec<Prediction>>, String> {
        let surroundings = match self.surroundings.entry(settings) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Surroundings::this_machine().map_err(|error| error.to_string())?),
        };
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
        let name = plan::device_of(question.link).as_bytes();
        let device = self.surroundings.devices().iter().find(|device| device.name == name);
        let asked = evaluate::Question {
            interface: device.ok_or("the device is not there")?.index,
            protocol: question.protocol.number(),
            destination: Endpoint { address: destination.ip(), port: destination.port() },
            sources: AddressSet::all(IpVersion::of(destination.ip())),
            responder: evaluate::Responder::default(),
        };
        let answer = self.evaluator.ask(&asked);
        let judged = answer.judge(arrives);
        self.compare_with_representative(&asked, &judged)?;
        question.sources.iter().map(|source| of(&answer, &judged, *source)).collect()
    }

    /// The port that is said to have the same answer has the same, evidence included.
    fn compare_with_representative(&mut self, asked: &evaluate::Question, judged: &[Judged]) -> Result<(), String> {
        let Endpoint { address, port } = asked.destination;
        let Some(representative) = self.evaluator.port_classes(asked).representative(port) else { return Ok(()) };
        let destination = Endpoint { address, port: representative };
        let others = self.evaluator.ask(&evaluate::Question { destination, ..asked.clone() }).judge(arrives);
        if judged == others {
            return Ok(());
        }
        Err(format!("port {representative} is said to stand for {port}, but {others:?} is not {judged:?}"))
    }
}

fn arrives(fate: &Fate) -> bool {
    matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. })
}

fn of(answer: &Answer, judged: &[Judged], source: SocketAddr) -> Result<Prediction, String> {
    let mut parts = judged.iter().filter(|part| part.region.contains(source.ip(), source.port()));
    let (Some(part), None) = (parts.next(), parts.next()) else {
        return Err(format!("{source} is in none or several parts of the answer: {judged:?}"));
    };
    Ok(match part.verdict {
        ReachVerdict::Reachable => Prediction::Reachable(targets(answer, source)),
        ReachVerdict::Blocked => Prediction::Blocked(reasons(answer, part, source)),
        ReachVerdict::Unknown => {
            let because = part.unknown_because.iter().map(|why| why.as_str().to_owned());
            let texts = part.limits.iter().map(|limit| limit.as_str().to_owned());
            Prediction::Unknown(because.chain(texts).collect())
        }
    })
}

fn ends(answer: &Answer, source: SocketAddr) -> impl Iterator<Item = &End> {
    answer.ends().iter().filter(move |end| end.region.contains(source.ip(), source.port()))
}

fn targets(answer: &Answer, source: SocketAddr) -> Vec<Target> {
    let address = |endpoint: &Endpoint| SocketAddr::new(endpoint.address, endpoint.port);
    let targets = ends(answer, source).filter_map(|end| match &end.fate {
        Fate::Delivered(endpoint) => Some(Target::Delivered(address(endpoint))),
        Fate::Forwarded { endpoint, .. } => Some(Target::Forwarded(address(endpoint))),
        _ => None,
    });
    let mut targets: Vec<Target> = targets.collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Where it is not known whether a rule matches, and a packet is blocked both ways, there are several.
fn reasons(answer: &Answer, part: &Judged, source: SocketAddr) -> Vec<BlockReason> {
    let others = ends(answer, source).filter_map(|end| match end.fate {
        Fate::Blocked(reason) => Some(reason),
        _ => None,
    });
    let mut reasons: Vec<BlockReason> = part.reason.into_iter().chain(others).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}
