//! Every way in which a policy can be wrong, as its author sees it.

use insta::assert_snapshot;
use loopgate_engine::{Problem, Severity};
use proptest::prelude::*;

use super::bind::{LoadFailure, Loading, bind};
use super::diagnostic::{Problems, tests::plain};
use super::layers::Layers;
use super::merge::{FAIL_ON, ON_UNKNOWN, PluginEntry, merge};
use super::*;
use crate::sample;

mod controls;
mod extends;
mod stacked;
mod waivers;

const BUILT_IN: [&str; 4] = ["boundary", "firewall", "listeners", "loopback"];

/// Parses and binds with plugins that all have the rules `wildcard-bind` and `outside-bind`.
fn load_with(text: &str, loading: impl Fn(&PluginEntry) -> Loading) -> Result<Policy, Problems> {
    assemble(&Layers::of_text("policy.toml", text), loading)
}

fn assemble(layers: &Layers, loading: impl Fn(&PluginEntry) -> Loading) -> Result<Policy, Problems> {
    let (merged, problems) = merge(layers, &BUILT_IN);
    let problems = layers.problems.iter().cloned().chain(problems).collect();
    let loadings: Vec<Loading> = merged.plugins.iter().map(loading).collect();
    bind(layers, &merged, &loadings, problems)
}

fn loaded(entry: &PluginEntry) -> Loading {
    if entry.origin.is_none() {
        return Loading::Failed(LoadFailure::NoOrigin);
    }
    let rules = [("wildcard-bind", Severity::High), ("outside-bind", Severity::Medium)];
    let rules = rules.map(|(name, severity)| sample::rule(name, severity)).to_vec();
    Loading::Configured { name: entry.name.clone(), rules }
}

fn complaint(text: &str) -> String {
    plain(&load_with(text, loaded).unwrap_err())
}

#[test]
fn a_policy_is_read() {
    let policy = load_with(
        "schema = 1\nfail_on = \"high\"\non_unknown = \"report\"\n[plugins.listeners]\n[rules]\n\
         \"listeners/wildcard-bind\" = \"off\"\n\"listeners/outside-bind\" = \"critical\"\n",
        loaded,
    )
    .unwrap();
    assert_eq!((policy.fail_on, policy.on_unknown), (Severity::High, OnUnknown::Report));
    assert_eq!(policy.setting(&RuleId::parse("listeners/wildcard-bind").unwrap()), Some(RuleSetting::Off));
    let critical = Some(RuleSetting::Severity(Severity::Critical));
    assert_eq!(policy.setting(&RuleId::parse("listeners/outside-bind").unwrap()), critical);
}

#[test]
fn the_default_policy_has_no_problem_and_says_what_is_assumed_without_it() {
    let layers = Layers::built_in(&shipped::DEFAULT);
    let (merged, problems) = merge(&layers, &BUILT_IN);
    assert_eq!((layers.problems.len(), problems.len()), (0, 0));
    assert_eq!(merged.plugins.len(), BUILT_IN.len());
    let said = (merged.fail_on.unwrap().value, merged.on_unknown.unwrap().value);
    assert_eq!(said, (FAIL_ON, ON_UNKNOWN));
}

