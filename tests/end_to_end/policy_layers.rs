//! Policies in layers, as a user stacks them and as the binary finds them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use loopgate_test_support::{command, in_namespace, is_passed_over, without_privileges};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, quiet_facts, reached_by_everybody, tree};

/// A folder with these files and the facts of a machine on which one service is open to everybody.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut facts = quiet_facts();
    facts["listeners"] = json!([{
        "id": "tcp/0.0.0.0:8080", "protocol": "tcp", "address": "0.0.0.0", "port": 8080, "scope": "unspecified",
        "ipv6_only": null, "zone": null, "bound_interface": null, "multipath": false, "origin": "socket",
        "sockets": [{ "inode": 1, "uid": 0 }], "owners": [], "reachability": reached_by_everybody(8080)
    }]);
    fs::write(folder.path().join("facts.json"), facts.to_string()).unwrap();
    folder
}

/// Judges these facts from within a folder.
fn judge_in(folder: &Path, facts: &Path, arguments: &[&str]) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_loopgate")).env_clear(), folder, facts, arguments)
}

fn run(command: &mut Command, folder: &Path, facts: &Path, arguments: &[&str]) -> Run {
    command.args(["check", "--format", "json", "--facts"]).arg(facts).args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap().into()
}

fn check(folder: &TempDir, arguments: &[&str]) -> Run {
    judge_in(folder.path(), &folder.path().join("facts.json"), arguments)
}

/// How the policy of a report was found, and its layers.
fn policy(run: &Run) -> (String, Vec<String>) {
    let report = run.json();
    let layers = report["policy"]["layers"].as_array().unwrap();
    let names = layers.iter().map(|layer| layer["name"].as_str().unwrap().to_owned());
    (report["policy"]["found"].as_str().unwrap().to_owned(), names.collect())
}

#[track_caller]
fn is_refused(run: &Run, says: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    for text in says {
        assert!(run.stderr.contains(text), "`{text}` is missing:\n{}", run.stderr);
    }
}

const ORG: &str = "schema = 1\nextends = [\"default\"]\nfail_on = \"critical\"\n[locked]\nfail_on = true\n";
const TEAM: &str = "schema = 1\n[rules]\n\"listeners/wildcard-bind\" = \"critical\"\n";

#[test]
fn three_layers_tighten() {
    let folder = folder(&[("org.toml", ORG), ("team.toml", TEAM), ("repo.toml", "schema = 1\n")]);
    let org = check(&folder, &["--policy", "org.toml"]);
    assert_eq!(org.code, 0, "{}{}", org.stdout, org.stderr);
    let all = check(&folder, &["--policy", "org.toml", "--policy", "team.toml", "--policy", "repo.toml"]);
    assert_eq!(all.code, 1, "{}{}", all.stdout, all.stderr);
    let layers = ["default", "org.toml", "team.toml", "repo.toml"].map(str::to_owned);
    assert_eq!(policy(&all), ("named".to_owned(), layers.to_vec()));
}

#[test]
fn the_same_layers_in_another_folder_give_the_same_bytes() {
    let files = [("org.toml", ORG), ("team.toml", TEAM)];
    let (one, other) = (folder(&files), folder(&files));
    let there = |name: &str| other.path().join(name).to_str().unwrap().to_owned();
    let near = check(&one, &["--policy", "org.toml", "--policy", "team.toml"]);
    let far = check(&one, &["--policy", &there("org.toml"), "--policy", &there("team.toml")]);
    assert_eq!((near.code, near.stdout), (1, far.stdout));
}

/// A folder that cannot be looked into could hold a policy.
#[test]
fn where_it_cannot_be_told_whether_there_is_a_policy_nothing_is_judged() {
    let folder = folder(&[("closed/folder/file", "")]);
    let binary = folder.path().join("loopgate");
    fs::copy(env!("CARGO_BIN_EXE_loopgate"), &binary).unwrap();
    let mut shell = command("sh");
    shell.args(["-c", "cd closed/folder; chmod 000 ..; exec \"$@\"", "sh"]);
    shell.args(without_privileges());
    let run = run(shell.arg(&binary), folder.path(), &folder.path().join("facts.json"), &[]);
    fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    is_refused(&run, &["cannot look for a policy at", "Permission denied", "`--policy default` is the built-in one"]);
}

