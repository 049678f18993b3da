//! One process, as `/proc/PID` (`proc(5)`) shows it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use loopgate_facts::{Owner, Untrusted};
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, StatxFlags, openat, readlinkat, stat, statat, statx};
use rustix::io::Errno;

use super::cgroup::Membership;
use super::users::Users;

/// A process by an open directory of its own in `/proc`.
///
/// The directory belongs to the process and not to its number: once the process is gone, reading through it fails with
/// `ESRCH`, even if another process has got the number since.
pub(super) struct Process {
    pid: u32,
    directory: OwnedFd,
}

impl Process {
    /// The process that a `/proc/PID/fd` directory belongs to.
    pub(super) fn of_descriptors(pid: u32, descriptors: &OwnedFd) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { pid, directory: openat(descriptors, "..", flags, Mode::empty())? })
    }

    /// What is to be known of it; an error if it is gone. A part that may not be read is left out.
    pub(super) fn owner(&self, users: &Users) -> io::Result<Owner> {
        let name = self.read("comm", 4 << 10)?;
        let executable = readlinkat(&self.directory, "exe", Vec::new()).ok();
        let command_line = self.read("cmdline", MAX_COMMAND_LINE).unwrap_or_default();
        let membership = Membership::parse(&self.read("cgroup", 64 << 10).unwrap_or_default());
        // Read last: a process that was alive until here was so all the time, and a dead one holds nothing.
        let status = self.read("status", 64 << 10)?;
        if is_dead(&status) {
            return Err(Errno::SRCH.into());
        }
        let uid = effective_uid(&status);
        Ok(Owner {
            pid: self.pid,
            name: Untrusted::from_bytes(name.strip_suffix(b"\n").unwrap_or(&name)),
            executable_elsewhere: executable.as_deref().is_some_and(|path| self.executes_elsewhere(path)),
            executable: executable.map(|path| Untrusted::from_bytes(path.as_bytes())),
            command_line: if is_cut(&command_line) { Vec::new() } else { arguments(&command_line) },
            uid,
            user: uid.and_then(|uid| users.name(uid)),
            cgroup: membership.path,
            unit: membership.unit,
            container: membership.container,
        })
    }

    /// Whether the path of its executable leads to another file here: the file is another one than that at the path, and on a
    /// mount that is none of the collector's (`mount_namespaces(7)`), where what is at a path is up to whoever made it. The
    /// namespace of the process says nothing: it may have got the open file from another one. A file that was replaced is
    /// another one too, but on a mount of ours.
    fn executes_elsewhere(&self, path: &CStr) -> bool {
        let same = is_same(statat(&self.directory, "exe", AtFlags::empty()), stat(path));
        !same && !self.mount_of_executable().is_some_and(is_mount_of_ours)
    }

    /// The mount that its executable was opened on; `None` before Linux 5.8.
    fn mount_of_executable(&self) -> Option<u64> {
        let found = statx(&self.directory, "exe", AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
        StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID).then_some(found.stx_mnt_id)
    }

    /// A file, or so much of it as fits `limit`.
    fn read(&self, name: &str, limit: usize) -> io::Result<Vec<u8>> {
        read(&self.directory, name, limit)
    }
}

/// Whether a process ends, is a zombie, or is a thread of the kernel: it has no memory and no second thread, and holds nothing
/// that could be named. What is in `/proc` of such a one is for root of the machine alone, whosever it was
/// (`task_dump_owner`, `fs/proc/base.c`).
pub(super) fn has_no_memory(proc: impl AsFd, pid: u32) -> io::Result<bool> {
    Ok(is_without_memory(&read(proc, &format!("{pid}/stat"), 4 << 10)?))
}

/// `PF_EXITING` and `PF_KTHREAD` of `include/linux/sched.h`.
const ENDS_OR_IS_OF_THE_KERNEL: u64 = 0x4 | 0x0020_0000;

/// The 9th, 20th and 23rd field of `proc_pid_stat(5)`: `flags`, `num_threads` and `vsize`. The second is the name in parentheses,
/// which may have anything in it.
///
/// The size alone would not do: a process that waits in a system call can have all of its memory unmapped by another one that
/// shares it, and still hold its sockets.
fn is_without_memory(stat: &[u8]) -> bool {
    let behind_name = stat.iter().rposition(|&byte| byte == b')').and_then(|end| stat.get(end + 1..));
    let fields = behind_name.and_then(|fields| str::from_utf8(fields).ok()).unwrap_or_default();
    let number = |position: usize| fields.split_ascii_whitespace().nth(position - 3)?.parse::<u64>().ok();
    number(9).is_some_and(|flags| flags & ENDS_OR_IS_OF_THE_KERNEL != 0)
        && number(20).is_some_and(|threads| threads <= 1)
        && number(23) == Some(0)
}

