//! The evaluator against the interpreter of the crate `cel`, and the parser in use against the reference parser of the
//! same crate: another way to the same answers.

use std::collections::HashMap;

use cel::{Context, Program};
use proptest::prelude::*;

use super::*;
use crate::source;

const PORT: u16 = 80;

/// What the crate says: `None` where it has no value.
fn by_the_crate(source: &str) -> Option<bool> {
    let program = Program::compile(source).unwrap();
    let mut context = Context::default();
    context.add_variable("listener", HashMap::from([("port", i64::from(PORT))])).unwrap();
    match program.execute(&context) {
        Ok(cel::Value::Bool(value)) => Some(value),
        Ok(other) => panic!("{source}: {other:?}"),
        Err(_) => None,
    }
}

fn by_the_plugin(source: &str) -> Option<bool> {
    match outcome(&machine::facts(vec![machine::listener("0.0.0.0", PORT)]), "listeners", source) {
        Outcome::Pass => Some(true),
        Outcome::Fail(_) => Some(false),
        Outcome::Unknown(_) => None,
        Outcome::NotApplicable(reason) => panic!("{source}: {reason}"),
    }
}

fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["0", "1", "2", "3", "80", "-1", "9223372036854775807", "-9223372036854775808", "n"]),
        Just("listener.port"),
    ];
    leaf.prop_map(|leaf| if leaf == "n" { "size([1, 2])".to_owned() } else { leaf.to_owned() }).prop_recursive(
        3,
        12,
        3,
        |inner| {
            prop_oneof![
                (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                    .prop_map(|(one, operator, other)| format!("({one} {operator} {other})")),
                inner.clone().prop_map(|of| format!("-({of})")),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} > 0 ? {b} : {c})")),
                prop::collection::vec(inner, 1..3).prop_map(|items| format!("[{}][1]", items.join(", "))),
            ]
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["''", "'a'", "'ab'", "'ÄB'", "'12'", "string(7)"]).prop_map(str::to_owned);
    leaf.prop_recursive(2, 6, 2, |inner| (inner.clone(), inner).prop_map(|(one, other)| format!("({one} + {other})")))
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        (number(), prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]), number())
            .prop_map(|(one, operator, other)| format!("{one} {operator} {other}")),
        (text(), prop::sample::select(vec!["==", "!=", "<", ">="]), text())
            .prop_map(|(one, operator, other)| format!("{one} {operator} {other}")),
        (text(), prop::sample::select(vec!["contains", "startsWith", "endsWith"]), text())
            .prop_map(|(one, function, other)| format!("{one}.{function}({other})")),
        (number(), prop::collection::vec(number(), 0..3))
            .prop_map(|(item, list)| format!("{item} in [{}]", list.join(", "))),
        text().prop_map(|of| format!("size({of}) == 2")),
        text().prop_map(|of| format!("int({of}) == 12")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = prop::collection::vec(number(), 1..4).prop_map(|items| format!("[{}]", items.join(", "))).boxed();
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} && {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} || {other})")),
            inner.clone().prop_map(|of| format!("!({of})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (list.clone(), prop::sample::select(vec!["all", "exists", "exists_one"]), inner.clone())
                .prop_map(|(list, function, body)| format!("{list}.{function}(x, x < 2 && ({body}))")),
            (list.clone(), prop::sample::select(vec!["all", "exists"]))
                .prop_map(|(list, function)| format!("{list}.{function}(x, 6 / x > 2)")),
            (list.clone(), number()).prop_map(|(list, by)| format!("size({list}.map(x, x > 0, x * {by})) == 1")),
            (list, inner).prop_map(|(list, body)| format!("{list}.filter(x, x > 0).all(x, {body})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn they_agree(source in condition()) {
        prop_assume!(source::parse(&source).is_ok());
        prop_assert_eq!(by_the_plugin(&source), by_the_crate(&source), "{}", source);
    }

    #[test]
    fn both_parsers_read_the_same(source in condition()) {
        let reference = cel::parser::Parser::new().parse(&source).unwrap();
        prop_assume!(source::parse(&source).is_ok());
        prop_assert_eq!(source::parse(&source).unwrap(), reference);
    }
}