#[test]
fn a_loosening_is_refused_at_its_line_with_the_line_above() {
    let repo = "schema = 1\n[rules]\n\"listeners/wildcard-bind\" = \"off\"\n";
    let folder = folder(&[("org.toml", ORG), ("team.toml", TEAM), ("repo.toml", repo)]);
    let run = check(&folder, &["--policy", "org.toml", "--policy", "team.toml", "--policy", "repo.toml"]);
    let says = ["repo.toml:3:29", "`off` is looser than `critical`", "team.toml:3:29", "set here", "org.toml locks it"];
    is_refused(&run, &says);
}

#[test]
fn a_circle_is_refused_with_its_way() {
    let files =
        [("a.toml", "schema = 1\nextends = [\"b.toml\"]\n"), ("b.toml", "schema = 1\nextends = [\"a.toml\"]\n")];
    is_refused(
        &check(&folder(&files), &["--policy", "a.toml"]),
        &["b.toml:2:12", "a.toml extends b.toml extends a.toml"],
    );
}

#[test]
fn what_lies_outside_of_the_folder_is_not_read() {
    let elsewhere = folder(&[("secret.toml", "schema = 1\n")]);
    let secret = elsewhere.path().join("secret.toml");
    let entries = format!("schema = 1\nextends = [\"../x.toml\", \"{}\", \"link.toml\"]\n", secret.display());
    let folder = folder(&[("policy.toml", &entries)]);
    symlink(&secret, folder.path().join("link.toml")).unwrap();
    let run = check(&folder, &["--policy", "policy.toml"]);
    is_refused(&run, &["`..` leads out", "this path is absolute", "a link on this path leads out", "3 problems"]);
}

#[test]
fn a_built_in_policy_is_named_by_its_name() {
    let folder = folder(&[("default", "nonsense")]);
    assert_eq!(policy(&check(&folder, &["--policy", "default"])), ("named".to_owned(), vec!["default".to_owned()]));
    is_refused(&check(&folder, &["--policy", "./default"]), &["not valid TOML"]);
    is_refused(&check(&folder, &["--policy", "defualt"]), &["there is no policy `defualt`", "did you mean `default`?"]);
}

#[test]
fn a_policy_may_come_from_a_pipe() {
    let folder = folder(&[("org.toml", ORG)]);
    for input in ["-", "/dev/stdin"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat org.toml | \"$0\" \"$@\"", env!("CARGO_BIN_EXE_loopgate")]);
        let run = run(&mut shell, folder.path(), &folder.path().join("facts.json"), &["--policy", input]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(policy(&run).1.len(), 2);
    }
}

#[test]
fn the_nearest_policy_is_found() {
    let folder = folder(&[
        ("loopgate.toml", "schema = 1\nextends = [\"default\"]\nfail_on = \"critical\"\n"),
        ("near/loopgate.toml", "schema = 1\nextends = [\"default\"]\n"),
        ("near/deep/er/file", ""),
        ("far/file", ""),
    ]);
    let facts = folder.path().join("facts.json");
    for (place, code) in [("", 0), ("far", 0), ("near", 1), ("near/deep/er", 1)] {
        let run = judge_in(&folder.path().join(place), &facts, &[]);
        assert_eq!(run.code, code, "{place}: {}{}", run.stdout, run.stderr);
        let layers = ["default", "loopgate.toml"].map(str::to_owned);
        assert_eq!(policy(&run), ("nearest".to_owned(), layers.to_vec()), "{place}");
    }
    let text = Command::new(env!("CARGO_BIN_EXE_loopgate")).args(["check", "--facts"]).arg(&facts).output();
    let shown = Run::from(text.unwrap()).stdout;
    assert!(shown.contains("policy: built-in default policy (none was named or found)"), "{shown}");
}

