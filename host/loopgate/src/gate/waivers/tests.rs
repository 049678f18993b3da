use loopgate_engine::{Outcome, Subject as About};
use loopgate_facts::Gap;

use super::*;
use crate::gate::{Judgement, Verdict};
use crate::policy::layers::Layers;
use crate::policy::waivers::About as Subjects;
use crate::sample;

/// The waivers of a policy that is right in itself.
fn waivers(text: &str) -> Vec<Located<Arc<Waiver>>> {
    let layers = Layers::of_text("policy.toml", &format!("schema = 1\n{text}"));
    assert!(layers.problems.is_empty(), "{:?}", layers.problems);
    layers.stack.into_iter().flat_map(|layer| layer.draft.waivers).collect()
}

fn waiver(what: &str, expires: &str) -> String {
    format!("[[waivers]]\nrule = \"demo/rule\"\n{what}\nreason = \"why\"\nowner = \"me\"\nexpires = {expires}\n")
}

/// A machine with a listener that the rule finds, judged on 2026-01-02.
fn judged(text: &str) -> Judgement {
    let mut facts = sample::facts();
    facts.listeners.push(sample::listener("0.0.0.0", 6379, "redis-server"));
    facts.listeners.iter_mut().flat_map(|it| &mut it.owners).for_each(|it| it.cgroup = Some("/system.slice".into()));
    let finding = sample::finding(About::Listener("tcp/0.0.0.0:6379".into()));
    judged_with(text, &facts, Outcome::Fail { findings: vec![finding], unjudged: Vec::new() })
}

fn judged_with(text: &str, facts: &Facts, outcome: Outcome) -> Judgement {
    let policy = Policy { waivers: waivers(text), ..sample::policy() };
    sample::judged(&policy, facts, &[sample::answer("demo", &[("rule", Severity::High, Some(outcome))])], None)
}

fn found(judgement: &Judgement) -> Vec<String> {
    judgement.findings.iter().filter(|finding| finding.counts()).map(|finding| finding.rule.to_string()).collect()
}

/// Demand 24: what is accepted does not count.
#[test]
fn a_waived_finding_does_not_count_and_is_counted_apart() {
    let judgement = judged(&waiver("port = 6379", "2026-06-01"));
    assert_eq!((judgement.verdict, judgement.tally.waived), (Verdict::Compliant, 1));
    assert_eq!(found(&judgement), [""; 0]);
}

#[test]
fn a_waiver_holds_through_its_day_and_is_a_finding_after_it() {
    assert_eq!(judged(&waiver("port = 6379", "2026-01-02")).verdict, Verdict::Compliant);
    let over = judged(&waiver("port = 6379", "2026-01-01"));
    assert_eq!(over.verdict, Verdict::NotCompliant);
    assert_eq!(found(&over), ["demo/rule", "waivers/expired"]);
}

#[test]
fn a_waiver_may_not_end_later_than_it_may() {
    assert_eq!(judged(&waiver("port = 6379", "2027-01-02")).verdict, Verdict::Compliant);
    assert_eq!(found(&judged(&waiver("port = 6379", "2027-01-03"))), ["demo/rule", "waivers/too-far-ahead"]);
}

#[test]
fn a_waiver_of_something_else_is_unused() {
    for what in ["port = 80", "executable = \"/usr/bin/redis\"", "interface = \"*\"", "host = true", "user = \"root\""]
    {
        let judgement = judged(&waiver(what, "2026-06-01"));
        assert_eq!(found(&judgement), ["demo/rule", "waivers/unused"], "{what}");
    }
}

#[test]
fn whether_a_waiver_is_used_is_unknown_where_its_rule_is() {
    let outcome = Outcome::Unknown(vec!["denied".into()]);
    let judgement = judged_with(&waiver("port = 80", "2026-06-01"), &sample::facts(), outcome);
    let unused = judgement.rules.iter().find(|rule| rule.id.to_string() == "waivers/unused").unwrap();
    assert!(matches!(unused.outcome, Settled::Unknown(_)));
}

#[test]
fn an_owner_that_was_not_seen_is_not_waived() {
    let mut facts = sample::facts();
    let mut listener = sample::listener("0.0.0.0", 6379, "redis-server");
    listener.owners.clear();
    facts.listeners.push(listener);
    let finding = sample::finding(About::Listener("tcp/0.0.0.0:6379".into()));
    let outcome = Outcome::Fail { findings: vec![finding], unjudged: Vec::new() };
    let judgement = judged_with(&waiver("executable = \"/usr/bin/redis-server\"", "2026-06-01"), &facts, outcome);
    assert_eq!(judgement.verdict, Verdict::NotCompliant);
    assert_eq!(found(&judgement), ["demo/rule"]);
}

#[test]
fn a_socket_that_others_may_hold_is_not_waived_by_its_owner() {
    let mut facts = sample::facts();
    let mut listener = sample::listener("0.0.0.0", 6379, "redis-server");
    listener.owners.iter_mut().for_each(|owner| owner.cgroup = Some("/system.slice".into()));
    facts.listeners.push(listener);
    let (reason, leaves_unknown) = ("not permitted".into(), "whether it has more owners".into());
    facts.gaps.push(Gap { area: Area::Owners, subject: None, reason, leaves_unknown });
    let judged = |what: &str| {
        let finding = sample::finding(About::Listener("tcp/0.0.0.0:6379".into()));
        let outcome = Outcome::Fail { findings: vec![finding], unjudged: Vec::new() };
        judged_with(&waiver(what, "2026-06-01"), &facts, outcome).tally.waived
    };
    assert_eq!(judged("executable = \"/usr/bin/redis-server\""), 0);
    assert_eq!(judged("port = 6379"), 1);
}

#[test]
fn a_machine_an_interface_and_a_setting_can_be_waived() {
    for (what, subject) in [
        ("host = true", About::Host),
        ("interface = \"eth*\"", About::Interface("eth0".into())),
        ("sysctl = \"net.ipv4.ip_nonlocal_bind\"", About::Sysctl("net.ipv4.ip_nonlocal_bind".into())),
        ("name = \"localhost\"", About::Name("localhost".into())),
        ("subject = \"10.0.0.0/8\"", About::Other("10.0.0.0/8".into())),
    ] {
        let outcome = Outcome::Fail { findings: vec![sample::finding(subject)], unjudged: Vec::new() };
        let judgement = judged_with(&waiver(what, "2026-06-01"), &sample::facts(), outcome);
        assert_eq!(judgement.tally.waived, 1, "{what}");
    }
}

#[test]
fn what_is_waived_is_said_in_words() {
    let waivers = waivers(&waiver("executable = \"/usr/sbin/nginx\"\nport = 80", "2026-06-01"));
    assert_eq!(waivers.first().unwrap().value.about.describe(), "/usr/sbin/nginx on 80");
    assert_eq!(Subjects::Host.describe(), "this machine");
}
