//! A fresh Debian machine: nginx, Redis, `PostgreSQL` and sshd as their packages bring them, approved as they are, and then
//! changed in every way that the approval is there to catch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use loopgate_test_support::{Namespace, command, in_namespace_of_processes, ip, run as program};
use tempfile::TempDir;

use super::{decided, unwrapped};
use crate::servers::Server;
use crate::support::{Run, run};

const HERE: &[&str] = &[
    "link set eth0 up",
    "address add 192.0.2.1/24 dev eth0",
    "address add 10.9.0.1/24 dev eth0",
    "address add 2001:db8::1/64 dev eth0 nodad",
    "route add default via 192.0.2.254 dev eth0",
    "route add default via 2001:db8::fe dev eth0",
];

/// Everybody reaches the web, the local network alone reaches sshd and `PostgreSQL`.
const RULES: &str = "\
    table inet filter {
        chain input {
            type filter hook input priority 0; policy drop;
            iif lo accept
            ct state established,related accept
            meta l4proto ipv6-icmp accept
            tcp dport 80 accept
            ip saddr 10.9.0.0/24 tcp dport { 22, 5432 } accept
        }
    }";

/// The machine, another one on its link, and a folder for its files.
struct Machine {
    folder: TempDir,
    _peer: Namespace,
}

