//! The machine, and the place on it that the observation is made from.

use std::fs;
use std::os::unix::fs::MetadataExt;

use loopgate_facts::{Area, Capability, Host, NetworkNamespace, Untrusted};
use rustix::process::geteuid;
use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};

use super::cgroup::Membership;
use super::distribution;
use super::root::Root;
use crate::gaps::Gaps;
use crate::now;

/// Observes the machine and the run itself.
pub(super) fn observe(root: &Root, gaps: &mut Gaps) -> Host {
    let system = uname();
    Host {
        hostname: Untrusted::from_bytes(system.nodename().to_bytes()),
        os: std::env::consts::OS.to_owned(),
        kernel: Untrusted::from_bytes(system.release().to_bytes()),
        distribution: distribution::observe(root, gaps),
        container: container(root),
        network_namespace: network_namespace(root, gaps),
        collected_at: now(),
        effective_uid: Some(geteuid().as_raw()),
        capabilities: effective_capabilities(gaps),
        collector: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The namespace by the inode of its file (`namespaces(7)`), and whether process 1 shares it.
fn network_namespace(root: &Root, gaps: &mut Gaps) -> Option<NetworkNamespace> {
    let inode = |process: &str| fs::metadata(root.path(&format!("proc/{process}/ns/net"))).map(|file| file.ino());
    match inode("self") {
        Ok(id) => Some(NetworkNamespace { id, initial: inode("1").ok().map(|first| first == id) }),
        Err(error) => {
            gaps.subject(Area::Host, "network namespace", error, "which network namespace was observed");
            None
        }
    }
}

fn effective_capabilities(gaps: &mut Gaps) -> Vec<Capability> {
    const DECISIVE: [(CapabilitySet, Capability); 6] = [
        (CapabilitySet::DAC_READ_SEARCH, Capability::DacReadSearch),
        (CapabilitySet::DAC_OVERRIDE, Capability::DacOverride),
        (CapabilitySet::NET_ADMIN, Capability::NetAdmin),
        (CapabilitySet::NET_RAW, Capability::NetRaw),
        (CapabilitySet::SYS_PTRACE, Capability::SysPtrace),
        (CapabilitySet::SYS_ADMIN, Capability::SysAdmin),
    ];
    match capabilities(None) {
        Ok(sets) => {
            let held = DECISIVE.iter().filter(|(bit, _)| sets.effective.contains(*bit));
            held.map(|&(_, capability)| capability).collect()
        }
        Err(error) => {
            gaps.subject(Area::Host, "capabilities", error, "what the collector was allowed to see");
            Vec::new()
        }
    }
}

/// The container that the run is inside of, by the traces that runtimes leave: the `container` variable of process 1
/// (systemd's "Container Interface"), what systemd makes of it, marker files, the control group.
fn container(root: &Root) -> Option<Untrusted> {
    variable_of_init(root)
        .or_else(|| noted_by_systemd(root))
        .or_else(|| marker(root, "run/.containerenv", "podman"))
        .or_else(|| marker(root, ".dockerenv", "docker"))
        .or_else(|| marker(root, "run/secrets/kubernetes.io", "kubernetes"))
        .or_else(|| own_control_group(root))
}

fn variable_of_init(root: &Root) -> Option<Untrusted> {
    let environment = root.read("proc/1/environ", 1 << 20).ok()?;
    let value = environment.split(|&byte| byte == 0).find_map(|variable| variable.strip_prefix(b"container="))?;
    (!value.is_empty()).then(|| Untrusted::from_bytes(value))
}

fn noted_by_systemd(root: &Root) -> Option<Untrusted> {
    let note = root.read("run/systemd/container", 4096).ok()?;
    let name = note.trim_ascii();
    (!name.is_empty()).then(|| Untrusted::from_bytes(name))
}

fn marker(root: &Root, path: &str, runtime: &str) -> Option<Untrusted> {
    root.has(path).then(|| runtime.into())
}

fn own_control_group(root: &Root) -> Option<Untrusted> {
    let membership = Membership::parse(&root.read("proc/self/cgroup", 1 << 20).ok()?);
    membership.container.map(|container| container.runtime.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The container that the given files tell of.
    fn container_by(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        container(&Root::new(folder.path())).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn containers_are_known_by_their_traces() {
        let id = "a".repeat(64);
        let group = format!("0::/system.slice/docker-{id}.scope");
        for (files, runtime) in [
            (vec![("proc/1/environ", "PATH=/bin\0container=lxc\0")], Some("lxc")),
            (vec![("run/systemd/container", "systemd-nspawn\n")], Some("systemd-nspawn")),
            (vec![("run/.containerenv", "")], Some("podman")),
            (vec![(".dockerenv", "")], Some("docker")),
            (vec![("proc/self/cgroup", group.as_str())], Some("docker")),
            (vec![("proc/1/environ", "PATH=/bin\0"), ("proc/self/cgroup", "0::/init.scope\n")], None),
        ] {
            assert_eq!(container_by(&files).as_deref(), runtime, "{files:?}");
        }
    }

    #[test]
    fn the_namespace_is_a_gap_without_proc() {
        let mut gaps = Gaps::default();
        assert_eq!(network_namespace(&Root::new("/nonexistent".as_ref()), &mut gaps), None);
        assert_eq!(gaps.into_vec().len(), 1);
    }
}
