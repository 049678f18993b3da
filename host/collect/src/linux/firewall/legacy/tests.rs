//! The kernel and the tools say what rules mean: both iptables load rules, and what is read must be what they were
//! told.

mod cases;

use std::io::Write;
use std::process::Stdio;

use loopgate_firewall::rule::{Note, Op, Predicate, Test, Verdict};
use loopgate_firewall::ruleset::{Chain, ChainKind, Hook, Policy, Rule};
use loopgate_test_support::{command, in_namespace, run};
use proptest::prelude::any;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::super::nf_tables;
use super::*;
use cases::{Case, ipv4, ipv6};

/// The tables of this namespace, which must be there.
fn tables(family: Family) -> Ruleset {
    match read_here(family).unwrap() {
        Reading::Read(ruleset) => ruleset,
        Reading::Absent => panic!("no tables"),
    }
}

/// Gives a program something to read.
fn feed(program: &str, input: &str) {
    let mut child = command(program).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} does not take\n{input}");
}

/// What `iptables-restore(8)` needs to load all cases.
fn restore(cases: &[Case]) -> String {
    let mut lines = Vec::new();
    for table in ["raw", "mangle", "nat", "filter"] {
        lines.push(format!("*{table}"));
        let cases = cases.iter().filter(|case| case.table == table);
        lines.extend(cases.map(|case| format!("-A {} {}", case.chain, case.words)));
        lines.push("COMMIT\n".to_owned());
    }
    lines.join("\n")
}

fn chain<'r>(ruleset: &'r Ruleset, table: &str, name: &str) -> &'r Chain {
    let of_table = |chain: &&Chain| ruleset.table(chain.table).is_some_and(|found| found.name.as_str() == table);
    ruleset.chains.iter().filter(of_table).find(|chain| chain.name.as_str() == name).unwrap()
}

/// The rules of a case's chain stand in the order of the cases.
fn rule<'r>(ruleset: &'r Ruleset, cases: &[Case], position: usize) -> &'r Rule {
    let case = &cases[position];
    let before = cases[..position].iter().filter(|other| (other.table, other.chain) == (case.table, case.chain));
    &chain(ruleset, case.table, case.chain).rules[before.count()]
}

/// The operations of a legacy rule without its counters and without the protocol that a match needs.
fn extensions(rule: &Rule) -> Vec<Op> {
    let is_protocol = |op: &&Op| match op {
        Op::Match { all, .. } => matches!(all[..], [Test { predicate: Predicate::Protocol(_), .. }]),
        _ => false,
    };
    let ops = rule.ops.iter().filter(|op| !matches!(op, Op::Note(Note::Counter { .. })) && !is_protocol(op));
    ops.cloned().collect()
}

fn check_legacy(family: Family, program: &str, cases: &[Case]) {
    feed(program, &restore(cases));
    let ruleset = tables(family);
    for (position, case) in cases.iter().enumerate() {
        let rule = rule(&ruleset, cases, position);
        assert_eq!(extensions(rule), case.ops, "{program} {}", case.words);
    }
}

/// `iptables-nft` writes some matches and targets as expressions of `nf_tables`; all others are compared.
fn check_nf_tables(program: &str, cases: &[Case]) {
    feed(program, &restore(cases));
    let nf_tables::Reading::Read(ruleset) = nf_tables::read().unwrap() else { panic!("no nf_tables") };
    for (position, case) in cases.iter().enumerate().filter(|(_, case)| !case.is_native) {
        // The protocol that a match needs is loaded and compared.
        let is_extension =
            |op: &&Op| !matches!(op, Op::Load { .. } | Op::Compare { .. } | Op::Note(Note::Counter { .. }));
        let rule = rule(&ruleset, cases, position);
        let ops: Vec<_> = rule.ops.iter().filter(is_extension).cloned().collect();
        assert_eq!(ops, case.ops, "{program} {}", case.words);
    }
}

#[test]
fn legacy_matches_and_targets_of_ipv4_say_what_they_were_told() {
    in_namespace("linux::firewall::legacy::tests::legacy_matches_and_targets_of_ipv4_say_what_they_were_told", || {
        check_legacy(Family::Ip, "iptables-legacy-restore", &ipv4());
    });
}

#[test]
fn legacy_matches_and_targets_of_ipv6_say_what_they_were_told() {
    in_namespace("linux::firewall::legacy::tests::legacy_matches_and_targets_of_ipv6_say_what_they_were_told", || {
        check_legacy(Family::Ip6, "ip6tables-legacy-restore", &ipv6());
    });
}

