//! Other machines: network namespaces beside that of the test.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{command, run as program};

/// A network namespace, held by a process that ends with the test.
pub struct Namespace {
    holder: Child,
    file: File,
}

impl Namespace {
    /// One in which nothing but the loopback device is up.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[allow(clippy::new_without_default, reason = "it is not a value but a thing that is made")]
    pub fn new() -> Self {
        let mut holder = command("unshare");
        // `cat` ends when the test does: its input ends then.
        holder.args(["--net", "sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().expect("unshare can be run");
        holder.stdout.as_mut().unwrap().read_exact(&mut [0]).expect("the namespace is made");
        let file = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        let namespace = Self { holder, file };
        namespace.ip(&["link set lo up"]);
        namespace
    }

    /// The process to name in `ip link set ... netns PID`.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// Does something there: on a thread that has moved there, so that sockets and programs belong to it.
    ///
    /// # Panics
    ///
    /// If the thread cannot move there, or if the body panics.
    pub fn within<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let moved = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            body()
        };
        thread::scope(|scope| scope.spawn(moved).join().unwrap())
    }

    /// Runs `ip` there, once for each line of arguments.
    pub fn ip(&self, lines: &[impl AsRef<str> + Sync]) {
        self.within(|| ip(lines));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Runs `ip` here, once for each line of arguments.
pub fn ip(lines: &[impl AsRef<str>]) {
    for line in lines {
        program("ip", &line.as_ref().split(' ').collect::<Vec<_>>());
    }
}
