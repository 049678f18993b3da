//! The binary as a user meets it: real servers, real namespaces, hostile guests, bad files.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

mod bad_input;
mod cel;
mod cis;
mod debian;
mod demands;
mod determinism;
mod docs;
mod exceptions;
mod explain;
mod guests;
mod init;
mod managers;
mod policy_layers;
mod policy_schema;
mod published_checks;
mod restarts;
mod route_localnet;
mod servers;
mod shipped;
mod terminal;
mod threats;

/// Running `loopgate` and reading what it says.
mod support {
    use std::ffi::OsStr;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};

    use serde_json::{Value, json};

    /// The binary under test, with nothing of the caller's environment that could change what it prints.
    pub(crate) fn loopgate() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loopgate"));
        command.env_clear().stdin(Stdio::null());
        command
    }

    /// What a run of the binary gave.
    pub(crate) struct Run {
        pub(crate) code: i32,
        pub(crate) stdout: String,
        pub(crate) stderr: String,
    }

    impl From<Output> for Run {
        fn from(output: Output) -> Self {
            Self {
                code: output.status.code().expect("loopgate was killed by a signal"),
                stdout: String::from_utf8(output.stdout).expect("the output is UTF-8"),
                stderr: String::from_utf8(output.stderr).expect("the messages are UTF-8"),
            }
        }
    }

    /// Runs the binary to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
        loopgate().args(arguments).output().expect("loopgate can be run").into()
    }

    impl Run {
        /// The JSON that was printed.
        pub(crate) fn json(&self) -> Value {
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
        }
    }

    /// Judges live with the default policy, and gives the report.
    pub(crate) fn check() -> (i32, Value) {
        let run = run(["check", "--format", "json"]);
        (run.code, run.json())
    }

    /// The subjects that a rule found something about, in order.
    pub(crate) fn subjects(report: &Value, rule: &str) -> Vec<String> {
        let findings = report["findings"].as_array().expect("a report has findings");
        let of_rule = findings.iter().filter(|finding| finding["rule"] == rule);
        of_rule.map(|finding| finding["subject"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The outcome of a rule.
    pub(crate) fn outcome<'a>(report: &'a Value, rule: &str) -> &'a str {
        let rules = report["rules"].as_array().expect("a report has rules");
        let found = rules.iter().find(|entry| entry["id"] == rule).unwrap_or_else(|| panic!("no rule {rule}"));
        found["outcome"].as_str().expect("a rule has an outcome")
    }

    /// A file of the tree.
    pub(crate) fn tree(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    /// Who can reach an address of the quiet machine, or all of them for a wildcard: everybody.
    pub(crate) fn reached_by_everybody(port: u16) -> Value {
        let region = |interface, destination| {
            json!({
                "interfaces": [interface], "destinations": [destination], "port": port, "sources": ["0.0.0.0/0"],
                "unlisted_sources": 0, "verdict": "reachable", "reason": null, "unknown_because": [], "path": "input",
                "translated_to": null, "decided_by": null, "narrowed_by": [], "notes": []
            })
        };
        json!([region("lo", "10.0.0.5"), region("eth0", "10.0.0.5")])
    }

    /// The facts of a quiet machine, which every rule of the default policy passes.
    pub(crate) fn quiet_facts() -> Value {
        let text = std::fs::read_to_string(tree("tests/facts/quiet.json")).expect("the recorded facts are there");
        serde_json::from_str(&text).expect("the recorded facts are JSON")
    }
}
