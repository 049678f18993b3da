//! Owners: hostile names, processes that vanish, and runs that may not see everything.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loopgate_collect::linux::LinuxCollector;
use loopgate_collect::{Collector, this_machine};
use loopgate_facts::{Area, Facts, Owner, Untrusted};
use loopgate_test_support::{command, in_namespace, in_namespace_of_processes, run};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

fn owners(facts: &Facts) -> impl Iterator<Item = &Owner> {
    facts.listeners.iter().flat_map(|listener| &listener.owners)
}

/// A process that owns a listener, as its standard input, and ends with the test.
struct Holder(Child);

impl Holder {
    fn start(mut command: Command, listener: &TcpListener) -> Self {
        let listener = OwnedFd::from(listener.try_clone().unwrap());
        Self(command.stdin(Stdio::from(listener)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// What the facts say of it.
    fn among<'a>(&self, facts: &'a Facts) -> &'a Owner {
        owners(facts).find(|owner| owner.pid == self.0.id()).unwrap()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleep() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60");
    command
}

/// Demand 13: a name may have any bytes in it.
#[test]
fn hostile_names_and_arguments_come_through_as_data() {
    in_namespace("hostile_names_and_arguments_come_through_as_data", || {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"\x1b[2J\xff\n) S 1");
        let program = folder.path().join(name);
        fs::copy("/bin/sleep", &program).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = Command::new(&program);
        command.arg("60");
        std::os::unix::process::CommandExt::arg0(&mut command, OsStr::from_bytes(b"a\x1b]0;x\x07\n\xfe"));
        let child = Holder::start(command, &listener);
        let facts = this_machine().collect();
        let owner = child.among(&facts);
        assert_eq!(owner.name.as_str(), "\u{1b}[2J\\xff\n) S 1");
        assert_eq!(owner.command_line[0].as_str(), "a\u{1b}]0;x\u{7}\n\\xfe");
        assert_eq!(owner.command_line[1].as_str(), "60");
        assert!(owner.executable.as_ref().unwrap().as_str().ends_with("\u{1b}[2J\\xff\n) S 1"));
        assert_eq!(owner.uid, Some(0));
    });
}

/// Demand 13: the kernel cuts the name of a process, and a process can change it; the executable stays whole.
#[test]
fn a_name_that_the_kernel_cuts_is_whole_in_the_executable() {
    in_namespace("a_name_that_the_kernel_cuts_is_whole_in_the_executable", || {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("longer-than-the-kernel-keeps");
        fs::copy("/bin/sleep", &program).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = Command::new(&program);
        command.arg("60");
        let child = Holder::start(command, &listener);
        let facts = this_machine().collect();
        let owner = child.among(&facts);
        assert_eq!(owner.name.as_str(), "longer-than-the");
        assert_eq!(owner.executable.as_ref().unwrap().as_str(), program.to_str().unwrap());
    });
}

#[test]
fn a_deleted_executable_is_named_as_such() {
    in_namespace("a_deleted_executable_is_named_as_such", || {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("service");
        fs::copy("/bin/sleep", &program).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = Command::new(&program);
        command.arg("60");
        let child = Holder::start(command, &listener);
        fs::remove_file(&program).unwrap();
        let facts = this_machine().collect();
        let owner = child.among(&facts);
        assert!(owner.executable.as_ref().unwrap().as_str().ends_with("/service (deleted)"));
        assert!(!owner.executable_elsewhere, "what was replaced was on a mount of this machine");
    });
}

/// Whoever may make a mount namespace can have any program at any path.
#[test]
fn a_program_under_the_path_of_another_is_told_from_it() {
    in_namespace("a_program_under_the_path_of_another_is_told_from_it", || {
        let folder = tempfile::tempdir().unwrap();
        let disguised = folder.path().join("disguised");
        fs::copy("/bin/sleep", &disguised).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let honest = Holder::start(sleep(), &listener);
        let script = r#"mount --bind "$1" /usr/bin/true && exec /usr/bin/true 60"#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", script, "sh"]).arg(&disguised);
        let disguised = Holder::start(command, &listener);
        let facts = std::iter::repeat_with(|| this_machine().collect())
            .take(10_000)
            .find(|facts| disguised.among(facts).executable == Some("/usr/bin/true".into()))
            .unwrap();
        assert!(disguised.among(&facts).executable_elsewhere);
        assert!(!honest.among(&facts).executable_elsewhere);
    });
}

/// A mount namespace in which a file lies at the path of another, until it is dropped.
struct MountNamespace(Holder);

impl MountNamespace {
    fn with(file: &Path, at: &str) -> Self {
        let script = r#"mount --bind "$1" "$2" && echo && exec cat"#;
        let mut holder = command("unshare");
        holder.args(["--mount", "--", "sh", "-c", script, "sh"]).arg(file).arg(at);
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        holder.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(Holder(holder))
    }

