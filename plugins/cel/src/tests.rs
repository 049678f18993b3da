//! What the plugin as a whole says.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod against_the_crate;
mod faults;
mod hostile;
mod machine;
mod unknown;

use loopgate_plugin::prelude::*;
use serde_json::{Value, json};

use crate::PLUGIN;
use crate::reference::reference;

/// The parameters of one rule.
fn rule(target: &str, check: &str) -> Value {
    json!({ "id": "the-rule", "title": "It holds", "for": target, "check": check, "message": "it does not hold" })
}

fn rules(rules: &[Value]) -> String {
    json!({ "rules": rules }).to_string()
}

fn outcomes(facts: &Facts, parameters: &str) -> Vec<Outcome> {
    let results = PLUGIN.evaluate(facts, parameters).unwrap();
    results.into_iter().map(|result| result.outcome).collect()
}

fn outcome(facts: &Facts, target: &str, check: &str) -> Outcome {
    outcomes(facts, &rules(&[rule(target, check)])).remove(0)
}

/// The places and messages of what is wrong with one rule.
fn problems(changes: &Value) -> Vec<(String, String)> {
    let mut rule = rule("listeners", "true");
    rule.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let problems = PLUGIN.configure(&rules(&[rule])).unwrap_err();
    problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[test]
fn a_rule_is_described_by_its_fields() {
    let mut rule = rule("listeners", "listener.owners.all(o, o.uid == 0)");
    let more = json!({ "severity": "high", "rationale": "because", "remediation": "mend it", "references": ["CWE-1327"],
                       "when": "listener.port < 1024", "needs": ["interfaces"] });
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let info = PLUGIN.configure(&rules(&[rule])).unwrap().remove(0);
    assert_eq!((info.name.as_str(), info.title.as_str(), info.severity), ("the-rule", "It holds", Severity::High));
    assert_eq!((info.rationale.as_str(), info.remediation.as_str()), ("because", "mend it"));
    assert_eq!(info.references, ["CWE-1327"]);
    assert_eq!(
        info.description,
        "Every one of the listeners, if `listener.port < 1024`: `listener.owners.all(o, o.uid == 0)`"
    );
    assert_eq!(info.needs, [Area::Interfaces, Area::Listeners, Area::Firewall, Area::Owners]);
}

#[test]
fn a_finding_says_what_was_seen_and_which_expression_decided() {
    let facts = machine::facts(vec![machine::listener("0.0.0.0", 6379)]);
    let mut rule = rule("listeners", "listener.port != 6379 || listener.scope == 'loopback'");
    rule["message"] = "{listener.id} is {{open}} to {listener.reach}: {listener.owners.map(o, o.name)}".into();
    let Outcome::Fail(failure) = outcomes(&facts, &rules(&[rule])).remove(0) else { panic!("it should fail") };
    let finding = &failure.findings[0];
    assert_eq!(finding.subject, Subject::Listener("tcp/0.0.0.0:6379".to_owned()));
    assert_eq!(finding.message, "tcp/0.0.0.0:6379 is {open} to public: served");
    assert_eq!(finding.parameter.as_deref(), Some("/rules/0/check"));
    let evidence =
        |label: &str| finding.evidence.iter().find(|(known, _)| known == label).map(|(_, value)| value.as_str());
    assert_eq!(evidence("listener.port"), Some("6379"));
    assert_eq!(evidence("listener.scope"), Some("unspecified"));
    assert_eq!(evidence("unit"), Some("served.service"));
}

#[test]
fn a_rule_about_nothing_that_is_there_is_not_applicable() {
    let facts = machine::facts(vec![machine::listener("127.0.0.1", 80)]);
    let mut rule = rule("listeners", "false");
    rule["when"] = "listener.port == 81".into();
    let expected = Outcome::NotApplicable("none of the listeners is one that the rule is about".to_owned());
    assert_eq!(outcomes(&facts, &rules(&[rule])), [expected]);
    assert_eq!(outcome(&facts, "names", "true"), Outcome::NotApplicable("there are no names".to_owned()));
    let mut rule = self::rule("sysctls", "sysctl.value == '0'");
    rule["when"] = "sysctl.name == 'kernel.other'".into();
    let expected = "no setting that was observed is one that the rule is about".to_owned();
    assert_eq!(outcomes(&facts, &rules(&[rule])), [Outcome::Unknown(vec![expected])]);
}

#[test]
fn every_subject_can_be_asked_about() {
    let facts = machine::facts(vec![machine::listener("127.0.0.1", 80)]);
    for (target, check) in [
        ("listeners", "listener.id == 'tcp/127.0.0.1:80' && size(listeners) == 1"),
        ("interfaces", "interface.name == 'eth0' && interface.addresses.exists(a, in_cidr(a.address, '10.0.0.0/8'))"),
        ("sysctls", "int(sysctl.value) == 0 && sysctl.name.startsWith('net.')"),
        ("host", "host.os == 'linux' && sysctl_value('net.ipv4.ip_forward') == '0' && size(interfaces) == 1"),
    ] {
        assert_eq!(outcome(&facts, target, check), Outcome::Pass, "{check}");
    }
}

#[test]
fn every_word_can_be_asked_for() {
    let facts = machine::facts(vec![machine::listener("127.0.0.1", 80)]);
    for (check, holds) in [
        ("is_loopback(listener.address)", true),
        ("is_private(listener.address)", false),
        ("is_private('fd00::1') && !is_private('100.64.0.1')", true),
        ("in_cidr(listener.address, ['10.0.0.0/8', '127.0.0.0/8'])", true),
        ("listener.address.in_cidr('::/0')", false),
        ("listener.address in ['0:0:0:0:0:0:0:1', '127.0.0.1']", true),
        ("listener.address == '::ffff:127.0.0.1'", true),
        ("in_range(listener.port, 80, 80)", true),
        ("in_range(listener.port, 81, 79)", false),
        ("glob('/home/x/y', ['/tmp/*', '/h?me/**'])", true),
        ("glob('/home/x/y', '/home/*')", false),
        ("listener.reach == 'public' && reach_at_least(listener, 'public')", true),
        ("listener.reach_at_most('private')", false),
        ("listener.protocol in ['tcp', 'udp']", true),
        ("[1, 2, 3].map(n, n * 2) == [2]", false),
        ("size([1, 2, 3].map(n, n > 1, n * 2)) == 2 && [1, 2, 3].filter(n, n > 1)[0] == 2", true),
        ("[1, 2].exists_one(n, n == 2) && ![1, 2].exists_one(n, n > 0)", true),
        ("'ABC'.lowerAscii() + string(1) == 'abc1' && size('äö') == 2", true),
        ("int('12') + 1 == 13 && -7 / 2 == -3 && -7 % 2 == -1", true),
        ("has(listener.published) || !has(listener.bound_interface)", true),
        ("listener.uids == [1]", false),
    ] {
        let outcome = match PLUGIN.configure(&rules(&[rule("listeners", check)])) {
            Ok(_) => outcome(&facts, "listeners", check),
            Err(_) => Outcome::NotApplicable("refused".to_owned()),
        };
        let refused = check.contains("== [");
        let as_expected = match outcome {
            Outcome::Pass => holds,
            Outcome::Fail(_) => !holds,
            Outcome::NotApplicable(_) => refused,
            Outcome::Unknown(_) => false,
        };
        assert!(as_expected, "{check}: {outcome:?}");
    }
}

#[test]
fn the_page_lists_what_there_is() {
    let page = include_str!("../README.md");
    let (_, listed) = page.split_once("## What expressions can name\n\n").unwrap();
    assert_eq!(listed.trim_end(), reference().trim_end(), "the last part of README.md should be:\n{}", reference());
}