impl Machine {
    fn new() -> Self {
        let peer = Namespace::new();
        ip(&[format!("link add eth0 type veth peer name eth0 netns {}", peer.pid())]);
        peer.ip(&["link set eth0 up"]);
        ip(HERE);
        program("nft", &[RULES]);
        Self { folder: TempDir::new().unwrap(), _peer: peer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn policy(&self) -> String {
        self.path("loopgate.toml").display().to_string()
    }

    fn init(&self) -> String {
        let run = run(["init", "--from-host", &self.policy()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
        unwrapped(&run.stdout)
    }

    fn check(&self) -> Run {
        run(["check", "--policy", &self.policy()])
    }

    /// Judges, which fails, and gives the report.
    fn failing(&self) -> String {
        let run = self.check();
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        unwrapped(&run.stdout)
    }

    fn clean(&self) {
        let run = self.check();
        assert_eq!(run.code, 0, "{}{}{}", run.stdout, run.stderr, fs::read_to_string(self.policy()).unwrap());
    }
}

fn nginx(folder: &Path) -> Server {
    let at = folder.display();
    let text = format!(
        "user root; daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log;\n\
         events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{ listen 80; listen [::]:80; }} }}\n"
    );
    let configuration = folder.join("nginx.conf");
    fs::write(&configuration, text).unwrap();
    let mut nginx = command("nginx");
    nginx.arg("-c").arg(&configuration).arg("-e").arg(folder.join("error.log"));
    Server::start(&mut nginx).serving("127.0.0.1:80")
}

/// As Debian's package configures it.
fn redis(folder: &Path) -> Server {
    let mut redis = command("redis-server");
    redis.args(["--port", "6379", "--bind", "127.0.0.1", "-::1", "--save", "", "--dir"]).arg(folder);
    Server::start(&mut redis).serving("127.0.0.1:6379")
}

/// sshd wants a folder in `/run`, which it gets in a mount namespace of its own.
fn sshd(folder: &Path, address: &str) -> Server {
    let (key, configuration) = (folder.join("host_key"), folder.join("sshd_config"));
    if !key.exists() {
        program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key.display().to_string()]);
    }
    let text = format!("ListenAddress {address}\nPort 22\nHostKey {}\nPidFile none\nUsePAM no\n", key.display());
    fs::write(&configuration, text).unwrap();
    let script = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -f \"$0\"";
    let mut sshd = command("unshare");
    sshd.args(["--mount", "sh", "-c", script]).arg(configuration);
    Server::start(&mut sshd).serving("10.9.0.1:22")
}

/// The folder of the programs of `PostgreSQL`, whichever version there is.
fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (`make setup-test` does it)");
    versions.map(|version| version.unwrap().path().join("bin")).find(|bin| bin.join("postgres").exists()).unwrap()
}

/// `PostgreSQL` does not run as root: in a user namespace below this one, it is its own user.
fn as_postgres() -> std::process::Command {
    let id = |option: &str| program("id", &[option, "postgres"]).trim().to_owned();
    let mut unshare = command("unshare");
    unshare.arg("--user").arg(format!("--map-user={}", id("-u"))).arg(format!("--map-group={}", id("-g")));
    unshare
}

fn postgres(folder: &Path, address: &str) -> Server {
    let (programs, data) = (postgres_programs(), folder.join("postgres"));
    if !data.exists() {
        let mut initdb = as_postgres();
        initdb.arg(programs.join("initdb")).arg("-D").arg(&data);
        initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C"]);
        let output = initdb.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut postgres = as_postgres();
    postgres.arg(programs.join("postgres")).arg("-D").arg(&data).arg("-k").arg(&data);
    postgres.arg("-c").arg(format!("listen_addresses={address}"));
    Server::start(&mut postgres).serving(&format!("{address}:5432"))
}

/// The line of the policy on which the entry of a program begins, as messages name it.
fn entry(machine: &Machine, program: &str) -> String {
    let policy = fs::read_to_string(machine.policy()).unwrap();
    let lines: Vec<&str> = policy.lines().collect();
    let at = lines.iter().position(|line| *line == format!("executable = \"{program}\"")).unwrap();
    assert_eq!(lines[at - 1], "[[approved]]", "{policy}");
    // Lines count from 1.
    format!("loopgate.toml:{at}")
}

#[test]
fn what_is_there_is_approved_and_every_change_is_named_with_entry_and_rule() {
    in_namespace_of_processes(
        "init::fresh_machine::what_is_there_is_approved_and_every_change_is_named_with_entry_and_rule",
        || {
            let machine = Machine::new();
            let folder = machine.folder.path();
            let (_nginx, _redis) = (nginx(folder), redis(folder));
            let (sshd_there, postgres_there) = (sshd(folder, "10.9.0.1"), postgres(folder, "127.0.0.1"));

            let said = machine.init();
            assert!(said.contains("2 entries added, 0 left to decide"), "{said}");
            machine.clean();
            let written = fs::read(machine.policy()).unwrap();
            machine.init();
            assert_eq!(fs::read(machine.policy()).unwrap(), written, "a second run changes nothing");

            a_new_listener_fails(&machine);
            drop(sshd_there);
            let _sshd = a_widened_bind_fails(&machine);
            an_opened_firewall_fails(&machine);
            drop(postgres_there);
            a_database_on_the_network_takes_a_decision(&machine);
        },
    );
}

fn a_new_listener_fails(machine: &Machine) {
    let mut python = command("python3");
    python.args(["-m", "http.server", "8000", "--bind", "0.0.0.0", "--directory"]).arg(machine.path(""));
    let server = Server::start(&mut python).serving("127.0.0.1:8000");
    let failing = machine.failing();
    assert!(failing.contains("1 finding at or above medium: 1 high"), "{failing}");
    let message = "is not approved, though no other machine can reach it: the policy drop of inet filter input";
    assert!(failing.contains("tcp/0.0.0.0:8000") && failing.contains(message), "{failing}");
    drop(server);
    machine.clean();
}

fn a_widened_bind_fails(machine: &Machine) -> Server {
    let widened = sshd(machine.folder.path(), "0.0.0.0");
    let (failing, entry) = (machine.failing(), entry(machine, "/usr/sbin/sshd"));
    assert!(failing.contains("has another address"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    assert!(failing.contains("ip saddr 10.9.0.0/24 tcp dport { 22, 5432 } accept"), "the deciding rule: {failing}");
    let said = machine.init();
    assert!(said.contains("0 entries added, 1 left to decide"), "a widened bind is not simply approved: {said}");
    drop(widened);
    let sshd = sshd(machine.folder.path(), "10.9.0.1");
    machine.clean();
    sshd
}

fn an_opened_firewall_fails(machine: &Machine) {
    program("nft", &["insert rule inet filter input tcp dport 22 accept"]);
    let (failing, entry) = (machine.failing(), entry(machine, "/usr/sbin/sshd"));
    assert!(failing.contains("approved/reach-exceeded"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    assert!(failing.contains("tcp dport 22 accept"), "the deciding rule: {failing}");
    reset_rules();
    machine.clean();
}

/// The policy fails a database that the network reaches, approved or not: that takes a waiver with an end.
fn a_database_on_the_network_takes_a_decision(machine: &Machine) {
    let _postgres = postgres(machine.folder.path(), "10.9.0.1");
    let said = machine.init();
    assert!(said.contains("listeners/sensitive-service (high)"), "{said}");
    machine.failing();
    let policy = fs::read_to_string(machine.policy()).unwrap();
    let (before, decision) = policy.split_at(policy.find("# DECIDE: postgres").unwrap());
    fs::write(machine.policy(), format!("{before}{}", decided(decision))).unwrap();
    machine.clean();

    program("nft", &["insert rule inet filter input tcp dport 5432 accept"]);
    let programs = postgres_programs();
    let (failing, entry) = (machine.failing(), entry(machine, &programs.join("postgres").display().to_string()));
    assert!(failing.contains("approved/reach-exceeded") && failing.contains("tcp dport 5432 accept"), "{failing}");
    assert!(failing.contains(&entry), "the entry, {entry}: {failing}");
    reset_rules();
    machine.clean();
}

fn reset_rules() {
    program("nft", &["flush ruleset"]);
    program("nft", &[RULES]);
}
