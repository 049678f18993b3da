//! The examples in the page of every rule, judged by the embedded component itself.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

mod machine;

use std::fs;
use std::path::{Path, PathBuf};

use loopgate_engine::{Builtin, ConfiguredPlugin, Engine, Outcome, Plugin, PreparedFacts, Severity};
use loopgate_facts::ReachVerdict;
use loopgate_plugin::{Example, Expected, RulePage};

fn configure(engine: &Engine, builtin: &Builtin, parameters: &str) -> ConfiguredPlugin {
    let plugin = Plugin::from_builtin(engine, builtin).unwrap();
    plugin.configure(parameters).unwrap_or_else(|error| panic!("{}: {parameters}: {error:?}", builtin.name))
}

/// The built-in plugins as they are without parameters: all but the one whose rules are those of the policy.
fn plugins(engine: &Engine) -> Vec<(&'static Builtin, ConfiguredPlugin)> {
    let builtins = loopgate_builtins::all().iter().filter(|builtin| builtin.name != "cel");
    builtins.map(|builtin| (builtin, configure(engine, builtin, "{}"))).collect()
}

fn pages(builtin: &Builtin) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(builtin.name).join("src")
}

fn outcomes(plugin: &ConfiguredPlugin, facts: &PreparedFacts) -> Vec<Outcome> {
    let results = plugin.evaluate(facts).unwrap();
    results.into_iter().map(|result| result.expect("an answer for every rule").outcome).collect()
}

fn patched(patch: &str) -> Result<PreparedFacts, String> {
    machine::patched(patch).map(|facts| PreparedFacts::new(&facts))
}

fn kind(outcome: &Outcome) -> Expected {
    match outcome {
        Outcome::Pass => Expected::Pass,
        Outcome::Fail { .. } => Expected::Fail,
        Outcome::NotApplicable(_) => Expected::NotApplicable,
        Outcome::Unknown(_) => Expected::Unknown,
    }
}

/// What is wrong with an example, if anything.
fn judge(engine: &Engine, builtin: &Builtin, rule: usize, example: &Example) -> Option<String> {
    let facts = match patched(&example.patch) {
        Ok(facts) => facts,
        Err(error) => return Some(format!("not facts: {error}")),
    };
    let parameters = example.parameters.as_deref().unwrap_or("{}");
    let outcome = &outcomes(&configure(engine, builtin, parameters), &facts)[rule];
    (kind(outcome) != example.expected).then(|| format!("expected {:?}, got {outcome:#?}", example.expected))
}

