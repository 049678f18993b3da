//! What tests count on in their namespaces, whoever runs them.

#![allow(clippy::panic, reason = "the bans are for the product")]

use std::process::Output;

use loopgate_test_support::{command, in_own_namespaces, is_passed_over, without_privileges};

/// Runs a script in namespaces of its own, for a user without privileges.
fn for_a_user(script: &str) -> Output {
    let own = in_own_namespaces(&[]);
    let mut user = command("env");
    user.args(without_privileges()).arg(own.get_program()).args(own.get_args()).args(["sh", "-ec", script]);
    user.output().unwrap_or_else(|error| panic!("env cannot be run: {error}"))
}

/// Both tell of legacy iptables: the kernel says to root alone which tables there are, and the lock of the machine is root's.
#[test]
fn a_user_without_privileges_is_root_in_namespaces_of_their_own() {
    if is_passed_over("a_user_without_privileges_is_root_in_namespaces_of_their_own") {
        return;
    }
    let output = for_a_user("iptables-legacy -A INPUT -j ACCEPT; iptables-legacy-save");
    let rules = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && rules.contains("-A INPUT -j ACCEPT"), "users cannot run the tests: {output:?}");
}