/// The binary in a mount namespace of its own, in which `/etc/loopgate/policy.toml` is what the script makes it.
fn with_system_policy(folder: &TempDir, script: &str, arguments: &[&str]) -> Run {
    let mut unshare = command("unshare");
    unshare.args(["--mount", "--", "sh", "-ec"]);
    unshare.arg(format!("mount -t tmpfs none /etc; mkdir /etc/loopgate; {script}; exec \"$@\"")).arg("sh");
    unshare.arg(env!("CARGO_BIN_EXE_loopgate"));
    run(&mut unshare, folder.path(), &folder.path().join("facts.json"), arguments)
}

#[test]
fn the_policy_of_the_machine_is_found_where_there_is_no_nearer_one() {
    in_namespace("policy_layers::the_policy_of_the_machine_is_found_where_there_is_no_nearer_one", || {
        let folder = folder(&[("policy.toml", "schema = 1\nextends = [\"default\"]\nfail_on = \"critical\"\n")]);
        let script = "cp policy.toml /etc/loopgate/";
        let run = with_system_policy(&folder, script, &[]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(policy(&run).0, "system");
        assert_eq!(policy(&with_system_policy(&folder, script, &["--policy", "default"])).0, "named");
        fs::copy(folder.path().join("policy.toml"), folder.path().join("loopgate.toml")).unwrap();
        assert_eq!(policy(&with_system_policy(&folder, script, &[])).0, "nearest");
        fs::remove_file(folder.path().join("loopgate.toml")).unwrap();
        assert_eq!(policy(&with_system_policy(&folder, "true", &[])).0, "default");
    });
}

/// The default would pass or fail by other rules than those that somebody wrote down.
#[test]
fn a_policy_of_the_machine_that_cannot_be_read_is_never_replaced_by_another() {
    in_namespace("policy_layers::a_policy_of_the_machine_that_cannot_be_read_is_never_replaced_by_another", || {
        let (folder, path) = (folder(&[]), "/etc/loopgate/policy.toml");
        let refused = |script: &str, says| is_refused(&with_system_policy(&folder, script, &[]), &[path, says]);
        refused("mkdir /etc/loopgate/policy.toml", "not a regular file");
        refused("ln -s nowhere /etc/loopgate/policy.toml", "No such file");
        refused("touch /etc/loopgate/policy.toml; chmod 646 /etc/loopgate/policy.toml", "everybody may write to it");
    });
}

#[test]
fn a_policy_that_is_there_and_cannot_be_read_is_never_replaced_by_another() {
    let folder = folder(&[]);
    let path = folder.path().join("loopgate.toml");
    is_refused(&check(&folder, &["--policy", "missing.toml"]), &["missing.toml", "No such file"]);
    symlink("nowhere", &path).unwrap();
    is_refused(&check(&folder, &[]), &["loopgate.toml", "No such file"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    is_refused(&check(&folder, &[]), &["loopgate.toml", "not a regular file"]);
}

#[test]
fn a_found_policy_that_everybody_may_write_is_refused_and_a_named_one_is_not() {
    let folder = folder(&[
        ("loopgate.toml", "schema = 1\nextends = [\"default\", \"more.toml\"]\n"),
        ("more.toml", "schema = 1\n"),
    ]);
    let writable =
        |name: &str, mode| fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    writable("loopgate.toml", 0o646);
    is_refused(&check(&folder, &[]), &["everybody may write to it", "name it with `--policy`"]);
    assert_eq!(check(&folder, &["--policy", "loopgate.toml"]).code, 1);
    writable("loopgate.toml", 0o664);
    assert_eq!(check(&folder, &[]).code, 1);
    writable("more.toml", 0o646);
    is_refused(&check(&folder, &[]), &["loopgate.toml:2:23", "everybody may write to it"]);
}

/// As root somebody else's files are made. Without privileges, root's own file is somebody else's in a user namespace.
#[test]
fn a_found_policy_of_a_stranger_is_refused() {
    let folder = folder(&[("mine.toml", "schema = 1\nextends = [\"default\"]\n")]);
    let path = folder.path().join("loopgate.toml");
    let facts = folder.path().join("facts.json");
    let says = ["belongs to uid 65534, who is neither root nor you", "name it with `--policy`"];
    if !without_privileges().is_empty() {
        symlink("mine.toml", &path).unwrap();
        assert_eq!(check(&folder, &[]).code, 1);
        std::os::unix::fs::lchown(&path, Some(65534), None).unwrap();
        is_refused(&check(&folder, &[]), &says);
        fs::remove_file(&path).unwrap();
        fs::copy(folder.path().join("mine.toml"), &path).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        is_refused(&check(&folder, &[]), &says);
    } else if !is_passed_over("policy_layers::a_found_policy_of_a_stranger_is_refused") {
        symlink("/etc/passwd", &path).unwrap();
        let mut unshare = command("unshare");
        unshare.args(["--user", "--map-root-user", "--", env!("CARGO_BIN_EXE_loopgate")]);
        is_refused(&run(&mut unshare, folder.path(), &facts, &[]), &says);
    }
}

/// A plugin can say that all is well.
#[test]
fn a_plugin_that_everybody_may_write_is_refused_if_its_policy_was_found_and_pins_none() {
    let folder =
        folder(&[("loopgate.toml", "schema = 1\n[plugins.own]\npath = \"own.wasm\"\n"), ("own.wasm", "not one")]);
    is_refused(&check(&folder, &[]), &["loopgate.toml:3:8", "not a WebAssembly file"]);
    fs::set_permissions(folder.path().join("own.wasm"), fs::Permissions::from_mode(0o646)).unwrap();
    is_refused(&check(&folder, &[]), &["loopgate.toml:3:8", "everybody may write to it"]);
    is_refused(&check(&folder, &["--policy", "loopgate.toml"]), &["not a WebAssembly file"]);
}

#[test]
fn the_shipped_default_says_the_same_from_its_file_and_from_the_binary() {
    let folder = folder(&[]);
    let file = tree("policies/default.toml");
    let (named, built_in) = (check(&folder, &["--policy", file.to_str().unwrap()]), check(&folder, &[]));
    let without_origin = |run: &Run| {
        let mut report = run.json();
        report["policy"] = Value::Null;
        report
    };
    assert_eq!(without_origin(&named), without_origin(&built_in));
    assert!(named.json()["policy"]["default"].as_bool().unwrap());
}

/// What `loopgate policy` says within a folder.
fn policy_command(folder: &TempDir, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopgate"));
    command.env_clear().arg("policy").args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    command.output().unwrap().into()
}

const STACK: [&str; 6] = ["--policy", "org.toml", "--policy", "team.toml", "--policy", "repo.toml"];

/// Layers with something of everything.
fn stack() -> TempDir {
    let org = "schema = 1\nextends = [\"base.toml\"]\nfail_on = \"low\"\n\n[locked]\napproved = false\n\n[[approved]]\nport = 22\n\
               reach = \"public\"\nowner = \"ops\"\nreason = \"administration\"\nuntil = 2027-01-01\n";
    let team = "schema = 1\nlocked = false\n[[approved]]\nexecutable = \"/usr/sbin/nginx\"\nport = [80, 443]\n\
                reach = [\"10.0.0.0/8\"]\nowner = \"web\"\nreason = \"the shop\"\n[rules]\n\"listeners/wildcard-bind\" = \"critical\"\n";
    let repo = "schema = 1\non_unknown = \"incomplete\"\n[plugins.approved.parameters]\nloopback = true\n";
    let base = "schema = 1\nlocked = false\n[plugins.listeners]\n[plugins.loopback]\n";
    folder(&[("base.toml", base), ("org.toml", org), ("team.toml", team), ("repo.toml", repo)])
}

#[test]
fn showing_a_policy_names_the_origin_of_every_value() {
    let shown = policy_command(&stack(), &[&["show"][..], &STACK].concat());
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    insta::assert_snapshot!(shown.stdout, @r#"
    # The policy as it is in effect. Its layers, the uppermost first:
    #   base.toml: extended by org.toml:2
    #   org.toml: named by --policy
    #   team.toml: named by --policy
    #   repo.toml: named by --policy
    # What is marked as locked cannot be loosened by the lowest layer.

    schema = 1
    fail_on = "low"  # org.toml:3, locked by org.toml
    on_unknown = "incomplete"  # repo.toml:2, locked by org.toml
    waiver_days = 365  # assumed: no layer says it, locked by org.toml

    [plugins.approved]  # org.toml:8

    [plugins.approved.parameters]
    loopback = true  # repo.toml:4

    [[approved]]  # org.toml:8
    owner = "ops"  # org.toml:11
    port = 22  # org.toml:9
    reach = "public"  # org.toml:10
    reason = "administration"  # org.toml:12
    until = "2027-01-01"  # org.toml:13

    [[approved]]  # team.toml:3
    executable = "/usr/sbin/nginx"  # team.toml:4
    owner = "web"  # team.toml:7
    port = [80, 443]  # team.toml:5
    reach = ["10.0.0.0/8"]  # team.toml:6
    reason = "the shop"  # team.toml:8

    [plugins.listeners]  # base.toml:3, locked by org.toml

    [plugins.loopback]  # base.toml:4, locked by org.toml

    [rules]
    "listeners/wildcard-bind" = "critical"  # at least, what the plugin calls worse stays so; team.toml:10, locked by org.toml
    "#);
}

#[test]
fn what_is_shown_is_the_same_policy_in_one_layer() {
    let folder = stack();
    let saved = policy_command(&folder, &[&["show", "--output", "saved.toml"][..], &STACK].concat());
    assert_eq!((saved.code, saved.stdout.as_str()), (0, ""), "{}", saved.stderr);
    let shown = |arguments: &[&str]| {
        let mut shown = policy_command(&folder, &[&["show", "--format", "json"][..], arguments].concat()).json();
        let plugins: Vec<(Value, Value)> = shown["plugins"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .map(|plugin| (plugin["name"].take(), plugin["parameters"].take()))
            .collect();
        (
            plugins,
            shown["fail_on"]["value"].take(),
            shown["on_unknown"]["value"].take(),
            shown["rules"][0]["setting"].take(),
        )
    };
    assert_eq!(shown(&STACK), shown(&["--policy", "saved.toml"]));
}

#[test]
fn a_shown_policy_says_for_programs_where_each_value_is_from() {
    let shown = policy_command(&stack(), &[&["show", "--format", "json"][..], &STACK].concat()).json();
    assert_eq!(shown["fail_on"], json!({ "value": "low", "from": { "file": "org.toml", "line": 3 }, "locked": true }));
    assert_eq!(shown["layers"][0]["extended_by"], json!({ "file": "org.toml", "line": 2 }));
    let approved = &shown["plugins"][0];
    assert_eq!((approved["name"].as_str(), approved["locked"].as_bool()), (Some("approved"), Some(false)));
    let origins = approved["origins"].as_array().unwrap();
    let second = origins.iter().find(|origin| origin["parameter"] == "/listeners/1/reach").unwrap();
    assert_eq!(second["from"], json!({ "file": "team.toml", "line": 6 }));
}

#[test]
fn checking_a_policy_judges_nothing_and_says_what_it_checked() {
    let folder = stack();
    let run = policy_command(&folder, &[&["check"][..], &STACK].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stdout.contains("no problems: 3 plugins") && run.stdout.contains("nothing was judged"),
        "{}",
        run.stdout
    );
    fs::write(folder.path().join("repo.toml"), "schema = 1\nfail_on = \"high\"\n").unwrap();
    is_refused(&policy_command(&folder, &[&["check"][..], &STACK].concat()), &["repo.toml:2:11", "org.toml:3:11"]);
}

/// The entry that approved a listener is shown at its own file.
#[test]
fn what_approves_a_listener_is_named_with_the_layer_that_it_is_in() {
    let org = "schema = 1\n[locked]\napproved = false\n[[approved]]\nport = 22\nreach = \"public\"\nowner = \"o\"\nreason = \"r\"\n";
    let team = "schema = 1\n\n[[approved]]\nport = 8080\nreach = \"public\"\nowner = \"o\"\nreason = \"r\"\n";
    let folder = folder(&[("org.toml", org), ("team.toml", team)]);
    let report = check(&folder, &["--policy", "org.toml", "--policy", "team.toml"]).json();
    let rule =
        report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "approved/unapproved-listener").unwrap();
    assert_eq!(rule["remarks"][0]["policy"], json!({ "file": "team.toml", "line": 3 }), "{rule}");
}
