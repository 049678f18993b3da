//! Several layers: what a lower one may do, and what it is told when it may not.

use insta::assert_snapshot;
use loopgate_engine::Severity;
use proptest::prelude::*;

use super::{assemble, loaded};
use crate::policy::diagnostic::tests::plain;
use crate::policy::layers::Layers;
use crate::policy::merge::merge;
use crate::policy::{OnUnknown, Policy, RuleId, RuleSetting};

const PLUGINS: &str = "schema = 1\n[plugins.listeners]\n[plugins.loopback]\n";

fn policy(texts: &[(&str, &str)]) -> Policy {
    assemble(&Layers::of_texts(texts), loaded).unwrap_or_else(|problems| panic!("{}", plain(&problems)))
}

fn complaint(texts: &[(&str, &str)]) -> String {
    plain(&assemble(&Layers::of_texts(texts), loaded).unwrap_err())
}

fn setting(policy: &Policy, id: &str) -> Option<RuleSetting> {
    policy.setting(&RuleId::parse(id).unwrap())
}

/// What becomes of `listeners/wildcard-bind`, which is high by itself, under these layers.
fn wildcard_bind(layers: &[(&str, &str)]) -> Result<Option<RuleSetting>, String> {
    let text = |(head, setting): &(&str, &str)| {
        let head = format!("schema = 1\n{head}\n[plugins.listeners]\n[rules]\n");
        if setting.is_empty() { head } else { format!("{head}\"listeners/wildcard-bind\" = \"{setting}\"\n") }
    };
    let texts: Vec<(String, String)> =
        layers.iter().enumerate().map(|(position, layer)| (format!("{position}.toml"), text(layer))).collect();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(label, text)| (label.as_str(), text.as_str())).collect();
    let policy = assemble(&Layers::of_texts(&texts), loaded).map_err(|problems| plain(&problems))?;
    Ok(setting(&policy, "listeners/wildcard-bind"))
}

#[test]
fn a_lower_layer_may_tighten_everything() {
    let org = format!("{PLUGINS}[rules]\n\"listeners/outside-bind\" = \"low\"\n");
    let org = format!("fail_on = \"medium\"\non_unknown = \"report\"\n{org}");
    let team = "schema = 1\nfail_on = \"low\"\non_unknown = \"incomplete\"\n[plugins.boundary]\n[rules]\n\
                \"listeners/wildcard-bind\" = \"critical\"\n\"listeners/outside-bind\" = \"high\"\n";
    let policy = policy(&[("org.toml", &org), ("team.toml", team)]);
    assert_eq!((policy.fail_on, policy.on_unknown), (Severity::Low, OnUnknown::Incomplete));
    assert_eq!(setting(&policy, "listeners/wildcard-bind"), Some(RuleSetting::AtLeast(Severity::Critical)));
    assert_eq!(setting(&policy, "listeners/outside-bind"), Some(RuleSetting::Severity(Severity::High)));
}