    /// Opens a file there. Whoever gets the descriptor has it on a mount of that namespace.
    fn open(&self, path: &str) -> File {
        File::open(format!("/proc/{}/root{path}", self.0.0.id())).unwrap()
    }
}

/// Executes an open `sleep`, as `fexecve(3)` does, in this mount namespace; sees that it is shown at the path of `true`, and
/// told from the program there.
fn assert_told_from_true(program: &File) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg("60");
    let disguised = Holder::start(command, &listener);
    let [own, its] = ["self".to_owned(), disguised.0.id().to_string()]
        .map(|process| fs::read_link(format!("/proc/{process}/ns/mnt")).unwrap());
    assert_eq!(own, its);
    let facts = this_machine().collect();
    let owner = disguised.among(&facts);
    assert_eq!(owner.executable, Some("/usr/bin/true".into()));
    assert!(owner.executable_elsewhere);
}

/// An open file is on the mount on which it was opened, whoever executes it: in the mount namespace of everybody, a process
/// has the path that the file has in another one.
#[test]
fn a_program_from_another_mount_namespace_is_told_from_the_one_at_its_path() {
    in_namespace("a_program_from_another_mount_namespace_is_told_from_the_one_at_its_path", || {
        let folder = tempfile::tempdir().unwrap();
        let disguised = folder.path().join("disguised");
        fs::copy("/bin/sleep", &disguised).unwrap();
        let other = MountNamespace::with(&disguised, "/usr/bin/true");
        assert_told_from_true(&other.open("/usr/bin/true"));
    });
}

/// What is open on a mount that has been taken away has its path below that mount, as if it were the root.
#[test]
fn a_program_on_a_detached_mount_is_told_from_the_one_at_its_path() {
    in_namespace_of_processes("a_program_on_a_detached_mount_is_told_from_the_one_at_its_path", || {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        run("mount", &["-t", "tmpfs", "tmpfs", at]);
        let disguised = folder.path().join("usr/bin/true");
        fs::create_dir_all(disguised.parent().unwrap()).unwrap();
        fs::copy("/bin/sleep", &disguised).unwrap();
        let disguised = File::open(disguised).unwrap();
        run("umount", &["--lazy", at]);
        assert_told_from_true(&disguised);
    });
}

/// Without privileges the kernel does not let the descriptors of a zombie be asked for, and it has none.
#[test]
fn a_zombie_leaves_nothing_unknown() {
    in_namespace_of_processes("a_zombie_leaves_nothing_unknown", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let zombie = Holder::start(Command::new("true"), &listener);
        let pid = Pid::from_child(&zombie.0);
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        let facts = this_machine().collect();
        assert_eq!(facts.gaps_in(Area::Owners).count(), 0, "{:?}", facts.gaps);
        assert!(owners(&facts).all(|owner| owner.pid == std::process::id()));
        assert_eq!(owners(&facts).count(), 1);
    });
}

/// Demand 5: what changes while it is read gives no false row.
#[test]
fn sockets_and_processes_that_come_and_go_give_no_gap_and_no_false_owner() {
    in_namespace("sockets_and_processes_that_come_and_go_give_no_gap_and_no_false_owner", || {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| churn(&stop));
            }
            let _stop = StopAtEnd(&stop);
            for _ in 0..100 {
                check(&this_machine().collect());
            }
        });
    });
}

/// Stops the other threads even if the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Listeners and short-lived processes that hold them; nobody else listens in this namespace.
fn churn(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = Holder::start(Command::new("true"), &listener);
        drop(listener);
        child.0.wait().unwrap();
    }
}

