//! The question of all controls about open ports: is there a rule about each port that listens beyond loopback?
//!
//! A rule is about a port if it decides about packets to it, or takes some of them, and none of those to a port that
//! nobody uses: what the facts say of such a port is the measure.

use std::collections::BTreeSet;

use loopgate_plugin::prelude::*;

use crate::managers::Versions;

/// Judges every socket that packets of some versions of IP can come to from outside.
pub(crate) fn judge(facts: &Facts, versions: Versions, report: &mut Report) {
    let general = general_rules(facts);
    for listener in facts.exposed_listeners().filter(|listener| !listener.is_published()) {
        let question = |version| Question::of(facts, listener, version, &general);
        match versions {
            Versions::Both => {
                let questions = [Versions::Ipv4, Versions::Ipv6].map(question);
                // A rule for one version of IP is enough if the other is closed to everybody.
                let is_governed_in_one = questions.iter().any(Question::is_governed);
                let open = questions.iter().filter(|question| !(is_governed_in_one && question.is_closed()));
                open.for_each(|question| judge_one(facts, listener, question, report));
            }
            one => judge_one(facts, listener, &question(one), report),
        }
    }
}

fn judge_one(facts: &Facts, listener: &Listener, question: &Question<'_>, report: &mut Report) {
    if question.regions.is_empty() || question.is_governed() {
        return;
    }
    match question.regions.iter().find(|region| region.verdict == ReachVerdict::Unknown) {
        Some(region) => {
            let why = region.unknown_because.join(", ");
            report.unjudged(format!("whether a rule is about {} could not be told: {why}", listener.id));
        }
        None => report.fail(finding(facts, listener, question)),
    }
}

/// The rules that decide about packets to a port that nobody uses, or take some of them.
fn general_rules(facts: &Facts) -> BTreeSet<u32> {
    let regions = facts.firewall.default_input.iter().flat_map(|unused| &unused.reachability);
    regions.flat_map(|region| rules_of(facts, region)).collect()
}

/// What is to be known of packets of one version of IP to a listener.
struct Question<'facts> {
    version: &'static str,
    /// What rules decide about, and not the kernel or routing.
    regions: Vec<&'facts Reachability>,
    /// The rules that are about the port.
    rules: BTreeSet<u32>,
}

impl<'facts> Question<'facts> {
    fn of(facts: &'facts Facts, listener: &'facts Listener, version: Versions, general: &BTreeSet<u32>) -> Self {
        let is_asked = |region: &&Reachability| {
            is_for_rules(region) && region.destinations.first().is_some_and(|address| version.have(address))
        };
        let regions: Vec<_> = facts.from_outside(&listener.reachability).filter(is_asked).collect();
        let known = regions.iter().filter(|region| region.verdict != ReachVerdict::Unknown);
        let rules = known.flat_map(|region| rules_of(facts, region)).filter(|rule| !general.contains(rule)).collect();
        Self { version: if version == Versions::Ipv4 { "IPv4" } else { "IPv6" }, regions, rules }
    }

    fn is_governed(&self) -> bool {
        !self.rules.is_empty()
    }

    fn is_closed(&self) -> bool {
        self.regions.iter().all(|region| region.verdict == ReachVerdict::Blocked)
    }
}

/// Whether it is for rules to decide: what the kernel or routing keeps away needs none.
fn is_for_rules(region: &Reachability) -> bool {
    use BlockReason::{AnswerBlocked, Dropped, Rejected};
    region.verdict != ReachVerdict::Blocked || matches!(region.reason, Some(Dropped | Rejected | AnswerBlocked))
}

/// The rules that decide in a region or narrowed it.
fn rules_of<'facts>(facts: &'facts Facts, region: &'facts Reachability) -> impl Iterator<Item = u32> + 'facts {
    let met = region.decided_by.iter().chain(&region.narrowed_by).copied();
    met.filter(|position| facts.rule(Some(*position)).is_some_and(|rule| !rule.is_policy()))
}

fn finding(facts: &Facts, listener: &Listener, question: &Question<'_>) -> Finding {
    let name = listener.describe();
    let version = question.version;
    let region = facts.most_telling(question.regions.iter().copied());
    let decides = region.and_then(|region| facts.rule(region.decided_by));
    let message = match decides {
        Some(rule) if question.is_closed() => {
            format!("no rule is about {name} over {version}: {rule}, as for every port, keeps others away")
        }
        Some(rule) => format!("no rule is about {name} over {version}: {rule}, as for every port, decides"),
        None => format!("no rule is about {name} over {version}"),
    };
    Finding::of_listener(listener, message).reach_of(facts, listener)
}
