//! What people see.

use insta::assert_snapshot;
use loopgate_engine::{Evidence, Failure, Finding, Outcome, Remark, Subject};
use loopgate_facts::{Area, Facts, Gap, is_unsafe_to_print};

use super::*;
use crate::gate::Answer;
use crate::sample;

fn plain(report: &Report, detail: Detail, width: usize) -> String {
    let mut out = Vec::new();
    render(report, Layout { width, detail }, &mut out).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

fn machine() -> Facts {
    let mut facts = sample::facts();
    facts.listeners.push(sample::listener("0.0.0.0", 6379, "redis-server"));
    facts
}

fn wildcard() -> Finding {
    Finding {
        message: "redis-server is bound to every IPv4 address, so whoever can reach this machine can reach it.".into(),
        ..sample::finding(Subject::Listener("tcp/0.0.0.0:6379".into()))
    }
}

fn without_password() -> Finding {
    Finding {
        message: "Redis answers without authentication.".into(),
        evidence: vec![
            Evidence { label: "recognised by".into(), value: "executable /usr/bin/redis-server".into() },
            Evidence { label: "scope".into(), value: "unspecified".into() },
        ],
        remediation: Some("Set `bind 127.0.0.1 ::1` in redis.conf.".into()),
        ..wildcard()
    }
}

fn failing() -> Vec<Answer> {
    let fail = |finding| Some(Outcome::Fail { findings: vec![finding], unjudged: Vec::new() });
    let boundary = [
        ("route-localnet", Severity::High, Some(Outcome::Pass)),
        (
            "forwarding",
            Severity::Low,
            fail(Finding { evidence: Vec::new(), ..sample::finding(Subject::Interface("eth0".into())) }),
        ),
    ];
    let listeners = [
        ("wildcard-bind", Severity::High, fail(wildcard())),
        ("unauthenticated-service", Severity::Critical, fail(without_password())),
        ("dual-stack", Severity::Medium, Some(Outcome::NotApplicable("no listener is bound to [::]".into()))),
    ];
    vec![sample::answer("boundary", &boundary), sample::answer("listeners", &listeners)]
}

fn passing() -> Vec<Answer> {
    let rules = [("lo-up", Severity::High, Some(Outcome::Pass)), ("localhost", Severity::High, Some(Outcome::Pass))];
    vec![sample::answer("loopback", &rules)]
}

#[test]
fn findings_come_by_subject_with_the_worst_first() {
    let report = sample::report(&sample::policy(), &machine(), &failing());
    assert_snapshot!(plain(&report, Detail::Normal, 80), @r"
    NOT COMPLIANT  web-1 has 2 findings at or above medium: 1 critical, 1 high
                   linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root

    tcp/0.0.0.0:6379  redis-server (pid 812), user redis, redis-server.service
      critical  Redis answers without authentication.
                listeners/unauthenticated-service  deebccff
                recognised by   executable /usr/bin/redis-server
                scope           unspecified
                fix  Set `bind 127.0.0.1 ::1` in redis.conf.
      high      redis-server is bound to every IPv4 address, so whoever can reach
                this machine can reach it.
                listeners/wildcard-bind  09d1f9f0
                bound address   0.0.0.0
                fix  Bind it to 127.0.0.1.

    interface eth0
      low       Something is not as it should be.
                boundary/forwarding  018b11bc
                fix  as for tcp/0.0.0.0:6379

    Passed
      boundary/route-localnet            The rule route-localnet holds

    Not applicable
      listeners/dual-stack               no listener is bound to [::]

    5 rules: 3 failed, 1 passed, 1 not applicable; 3 findings (1 critical, 1 high, 1
    low)
    policy: policy.toml (named by --policy)
    `loopgate explain deebccff`, with the same --policy, --facts and --at, says why
    it matters and how to mend it
    ");
}

#[test]
fn a_compliant_machine_is_short() {
    let report = sample::report(&sample::policy(), &sample::facts(), &passing());
    assert_snapshot!(plain(&report, Detail::Normal, 80), @r"
    COMPLIANT  web-1 has no finding at or above medium; 2 rules judged
               linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root

    Passed
      loopback/lo-up      The rule lo-up holds
      loopback/localhost  The rule localhost holds

    2 rules: 2 passed; no findings
    policy: policy.toml (named by --policy)
    ");
    assert_snapshot!(plain(&report, Detail::Quiet, 80), @r"
    COMPLIANT  web-1 has no finding at or above medium; 2 rules judged
               linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root
    ");
}

#[test]
fn gaps_and_failed_plugins_are_named_with_what_they_leave_unknown() {
    let mut facts = sample::facts();
    facts.gaps.push(Gap {
        area: Area::Listeners,
        subject: Some("sctp".into()),
        reason: "the kernel refused: Operation not permitted (os error 1)".into(),
        leaves_unknown: "SCTP listeners".into(),
    });
    let mut answers = passing();
    answers.push(Answer {
        results: Err(Failure::OutOfFuel { limit: 1000 }),
        ..sample::answer("own", &[("fine", Severity::Low, None)])
    });
    assert_snapshot!(plain(&sample::report(&sample::policy(), &facts, &answers), Detail::Normal, 80), @r"
    INCOMPLETE  web-1 has no finding at or above medium, but 3 of 3 rules could not
                be judged in full
                linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root

    Could not be judged
      loopback/lo-up, loopback/localhost
          it needs listeners (sctp), which was not observed
      own/fine
          the plugin failed: it ran out of fuel: a call may execute 1000 units

    Not observed
      listeners (sctp): the kernel refused: Operation not permitted (os error 1)
          leaves unknown: SCTP listeners
          needed by: loopback/lo-up, loopback/localhost, own/fine

    3 rules: 3 unknown; no findings
    policy: policy.toml (named by --policy)
    ");
}

#[test]
fn a_policy_without_rules_is_no_pass() {
    assert_snapshot!(plain(&sample::report(&sample::policy(), &sample::facts(), &[]), Detail::Normal, 80), @r"
    INCOMPLETE  nothing was judged: the policy selects no rule
                linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root
    ");
}

#[test]
fn verbose_tells_where_everything_comes_from() {
    let report = sample::report(&sample::policy(), &machine(), &failing());
    assert_snapshot!(plain(&report, Detail::Verbose, 100), @r"
    NOT COMPLIANT  web-1 has 2 findings at or above medium: 1 critical, 1 high
                   linux 6.12.0, seen 2026-01-02 03:04:05 UTC as root

    tcp/0.0.0.0:6379  redis-server (pid 812), user redis, redis-server.service
      critical  Redis answers without authentication.
                listeners/unauthenticated-service  deebccff
                recognised by   executable /usr/bin/redis-server
                scope           unspecified
                fingerprint     deebccff75af5c406b5512944435574ca3a4fa370b1dcaa0efd08b997a8dc05b
                fix  Set `bind 127.0.0.1 ::1` in redis.conf.
      high      redis-server is bound to every IPv4 address, so whoever can reach this machine can reach
                it.
                listeners/wildcard-bind  09d1f9f0
                bound address   0.0.0.0
                fingerprint     09d1f9f0b3246cbfc9ba0172f3ceebd2819245cae6f93dabb6b236a74d488fcc
                fix  Bind it to 127.0.0.1.

    interface eth0
      low       Something is not as it should be.
                boundary/forwarding  018b11bc
                fingerprint     018b11bc42c30b6910f7f2569b44e024552811b7151208f2336e411b4d7105c9
                fix  Bind it to 127.0.0.1.

    Passed
      boundary/route-localnet            The rule route-localnet holds
                                         CWE-1327

    Not applicable
      listeners/dual-stack               no listener is bound to [::]

    5 rules: 3 failed, 1 passed, 1 not applicable; 3 findings (1 critical, 1 high, 1 low)
    policy: policy.toml (named by --policy)
    policy policy.toml, sha256 da93db77ebb07776dbd095f79fe28cbf4d42340c27bc33547ed7eeb2d3c93ea1
    plugin boundary 0.1.0, built in, sha256 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e
    plugin listeners 0.1.0, built in, sha256 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e
    ");
}

#[test]
fn narrow_terminals_get_narrow_reports() {
    let report = sample::report(&sample::policy(), &machine(), &failing());
    let report = plain(&report, Detail::Normal, 40);
    assert!(report.lines().all(|line| textwrap::core::display_width(line) <= 60), "{report}");
}

/// Everything that somebody else chose, set to what would steer a terminal.
#[test]
fn hostile_text_comes_through_no_renderer() {
    const EVIL: &str = "evil\u{1b}[2J\r\n\u{202e}\u{9b}31m\u{200b}\u{e0001}\u{7}";
    let mut facts = machine();
    facts.host.hostname = EVIL.into();
    facts.host.container = Some(EVIL.into());
    let owner = facts.listeners.first_mut().unwrap().owners.first_mut().unwrap();
    (owner.name, owner.user, owner.unit) = (EVIL.into(), Some(EVIL.into()), Some(EVIL.into()));
    facts.gaps.push(Gap {
        area: Area::Owners,
        subject: Some(EVIL.into()),
        reason: EVIL.into(),
        leaves_unknown: EVIL.into(),
    });
    let evil = Finding {
        subject: Subject::Listener("tcp/0.0.0.0:6379".into()),
        message: EVIL.into(),
        evidence: vec![Evidence { label: EVIL.into(), value: EVIL.into() }],
        remediation: Some(EVIL.into()),
        severity: None,
        parameter: Some(EVIL.into()),
    };
    let other = Finding { subject: Subject::Other(EVIL.into()), ..evil.clone() };
    let fail = Outcome::Fail { findings: vec![evil, other], unjudged: vec![EVIL.into()] };
    let rules = [
        ("a", Severity::High, Some(fail)),
        ("b", Severity::High, Some(Outcome::NotApplicable(EVIL.into()))),
        ("c", Severity::High, Some(Outcome::Unknown(vec![EVIL.into()]))),
        ("d", Severity::High, Some(Outcome::Pass)),
    ];
    let mut answer = sample::answer("demo", &rules);
    answer.plugin.version = EVIL.into();
    answer.file = Some(EVIL.to_owned());
    answer.rules.iter_mut().for_each(|rule| rule.title = EVIL.into());
    let remark = Remark { subject: Subject::Other(EVIL.into()), message: EVIL.into(), parameter: Some(EVIL.into()) };
    answer.results.iter_mut().flatten().flatten().for_each(|result| result.remarks.push(remark.clone()));
    let report = sample::report(&sample::policy(), &facts, &[answer]);
    let mut shown = plain(&report, Detail::Verbose, 80);
    let mut json = Vec::new();
    crate::report::json::render(&report, &mut json).unwrap();
    shown.push_str(&String::from_utf8(json).unwrap());
    assert!(shown.contains("evil"));
    assert!(!shown.chars().any(|character| character != '\n' && is_unsafe_to_print(character)), "{shown}");
}