fn read(directory: impl AsFd, name: &str, limit: usize) -> io::Result<Vec<u8>> {
    let file = openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = Vec::with_capacity(limit);
    while content.len() < limit && rustix::io::read(&file, spare_capacity(&mut content))? > 0 {}
    Ok(content)
}

/// A container engine has thousands of mounts; nobody reads on beyond this.
const MAX_MOUNTINFO: usize = 4 << 20;

/// Whether both are one file.
fn is_same(one: rustix::io::Result<Stat>, other: rustix::io::Result<Stat>) -> bool {
    one.is_ok_and(|one| other.is_ok_and(|other| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)))
}

/// Whether a mount is one of those that the collector sees (`proc_pid_mountinfo(5)`, first field).
fn is_mount_of_ours(mount: u64) -> bool {
    let mounts = read(CWD, "/proc/self/mountinfo", MAX_MOUNTINFO).unwrap_or_default();
    let ids = mounts.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b' ').next());
    ids.filter_map(|id| str::from_utf8(id).ok()).any(|id| id.parse() == Ok(mount))
}

/// A command line can be megabytes long, and a process can change it; nobody reads on beyond this.
const MAX_COMMAND_LINE: usize = 64 << 10;

/// Owners are repeated for each listener, so a process with many of both must not fill the memory.
const MAX_ARGUMENTS: usize = 1024;

/// Whether there is, or may be, more of a command line than is kept. Half of one would be worse than none: what is
/// cut off may be the option that opens a debugger.
fn is_cut(text: &[u8]) -> bool {
    text.len() >= MAX_COMMAND_LINE || text.split(|&byte| byte == 0).nth(MAX_ARGUMENTS + 1).is_some()
}

/// The arguments of a command line, each ended by a NUL. A process that overwrote its own leaves more of them behind.
fn arguments(text: &[u8]) -> Vec<Untrusted> {
    let end = text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let text = text.get(..end).unwrap_or_default();
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|&byte| byte == 0).map(Untrusted::from_bytes).collect()
}

/// The second number of `Uid:`, which are the real, effective, saved and file system user ids.
fn effective_uid(status: &[u8]) -> Option<u32> {
    field(status, b"Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process is a zombie, or dead altogether (`proc_pid_status(5)`, "State").
fn is_dead(status: &[u8]) -> bool {
    field(status, b"State:").is_some_and(|state| state.trim_start().starts_with(['Z', 'X', 'x']))
}

fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    str::from_utf8(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_at_nuls() {
        let split = |text: &[u8]| arguments(text).iter().map(|text| text.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(split(b"a\0b c\0\0d\0"), ["a", "b c", "", "d"]);
        assert_eq!(split(b"nginx: worker process\0\0\0\0"), ["nginx: worker process"]);
        assert_eq!(split(b""), Vec::<String>::new());
        assert_eq!(split(b"\0\0"), Vec::<String>::new());
    }

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(effective_uid(b"Name:\tx\nUid:\t1000\t33\t33\t33\n"), Some(33));
        assert_eq!(effective_uid(b"Name:\tUid: 7"), None);
    }

    #[test]
    fn only_what_has_neither_memory_nor_threads_holds_nothing() {
        let stat = |flags, threads, size| {
            format!("8 (a) R 9 (b) Z 1 0 0 0 -1 {flags} 210 0 0 0 1 2 0 0 20 0 {threads} 0 77 {size} 0 1\n")
                .into_bytes()
        };
        let (zombie, kernel_thread, running) = (4_227_148, 2_129_984, 4_194_304);
        assert!(is_without_memory(&stat(zombie, 1, 0)) && is_without_memory(&stat(zombie, 0, 0)));
        assert!(is_without_memory(&stat(kernel_thread, 1, 0)));
        assert!(!is_without_memory(&stat(zombie, 1, 4096)));
        assert!(!is_without_memory(&stat(zombie, 2, 0)), "the first thread has ended, and others hold what it held");
        assert!(!is_without_memory(&stat(running, 1, 0)), "its memory was unmapped, and it holds what it held");
        assert!(!is_without_memory(b"") && !is_without_memory(b"8 (a) Z 1"));
    }

    #[test]
    fn zombies_are_dead() {
        assert!(is_dead(b"Name:\tx\nState:\tZ (zombie)\n"));
        assert!(!is_dead(b"Name:\tZ\nState:\tS (sleeping)\n"));
    }
}
