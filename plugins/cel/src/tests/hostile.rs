//! Expressions that are written to do harm end with their own rule unknown.

use proptest::prelude::*;

use super::*;
use crate::check::check;
use crate::record::Kind;

fn crowded() -> Facts {
    machine::facts((1..=300).map(|port| machine::listener("0.0.0.0", port)).collect())
}

/// A loop over every listener within a loop, so deep.
fn nested(depth: usize, body: &str) -> String {
    (0..depth).rev().fold(body.to_owned(), |body, level| format!("listeners.all(v{level}, {body})"))
}

fn doubling(times: usize) -> String {
    (0..times).fold("'0123456789abcdef'".to_owned(), |text, _| format!("[{text}].map(t, t + t)[0]"))
}

#[test]
fn a_bomb_leaves_its_own_rule_unknown_and_the_rest_judged() {
    let facts = crowded();
    for bomb in [
        nested(3, "true"),
        nested(4, "v0.port + v1.port + v2.port + v3.port > 0"),
        format!("{} != ''", doubling(20)),
        "size(listeners.map(a, size(listeners.map(b, size(listeners.map(c, c.port)))))) > 0".to_owned(),
        "size(listeners.map(a, listeners.map(b, listeners.filter(c, true)[0].port)[0])) > 0".to_owned(),
        format!("listeners.all(a, listeners.all(b, glob({}, '*x*x*x*')  || true))", doubling(10)),
    ] {
        let mut wrong = rule("host", &bomb);
        wrong["id"] = "bomb".into();
        let mut rule_behind = rule("listeners", "listener.port > 0");
        rule_behind["id"] = "behind".into();
        let parameters = rules(&[rule("listeners", "listener.port > 0"), wrong, rule_behind]);
        let [before, bomb_outcome, behind] = outcomes(&facts, &parameters).try_into().unwrap();
        assert_eq!((before, behind), (Outcome::Pass, Outcome::Pass), "{bomb}");
        let Outcome::Unknown(reasons) = bomb_outcome else { panic!("{bomb}: {bomb_outcome:?}") };
        assert!(reasons[0].starts_with("its expressions take more steps or memory than a rule may"), "{reasons:?}");
    }
}

#[test]
fn a_hundred_bombs_leave_the_last_rule_judged() {
    let mut all: Vec<_> = (0..100)
        .map(|number| {
            let mut bomb = rule("listeners", &nested(3, "true"));
            bomb["id"] = format!("bomb-{number}").into();
            bomb
        })
        .collect();
    all.push(rule("listeners", "listener.port > 0"));
    let outcomes = outcomes(&crowded(), &rules(&all));
    assert_eq!(outcomes.last(), Some(&Outcome::Pass));
    assert!(outcomes.iter().take(100).all(|outcome| matches!(outcome, Outcome::Unknown(_))));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_parsed() {
    for giant in [
        "(".repeat(2000) + "true" + &")".repeat(2000),
        "[".repeat(2000),
        "{1:".repeat(1000),
        "!".repeat(2000) + "true",
        "-".repeat(2000) + "1 == 1",
        "true?".repeat(800),
        "true ? true : ".repeat(200) + "true",
        "a.".repeat(2000) + "b",
        "a.f().".repeat(600) + "b",
        "1+".repeat(2000) + "1 == 1",
        "f(".repeat(1000),
        "a[".repeat(1000),
        "1 in ".repeat(700) + "1",
        "x".repeat(5000),
        "[1,".repeat(25),
    ] {
        assert!(check(&giant, Kind::Listener).is_err(), "{giant}");
    }
    // Long, and not deep.
    let ports = (0..400).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    assert!(check(&format!("listener.port in [{ports}]"), Kind::Listener).is_ok());
    let many = vec!["listener.port == 1"; 200].join("||");
    assert!(check(&many, Kind::Listener).is_ok());
}

#[test]
fn findings_that_are_too_many_are_counted() {
    let facts = machine::facts((1..=60_000).map(|port| machine::listener("0.0.0.0", port)).collect());
    let outcome = outcome(&facts, "listeners", "false");
    let Outcome::Fail(failure) = outcome else { panic!("it should fail") };
    assert!(failure.findings.len() > 1000 && !failure.unjudged.is_empty(), "{}", failure.findings.len());
}

/// Words of the language and of the facts, in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "listener",
        "listeners",
        "host",
        "names",
        "sysctls",
        "interfaces",
        ".port",
        ".owners",
        ".address",
        ".scope",
        ".reach",
        ".id",
        ".all(",
        ".exists(",
        ".map(",
        ".filter(",
        ".exists_one(",
        "has(",
        "size(",
        "glob(",
        "in_cidr(",
        "reach_at_most(",
        "int(",
        "string(",
        "x",
        "x,",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "'a'",
        "'*'",
        "'10.0.0.0/8'",
        "\"",
        "'''",
        "r'",
        "b'x'",
        "1u",
        "1.5",
        "null",
        "true",
        "false",
        " && ",
        " || ",
        "!",
        " == ",
        " != ",
        " < ",
        " >= ",
        " in ",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " ? ",
        " : ",
        ",",
        ".",
        "`",
        "\\",
        "\n",
        "//",
        "@",
        "ä",
        "🐱",
        "0x",
        "1e9",
        "for",
        "?.",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_expression_panics(source in words(), any in any::<String>()) {
        let facts = machine::facts(vec![machine::listener("0.0.0.0", 80)]);
        for source in [source, any] {
            for target in ["listeners", "host"] {
                let mut rule = rule(target, &source);
                rule["message"] = format!("{{{source}}} {source}").into();
                let parameters = rules(&[rule]);
                if PLUGIN.configure(&parameters).is_ok() {
                    PLUGIN.evaluate(&facts, &parameters).unwrap();
                }
            }
        }
    }
}
