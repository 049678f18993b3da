//! The same rules, read from the kernel and from what the tools list and save: is the same said of both?

use std::collections::BTreeSet;
use std::fmt;

use loopgate_collect::linux::reach::Surroundings;
use loopgate_facts::ReachVerdict;
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Decider, Endpoint, Evaluator, Fate, Judged, Question, Responder};
use loopgate_firewall::ip_set;
use loopgate_firewall::notation;
use loopgate_firewall::ruleset::Family;
use loopgate_firewall::{iptables_save, nft_json};
use loopgate_test_support::run;

use crate::packet::Protocol;
use crate::plan;
use crate::ruleset::Tool;

/// The rules that are loaded now, as text of the tools has them.
#[derive(Debug)]
pub struct Text {
    /// Which tools' text it is.
    pub name: String,
    /// The rules in it.
    pub ruleset: Ruleset,
    /// It leaves something out, which may be unknown.
    pub leaves_out: bool,
    /// What in it is not understood.
    pub not_understood: BTreeSet<String>,
}

impl Text {
    /// Every text that holds all rules that some tools loaded.
    pub fn all(tools: &[Tool]) -> Result<Vec<Self>, String> {
        let mut texts = Vec::new();
        if tools.iter().any(|tool| is_of_nf_tables(*tool)) {
            texts.push(Self::listed(tools)?);
        }
        if !tools.contains(&Tool::Nft) {
            texts.push(Self::saved(tools)?);
        }
        Ok(texts)
    }

    /// `nft -j list ruleset`, and what the older backend saves.
    fn listed(tools: &[Tool]) -> Result<Self, String> {
        let listing = run("nft", &["-j", "list", "ruleset"]);
        let parsed = nft_json::parse(listing.as_bytes()).map_err(|error| format!("{error}: {listing}"))?;
        let constructs = parsed.not_understood.iter().map(|item| item.construct.as_str().to_owned());
        let not_understood: BTreeSet<String> = constructs.collect();
        let leaves_out = not_understood.iter().any(|construct| is_left_out(construct));
        let mut text = Self { name: "nft -j".into(), ruleset: parsed.ruleset, leaves_out, not_understood };
        text.append_saved(tools.iter().copied().filter(|tool| !is_of_nf_tables(*tool)))?;
        Ok(text)
    }

    /// What the tools of iptables save. It does not say which part of the kernel evaluates it.
    fn saved(tools: &[Tool]) -> Result<Self, String> {
        let leaves_out = tools.iter().any(|tool| is_legacy(*tool)) && tools.iter().any(|tool| is_of_nf_tables(*tool));
        let empty = Ruleset::default();
        let mut text = Self { name: String::new(), ruleset: empty, leaves_out, not_understood: BTreeSet::new() };
        text.append_saved(tools.iter().copied())?;
        Ok(text)
    }

    fn append_saved(&mut self, tools: impl Iterator<Item = Tool>) -> Result<(), String> {
        for tool in tools {
            let Some((program, family)) = saver(tool) else {
                let saved = run("ipset", &["save"]);
                let sets = ip_set::parse(saved.as_bytes()).map_err(|error| format!("{error}: {saved}"))?;
                self.ruleset.ip_sets.extend(sets);
                continue;
            };
            let saved = run(program, &[]);
            if saved.is_empty() {
                continue;
            }
            let parsed = iptables_save::parse(saved.as_bytes(), Some(family));
            self.ruleset.append(parsed.map_err(|error| format!("{error}: {saved}"))?.ruleset);
            let space = if self.name.is_empty() { "" } else { " " };
            self.name = [self.name.as_str(), space, program].concat();
        }
        Ok(())
    }
}

/// What nft 1.0.6 does not put into its listing.
fn is_left_out(construct: &str) -> bool {
    let devices = "the devices of the chain, which the listing does not name";
    construct.starts_with("xt ") || construct == "statement that is printed as text" || construct == devices
}

/// Tests that nft 1.0.6 takes for ones that it put in itself, and leaves out of its listing.
const TAKEN_FOR_IMPLIED: [&str; 2] = ["iiftype", "ct l3proto"];

/// Whether `nft` lists everything that the rules of a ruleset ask.
pub fn is_listed_whole(ruleset: &crate::ruleset::Ruleset) -> bool {
    let rules = ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let mut parts = rules.flat_map(|rule| &rule.parts);
    parts.all(|part| TAKEN_FOR_IMPLIED.iter().all(|taken| !part.text.contains(taken)))
}

fn is_legacy(tool: Tool) -> bool {
    matches!(tool, Tool::IptablesLegacy | Tool::Ip6tablesLegacy)
}

fn is_of_nf_tables(tool: Tool) -> bool {
    !is_legacy(tool) && tool != Tool::Ipset
}

