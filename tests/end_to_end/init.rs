//! `loopgate init`: a policy to begin with, and one that approves what is there.

mod fresh_machine;
mod hostile;
mod merging;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Run, quiet_facts, reached_by_everybody, run};

/// A folder with recorded facts and a policy.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(listeners: &[Value]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.observe(listeners);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The facts of a quiet machine with these listeners.
    pub(crate) fn observe(&self, listeners: &[Value]) {
        let mut facts = quiet_facts();
        facts["listeners"] = listeners.into();
        fs::write(self.path("facts.json"), facts.to_string()).unwrap();
    }

    pub(crate) fn change_facts(&self, change: impl FnOnce(&mut Value)) {
        let mut facts = serde_json::from_slice(&fs::read(self.path("facts.json")).unwrap()).unwrap();
        change(&mut facts);
        fs::write(self.path("facts.json"), facts.to_string()).unwrap();
    }

    pub(crate) fn policy(&self) -> String {
        fs::read_to_string(self.path("loopgate.toml")).unwrap()
    }

    pub(crate) fn write(&self, policy: &str) {
        fs::write(self.path("loopgate.toml"), policy).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let facts = self.path("facts.json").display().to_string();
        run(arguments.iter().copied().chain(["--facts", &facts]))
    }

    /// Adds what is there to the policy, and gives what was said.
    pub(crate) fn init(&self) -> String {
        let run = self.try_init(&[]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        unwrapped(&run.stdout)
    }

    pub(crate) fn try_init(&self, options: &[&str]) -> Run {
        let policy = self.path("loopgate.toml").display().to_string();
        self.run(&[&["init", "--from-host", &policy], options].concat())
    }

    pub(crate) fn check(&self, options: &[&str]) -> (i32, Value) {
        let policy = self.path("loopgate.toml").display().to_string();
        let run = self.run(&[&["check", "--format", "json", "--policy", &policy], options].concat());
        (run.code, run.json())
    }
}

/// A listener on the quiet machine that everybody reaches, held by a program of a unit.
pub(crate) fn listener(address: &str, port: u16, program: &str) -> Value {
    let name = program.rsplit('/').next().unwrap();
    let endpoint = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let scope = match address {
        "0.0.0.0" | "::" => "unspecified",
        "127.0.0.1" => "loopback",
        _ => "private",
    };
    let reachability = match address {
        "::" => reached_over_ipv6(port),
        "127.0.0.1" => reached_over_loopback(port),
        _ => reached_by_everybody(port),
    };
    json!({
        "id": format!("tcp/{endpoint}"), "protocol": "tcp", "address": address, "port": port, "scope": scope,
        "ipv6_only": if address.contains(':') { json!(true) } else { json!(null) }, "zone": null, "bound_interface": null,
        "multipath": false, "origin": "socket", "sockets": [{ "inode": 7, "uid": 33 }], "published": null,
        "owners": [{ "pid": 812, "name": name, "executable": program, "command_line": [], "uid": 33, "user": "www-data",
                     "cgroup": format!("/system.slice/{name}.service"), "unit": format!("{name}.service"),
                     "container": null }],
        "reachability": reachability
    })
}

fn reached_over_loopback(port: u16) -> Value {
    let mut regions = reached_by_everybody(port);
    regions[0]["destinations"] = json!(["127.0.0.1"]);
    let outside = &mut regions[1];
    outside["destinations"] = json!(["127.0.0.1"]);
    (outside["verdict"], outside["reason"]) = (json!("blocked"), json!("martian"));
    regions
}

/// The quiet machine has one IPv6 address, which only neighbours reach.
fn reached_over_ipv6(port: u16) -> Value {
    let mut regions = reached_by_everybody(port);
    for (position, destination) in [(0, "::1"), (1, "fe80::5054:ff:fe12:3456")] {
        let region = &mut regions[position];
        (region["destinations"], region["sources"]) = (json!([destination]), json!(["::/0"]));
    }
    regions
}

/// Text without the breaks of its lines.
pub(crate) fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The policy with every decision made: marks taken away, and an owner and a reason given.
pub(crate) fn decided(policy: &str) -> String {
    let decided = policy.lines().map(|line| match line.strip_prefix('#') {
        Some(r#"owner = """#) => r#"owner = "data platform""#,
        Some(r#"reason = """#) => r#"reason = "ticket 4711""#,
        Some(marked) if marked.starts_with(|first: char| first == '[' || first.is_ascii_lowercase()) => marked,
        _ => line,
    });
    decided.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_new_policy_is_short_right_and_never_replaces_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("loopgate.toml").display().to_string();
    let made = run(["init", &path]);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("#:schema ./policy.schema.json\n") && text.contains("extends = [\"default\"]"), "{text}");
    assert_eq!(run(["policy", "check", "--policy", &path]).code, 0);

    let again = run(["init", &path]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(run(["init", "--from-host", "--extends", "server", &path]).code, 2);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    // What it shows in comments is right as well.
    fs::write(&path, decided(&text)).unwrap();
    let shown = run(["policy", "check", "--policy", &path]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
}

#[test]
fn a_new_policy_extends_what_is_named_or_is_not_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("loopgate.toml").display().to_string();
    let unknown = run(["init", &path, "--extends", "sever"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `server`?"), "{}", unknown.stderr);
    assert!(!folder.path().join("loopgate.toml").exists());
    assert_eq!(run(["init", &path, "--extends", "default", "--extends", "server"]).code, 0);
    assert!(fs::read_to_string(&path).unwrap().contains("extends = [\"default\", \"server\"]"));
}

#[test]
fn facts_without_from_host_are_no_slip_that_goes_unseen() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("loopgate.toml");
    let run = run(["init".as_ref(), path.as_os_str(), "--facts".as_ref(), "facts.json".as_ref()]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--from-host"), "{}", run.stderr);
    assert!(!path.exists());
}
