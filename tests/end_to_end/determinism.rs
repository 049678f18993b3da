//! The same facts and policy give the same bytes: again, elsewhere, and for another user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use loopgate_test_support::{command, is_passed_over, without_privileges};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{quiet_facts, reached_by_everybody};

/// A machine with something to say about it.
fn busy_facts() -> Value {
    let mut facts = quiet_facts();
    let listener = |port: u16| {
        json!({
            "id": format!("tcp/0.0.0.0:{port}"), "protocol": "tcp", "address": "0.0.0.0", "port": port,
            "scope": "unspecified", "ipv6_only": null, "zone": null, "bound_interface": null, "multipath": false,
            "origin": "socket", "sockets": [{ "inode": port, "uid": 0 }], "owners": [],
            "reachability": reached_by_everybody(port)
        })
    };
    facts["listeners"] = (1..=200).map(|index| listener(index * 13)).collect();
    facts
}

/// The binary and the facts where every user can read them.
fn public_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("loopgate");
    fs::copy(env!("CARGO_BIN_EXE_loopgate"), &binary).unwrap();
    fs::write(folder.path().join("facts.json"), busy_facts().to_string()).unwrap();
    folder
}

fn report(mut command: Command, folder: &Path) -> Vec<u8> {
    command.args(["check", "--format", "json", "--facts"]).arg(folder.join("facts.json"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn plain(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("loopgate"));
    command.current_dir(folder);
    command
}

/// The nobody user where the tests run as root, and a user namespace's root where they do not.
fn as_somebody_else(folder: &Path) -> Command {
    let mut other = command("env");
    match without_privileges() {
        [] => other.args(["unshare", "--user", "--map-root-user", "--"]),
        nobody => other.args(nobody),
    };
    other.arg(folder.join("loopgate")).current_dir(folder);
    other
}

#[test]
fn the_same_facts_and_policy_give_the_same_bytes() {
    let folder = public_folder();
    let first = report(plain(folder.path()), folder.path());
    assert!(first.len() > 10_000);
    assert_eq!(first, report(plain(folder.path()), folder.path()), "again");
    let mut elsewhere = plain(folder.path());
    elsewhere.current_dir("/").env_clear().env("LC_ALL", "tr_TR.UTF-8").env("TZ", "Asia/Kathmandu").env("COLUMNS", "7");
    assert_eq!(first, report(elsewhere, folder.path()), "elsewhere, in another language");
}

#[test]
fn the_same_facts_and_policy_give_another_user_the_same_bytes() {
    let needs_namespace = without_privileges().is_empty();
    if needs_namespace && is_passed_over("determinism::the_same_facts_and_policy_give_another_user_the_same_bytes") {
        return;
    }
    let folder = public_folder();
    let first = report(plain(folder.path()), folder.path());
    assert_eq!(first, report(as_somebody_else(folder.path()), folder.path()));
}

/// Lists in another order are the same machine.
#[test]
fn the_order_of_lists_in_the_facts_does_not_show() {
    let folder = public_folder();
    let sorted = report(plain(folder.path()), folder.path());
    let mut facts = busy_facts();
    facts["listeners"].as_array_mut().unwrap().reverse();
    facts["interfaces"].as_array_mut().unwrap().reverse();
    fs::write(folder.path().join("facts.json"), facts.to_string()).unwrap();
    assert_eq!(sorted, report(plain(folder.path()), folder.path()));
}