#[test]
fn a_loosening_is_refused_at_its_line_with_the_line_above_it() {
    let org = format!("fail_on = \"low\"\n{PLUGINS}[rules]\n\"loopback/wildcard-bind\" = \"critical\"\n");
    let team = "schema = 1\nfail_on = \"high\"\non_unknown = \"report\"\n[rules]\n\
                \"loopback/wildcard-bind\" = \"high\"\n\"listeners/wildcard-bind\" = \"off\"\n";
    assert_snapshot!(complaint(&[("org.toml", &org), ("team.toml", team)]), @r#"
    error: `fail_on` may not be loosened here
     --> team.toml:2:11
      |
    2 | fail_on = "high"
      |           ^^^^^^ `high` is looser than `low`
      |
     ::: org.toml:1:11
      |
    1 | fail_on = "low"
      |           ----- set here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `fail_on = false`

    error: `on_unknown` may not be loosened here
     --> team.toml:3:14
      |
    3 | on_unknown = "report"
      |              ^^^^^^^^ `report` is looser than `incomplete`, which a policy without it means
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `on_unknown = false`

    error: `loopback/wildcard-bind` may not be loosened here
     --> team.toml:5:28
      |
    5 | "loopback/wildcard-bind" = "high"
      |                            ^^^^^^ `high` is looser than `critical`
      |
     ::: org.toml:6:28
      |
    6 | "loopback/wildcard-bind" = "critical"
      |                            ---------- set here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `"loopback/wildcard-bind" = false`

    error: `listeners/wildcard-bind` may not be loosened here
     --> team.toml:6:29
      |
    6 | "listeners/wildcard-bind" = "off"
      |                             ^^^^^ `off` is looser than `high`, which the rule has by itself
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `"listeners/wildcard-bind" = false`

    loopgate: 4 problems in team.toml; nothing was judged
    "#);
}

/// An organisation that does not speak of approvals, and a repository that brings the plugin along with `server`.
#[test]
fn who_brings_a_plugin_fills_it_unless_a_layer_above_locks_it_in_words() {
    let own = "schema = 1\n[plugins.listeners]\n[plugins.listeners.parameters]\nports = [22]\n";
    let merged = |org: &str| {
        let org = format!("schema = 1\n{org}");
        merge(
            &Layers::of_texts(&[("org.toml", &org), ("server.toml", SERVER_LIKE), ("repo.toml", own)]),
            &super::BUILT_IN,
        )
        .1
    };
    for silent in ["", "[plugins.loopback]\n", "[locked]\nwaivers = false\n"] {
        assert_eq!(merged(silent), [], "{silent}");
    }
    for speaks in ["[plugins.listeners]\n", "locked = true\n", "[locked]\nlisteners = true\n"] {
        assert!(!merged(speaks).is_empty(), "{speaks}");
    }
}

/// What locks nothing and names the plugin, as the built-in policies do.
const SERVER_LIKE: &str =
    "schema = 1\nlocked = false\n[plugins.listeners]\n[plugins.listeners.parameters]\nports = [80]\n";

#[test]
fn what_is_unlocked_may_be_loosened_and_only_that() {
    assert_eq!(wildcard_bind(&[("", ""), ("", "critical")]), Ok(Some(RuleSetting::AtLeast(Severity::Critical))));
    for head in ["locked = false", "[locked]\nrules = false", "[locked]\n\"listeners/wildcard-bind\" = false"] {
        assert_eq!(wildcard_bind(&[(head, ""), ("", "off")]), Ok(Some(RuleSetting::Off)), "{head}");
        assert_eq!(wildcard_bind(&[(head, "low"), ("", "info")]), Ok(Some(RuleSetting::Severity(Severity::Info))));
    }
    for head in ["locked = true", "[locked]\nlisteners = false", "[locked]\n\"listeners/outside-bind\" = false"] {
        wildcard_bind(&[(head, ""), ("", "off")]).unwrap_err();
        wildcard_bind(&[(head, "high"), ("", "medium")]).unwrap_err();
    }
}

#[test]
fn every_layer_above_must_unlock() {
    let free = "locked = false";
    wildcard_bind(&[("", ""), (free, ""), (free, ""), ("", "off")]).unwrap_err();
    wildcard_bind(&[(free, ""), ("", ""), (free, ""), ("", "off")]).unwrap_err();
    assert_eq!(wildcard_bind(&[(free, ""), (free, ""), (free, ""), ("", "off")]), Ok(Some(RuleSetting::Off)));
}

#[test]
fn what_is_off_may_be_turned_on_again_by_anybody() {
    let on = Ok(Some(RuleSetting::AtLeast(Severity::Low)));
    assert_eq!(wildcard_bind(&[("", "off"), ("", "low")]), on);
    assert_eq!(wildcard_bind(&[("", "off"), ("", "off")]), Ok(Some(RuleSetting::Off)));
    wildcard_bind(&[("", "off"), ("", "low"), ("", "off")]).unwrap_err();
}

#[test]
fn who_adds_a_plugin_sets_its_rules_unless_somebody_above_did() {
    let own = "schema = 1\n[plugins.boundary]\n[rules]\n\"boundary/wildcard-bind\" = \"off\"\n";
    let policy = policy(&[("org.toml", PLUGINS), ("team.toml", own)]);
    assert_eq!(setting(&policy, "boundary/wildcard-bind"), Some(RuleSetting::Off));
    let org = format!("{PLUGINS}[rules]\n\"boundary/wildcard-bind\" = \"high\"\n");
    assert!(complaint(&[("org.toml", &org), ("team.toml", own)]).contains("may not be loosened here"));
}

#[test]
fn a_shipped_policy_below_another_gives_way() {
    let org = format!("fail_on = \"low\"\n{PLUGINS}");
    let policy = policy(&[("org.toml", &org), ("default", "")]);
    assert_eq!(policy.fail_on, Severity::Low);
}

#[test]
fn a_plugin_of_a_layer_above_is_left_as_it_is() {
    let pin = "ab".repeat(32);
    let org = format!(
        "schema = 1\n[plugins.own]\npath = \"own.wasm\"\nsha256 = \"{pin}\"\n[plugins.own.parameters]\nports = [22]\n\
         [plugins.listeners]\n"
    );
    let team = format!(
        "schema = 1\n[plugins.own]\npath = \"other.wasm\"\nsha256 = \"{}\"\n[plugins.own.parameters]\nports = [22, 80]\n\
         more = 1\n[plugins.listeners]\npath = \"fake.wasm\"\n",
        "cd".repeat(32)
    );
    assert_snapshot!(complaint(&[("org.toml", &org), ("team.toml", &team)]), @r#"
    error: the plugin `own` may not be changed here
     --> team.toml:3:8
      |
    3 | path = "other.wasm"
      |        ^^^^^^^^^^^^ a layer above has settled this
      |
     ::: org.toml:3:8
      |
    3 | path = "own.wasm"
      |        ---------- settled here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `own = false`

    error: the plugin `own` may not be changed here
     --> team.toml:6:9
      |
    6 | ports = [22, 80]
      |         ^^^^^^^^ a layer above has settled this
      |
     ::: org.toml:6:9
      |
    6 | ports = [22]
      |         ---- settled here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `own = false`

    error: the plugin `own` may not be changed here
     --> team.toml:7:8
      |
    7 | more = 1
      |        ^ a layer above has settled this
      |
     ::: org.toml:5:1
      |
    5 | [plugins.own.parameters]
      | ------------------------ settled here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `own = false`

    error: the built-in plugin `listeners` may not be replaced here
     --> team.toml:9:8
      |
    9 | path = "fake.wasm"
      |        ^^^^^^^^^^^ give the plugin of this file a name of its own
      |
     ::: org.toml:7:10
      |
    7 | [plugins.listeners]
      |          --------- a layer above goes by it

    loopgate: 4 problems in team.toml; nothing was judged
    "#);
    let unlocked = format!("{org}[locked]\nown = false\nlisteners = false\n");
    let layers = Layers::of_texts(&[("org.toml", &unlocked), ("team.toml", &team)]);
    let (merged, problems) = merge(&layers, &super::BUILT_IN);
    assert_eq!(layers.problems, []);
    // What is built in stays what it is, whatever is unlocked.
    let titles: Vec<String> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert!(titles.len() == 1 && titles[0].contains("the built-in plugin `listeners` may not be replaced here"));
    let own = merged.plugins.iter().find(|plugin| plugin.name.as_str() == "own").unwrap();
    assert_eq!(own.parameters.json(), r#"{"more":1,"ports":[22,80]}"#);
}

#[test]
fn a_pin_may_be_added_but_not_lost() {
    let org = "schema = 1\n[plugins.own]\npath = \"own.wasm\"\n";
    let pinned = format!("{org}sha256 = \"{}\"\n", "ab".repeat(32));
    let merged = |texts: &[(&str, &str)]| merge(&Layers::of_texts(texts), &super::BUILT_IN);
    let is_pinned = |texts: &[(&str, &str)]| {
        let (merged, problems) = merged(texts);
        assert_eq!(problems, []);
        matches!(&merged.plugins[0].origin, Some(crate::policy::merge::Origin::File { sha256: Some(_), .. }))
    };
    assert!(is_pinned(&[("org.toml", org), ("team.toml", &pinned)]));
    assert!(is_pinned(&[("org.toml", &pinned), ("team.toml", org)]));
}

#[test]
fn items_of_a_shorthand_are_appended_and_keep_their_lines() {
    let org = "schema = 1\n[locked]\napproved = false\n[[approved]]\nport = 22\n[plugins.approved.parameters]\n\
               listeners = [{ port = 1 }]\n";
    let team = "schema = 1\n\n[[approved]]\nport = 80\n[[approved]]\nport = 443\n[[cel]]\nid = \"a\"\n";
    let layers = Layers::of_texts(&[("org.toml", org), ("team.toml", team)]);
    let (merged, problems) = merge(&layers, &["approved", "cel"]);
    assert_eq!((layers.problems.as_slice(), problems.as_slice()), (&[][..], &[][..]));
    let [approved, cel] = merged.plugins.as_slice() else { panic!("{:?}", merged.plugins) };
    assert_eq!(approved.parameters.json(), r#"{"listeners":[{"port":1},{"port":22},{"port":80},{"port":443}]}"#);
    assert_eq!(cel.parameters.json(), r#"{"rules":[{"id":"a"}]}"#);
    let line = |pointer: &str| {
        let at = approved.parameters.exact_span(pointer).unwrap();
        layers.sources.line(at).unwrap().to_string()
    };
    assert_eq!(line("/listeners/0"), "org.toml:7");
    assert_eq!(line("/listeners/1"), "org.toml:4");
    assert_eq!(line("/listeners/3"), "team.toml:5");
    assert_eq!(line("/listeners/3/port"), "team.toml:6");
}

#[test]
fn rules_of_ones_own_may_always_be_added_and_approvals_may_not() {
    let org = "schema = 1\n[[approved]]\nport = 22\n[[cel]]\nid = \"a\"\n";
    let team = "schema = 1\n[[approved]]\nport = 80\n[[cel]]\nid = \"b\"\n";
    let layers = Layers::of_texts(&[("org.toml", org), ("team.toml", team)]);
    let (merged, problems) = merge(&layers, &["approved", "cel"]);
    assert_eq!(problems.len(), 1);
    let json: Vec<String> = merged.plugins.iter().map(|plugin| plugin.parameters.json()).collect();
    assert_eq!(json, [r#"{"listeners":[{"port":22}]}"#, r#"{"rules":[{"id":"a"},{"id":"b"}]}"#]);
    assert_snapshot!(plain(&crate::policy::diagnostic::Problems::new(&layers.sources, problems)), @r"
    error: the plugin `approved` may not be changed here
     --> team.toml:2:1
      |
    2 | [[approved]]
      | ^^^^^^^^^^^^ a layer above has settled this
      |
     ::: org.toml:2:1
      |
    2 | [[approved]]
      | ------------ settled here
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `approved = false`

    loopgate: 1 problem in team.toml; nothing was judged
    ");
}

#[test]
fn a_shorthand_that_is_no_array_of_tables() {
    let text = "schema = 1\napproved = [1, { port = 1 }]\ncel = 5\n";
    assert_snapshot!(complaint(&[("p.toml", text)]), @r#"
    error: an item of `approved` must be a table
     --> p.toml:2:13
      |
    2 | approved = [1, { port = 1 }]
      |             ^ expected a table, found an integer

    error: unknown plugin `approved`
     --> p.toml:2:16
      |
    2 | approved = [1, { port = 1 }]
      |                ^^^^^^^^^^^^ no built-in plugin has this name
      |
      = help: built in are `boundary`, `firewall`, `listeners`, `loopback`; for a plugin of your own, add `path = "FILE.wasm"`

    error: `cel` must be an array
     --> p.toml:3:7
      |
    3 | cel = 5
      |       ^ expected an array, found an integer

    error: unknown plugin `cel`
     --> p.toml:3:7
      |
    3 | cel = 5
      |       ^ no built-in plugin has this name
      |
      = help: built in are `boundary`, `firewall`, `listeners`, `loopback`; for a plugin of your own, add `path = "FILE.wasm"`

    loopgate: 4 problems in p.toml; nothing was judged
    "#);
}

#[test]
fn locks_are_checked_for_slips() {
    let text = "schema = 1\n[plugins.listeners]\n[locked]\nfail-on = false\nlistners = false\nlater = false\n\
                \"listeners/wildcrad-bind\" = false\n\"later/rule\" = false\n\"No Name\" = false\nrules = 1\n";
    assert_snapshot!(complaint(&[("p.toml", text)]), @r#"
    error: unknown plugin `fail-on`
     --> p.toml:4:1
      |
    4 | fail-on = false
      | ^^^^^^^ did you mean `fail_on`?

    error: unknown plugin `listners`
     --> p.toml:5:1
      |
    5 | listners = false
      | ^^^^^^^^ did you mean `listeners`?

    error: unknown rule `listeners/wildcrad-bind`
     --> p.toml:7:1
      |
    7 | "listeners/wildcrad-bind" = false
      | ^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `listeners/wildcard-bind`?

    error: nothing that can be locked
     --> p.toml:9:1
      |
    9 | "No Name" = false
      | ^^^^^^^^^ no plugin and no rule has such a name
      |
      = help: `fail_on`, `on_unknown`, `waivers`, `waiver_days`, `rules`, the name of a plugin, or the id of a rule in quotes

    error: `locked.rules` must be a boolean
      --> p.toml:10:9
       |
    10 | rules = 1
       |         ^ expected a boolean, found an integer

    loopgate: 5 problems in p.toml; nothing was judged
    "#);
    assert_snapshot!(complaint(&[("p.toml", "schema = 1\nlocked = 1\n")]), @r"
    error: `locked` must be a boolean or a table
     --> p.toml:2:10
      |
    2 | locked = 1
      |          ^ expected a boolean or a table, found an integer

    loopgate: 1 problem in p.toml; nothing was judged
    ");
}

#[test]
fn everything_in_every_layer_is_reported_at_once() {
    let org = "schema = 1\nfail_on = \"hihg\"\n[plugins.listeners]\n";
    let team = "schema = 1\nnonsense\n[rules]\n\"listeners/nothing\" = \"low\"\n";
    let repo = "colour = 1\n";
    assert_snapshot!(complaint(&[("org.toml", org), ("team.toml", team), ("repo.toml", repo)]), @r#"
    error: `hihg` is not a value of `fail_on`
     --> org.toml:2:11
      |
    2 | fail_on = "hihg"
      |           ^^^^^^ did you mean `high`?
      |
      = help: expected one of `info`, `low`, `medium`, `high`, `critical`

    error: not valid TOML: key with no value, expected `=`
     --> team.toml:2:9
      |
    2 | nonsense
      |         ^

    error: unknown rule `listeners/nothing`
     --> team.toml:4:1
      |
    4 | "listeners/nothing" = "low"
      | ^^^^^^^^^^^^^^^^^^^ the plugin `listeners` has no such rule
      |
      = help: `loopgate rules --policy FILE` lists the rules of a policy's plugins

    error: the policy does not say which schema it is written in
     --> repo.toml:1:1
      |
    1 | colour = 1
      | ^
      |
      = help: begin the file with `schema = 1`

    error: unknown key `colour` in the policy
     --> repo.toml:1:1
      |
    1 | colour = 1
      | ^^^^^^ expected one of `schema`, `extends`, `locked`, `fail_on`, `on_unknown`, `plugins`, `waivers`, `waiver_days`, `frameworks`, `controls`, `rules`, `approved`, `cel`

    loopgate: 5 problems in org.toml and team.toml and repo.toml; nothing was judged
    "#);
}

/// What a layer says, at random: of settings and of two rules that are high and medium by themselves.
fn layer() -> impl Strategy<Value = String> {
    let maybe = |words: &'static [&'static str]| prop::option::of(prop::sample::select(words));
    let severities = &["info", "low", "medium", "high", "critical"];
    let settings = &["info", "low", "medium", "high", "critical", "off"];
    let said = (maybe(severities), maybe(&["report", "incomplete"]), maybe(settings), maybe(settings), any::<bool>());
    said.prop_map(|(fail_on, on_unknown, wildcard, outside, has_plugin)| {
        let line = |key: &str, word: Option<&str>| word.map(|word| format!("{key} = \"{word}\"\n")).unwrap_or_default();
        [
            line("fail_on", fail_on),
            line("on_unknown", on_unknown),
            if has_plugin { "[plugins.listeners]\n".to_owned() } else { String::new() },
            "[rules]\n".to_owned(),
            line("\"listeners/wildcard-bind\"", wildcard),
            line("\"listeners/outside-bind\"", outside),
        ]
        .concat()
    })
}

/// How severe a finding is that has this severity by itself; nothing if it is not looked for.
fn weight(policy: &Policy, rule: &str, own: Severity) -> Option<Severity> {
    match setting(policy, rule) {
        Some(RuleSetting::Off) => None,
        Some(setting) => Some(setting.applied_to(own)),
        None => Some(own),
    }
}

proptest! {
    /// The promise of layers: whatever those below say and unlock, what is accepted is nowhere looser than the uppermost.
    #[test]
    fn no_layer_loosens_what_is_locked_above(org in layer(), team in layer(), repo in layer(), lock: bool) {
        let org = format!("schema = 1\n{org}").replace("[rules]", "[plugins.loopback]\n[rules]");
        let org = if org.contains("[plugins.listeners]") { org } else { org.replace("[rules]", "[plugins.listeners]\n[rules]") };
        let team = format!("schema = 1\nlocked = {lock}\n{team}");
        let repo = format!("schema = 1\n{repo}");
        let above = policy(&[("org.toml", &org)]);
        let all = Layers::of_texts(&[("org.toml", &org), ("team.toml", &team), ("repo.toml", &repo)]);
        let Ok(all) = assemble(&all, loaded) else { return Ok(()) };
        prop_assert!(all.fail_on <= above.fail_on);
        prop_assert!(all.on_unknown == above.on_unknown || all.on_unknown == OnUnknown::Incomplete);
        for rule in ["listeners/wildcard-bind", "listeners/outside-bind"] {
            for own in Severity::ALL {
                prop_assert!(weight(&all, rule, own) >= weight(&above, rule, own), "{rule} {own}\n{org}\n{team}\n{repo}");
            }
        }
    }
}