#[test]
fn every_example_has_the_outcome_that_its_page_says() {
    let engine = Engine::new().unwrap();
    let mut wrong = Vec::new();
    let mut judged = 0;
    for (builtin, plugin) in plugins(&engine) {
        for (index, rule) in plugin.rules().iter().enumerate() {
            let path = pages(builtin).join(format!("{}.md", rule.name));
            let page = RulePage::parse(&fs::read_to_string(&path).unwrap()).unwrap();
            for example in &page.examples {
                judged += 1;
                let problem = judge(&engine, builtin, index, example);
                wrong.extend(problem.map(|problem| format!("{}:{}: {problem}", path.display(), example.line)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(judged >= 40, "only {judged} examples: were the pages found?");
}

#[test]
fn every_rule_has_a_complete_page_with_a_good_and_a_bad_example() {
    let engine = Engine::new().unwrap();
    for (builtin, plugin) in plugins(&engine) {
        for rule in plugin.rules() {
            let path = pages(builtin).join(format!("{}.md", rule.name));
            let page = RulePage::parse(&fs::read_to_string(&path).unwrap()).unwrap();
            let shows = |expected| page.examples.iter().any(|example| example.expected == expected);
            assert!(shows(Expected::Pass) && shows(Expected::Fail), "{}: a good and a bad example", rule.name);
            for text in [&page.title, &page.description, &page.rationale, &page.remediation] {
                assert!(!text.trim().is_empty(), "{}: a section is empty", rule.name);
            }
            assert!(!page.references.is_empty(), "{}: no references", rule.name);
            assert_eq!(page.title, rule.title.as_str(), "the component describes what the page says");
        }
    }
}

/// What is embedded was asked when it was built, so that no run has to.
#[test]
fn every_plugin_is_described_as_it_describes_itself() {
    let engine = Engine::new().unwrap();
    for builtin in loopgate_builtins::all() {
        let embedded = Plugin::from_builtin(&engine, builtin).unwrap();
        let asked = Plugin::from_component(&engine, builtin.component).unwrap();
        assert_eq!(embedded.info(), asked.info());
    }
}

#[test]
fn a_quiet_machine_passes_every_rule() {
    let engine = Engine::new().unwrap();
    let facts = patched("{}").unwrap();
    for (builtin, plugin) in plugins(&engine) {
        for (rule, outcome) in plugin.rules().iter().zip(outcomes(&plugin, &facts)) {
            let is_quiet = matches!(outcome, Outcome::Pass | Outcome::NotApplicable(_));
            assert!(is_quiet, "{}/{}: {outcome:#?}", builtin.name, rule.name);
        }
    }
}

/// A machine on a desk, without any packet filter: printing, discovery and development listen as usual.
const LAPTOP: &str = r#"{
  "firewall": {
    "backends": [
      { "kind": "nf-tables", "state": "absent" },
      { "kind": "ip-tables", "state": "absent" },
      { "kind": "ip6-tables", "state": "absent" }
    ],
    "base_chains": []
  },
  "listeners": [
    { "id": "tcp/127.0.0.1:631", "protocol": "tcp", "address": "127.0.0.1", "port": 631, "scope": "loopback",
      "multipath": false, "origin": "socket", "sockets": [], "owners": [] },
    { "id": "tcp/[::1]:631", "protocol": "tcp", "address": "::1", "port": 631, "scope": "loopback",
      "ipv6_only": true, "multipath": false, "origin": "socket", "sockets": [], "owners": [] },
    { "id": "tcp/127.0.0.1:5432", "protocol": "tcp", "address": "127.0.0.1", "port": 5432, "scope": "loopback",
      "multipath": false, "origin": "socket", "sockets": [], "owners": [] },
    { "id": "tcp/0.0.0.0:3000", "protocol": "tcp", "address": "0.0.0.0", "port": 3000, "scope": "unspecified",
      "multipath": false, "origin": "socket", "sockets": [], "owners": [] },
    { "id": "udp/0.0.0.0:5353", "protocol": "udp", "address": "0.0.0.0", "port": 5353, "scope": "unspecified",
      "multipath": false, "origin": "socket", "sockets": [], "owners": [] }
  ]
}"#;

#[test]
fn a_laptop_without_a_packet_filter_hears_of_it_once() {
    let engine = Engine::new().unwrap();
    let plugin = configure(&engine, loopgate_builtins::find("firewall").unwrap(), "{}");
    let mut facts = machine::patched(LAPTOP).unwrap();
    for region in facts.firewall.default_input.iter_mut().flat_map(|unused| &mut unused.reachability) {
        (region.verdict, region.reason, region.decided_by) = (ReachVerdict::Reachable, None, None);
    }
    let outcomes = outcomes(&plugin, &PreparedFacts::new(&facts));
    let findings = outcomes.iter().flat_map(|outcome| match outcome {
        Outcome::Fail { findings, .. } => findings.as_slice(),
        Outcome::Pass | Outcome::NotApplicable(_) => &[],
        Outcome::Unknown(reasons) => panic!("{reasons:?}"),
    });
    let severities: Vec<_> = findings.map(|finding| finding.severity).collect();
    assert_eq!(severities, [Some(Severity::Low)], "{outcomes:#?}");
}

/// Fail closed, whatever the rule: an area that a rule needs and that was not seen at all is never a pass.
#[test]
fn no_rule_passes_without_what_it_needs() {
    let engine = Engine::new().unwrap();
    for (_, plugin) in plugins(&engine) {
        for (index, rule) in plugin.rules().iter().enumerate() {
            assert!(!rule.needs.is_empty(), "{}: needs nothing", rule.name);
            for area in &rule.needs {
                let gap = format!(
                    r#"{{"gaps":[{{"area":"{area}","subject":null,"reason":"denied","leaves_unknown":"all of it"}}]}}"#
                );
                let outcome = &outcomes(&plugin, &patched(&gap).unwrap())[index];
                assert!(matches!(outcome, Outcome::Unknown(_)), "{} without {area}: {outcome:#?}", rule.name);
            }
        }
    }
}
