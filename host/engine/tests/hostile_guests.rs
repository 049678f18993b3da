//! Whatever a guest does, it gives an error of its own kind, and the host goes on.
//!
//! A guest without a test here does not compile.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

use std::sync::OnceLock;

use loopgate_engine::{
    ConfigureError, ConfiguredPlugin, Engine, FUEL, Failure, LoadError, MEMORY_BYTES, OUTPUT_BYTES, Outcome, Plugin,
    PreparedFacts, Rejected, Subject,
};
use loopgate_facts::Facts;
use loopgate_test_artifacts as guests;

macro_rules! assert_guest_is_tested {
    ($name:ident) => {
        const _: fn() = $name;
    };
}

guests::foreach_guest!(assert_guest_is_tested);

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().unwrap())
}

fn load(guest: &[u8]) -> Result<Plugin, LoadError> {
    Plugin::from_component(engine(), guest)
}

fn evaluate(guest: &[u8]) -> Result<Vec<Option<Outcome>>, Failure> {
    let document = include_bytes!("../../../tests/facts/quiet.json");
    let facts = PreparedFacts::new(&Facts::from_json(document).unwrap());
    let results = configure(guest).unwrap().evaluate(&facts)?;
    Ok(results.into_iter().map(|result| result.map(|result| result.outcome)).collect())
}

fn configure(guest: &[u8]) -> Result<ConfiguredPlugin, ConfigureError> {
    load(guest).unwrap().configure("{}")
}

#[track_caller]
fn rejected(guest: &[u8]) -> Rejected {
    match load(guest) {
        Err(LoadError::Rejected(rejected)) => rejected,
        Err(LoadError::Failed(failure)) => panic!("failed instead of being rejected: {failure}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn spins() {
    assert_eq!(evaluate(guests::SPINS), Err(Failure::OutOfFuel { limit: FUEL }));
}

#[test]
fn spins_in_describe() {
    assert!(matches!(load(guests::SPINS_IN_DESCRIBE), Err(LoadError::Failed(Failure::OutOfFuel { limit: FUEL }))));
}

#[test]
fn grows() {
    assert_eq!(evaluate(guests::GROWS), Err(Failure::OutOfMemory { limit: MEMORY_BYTES }));
}

#[test]
fn recurses() {
    assert_eq!(evaluate(guests::RECURSES), Err(Failure::StackOverflow));
}

#[test]
fn panics() {
    let Err(Failure::Trap { reason, message }) = evaluate(guests::PANICS) else { panic!("no trap") };
    assert!(reason.as_str().contains("unreachable"), "{reason:?}");
    assert_eq!(message.unwrap().as_str(), "the sky is falling");
}

#[test]
fn floods() {
    assert_eq!(evaluate(guests::FLOODS), Err(Failure::TooMuchOutput { limit: OUTPUT_BYTES }));
}

/// Which limit ends it depends on how fast the machine copies; that one does is what counts.
#[test]
fn floods_the_log() {
    let failure = evaluate(guests::FLOODS_THE_LOG).unwrap_err();
    assert!(matches!(failure, Failure::OutOfFuel { .. } | Failure::Deadline { .. }), "{failure}");
}

#[test]
fn refuses() {
    assert_eq!(evaluate(guests::REFUSES), Err(Failure::Refused("these facts are beneath me".into())));
}

#[test]
fn omits_a_rule() {
    assert_eq!(evaluate(guests::OMITS_A_RULE), Ok(vec![Some(Outcome::Pass), None]));
}

#[test]
fn answers_twice() {
    assert_eq!(evaluate(guests::ANSWERS_TWICE), Ok(vec![None]));
}

#[test]
fn empty_failure() {
    let why = vec!["the plugin reported a failure without a finding".into()];
    assert_eq!(evaluate(guests::EMPTY_FAILURE), Ok(vec![Some(Outcome::Unknown(why))]));
}

/// The host keeps the text as it is: escaping belongs to whoever shows it.
#[test]
fn hostile_text() {
    let outcomes = evaluate(guests::HOSTILE_TEXT).unwrap();
    let [Some(Outcome::Fail { findings, .. })] = outcomes.as_slice() else { panic!("no finding") };
    let Subject::Other(subject) = &findings[0].subject else { panic!("another subject") };
    assert!(subject.as_str().contains('\u{1b}'));
    assert!(!subject.escaped().to_string().contains('\u{1b}'));
}

#[test]
fn imports_wasi() {
    let message = rejected(guests::IMPORTS_WASI).to_string();
    assert!(message.contains("`wasi:clocks/wall-clock@0.2.6`"), "{message}");
    assert!(message.contains("wasm32-unknown-unknown"), "{message}");
}

#[test]
fn future_version() {
    let message = rejected(guests::FUTURE_VERSION).to_string();
    assert!(message.contains("loopgate:policy/rules@0.9.0") && message.contains("loopgate:policy@0.1.0"), "{message}");
}

#[test]
fn needs_more() {
    let plugin = configure(guests::NEEDS_MORE).unwrap();
    assert_eq!(plugin.rules()[0].unknown_needs, ["tea-leaves".into()]);
}

#[test]
fn no_rules() {
    assert!(matches!(configure(guests::NO_RULES), Err(ConfigureError::Rules(_))));
}

#[test]
fn bad_name() {
    let message = rejected(guests::BAD_NAME).to_string();
    assert!(message.contains("\\u{1b}[2J") && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn files_that_are_no_components_are_told_apart() {
    assert!(matches!(rejected(b"\0asm\x01\0\0\0"), Rejected::CoreModule));
    assert!(matches!(rejected(b""), Rejected::NotWebAssembly));
    assert!(matches!(rejected(b"(component)"), Rejected::NotWebAssembly));
    assert!(matches!(rejected(b"\0asm\x0d\0\x01\0"), Rejected::NotAPolicyPlugin));
    assert!(matches!(rejected(&guests::PANICS[..2000]), Rejected::Invalid(_)));
    let compiled = loopgate_engine::precompile(guests::PANICS, "x86_64-unknown-linux-gnu").unwrap();
    assert!(matches!(rejected(&compiled), Rejected::Precompiled));
    let huge = vec![0; usize::try_from(loopgate_engine::MAX_COMPONENT_BYTES).unwrap() + 1];
    assert!(matches!(rejected(&huge), Rejected::TooLarge { .. }));
}
