//! What holds for every input, whatever its bytes. The tests here and the fuzz targets in `fuzz/` call the same
//! functions.

mod machine;

use loopgate_firewall::evaluate::{Answer, Evaluator, Fate, Question};
use loopgate_firewall::ip_set::{self, IpSetId, IpSets};
use loopgate_firewall::region::Region;
use loopgate_firewall::rule::{End, IpSetQuestion, IpSetReference, Op, Predicate, Test, Verdict};
use loopgate_firewall::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, Family, Hook, Notation, Policy, Rule, RuleId, Table, TableId,
};
use loopgate_firewall::xt::{Extension, comment, match_op, target_ops};
use loopgate_firewall::{Ruleset, iptables_save, legacy, nf_tables, nft_json, notation};

/// A target: its name, which is that of its folder in the corpus, and what it does with an input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
#[allow(dead_code, reason = "each fuzz target uses one")]
pub(crate) const TARGETS: [Target; 7] = [
    ("nf_tables", nf_tables),
    ("ip_sets", ip_sets),
    ("xt", xt),
    ("legacy", legacy),
    ("iptables_save", iptables_save),
    ("nft_json", nft_json),
    ("evaluate", evaluate),
];

/// The messages of a dump.
pub(crate) fn nf_tables(input: &[u8]) {
    if let Ok(ruleset) = nf_tables::decode_stream(input) {
        is_sound(&ruleset);
    }
}

/// The messages of a dump of sets of `ipset(8)`, or what `ipset save` prints, and questions about rules that ask them.
pub(crate) fn ip_sets(input: &[u8]) {
    let file = if ip_set::is_save(input) { ip_set::parse(input).ok() } else { None };
    let Some(ip_sets) = file.or_else(|| ip_set::decode_stream(input).ok()) else { return };
    for family in [Family::Ip, Family::Ip6] {
        let ruleset = asking(ip_sets.clone(), family);
        is_sound(&ruleset);
        answers_are_sound(&ruleset);
    }
}

/// Rules that ask some sets, and accept what is in one.
fn asking(ip_sets: IpSets, family: Family) -> Ruleset {
    let ends = vec![End::Source, End::Destination, End::Source];
    let question = |(position, id): (usize, &IpSetId)| IpSetQuestion {
        set: IpSetReference { id: id.clone(), ends: ends.clone() },
        return_nomatch: position % 3 == 2,
        counters: false,
    };
    let rule = |question| {
        let test = Test { inverted: false, predicate: Predicate::InIpSet(question) };
        let ops = vec![Op::Match { inverted: false, all: vec![test] }, Op::Verdict(Verdict::Accept)];
        Rule { ops, ..Rule::default() }
    };
    let rules = ip_sets.keys().take(6).enumerate().map(question).map(rule).collect();
    let base = Base {
        hook: Hook::Input,
        priority: 0,
        kind: ChainKind::Filter,
        policy: Policy::Drop,
        devices: Vec::new(),
        registered: 0,
    };
    let chain = Chain { table: TableId(0), name: "INPUT".into(), base: Some(base), rules };
    let (backend, notation) = (Backend::Legacy, Notation::Iptables);
    let table = Table { backend, family, name: "filter".into(), dormant: false, notation };
    Ruleset { tables: vec![table], chains: vec![chain], ip_sets, ..Ruleset::default() }
}

/// A match or a target: a byte each for which of them, the family and the revision, the name up to a NUL, the
/// structure.
pub(crate) fn xt(input: &[u8]) {
    let [kind, family, revision, rest @ ..] = input else { return };
    let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let info = rest.get(name.len() + 1..).unwrap_or_default();
    let extension = Extension { name, revision: *revision, family: family_of(*family), info };
    if kind % 2 == 0 {
        match_op(&extension);
        comment(&extension);
    } else {
        target_ops(&extension);
    }
}

/// A table of legacy iptables: a byte for the family, a `struct ipt_getinfo`, a `struct ipt_get_entries`.
pub(crate) fn legacy(input: &[u8]) {
    const INFO: usize = 84;
    let Some((family, rest)) = input.split_first() else { return };
    let Some((info, entries)) = rest.split_at_checked(INFO) else { return };
    if let Ok(ruleset) = legacy::decode(info, entries, family_of(*family)) {
        is_sound(&ruleset);
    }
}

/// What `iptables-save` prints.
pub(crate) fn iptables_save(input: &[u8]) {
    for family in [None, Some(Family::Ip), Some(Family::Ip6)] {
        if let Ok(parsed) = iptables_save::parse(input, family) {
            is_sound(&parsed.ruleset);
        }
    }
}

/// What `nft -j list ruleset` prints.
pub(crate) fn nft_json(input: &[u8]) {
    if let Ok(parsed) = nft_json::parse(input) {
        is_sound(&parsed.ruleset);
    }
}

/// A file of rules of either kind, and questions about it.
pub(crate) fn evaluate(input: &[u8]) {
    let ruleset = if input.trim_ascii_start().starts_with(b"{") {
        nft_json::parse(input).ok().map(|parsed| parsed.ruleset)
    } else {
        iptables_save::parse(input, None).ok().map(|parsed| parsed.ruleset)
    };
    if let Some(ruleset) = ruleset {
        answers_are_sound(&ruleset);
    }
}

fn family_of(byte: u8) -> Family {
    // As the kernel numbers them (`NFPROTO_*`, `include/uapi/linux/netfilter.h`).
    match byte {
        2 => Family::Ip,
        10 => Family::Ip6,
        7 => Family::Bridge,
        _ => Family::Inet,
    }
}

/// What is named is there, and every rule can be shown, on one line.
fn is_sound(ruleset: &Ruleset) {
    for (chain, number) in ruleset.chains.iter().zip(0..) {
        assert!(ruleset.table(chain.table).is_some(), "{chain:?}");
        let id = ChainId(number);
        notation::policy_reference(ruleset, id);
        for (_, position) in chain.rules.iter().zip(0..) {
            notation::reference(ruleset, RuleId { chain: id, position });
        }
    }
    assert!(ruleset.sets.iter().all(|set| ruleset.table(set.table).is_some()));
}

fn answers_are_sound(ruleset: &Ruleset) {
    let (devices, routing) = (machine::devices(), machine::Tables);
    let mut evaluator = Evaluator::new(machine::machine(ruleset, &devices, &routing));
    for question in machine::questions() {
        let answer = evaluator.ask(&question);
        is_partition(&question, &answer, |fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }));
        let answer = evaluator.sweep(&question);
        is_partition(&question, &answer, |fate| *fate == Fate::Translated);
    }
}

/// Every sender that was asked about is in exactly one part, and nobody else is.
fn is_partition(question: &Question, answer: &Answer, arrives: impl Fn(&Fate) -> bool) {
    let asked = Region::of_addresses(question.sources.clone());
    let parts = answer.judge(arrives);
    let mut seen = Region::empty(asked.version());
    for part in &parts {
        assert!(!part.region.is_empty(), "{question:?} {part:?}");
        assert!(!part.region.overlaps(&seen), "{question:?} {parts:?}");
        seen = seen.union(&part.region);
    }
    assert!(seen == asked, "{question:?} {parts:?}");
}
