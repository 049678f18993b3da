//! Facts that are no facts, files that are not there, pipes that close: a clear error or none, never a verdict.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::{Run, loopgate, quiet_facts, run, tree};

fn judge(document: &[u8]) -> Run {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(document).unwrap();
    run([std::ffi::OsStr::new("check"), "--facts".as_ref(), file.path().as_os_str()])
}

#[track_caller]
fn is_refused(run: &Run, says: &str) {
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
    assert!(run.stderr.starts_with("loopgate: ") && run.stderr.contains(says), "{}", run.stderr);
}

fn changed(pointer: &str, value: Value) -> Vec<u8> {
    let mut facts = quiet_facts();
    *facts.pointer_mut(pointer).unwrap() = value;
    facts.to_string().into_bytes()
}

#[test]
fn truncated_facts() {
    let document = quiet_facts().to_string();
    for length in [0, 1, document.len() / 2, document.len() - 1] {
        is_refused(&judge(&document.as_bytes()[..length]), "not a facts document");
    }
}

#[test]
fn facts_of_another_schema() {
    is_refused(&judge(&changed("/schema", json!(2))), "schema 2, this loopgate reads schema 1");
}

#[test]
fn facts_that_contradict_themselves() {
    is_refused(&judge(&changed("/interfaces/0/addresses/0/scope", json!("public"))), "scope of 127.0.0.1");
    is_refused(&judge(&changed("/interfaces/0/addresses/0/prefix_length", json!(99))), "prefix length of 99");
}

#[test]
fn facts_with_a_field_that_nobody_knows() {
    let mut facts = quiet_facts();
    facts["listeners_"] = json!([]);
    is_refused(&judge(facts.to_string().as_bytes()), "listeners_");
}

#[test]
fn facts_without_listeners_are_no_facts() {
    let mut facts = quiet_facts();
    facts.as_object_mut().unwrap().remove("listeners");
    is_refused(&judge(facts.to_string().as_bytes()), "listeners");
}

#[test]
fn a_file_of_100_mebibytes() {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(100 << 20).unwrap();
    let run = run([std::ffi::OsStr::new("check"), "--facts".as_ref(), file.path().as_os_str()]);
    is_refused(&run, "more than");
}

#[test]
fn a_file_that_is_not_there_or_is_none() {
    is_refused(&run(["check", "--facts", "/nonexistent.json"]), "/nonexistent.json");
    is_refused(&run(["check", "--facts", "/"]), "/");
    is_refused(&run(["check", "--policy", "/nonexistent.toml"]), "/nonexistent.toml");
}

/// A pipe that nobody writes to would keep the run waiting for ever.
#[test]
fn a_plugin_that_is_no_regular_file_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let policy = folder.path().join("policy.toml");
    let pipe = folder.path().join("pipe");
    loopgate_test_support::run("mkfifo", &[pipe.to_str().unwrap()]);
    for path in [pipe.to_str().unwrap(), "/dev/zero", "/"] {
        std::fs::write(&policy, format!("schema = 1\n[plugins.own]\npath = \"{path}\"\n")).unwrap();
        let run = run([std::ffi::OsStr::new("check"), "--policy".as_ref(), policy.as_os_str()]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains("not a regular file"), "{}", run.stderr);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [&["check", "--nonsense"][..], &["chekc"], &["explain"], &["check", "--fail-on", "urgent"]] {
        assert_eq!(run(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_pipe_that_closes_is_quiet_and_keeps_the_exit_code() {
    let facts = tree("tests/facts/quiet.json");
    let mut child = loopgate()
        .args(["check", "--verbose", "--facts"])
        .arg(&facts)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = Run::from(child.wait_with_output().unwrap());
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_an_error() {
    let facts = tree("tests/facts/quiet.json");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = loopgate().args(["check", "--facts"]).arg(&facts).stdout(full).output().unwrap();
    assert_eq!(Run::from(output).code, 2);
}
