//! Answers of the evaluator as facts.

use std::net::SocketAddr;

use loopgate_facts::{
    Decision, MAX_NARROWED_BY, ReachPath, ReachVerdict, Reachability, RuleReference, Sources, Untrusted,
};

use crate::Ruleset;
use crate::address_set::AddressSet;
use crate::evaluate::{Decider, Endpoint, Judged, Question};
use crate::notation;
use crate::region::PortSet;

/// The parts of an answer about one interface as facts.
pub fn records(
    ruleset: &Ruleset,
    interface: &Untrusted,
    question: &Question,
    judged: Vec<Judged>,
) -> Vec<Reachability> {
    let Endpoint { address, port } = question.destination;
    let (interfaces, destinations) = (vec![interface.clone()], vec![address]);
    let of_way =
        |region| Reachability { interfaces: interfaces.clone(), destinations: destinations.clone(), port, ..region };
    outcome(ruleset, question, judged).into_iter().map(of_way).collect()
}

/// The parts of an answer, without where it holds: they partition the addresses. Of an address that is reachable from
/// some source ports only, it is said that it is reachable, with the ports as a note.
pub(super) fn outcome(ruleset: &Ruleset, question: &Question, judged: Vec<Judged>) -> Vec<Reachability> {
    let mut left = question.sources.clone();
    let mut found: Vec<(Reachability, AddressSet)> = Vec::new();
    let rank = |verdict| match verdict {
        ReachVerdict::Reachable => 0,
        ReachVerdict::Unknown => 1,
        ReachVerdict::Blocked => 2,
    };
    let mut judged = judged;
    judged.sort_by_key(|part| rank(part.verdict));
    for part in judged {
        for (addresses, ports) in part.region.parts() {
            let here = addresses.intersection(&left);
            if !here.is_empty() {
                left = left.difference(&here);
                let record = record(ruleset, &part, ports);
                match found.iter_mut().find(|(known, _)| *known == record) {
                    Some((_, sources)) => *sources = sources.union(&here),
                    None => found.push((record, here)),
                }
            }
        }
    }
    found.into_iter().map(|(record, sources)| with_sources(record, &sources)).collect()
}

fn with_sources(record: Reachability, sources: &AddressSet) -> Reachability {
    let Sources { listed, excluded, unlisted } = sources.listed().clone();
    Reachability { sources: listed, excluded_sources: excluded, unlisted_sources: unlisted, ..record }
}

/// All but the sources.
fn record(ruleset: &Ruleset, part: &Judged, ports: &PortSet) -> Reachability {
    Reachability {
        interfaces: Vec::new(),
        destinations: Vec::new(),
        port: 0,
        sources: Vec::new(),
        excluded_sources: Vec::new(),
        unlisted_sources: 0,
        verdict: part.verdict,
        reason: part.reason,
        unknown_because: part.unknown_because.clone(),
        path: if part.forwarded { ReachPath::Forward } else { ReachPath::Input },
        translated_to: part.translated.map(|endpoint| SocketAddr::new(endpoint.address, endpoint.port)),
        decided_by: part.decider.map(|decider| reference(ruleset, decider)),
        narrowed_by: part
            .narrowed_by
            .iter()
            .take(MAX_NARROWED_BY)
            .map(|rule| notation::reference(ruleset, *rule))
            .collect(),
        notes: notes(part, ports),
    }
}

fn notes(part: &Judged, ports: &PortSet) -> Vec<Untrusted> {
    let mut notes: Vec<Untrusted> = Vec::new();
    if let PortSet::Some(_) = ports {
        let ranges = ports.ranges().into_iter().map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        });
        notes.push(format!("only from source port {}", ranges.collect::<Vec<_>>().join(", ")).into());
    }
    notes.extend(part.limits.iter().map(|limit| Untrusted::from(format!("rate limited by {}", limit.as_str()))));
    if part.narrowed_by.len() > MAX_NARROWED_BY {
        notes.push("more rules sent other sources elsewhere".into());
    }
    notes
}

/// What decides, as an administrator finds it.
pub fn reference(ruleset: &Ruleset, decider: Decider) -> RuleReference {
    match decider {
        Decider::Rule(rule) => notation::reference(ruleset, rule),
        Decider::Policy(chain) => notation::policy_reference(ruleset, chain),
    }
}

/// One word for an answer: what all of its parts agree on, else the worst of them.
pub fn decision(ruleset: &Ruleset, judged: &[Judged]) -> Decision {
    let by = |verdict| judged.iter().find(|part| part.verdict == verdict);
    let part = by(ReachVerdict::Reachable).or_else(|| by(ReachVerdict::Unknown)).or_else(|| by(ReachVerdict::Blocked));
    let verdict = part.map_or(ReachVerdict::Unknown, |part| part.verdict);
    let none = || vec![Untrusted::from("nothing was asked about")];
    Decision {
        verdict,
        reason: part.and_then(|part| part.reason),
        unknown_because: part.map_or_else(none, |part| part.unknown_because.clone()),
        decided_by: part.and_then(|part| part.decider).map(|decider| reference(ruleset, decider)),
    }
}