#[test]
fn nf_tables_has_the_same_matches_and_targets_of_ipv4() {
    in_namespace("linux::firewall::legacy::tests::nf_tables_has_the_same_matches_and_targets_of_ipv4", || {
        check_nf_tables("iptables-nft-restore", &ipv4());
    });
}

#[test]
fn nf_tables_has_the_same_matches_and_targets_of_ipv6() {
    in_namespace("linux::firewall::legacy::tests::nf_tables_has_the_same_matches_and_targets_of_ipv6", || {
        check_nf_tables("ip6tables-nft-restore", &ipv6());
    });
}

/// What an entry itself says: addresses, interfaces, protocol, fragments.
#[test]
fn entries_say_what_they_were_told() {
    in_namespace("linux::firewall::legacy::tests::entries_say_what_they_were_told", || {
        for (family, program, cases) in [
            (Family::Ip, "iptables-legacy-restore", cases::headers_ipv4()),
            (Family::Ip6, "ip6tables-legacy-restore", cases::headers_ipv6()),
        ] {
            let rules: Vec<_> = cases.iter().map(|(words, _)| format!("-A INPUT {words}")).collect();
            feed(program, &format!("*filter\n{}\nCOMMIT\n", rules.join("\n")));
            let ruleset = tables(family);
            let rules = &chain(&ruleset, "filter", "INPUT").rules;
            for (number, ((words, tests), rule)) in cases.iter().zip(rules).enumerate() {
                let found = match rule.ops.first() {
                    Some(Op::Match { inverted: false, all }) => all.clone(),
                    _ => Vec::new(),
                };
                assert_eq!(found, *tests, "{words}");
                assert_eq!(rule.line, u32::try_from(number + 1).ok());
            }
            assert_eq!(rules.len(), cases.len());
        }
    });
}

#[test]
fn chains_policies_and_jumps_are_those_of_the_table() {
    in_namespace("linux::firewall::legacy::tests::chains_policies_and_jumps_are_those_of_the_table", || {
        feed(
            "iptables-legacy-restore",
            "*filter\n:INPUT DROP\n:users -\n:empty -\n:unreached -\n-A INPUT -j users\n-A INPUT -g empty\n-A INPUT\n\
             -A INPUT -m comment --comment \"let it in\" -j ACCEPT\n-A INPUT -j NFQUEUE --queue-bypass\n-A users -j RETURN\n\
             -A unreached -j unreached\nCOMMIT\n",
        );
        let ruleset = tables(Family::Ip);
        let names: Vec<_> = ruleset.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!(names[..3], ["INPUT", "FORWARD", "OUTPUT"]);
        let input = chain(&ruleset, "filter", "INPUT");
        let base = input.base.as_ref().unwrap();
        assert_eq!((base.hook, base.priority, base.policy), (Hook::Input, 0, Policy::Drop));
        let verdict = |position: usize| input.rules[position].ops.last().unwrap();
        let name = |id| ruleset.chain(id).unwrap().name.as_str();
        assert!(matches!(verdict(0), Op::Verdict(Verdict::Jump(to)) if name(*to) == "users"));
        assert!(matches!(verdict(1), Op::Verdict(Verdict::Goto(to)) if name(*to) == "empty"));
        assert!(matches!(verdict(2), Op::Note(Note::Counter { .. })));
        assert_eq!(input.rules[3].comment, Some("let it in".into()));
        assert_eq!(*verdict(3), Op::Verdict(Verdict::Accept));
        assert_eq!(*verdict(4), Op::Verdict(Verdict::Queue { bypass: true }));
        assert_eq!(chain(&ruleset, "filter", "users").rules[0].ops.last(), Some(&Op::Verdict(Verdict::Return)));
        assert_eq!(chain(&ruleset, "filter", "empty").rules.len(), 0);
    });
}

