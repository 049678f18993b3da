//! What is not known never makes a rule pass, nor fail.

use super::*;

fn reasons(facts: &Facts, target: &str, check: &str) -> Vec<String> {
    match outcome(facts, target, check) {
        Outcome::Unknown(reasons) => reasons,
        outcome => panic!("{check}: {outcome:?}"),
    }
}

/// A listener of which little is known.
fn dim() -> Facts {
    let nobody = Owner {
        executable: None,
        command_line: Vec::new(),
        uid: None,
        user: None,
        cgroup: None,
        unit: None,
        container: None,
        ..machine::owner()
    };
    let reach = ReachBounds { certain: Reach::Link, possible: Reach::Public };
    machine::facts(vec![Listener { owners: vec![nobody], reach, ..machine::listener("0.0.0.0", 80) }])
}

#[test]
fn a_field_that_is_not_known_decides_nothing() {
    for (check, reason) in [
        ("listener.owners.all(o, o.user != 'root')", "`user` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !(o.user == 'root'))", "`user` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.exists(o, o.user == 'root')", "`user` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !(o.user in ['root']))", "`user` is not known: tcp/0.0.0.0:80"),
        ("size(listener.owners.filter(o, o.uid == 0)) == 0", "`uid` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !glob(o.executable, '/tmp/*'))", "`executable` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !o.command_line.exists(a, a == 'x'))", "`command_line` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !has(o.container))", "`container` is not known: tcp/0.0.0.0:80"),
        ("listener.owners.all(o, !has(o.unit))", "`unit` is not known: tcp/0.0.0.0:80"),
        ("listener.reach != 'public'", "`reach` is not known: tcp/0.0.0.0:80"),
        ("reach_at_most(listener, 'private')", "who can reach it is not known well enough: tcp/0.0.0.0:80"),
        ("!reach_at_least(listener, 'private')", "who can reach it is not known well enough: tcp/0.0.0.0:80"),
        ("sysctl_value('kernel.x') != '1'", "the setting `kernel.x` was not observed: tcp/0.0.0.0:80"),
        ("listener.published.port != 1", "there is no `published` (ask `has(...)` first): tcp/0.0.0.0:80"),
        ("!(host.localhost.exists(a, is_loopback(a)))", "`localhost` is not known: tcp/0.0.0.0:80"),
    ] {
        assert_eq!(reasons(&dim(), "listeners", check), [reason], "{check}");
    }
}

#[test]
fn what_holds_whatever_is_not_known_holds() {
    for (check, expected) in [
        ("listener.port == 80 || listener.owners.all(o, o.user == 'root')", true),
        ("listener.owners.all(o, o.user == 'root') || listener.port == 80", true),
        ("!(listener.owners.all(o, o.user == 'root') && listener.port == 81)", true),
        ("listener.owners.all(o, !has(o.user) && !has(o.executable))", true),
        ("reach_at_least(listener, 'link')", true),
        ("reach_at_most(listener, 'host')", false),
        ("[1, 0, 2].exists(n, 2 / n == 1)", true),
        ("[1, 0, 2].all(n, 2 / n == 2)", false),
    ] {
        let outcome = outcome(&dim(), "listeners", check);
        assert_eq!(matches!(outcome, Outcome::Pass), expected, "{check}: {outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Fail(_)), !expected, "{check}: {outcome:?}");
    }
}

#[test]
fn a_listener_that_nobody_is_seen_to_hold_is_not_held_by_nobody() {
    let facts = machine::facts(vec![Listener { owners: Vec::new(), ..machine::listener("0.0.0.0", 80) }]);
    for check in
        ["listener.owners.all(o, o.uid == 0)", "!listener.owners.exists(o, o.uid == 0)", "size(listener.owners) < 2"]
    {
        assert_eq!(reasons(&facts, "listeners", check), ["`owners` is not known: tcp/0.0.0.0:80"], "{check}");
    }
    assert_eq!(outcome(&facts, "listeners", "!has(listener.owners)"), Outcome::Pass);
}

#[test]
fn a_container_is_known_not_to_be_there_by_the_control_group() {
    let facts = machine::facts(vec![machine::listener("0.0.0.0", 80)]);
    assert_eq!(outcome(&facts, "listeners", "listener.owners.all(o, !has(o.container))"), Outcome::Pass);
}

#[test]
fn arithmetic_that_has_no_result_is_unknown() {
    for (check, reason) in [
        ("1 / (listener.port - 80) == 1", "a division by zero: tcp/0.0.0.0:80"),
        ("1 % (listener.port - 80) == 1", "a division by zero: tcp/0.0.0.0:80"),
        ("9223372036854775807 + listener.port > 0", "a number grows beyond 64 bits: tcp/0.0.0.0:80"),
        ("-(-9223372036854775808) > 0", "a number grows beyond 64 bits: tcp/0.0.0.0:80"),
        ("-9223372036854775808 / -1 > 0", "a number grows beyond 64 bits: tcp/0.0.0.0:80"),
        ("int('x') == 0", "a text is no number: tcp/0.0.0.0:80"),
        ("[1][1] == 1", "a list has no item at that index: tcp/0.0.0.0:80"),
        ("[1][-1] == 1", "a list has no item at that index: tcp/0.0.0.0:80"),
    ] {
        assert_eq!(reasons(&dim(), "listeners", check), [reason], "{check}");
    }
}

#[test]
fn a_gap_in_what_the_expressions_name_keeps_a_rule_from_passing() {
    let mut facts = machine::facts(vec![machine::listener("0.0.0.0", 80)]);
    let reason = "permission denied".to_owned();
    facts.gaps = vec![Gap { area: Area::Owners, subject: None, reason, leaves_unknown: "owners".to_owned() }];
    assert_eq!(outcome(&facts, "listeners", "listener.port == 80"), Outcome::Pass);
    assert_eq!(reasons(&facts, "listeners", "listener.owners.all(o, o.uid == 990)").len(), 1);
    assert_eq!(reasons(&facts, "host", "listeners.all(l, l.owners.all(o, o.uid == 990))").len(), 1);
}

#[test]
fn reasons_name_a_few_subjects_and_count_the_others() {
    let nobody = |port| Listener { owners: Vec::new(), ..machine::listener("0.0.0.0", port) };
    let facts = machine::facts((1..=9).map(nobody).collect());
    let reasons = reasons(&facts, "listeners", "listener.owners.all(o, o.uid == 0)");
    assert!(reasons[0].ends_with("tcp/0.0.0.0:5 and 4 more"), "{reasons:?}");
}
