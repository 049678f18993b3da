//! Rules that a policy writes as CEL expressions, as a user meets them.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Run, outcome, quiet_facts, reached_by_everybody, run, subjects, tree};

/// A machine on which one service is open to everybody.
fn facts() -> Value {
    let mut facts = quiet_facts();
    facts["listeners"] = json!([{
        "id": "tcp/0.0.0.0:5432", "protocol": "tcp", "address": "0.0.0.0", "port": 5432, "scope": "unspecified",
        "ipv6_only": null, "zone": null, "bound_interface": null, "multipath": false, "origin": "socket",
        "sockets": [{ "inode": 1, "uid": 990 }],
        "owners": [{ "pid": 812, "name": "postgres", "executable": "/usr/lib/postgresql/15/bin/postgres",
            "command_line": ["postgres"], "uid": 990, "user": "postgres", "cgroup": "/system.slice/postgresql.service",
            "unit": "postgresql.service", "container": null }],
        "reachability": reached_by_everybody(5432)
    }]);
    facts
}

fn judge(policy: &Path, format: &str) -> Run {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("facts.json");
    fs::write(&path, facts().to_string()).unwrap();
    let arguments = ["check", "--format", format, "--policy"].map(std::ffi::OsStr::new);
    run(arguments.into_iter().chain([policy.as_os_str(), "--facts".as_ref(), path.as_os_str()]))
}

fn judge_by(policy: &str, format: &str) -> Run {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("policy.toml");
    fs::write(&path, policy).unwrap();
    let mut run = judge(&path, format);
    let place = format!("{}/", folder.path().display());
    run.stdout = run.stdout.replace(&place, "");
    run.stderr = run.stderr.replace(&place, "");
    run
}

#[test]
fn the_examples_judge_a_machine() {
    let run = judge(&tree("policies/examples/cel.toml"), "json");
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let report = run.json();
    assert_eq!(report["rules"].as_array().unwrap().len(), 10);
    assert_eq!(subjects(&report, "cel/databases-stay-in-their-subnet"), ["tcp/0.0.0.0:5432"]);
    assert_eq!(subjects(&report, "cel/no-ipv6"), ["eth0"]);
    assert_eq!(outcome(&report, "cel/listeners-are-installed"), "pass");
    assert_eq!(outcome(&report, "cel/low-ports-are-for-the-system"), "not-applicable");
}

#[test]
fn a_finding_names_the_line_of_the_policy_that_decided() {
    let run = judge(&tree("policies/examples/cel.toml"), "text");
    let text = fs::read_to_string(tree("policies/examples/cel.toml")).unwrap();
    let line =
        text.lines().position(|line| line.starts_with("check = 'reach_at_most(listener, \"link\")'")).unwrap() + 1;
    assert!(run.stdout.contains(&format!("cel.toml:{line}")), "{}", run.stdout);
    assert!(
        run.stdout.contains("the database tcp/0.0.0.0:5432 can be reached from beyond its subnet"),
        "{}",
        run.stdout
    );
}

const BOMB: &str = r#"
schema = 1

[[cel]]
id = "bomb"
title = "It ends"
for = "host"
check = '''
[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c,
  [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f,
    [1,2,3,4,5,6,7,8,9,10].all(g, [1,2,3,4,5,6,7,8,9,10].all(h, a + b + c + d + e + f + g + h > 0))))))))
'''
message = "it does not end"

[[cel]]
id = "grows"
title = "It stays small"
for = "host"
check = '''
listeners.map(l, l.id + l.id).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t)
  .map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t)
  .map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).map(t, t + t).exists(t, t != "")
'''
message = "it grows"

[[cel]]
id = "divides"
title = "It divides by zero"
check = "1 / (listener.port - 5432) == 1"
message = "it divides"

[[cel]]
id = "sane"
title = "Nothing listens on port 23"
check = "listener.port != 23"
message = "{listener.id} is telnet"
"#;

#[test]
fn a_bomb_is_unknown_and_the_rest_is_judged() {
    let run = judge_by(BOMB, "json");
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    let report = run.json();
    for rule in ["cel/bomb", "cel/grows", "cel/divides"] {
        assert_eq!(outcome(&report, rule), "unknown");
    }
    assert_eq!(outcome(&report, "cel/sane"), "pass");
    for reason in ["take more steps or memory than a rule may", "a division by zero"] {
        assert!(run.stdout.contains(reason), "{}", run.stdout);
    }
}

const MISTAKES: &str = r#"schema = 1

[[cel]]
id = "mistyped"
title = "It is mistyped"
when = 'listener.scope == "lopback"'
check = 'listener.prot == 443'
message = "{listener.id} is {listner.port}"

[[cel]]
id = "compared"
title = "It compares what cannot be compared"
check = '''
listener.port < 1024 ||
  listener.port == "443"
'''
message = "it is wrong"
"#;

#[test]
fn a_type_error_is_underlined_in_the_policy() {
    let run = judge_by(MISTAKES, "text");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    insta::assert_snapshot!(run.stderr, @r#"
    error: the plugin `cel` refuses its parameters
     --> policy.toml:6:27
      |
    6 | when = 'listener.scope == "lopback"'
      |                           ^^^^^^^^^ it is never `lopback`; did you mean `loopback`?
      |
      = help: at /rules/0/when

    error: the plugin `cel` refuses its parameters
     --> policy.toml:7:18
      |
    7 | check = 'listener.prot == 443'
      |                  ^^^^^ a `listener` has no field `prot`; did you mean `port`?
      |
      = help: at /rules/0/check

    error: the plugin `cel` refuses its parameters
     --> policy.toml:8:30
      |
    8 | message = "{listener.id} is {listner.port}"
      |                              ^^^^^^^ `listner` is unknown; did you mean `listener`?
      |
      = help: at /rules/0/message

    error: the plugin `cel` refuses its parameters
      --> policy.toml:15:17
       |
    15 |   listener.port == "443"
       |                 ^^ a whole number is never equal to a text
       |
       = help: at /rules/1/check

    loopgate: 4 problems in policy.toml; nothing was judged
    "#);
}
