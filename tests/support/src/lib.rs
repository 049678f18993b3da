//! Helpers for tests.
//!
//! A test that needs interfaces, settings or listeners of its own runs in network and user namespaces of its own, so
//! that it needs no privileges and touches nothing of the machine. See [`in_namespace`].

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

#[cfg(target_os = "linux")]
mod namespace;

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

#[cfg(target_os = "linux")]
pub use namespace::{Namespace, ip};

/// Set in the process that runs within the namespaces, to the name of the test.
const INSIDE: &str = "LOOPGATE_TEST_INSIDE";

/// Set by the caller to pass over tests that need namespaces.
const SKIP: &str = "LOOPGATE_SKIP_NAMESPACE_TESTS";

/// Set by the caller to a folder of rulesets.
const RULESETS: &str = "LOOPGATE_RULESETS";

/// What legacy iptables locks: the network namespace whose rules it changes. The usual file is of the machine, and only root
/// may open it; this one is open to everybody, never in the way of another namespace, and gone with its own.
const XTABLES_LOCK: &str = "/proc/self/ns/net";

/// Runs the body of a test in user and network namespaces of its own, in which the process is root and the loopback
/// device is up.
///
/// `test` is the full name of the calling test, as `cargo test -- --list` prints it: the test binary is run again for
/// that test alone, under `unshare(1)`.
///
/// # Panics
///
/// If the body panics, or if the machine does not let the namespaces be made; then the message says why. With
/// `LOOPGATE_SKIP_NAMESPACE_TESTS=1` in the environment the body is passed over instead.
pub fn in_namespace(test: &str, body: impl FnOnce()) {
    within(test, &[], body);
}

/// The same with processes of its own: none is there but those of the test, so that nothing about them is hidden.
///
/// # Panics
///
/// As [`in_namespace`] does.
pub fn in_namespace_of_processes(test: &str, body: impl FnOnce()) {
    within(test, &["--pid", "--fork", "--kill-child", "--mount-proc"], body);
}

fn within(test: &str, more: &[&str], body: impl FnOnce()) {
    if env::var(INSIDE).is_ok_and(|name| name == test) {
        run("ip", &["link", "set", "lo", "up"]);
        body();
    } else if !is_passed_over(test) {
        run_again(test, more);
    }
}

/// Whether the caller has a test that needs namespaces passed over, which is said then. [`in_namespace`] asks by itself.
pub fn is_passed_over(test: &str) -> bool {
    let passed_over = env::var(SKIP).is_ok_and(|value| value == "1");
    if passed_over {
        skipped(test);
    }
    passed_over
}

/// A folder of rulesets that others wrote, where the caller has one: `LOOPGATE_RULESETS` names it.
///
/// Without it the test has nothing to try; that is said, and the test is over.
pub fn rulesets(test: &str) -> Option<PathBuf> {
    let folder = env::var_os(RULESETS).map(PathBuf::from);
    if folder.is_none() {
        without_rulesets(test);
    }
    folder
}

/// Runs a program that the test needs, found in the usual places of administration tools too, and gives its output.
///
/// # Panics
///
/// If it cannot be run or fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = command(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run (is it installed?): {error}"));
    assert!(output.status.success(), "{program} {arguments:?} failed: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program that is looked up in `/usr/sbin` and `/sbin` too, which are not in every user's `PATH`, and that locks of
/// iptables only its network namespace.
pub fn command(program: &str) -> Command {
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("XTABLES_LOCKFILE", XTABLES_LOCK);
    command
}

/// Runs a program, which its arguments name, as root of user and network namespaces of its own, and in more that options of
/// `unshare(1)` name.
///
/// The network namespace is made second. Who is its root is settled when it is made (`xt_proto_init`,
/// `net/netfilter/x_tables.c`): if that is together with its user namespace, which maps nobody yet, files such as
/// `/proc/net/ip_tables_names` stay those of root of the machine, and no other user can read them.
pub fn in_own_namespaces(more: &[&str]) -> Command {
    let mut unshare = command("unshare");
    unshare.args(["--user", "--map-root-user", "--", "unshare", "--net"]).args(more).arg("--");
    unshare
}

/// What stands in front of a program that is to run as a user without privileges: nothing, where the tests have none.
pub fn without_privileges() -> &'static [&'static str] {
    let is_root = run("id", &["-u"]).trim() == "0";
    if is_root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] } else { &[] }
}

fn run_again(test: &str, more: &[&str]) {
    let binary = env::current_exe().unwrap_or_else(|error| panic!("the test binary cannot be found: {error}"));
    let mut unshare = in_own_namespaces(more);
    unshare.arg(binary).args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, test);
    let output = unshare.output().unwrap_or_else(|error| panic!("unshare cannot be run (util-linux): {error}"));
    let report = text(&output);
    assert!(output.status.success(), "in its namespaces (or without: {SKIP}=1 skips) {test} failed:\n{report}");
    // A wrong name would select no test, and pass.
    assert!(report.contains("1 passed"), "`{test}` is not the name of the calling test:\n{report}");
}

#[expect(clippy::print_stderr, reason = "a test that did not run must be seen")]
fn skipped(test: &str) {
    eprintln!("{test}: skipped, because {SKIP}=1");
}

#[expect(clippy::print_stderr, reason = "a test that did not run must be seen")]
fn without_rulesets(test: &str) {
    eprintln!("{test}: skipped, because {RULESETS} names no folder of rulesets");
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("")
}
