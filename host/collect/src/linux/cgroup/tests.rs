//! Control groups as the systems that make them write them.

use proptest::prelude::*;

use super::*;

const ID: &str = "3f6a1c0d9e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f";

/// The unit and the container of one line, with `ID` for an id.
fn of(line: &str) -> (Option<String>, Option<(String, String)>) {
    let found = Membership::parse(line.replace("ID", ID).as_bytes());
    let container = found.container.map(|found| (found.runtime, found.id.as_str().replace(ID, "ID")));
    (found.unit.map(|unit| unit.as_str().replace(ID, "ID")), container)
}

#[test]
fn units() {
    for (line, unit) in [
        ("0::/system.slice/nginx.service", Some("nginx.service")),
        ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service", Some("postgresql@15-main.service")),
        ("0::/system.slice/docker.service/supervise", Some("docker.service")),
        ("0::/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/node.service",
            Some("user@1000.service/node.service"),
        ),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope", Some("user@1000.service/init.scope")),
        ("0::/user.slice/user-1000.slice/user@1000.service", Some("user@1000.service")),
        (
            r"0::/user.slice/user-1.slice/user@1.service/app.slice/app-a\x2db.scope",
            Some(r"user@1.service/app-a\x2db.scope"),
        ),
        ("0::/system.slice/_cpu.service", Some("cpu.service")),
        ("0::/init.scope", Some("init.scope")),
        ("0::/", None),
        ("0::/system.slice", None),
        ("0::/system.slice/.service", None),
        ("0::/lxc.payload.web/system.slice/ssh.service", None),
        ("1:name=systemd:/system.slice/cron.service\n0::/", Some("cron.service")),
        ("4:cpu:/other\n1:name=systemd:/system.slice/cron.service\n0::/system.slice/x.service", Some("cron.service")),
        ("5:cpu,cpuacct:/\n0::/system.slice/x.service", Some("x.service")),
    ] {
        assert_eq!(of(line).0.as_deref(), unit, "{line}");
    }
}

#[test]
fn containers() {
    for (line, runtime, id) in [
        ("0::/system.slice/docker-ID.scope", "docker", "ID"),
        ("12:memory:/docker/ID\n1:name=systemd:/docker/ID", "docker", "ID"),
        ("0::/machine.slice/libpod-ID.scope/container", "podman", "ID"),
        ("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", "podman", "ID"),
        ("0::/libpod_parent/libpod-ID", "podman", "ID"),
        ("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope", "containerd", "ID"),
        ("0::/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:ID", "containerd", "ID"),
        ("0::/kubepods.slice/kubepods-besteffort.slice/crio-ID.scope", "cri-o", "ID"),
        ("11:cpu:/kubepods/besteffort/pod1/ID", "unknown", "ID"),
        ("0::/system.slice/nerdctl-ID.scope", "containerd", "ID"),
        ("0::/lxc.payload.web/system.slice/ssh.service", "lxc", "web"),
        ("3:cpu:/lxc/web", "lxc", "web"),
        (r"0::/machine.slice/machine-my\x2dbox.scope/payload", "systemd-nspawn", "my-box"),
        ("0::/machine.slice/systemd-nspawn@web.service/payload/init.scope", "systemd-nspawn", "web"),
        (r"0::/machine.slice/machine-lxc\x2d1\x2dweb.scope", "lxc", "lxc-1-web"),
    ] {
        assert_eq!(of(line).1, Some((runtime.to_owned(), id.to_owned())), "{line}");
    }
}

#[test]
fn no_containers() {
    for line in [
        "0::/system.slice/docker.service",
        "0::/system.slice/docker-proxy.scope",
        "0::/machine.slice/libpod-conmon-ID.scope",
        "0::/lxc.monitor.web",
        r"0::/machine.slice/machine-qemu\x2d1\x2dvm.scope",
        "0::/user.slice/user-1000.slice/session-3.scope",
        "",
    ] {
        assert_eq!(of(line).1, None, "{line}");
    }
}

#[test]
fn a_container_within_a_container_is_the_one_that_counts() {
    let other = "f".repeat(64);
    let found = of(&format!("0::/system.slice/docker-{other}.scope/kubepods/crio-ID.scope"));
    assert_eq!(found.1, Some(("cri-o".into(), "ID".into())));
}

#[test]
fn the_path_of_systemd_is_the_one_that_is_kept() {
    let found = Membership::parse(b"5:cpu:/x\n1:name=systemd:/system.slice/cron.service\n0::/");
    assert_eq!(found.path, Some("/system.slice/cron.service".into()));
    assert_eq!(Membership::parse(b"0::/").path, Some("/".into()));
    assert_eq!(Membership::parse(b"").path, None);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        Membership::parse(&bytes);
    }

    #[test]
    fn any_path_is_read(path in r"(/[a-z_.:@\\x-]{0,12}(\.(slice|service|scope))?){0,5}") {
        Membership::parse(format!("0::{path}").as_bytes());
    }
}