/// What saves the rules of a tool; sets are not among them.
fn saver(tool: Tool) -> Option<(&'static str, Family)> {
    Some(match tool {
        Tool::Ipset => return None,
        Tool::Nft => ("nft", Family::Inet),
        Tool::IptablesNft => ("iptables-nft-save", Family::Ip),
        Tool::Ip6tablesNft => ("ip6tables-nft-save", Family::Ip6),
        Tool::IptablesLegacy => ("iptables-legacy-save", Family::Ip),
        Tool::Ip6tablesLegacy => ("ip6tables-legacy-save", Family::Ip6),
    })
}

/// A question about everybody.
pub fn question(surroundings: &Surroundings, link: usize, protocol: Protocol, to: std::net::SocketAddr) -> Question {
    let name = plan::device_of(link).as_bytes();
    let device = surroundings.devices().iter().find(|device| device.name == name);
    Question {
        interface: device.map_or(0, |device| device.index),
        protocol: protocol.number(),
        destination: Endpoint { address: to.ip(), port: to.port() },
        sources: AddressSet::all(IpVersion::of(to.ip())),
        responder: Responder::default(),
    }
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Questions.
    pub questions: usize,
    /// Parts that the senders are in, by what is said of them from the kernel's rules.
    pub parts: usize,
    /// Those of them that are certain.
    pub certain: usize,
}

impl std::ops::AddAssign for Compared {
    fn add_assign(&mut self, other: Self) {
        self.questions += other.questions;
        self.parts += other.parts;
        self.certain += other.certain;
    }
}

/// Something that is not said alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The verdicts, from the kernel and from the text: what stays when the ruleset is made smaller.
    pub verdicts: (ReachVerdict, ReachVerdict),
    /// All of it, for people.
    pub shown: String,
}

/// Asks the same of both rulesets, and gives what is not said alike.
pub fn compare(
    surroundings: &Surroundings,
    live: &Ruleset,
    text: &Text,
    questions: &[Question],
) -> (Compared, Vec<Difference>) {
    let mut compared = Compared::default();
    let mut different = Vec::new();
    let [mut from_kernel, mut from_text] = [live, &text.ruleset].map(|rules| surroundings.evaluator(rules));
    for question in questions {
        let (kernel, file) = (judge(&mut from_kernel, question), judge(&mut from_text, question));
        compared.questions += 1;
        compared.parts += kernel.len();
        compared.certain += kernel.iter().filter(|part| part.verdict != ReachVerdict::Unknown).count();
        let pairs = kernel.iter().flat_map(|ours| file.iter().map(move |theirs| (ours, theirs)));
        let wrong = pairs.filter(|(ours, theirs)| !agree(ours, theirs, text) && ours.region.overlaps(&theirs.region));
        different.extend(wrong.map(|(ours, theirs)| {
            let (verdicts, senders) = ((ours.verdict, theirs.verdict), sample(ours, theirs));
            let (ours, theirs) = (Shown(live, ours), Shown(&text.ruleset, theirs));
            let Question { interface, protocol, destination, .. } = question;
            let asked = format!("interface {interface}, protocol {protocol}, {destination:?}");
            let shown = format!("{asked}\n  {senders}\n  kernel: {ours}\n  {}: {theirs}", text.name);
            Difference { verdicts, shown }
        }));
    }
    (compared, different)
}

fn judge(evaluator: &mut Evaluator<'_>, question: &Question) -> Vec<Judged> {
    evaluator.ask(question).judge(|fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }))
}

fn agree(ours: &Judged, theirs: &Judged, text: &Text) -> bool {
    says(ours) == says(theirs) || text.leaves_out && theirs.verdict == ReachVerdict::Unknown
}

type Says = (ReachVerdict, Option<(Option<Endpoint>, bool)>);

/// What is said of senders, without what says it. Where to is only of interest where something gets there.
fn says(part: &Judged) -> Says {
    let arrives = (part.verdict == ReachVerdict::Reachable).then_some((part.translated, part.forwarded));
    (part.verdict, arrives)
}

fn sample(ours: &Judged, theirs: &Judged) -> String {
    let both = ours.region.intersection(&theirs.region);
    let parts = both.parts().iter().filter_map(|(addresses, ports)| {
        let range = addresses.ranges().next()?;
        Some(format!("{} and others, ports {:?}", addresses.version().address(*range.start()), ports.ranges().first()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What is said of senders, for people.
struct Shown<'a>(&'a Ruleset, &'a Judged);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ruleset, part) = self;
        let decider = match part.decider {
            Some(Decider::Rule(rule)) => notation::reference(ruleset, rule).text.as_str().to_owned(),
            Some(Decider::Policy(chain)) => notation::policy_reference(ruleset, chain).text.as_str().to_owned(),
            None => String::new(),
        };
        write!(formatter, "{:?} {:?} {:?} by `{decider}`", says(part), part.reason, part.unknown_because)
    }
}