#[test]
fn the_documented_policy_has_no_problem() {
    let page = include_str!("../../../../policies/README.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let layers = Layers::of_text("policy.toml", example);
    assert_eq!((&layers.problems, merge(&layers, &BUILT_IN).1), (&vec![], vec![]));
    let draft = &layers.stack.last().unwrap().draft;
    assert_eq!((draft.plugins.len(), draft.rules.len()), (2, 2));
}

#[test]
fn an_unknown_rule_with_a_wrong_value_is_two_problems() {
    let complaint = complaint("schema = 1\n[plugins.boundary]\n[rules]\n\"boundary/nonsense\" = \"hgh\"\n");
    assert!(complaint.contains("`hgh` is not a value"), "{complaint}");
    assert!(complaint.contains("unknown rule `boundary/nonsense`"), "{complaint}");
}

#[test]
fn everything_is_reported_at_once() {
    let text = r#"schema = 1
fail_on = "hihg"
on_unkown = "report"

[plugins.listners]
[plugins.loopback]
sha256 = "abc"
color = true
[plugins.boundary]
parameters = 5

[rules]
"boundary/wildcrad-bind" = "high"
"boundary/outside-bind" = "severe"
"listeners/wildcard-bind" = "off"
wildcard-bind = "off"
"#;
    assert_snapshot!(complaint(text), @r#"
    error: `hihg` is not a value of `fail_on`
     --> policy.toml:2:11
      |
    2 | fail_on = "hihg"
      |           ^^^^^^ did you mean `high`?
      |
      = help: expected one of `info`, `low`, `medium`, `high`, `critical`

    error: unknown key `on_unkown` in the policy
     --> policy.toml:3:1
      |
    3 | on_unkown = "report"
      | ^^^^^^^^^ did you mean `on_unknown`?

    error: unknown plugin `listners`
     --> policy.toml:5:10
      |
    5 | [plugins.listners]
      |          ^^^^^^^^ did you mean `listeners`?
      |
      = help: built in are `boundary`, `firewall`, `listeners`, `loopback`; for a plugin of your own, add `path = "FILE.wasm"`

    error: not a SHA-256
     --> policy.toml:7:10
      |
    7 | sha256 = "abc"
      |          ^^^^^ expected 64 hexadecimal digits, as `sha256sum FILE.wasm` prints them

    error: `sha256` without `path`
     --> policy.toml:7:10
      |
    7 | sha256 = "abc"
      |          ^^^^^ a built-in plugin needs no pin: it is part of the binary

    error: unknown key `color` in a plugin
     --> policy.toml:8:1
      |
    8 | color = true
      | ^^^^^ expected one of `path`, `sha256`, `parameters`

    error: `parameters` must be a table
      --> policy.toml:10:14
       |
    10 | parameters = 5
       |              ^ expected a table, found an integer

    error: unknown rule `boundary/wildcrad-bind`
      --> policy.toml:13:1
       |
    13 | "boundary/wildcrad-bind" = "high"
       | ^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `boundary/wildcard-bind`?
       |
       = help: `loopgate rules --policy FILE` lists the rules of a policy's plugins

    error: `severe` is not a value of `boundary/outside-bind`
      --> policy.toml:14:27
       |
    14 | "boundary/outside-bind" = "severe"
       |                           ^^^^^^^^ expected one of `info`, `low`, `medium`, `high`, `critical`, `off`

    error: not the id of a rule with its setting
      --> policy.toml:16:1
       |
    16 | wildcard-bind = "off"
       | ^^^^^^^^^^^^^ expected a plugin and a rule
       |
       = help: write `"plugin/rule" = "SEVERITY"`, or `"off"`, with the quotes; `loopgate rules` lists the ids

    loopgate: 10 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn syntax_errors_and_duplicates_do_not_hide_the_rest() {
    let text = "nonsense\nschema = 1\nfail_on = \"high\"\nfail_on = \"low\"\nmore nonsense # x\n[plugins.listeners]\n[plugins.listeners]\n";
    assert_snapshot!(complaint(text), @r#"
    error: not valid TOML: key with no value, expected `=`
     --> policy.toml:1:9
      |
    1 | nonsense
      |         ^

    error: not valid TOML: duplicate key
     --> policy.toml:4:1
      |
    4 | fail_on = "low"
      | ^^^^^^^

    error: not valid TOML: key with no value, expected `=`
     --> policy.toml:5:6
      |
    5 | more nonsense # x
      |      ^

    error: not valid TOML: duplicate key
     --> policy.toml:7:10
      |
    7 | [plugins.listeners]
      |          ^^^^^^^^^

    loopgate: 4 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn the_schema_is_required_and_known() {
    assert_snapshot!(complaint(""), @r"
    error: the policy does not say which schema it is written in
     --> policy.toml:1:1
      |
    1 |
      | ^
      |
      = help: begin the file with `schema = 1`

    loopgate: 1 problem in policy.toml; nothing was judged
    ");
    assert_snapshot!(complaint("schema = 2"), @r"
    error: unknown policy schema
     --> policy.toml:1:10
      |
    1 | schema = 2
      |          ^ this loopgate reads `schema = 1`

    loopgate: 1 problem in policy.toml; nothing was judged
    ");
    assert_snapshot!(complaint("schema = \"1\""), @r#"
    error: unknown policy schema
     --> policy.toml:1:10
      |
    1 | schema = "1"
      |          ^^^ this loopgate reads `schema = 1`

    loopgate: 1 problem in policy.toml; nothing was judged
    "#);
}

#[test]
fn wrong_types_are_named() {
    assert_snapshot!(complaint("schema = 1\nfail_on = 3\nplugins = []\n[rules]\n\"listeners/x\" = true\n"), @r#"
    error: `fail_on` must be a string
     --> policy.toml:2:11
      |
    2 | fail_on = 3
      |           ^ expected a string, found an integer

    error: `plugins` must be a table
     --> policy.toml:3:11
      |
    3 | plugins = []
      |           ^^ expected a table, found an array

    error: unknown rule `listeners/x`
     --> policy.toml:5:1
      |
    5 | "listeners/x" = true
      | ^^^^^^^^^^^^^ the policy does not name the plugin `listeners`; add `[plugins.listeners]`
      |
      = help: `loopgate rules --policy FILE` lists the rules of a policy's plugins

    error: `listeners/x` must be a string
     --> policy.toml:5:17
      |
    5 | "listeners/x" = true
      |                 ^^^^ expected a string, found a boolean

    loopgate: 4 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn a_rule_in_a_table_of_its_plugin_is_told_how_to_be_written() {
    let text = "schema = 1\n[plugins.listeners]\n[rules.listeners]\nwildcard-bind = \"off\"\n";
    assert_snapshot!(complaint(text), @r#"
    error: not the id of a rule with its setting
     --> policy.toml:3:8
      |
    3 | [rules.listeners]
      |        ^^^^^^^^^ expected a plugin and a rule
      |
      = help: write `"plugin/rule" = "SEVERITY"`, or `"off"`, with the quotes; `loopgate rules` lists the ids

    loopgate: 1 problem in policy.toml; nothing was judged
    "#);
}

#[test]
fn a_plugin_file_is_held_to_its_pin_and_its_name() {
    let text = format!("schema = 1\n[plugins.own]\npath = \"own.wasm\"\nsha256 = \"{}\"\n", "AB".repeat(32));
    let pin = |_: &PluginEntry| Loading::Failed(LoadFailure::Pin("cd".repeat(32)));
    assert_snapshot!(plain(&load_with(&text, pin).unwrap_err()), @r#"
    error: the file of the plugin `own` is not the one that was pinned
     --> policy.toml:4:10
      |
    4 | sha256 = "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ its SHA-256 is cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
      |
      = help: the file was not opened as a plugin; pin the new digest only if you know why it changed

    loopgate: 1 problem in policy.toml; nothing was judged
    "#);
    let named = |_: &PluginEntry| Loading::Configured { name: "other".parse().unwrap(), rules: Vec::new() };
    assert_snapshot!(plain(&load_with(&text, named).unwrap_err()), @r"
    error: the plugin calls itself `other`
     --> policy.toml:2:10
      |
    2 | [plugins.own]
      |          ^^^ write `[plugins.other]`
      |
      = help: rules are named after their plugin, so both names must agree

    loopgate: 1 problem in policy.toml; nothing was judged
    ");
}

#[test]
fn a_plugin_that_cannot_be_loaded_is_one_problem_and_not_one_for_each_of_its_rules() {
    let text = "schema = 1\n[plugins.own]\npath = \"own.wasm\"\n[rules]\n\"own/anything\" = \"off\"\n";
    let failed = |_: &PluginEntry| Loading::Failed(LoadFailure::Rejected("not a component".to_owned()));
    assert_snapshot!(plain(&load_with(text, failed).unwrap_err()), @r#"
    error: the plugin `own` is rejected
     --> policy.toml:3:8
      |
    3 | path = "own.wasm"
      |        ^^^^^^^^^^ not a component

    loopgate: 1 problem in policy.toml; nothing was judged
    "#);
}

#[test]
fn what_a_plugin_says_of_its_parameters_lands_on_the_line() {
    let text = "schema = 1\n[plugins.listeners.parameters]\nallow = [\n  { port = 22 },\n  { port = 99999 },\n]\n";
    let refuses = |entry: &PluginEntry| {
        let problem = |path: &str, message: &str| Problem { path: path.into(), message: message.into(), part: None };
        let complaints = vec![problem("/allow/1/port", "a port is at most 65535"), problem("", "`deny` is missing")];
        Loading::Refused { name: entry.name.clone(), complaints }
    };
    assert_snapshot!(plain(&load_with(text, refuses).unwrap_err()), @r"
    error: the plugin `listeners` refuses its parameters
     --> policy.toml:2:1
      |
    2 | [plugins.listeners.parameters]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `deny` is missing

    error: the plugin `listeners` refuses its parameters
     --> policy.toml:5:12
      |
    5 |   { port = 99999 },
      |            ^^^^^ a port is at most 65535
      |
      = help: at /allow/1/port

    loopgate: 2 problems in policy.toml; nothing was judged
    ");
}

#[test]
fn depth_and_length_are_survived() {
    let deep_array = format!("schema = 1\n[plugins.listeners.parameters]\na = {}", "[".repeat(100_000));
    let deep_key = format!("schema = 1\n{}a = 1", "a.".repeat(100_000));
    let deep_header = format!("schema = 1\n[{}a]", "a.".repeat(100_000));
    let long_name = format!("schema = 1\n{} = 1", "a".repeat(500_000));
    let many = "x = \n".repeat(50_000);
    let numbered = |line: fn(u32) -> String| (0..5_000).map(line).collect::<Vec<_>>().concat();
    let plugins = numbered(|number| format!("[plugins.listener{number}]\n"));
    let rules = numbered(|number| format!("\"listeners{number}/wildcrad-bind\" = \"low\"\n"));
    let locks = rules.replace("\"low\"", "false");
    let slips = format!("schema = 1\n{plugins}[locked]\n{locks}[rules]\n{rules}");
    for text in [deep_array, deep_key, deep_header, long_name, many, slips] {
        assert!(!complaint(&text).is_empty());
    }
}

/// Text that looks like a policy often enough to get beyond the parser.
fn policy_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "schema",
        "1",
        "fail_on",
        "on_unknown",
        "plugins",
        "rules",
        "extends",
        "locked",
        "approved",
        "false",
        "listeners",
        "parameters",
        "path",
        "sha256",
        " = ",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        "\n",
        "\"listeners/x\"",
        "\"high\"",
        "\"off\"",
        "0x1",
        "1e9",
        "inf",
        "2020-01-01",
        "true",
        "#",
        "\\u0000",
        "é",
        "\u{202e}",
        "\u{1b}",
        "\r",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in prop_oneof![any::<String>(), policy_like()]) {
        if let Err(problems) = load_with(&text, loaded) {
            let shown = plain(&problems);
            prop_assert!(!shown.is_empty());
            let is_unsafe = |character| character != '\n' && loopgate_facts::is_unsafe_to_print(character);
            prop_assert!(!shown.chars().any(is_unsafe), "{shown:?}");
        }
    }
}