fn check(facts: &Facts) {
    for owner in owners(facts) {
        // A child that has not yet begun its program still has the name of the thread that made it.
        let name = owner.name.as_str();
        let own = owner.pid == std::process::id() || name == "true" || owner.executable == Some(own_executable());
        assert!(own, "a false owner: {owner:?}");
    }
    assert_eq!(facts.gaps_in(Area::Listeners).count(), 0, "{:?}", facts.gaps);
}

fn own_executable() -> Untrusted {
    let path = std::env::current_exe().unwrap();
    Untrusted::from_bytes(path.as_os_str().as_bytes())
}

/// Demand 3: an owner that could not be seen is a gap, not a number.
#[test]
fn without_permission_the_gap_counts_the_sockets_that_lost_their_owner() {
    in_namespace("without_permission_the_gap_counts_the_sockets_that_lost_their_owner", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _child = Holder::start(sleep(), &listener);
        drop(listener);
        let text = unprivileged();
        let facts = Facts::from_json(text.as_bytes()).unwrap();
        let gap = facts.gaps_in(Area::Owners).next().unwrap();
        assert_eq!(facts.listeners.len(), 1);
        assert_eq!(owners(&facts).count(), 0);
        assert!(gap.leaves_unknown.as_str().starts_with("the owners of 1 of 1 socket"), "{gap:?}");
        assert!(gap.reason.as_str().contains("may not be read"), "{gap:?}");
    });
}

/// The facts as a process without capabilities sees them, in a user namespace below this one.
fn unprivileged() -> String {
    let test = "prints_the_facts_for_another_test";
    let binary = std::env::current_exe().unwrap();
    let mut unshare = command("unshare");
    unshare.args(["--user", "--map-user=65534", "--"]).arg(binary);
    unshare.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    let output = unshare.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let begin = printed.find("{\"schema\"").unwrap_or_else(|| panic!("no facts: {output:?}"));
    printed[begin..].lines().next().unwrap().to_owned()
}

#[test]
#[ignore = "run by another test"]
fn prints_the_facts_for_another_test() {
    println!("{}", serde_json::to_string(&this_machine().collect()).unwrap());
}

#[test]
fn without_proc_there_are_gaps_and_no_error() {
    in_namespace("without_proc_there_are_gaps_and_no_error", || {
        let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let facts = LinuxCollector::with_files_under(Path::new("/nonexistent")).collect();
        assert_eq!(facts.listeners.len(), 1);
        let areas: Vec<_> = facts.gaps.iter().map(|gap| gap.area).collect();
        for area in [
            Area::Host,
            Area::InterfaceSettings,
            Area::Listeners,
            Area::Owners,
            Area::Resolver,
            Area::Sysctls,
            Area::Firewall,
        ] {
            assert!(areas.contains(&area), "no gap in {area}");
        }
        assert_eq!(facts.inconsistencies(), []);
    });
}

#[test]
fn facts_survive_their_document() {
    in_namespace("facts_survive_their_document", || {
        let _listener = TcpListener::bind("[::1]:0").unwrap();
        let facts = this_machine().collect();
        let document = serde_json::to_vec(&facts).unwrap();
        assert_eq!(Facts::from_json(&document).unwrap(), facts);
    });
}

/// A graceful restart: at every moment one of two sockets listens on the endpoint, but never one of them for long.
/// Demand 5: a restart while it is read loses no row.
#[test]
fn an_endpoint_whose_sockets_are_replaced_is_never_lost() {
    in_namespace("an_endpoint_whose_sockets_are_replaced_is_never_lost", || {
        let listen = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&std::net::SocketAddr::from(([0, 0, 0, 0], 8080)).into()).unwrap();
            socket.listen(1).unwrap();
            socket
        };
        let is_over = AtomicBool::new(false);
        let mut current = listen();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    current = listen();
                }
            });
            let lost =
                (0..40).filter(|_| !this_machine().collect().listeners.iter().any(|listener| listener.port == 8080));
            let lost = lost.count();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(lost, 0, "of 40 observations");
        });
    });
}
