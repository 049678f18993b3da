//! Waivers that cannot be used.

use insta::assert_snapshot;

use super::{assemble, complaint, loaded};
use crate::policy::diagnostic::tests::plain;
use crate::policy::layers::Layers;

#[test]
fn every_mistake_in_a_waiver_is_shown_at_its_place() {
    let text = r#"schema = 1
[plugins.listeners]
[[waivers]]
rule = "listeners/wildcard-bind"
port = 80
owner = "web team"
expires = 2027-02-30
[[waivers]]
rule = "listeners/wildcrad-bind"
port = 80
interface = "eth0"
reason = " "
owner = "web team"
expires = "2027-01-31"
[[waivers]]
rule = "listeners/wildcrad-bind"
port = "90-80"
reason = "because"
owner = "web team"
expires = "2027-01-31"
"#;
    assert_snapshot!(complaint(text), @r#"
    error: this waiver cannot be used
     --> policy.toml:3:1
      |
    3 | [[waivers]]
      | ^^^^^^^^^^^ `reason` is missing

    error: not valid TOML: invalid date, expected day between 01 and 28
     --> policy.toml:7:11
      |
    7 | expires = 2027-02-30
      |           ^^^^^^^^^^

    error: this waiver cannot be used
     --> policy.toml:8:1
      |
    8 | [[waivers]]
      | ^^^^^^^^^^^ a waiver is about one kind of subject: name a listener by executable, unit, user, container, image, protocol, port or address, or else an interface, sysctl, name, subject, or `host = true`

    error: a waiver names the unknown rule `listeners/wildcrad-bind`
     --> policy.toml:9:8
      |
    9 | rule = "listeners/wildcrad-bind"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `listeners/wildcard-bind`?

    error: this waiver cannot be used
      --> policy.toml:12:10
       |
    12 | reason = " "
       |          ^^^ expected a text that says it in a few words, found ` `

    error: a waiver names the unknown rule `listeners/wildcrad-bind`
      --> policy.toml:16:8
       |
    16 | rule = "listeners/wildcrad-bind"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `listeners/wildcard-bind`?

    error: this waiver cannot be used
      --> policy.toml:17:8
       |
    17 | port = "90-80"
       |        ^^^^^^^ the range is upside down: 90 is above 80; write "80-90"

    loopgate: 7 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn a_waiver_of_an_unknown_rule_and_of_a_waiver_are_problems() {
    let waiver = |rule: &str| {
        format!("[[waivers]]\nrule = \"{rule}\"\nport = 80\nreason = \"r\"\nowner = \"o\"\nexpires = 2027-01-31\n")
    };
    let text =
        format!("schema = 1\n[plugins.listeners]\n{}{}", waiver("listeners/wildcard-bnid"), waiver("waivers/unused"));
    assert_snapshot!(complaint(&text), @r#"
    error: a waiver names the unknown rule `listeners/wildcard-bnid`
     --> policy.toml:4:8
      |
    4 | rule = "listeners/wildcard-bnid"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `listeners/wildcard-bind`?

    error: a waiver of what is found about waivers
      --> policy.toml:10:8
       |
    10 | rule = "waivers/unused"
       |        ^^^^^^^^^^^^^^^^ mend the waiver that it is about instead

    loopgate: 2 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn every_misspelt_rule_of_a_control_is_shown_at_once() {
    let text = "schema = 1\n[plugins.listeners]\n[[controls]]\nids = { F = \"1\" }\nrules = [\"listeners/wildcrad-bind\", \"bad\", \"listeners/wildcard-bnid\"]\n";
    let complaint = complaint(text);
    for part in ["`title` is missing", "the id of a rule, `plugin/rule`", "wildcrad-bind`", "wildcard-bnid`"] {
        assert!(complaint.contains(part), "{part}: {complaint}");
    }
}

#[test]
fn a_lower_layer_may_waive_only_where_the_upper_one_lets_it() {
    let upper = "schema = 1\n[plugins.listeners]\n";
    let lower = "schema = 1\n[[waivers]]\nrule = \"listeners/wildcard-bind\"\nport = 80\nreason = \"r\"\nowner = \"o\"\nexpires = 2027-01-31\n";
    let stacked = |upper| assemble(&Layers::of_texts(&[("org.toml", upper), ("repo.toml", lower)]), loaded);
    assert_snapshot!(plain(&stacked(upper).unwrap_err()), @r"
    error: findings may not be waived here
     --> repo.toml:2:1
      |
    2 | [[waivers]]
      | ^^^^^^^^^^^ accepts findings of `listeners/wildcard-bind`
      |
      = help: org.toml locks it: a layer below may only tighten it, unless `[locked]` there says `waivers = false`

    loopgate: 1 problem in repo.toml; nothing was judged
    ");
    let upper = "schema = 1\n[plugins.listeners]\n[locked]\nwaivers = false\n";
    assert_eq!(stacked(upper).unwrap().waivers.len(), 1);
}