#[test]
fn every_table_stands_where_the_kernel_enters_it() {
    in_namespace("linux::firewall::legacy::tests::every_table_stands_where_the_kernel_enters_it", || {
        for program in ["iptables-legacy", "ip6tables-legacy"] {
            for table in ["raw", "mangle", "nat", "filter", "security"] {
                // Asking for a table creates it; a kernel may lack one.
                let _ = command(program).args(["-t", table, "-S"]).output();
            }
        }
        for family in [Family::Ip, Family::Ip6] {
            let ruleset = tables(family);
            let place = |table, name| {
                let base = chain(&ruleset, table, name).base.clone().unwrap();
                assert_eq!(base.policy, Policy::Accept);
                (base.hook, base.priority, base.kind)
            };
            assert_eq!(place("raw", "PREROUTING"), (Hook::Prerouting, -300, ChainKind::Filter));
            assert_eq!(place("mangle", "FORWARD"), (Hook::Forward, -150, ChainKind::Filter));
            assert_eq!(place("mangle", "OUTPUT"), (Hook::Output, -150, ChainKind::Route));
            assert_eq!(place("nat", "PREROUTING"), (Hook::Prerouting, -100, ChainKind::Nat));
            assert_eq!(place("nat", "OUTPUT"), (Hook::Output, -100, ChainKind::Nat));
            assert_eq!(place("nat", "INPUT"), (Hook::Input, 100, ChainKind::Nat));
            assert_eq!(place("nat", "POSTROUTING"), (Hook::Postrouting, 100, ChainKind::Nat));
            assert_eq!(place("filter", "INPUT"), (Hook::Input, 0, ChainKind::Filter));
        }
    });
}

#[test]
fn a_table_that_is_not_there_is_not_made() {
    in_namespace("linux::firewall::legacy::tests::a_table_that_is_not_there_is_not_made", || {
        let names = || std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
        for _ in 0..2 {
            assert_eq!(read_here(Family::Ip).unwrap(), Reading::Absent);
        }
        assert_eq!(names(), "");
        run("iptables-legacy", &["-A", "INPUT", "-j", "ACCEPT"]);
        assert_eq!(tables(Family::Ip).tables.len(), 1);
        assert_eq!(names(), "filter\n");
        assert_eq!(read_here(Family::Ip6).unwrap(), Reading::Absent);
    });
}

/// A program without privileges does not even learn which tables there are; one that is told is not given them.
#[test]
fn without_privileges_it_is_said_that_they_are_missing() {
    in_namespace("linux::firewall::legacy::tests::without_privileges_it_is_said_that_they_are_missing", || {
        run("iptables-legacy", &["-A", "INPUT", "-j", "ACCEPT"]);
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        assert!(matches!(table_of(b"filter", Family::Ip), Err(Unreadable::NotPermitted)));
    });
}

#[test]
fn nothing_is_said_of_tables_where_no_proc_is() {
    let nowhere = read(&Root::new(Path::new("/nonexistent")), Family::Ip);
    assert!(matches!(nowhere, Err(Unreadable::Names { .. })));
}

#[test]
fn a_name_that_is_no_table_is_an_error() {
    in_namespace("linux::firewall::legacy::tests::a_name_that_is_no_table_is_an_error", || {
        for name in [&b"nothing"[..], &[b'x'; 40], b""] {
            assert!(matches!(table_of(name, Family::Ip), Err(Unreadable::Failed { .. })), "{name:?}");
        }
    });
}

/// Real tables with bytes changed, and cut.
#[test]
fn no_change_to_a_real_table_breaks_the_decoder() {
    in_namespace("linux::firewall::legacy::tests::no_change_to_a_real_table_breaks_the_decoder", || {
        for (family, program, cases) in
            [(Family::Ip, "iptables-legacy-restore", ipv4()), (Family::Ip6, "ip6tables-legacy-restore", ipv6())]
        {
            feed(program, &restore(&cases));
            for table in ["raw", "mangle", "nat", "filter"] {
                let blob = table_of(table.as_bytes(), family).unwrap();
                decode(&blob.info, &blob.entries, family).unwrap();
                mutate(&blob, family);
            }
        }
    });
}

fn mutate(blob: &Blob, family: Family) {
    let changes = proptest::collection::vec((any::<Index>(), any::<u8>()), 0..8);
    let strategy = (changes, proptest::option::of(any::<Index>()), proptest::option::of((0..84_usize, any::<u8>())));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(1000) });
    let result = runner.run(&strategy, |(changes, cut, info_change)| {
        let Blob { mut info, mut entries } = blob.clone();
        for (position, byte) in changes {
            let position = position.index(entries.len());
            entries[position] = byte;
        }
        if let Some(length) = cut {
            entries.truncate(length.index(entries.len()));
        }
        if let Some((position, byte)) = info_change {
            info[position] = byte;
        }
        let _ = decode(&info, &entries, family);
        Ok(())
    });
    result.unwrap();
}
