//! Containers by files that Docker 20.10 and Podman 4.3 wrote.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const DOCKER: &str = include_str!("tests/docker-config.v2.json");
const PODMAN: &str = include_str!("tests/podman-containers.json");

const OF_DOCKER: &str = "6a52eb8e87d19ac3195417bf15dd7596f5fb4bf460f924d0c9c377f67c5b756d";
const OF_PODMAN: &str = "a87680f15331742cd899367b40149c4d6ac9b6e220f86db3273e9abf2972f956";
const BRIEF: &str = "2c33d82a07e0961c2928fa7822e95b957c3ce3d2682511f0cda744d208751103";

fn machine(files: &[(String, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// A machine with a container of Docker, and two of Podman.
fn containers() -> TempDir {
    machine(&[
        (format!("var/lib/docker/containers/{OF_DOCKER}/config.v2.json"), DOCKER),
        ("var/lib/containers/storage/overlay-containers/containers.json".to_owned(), PODMAN),
    ])
}

/// Name and image of the container that a control group names.
fn named(machine: &TempDir, cgroup: &str) -> Option<(String, String)> {
    let proc = machine.path().join("proc/7");
    fs::create_dir_all(&proc).unwrap();
    fs::write(proc.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
    let container = Catalogue::new(&Root::new(machine.path())).container_of_process(7).unwrap();
    let plain = |text: Untrusted| text.as_str().to_owned();
    Some((plain(container.name?), plain(container.image?)))
}

fn pair(name: &str, image: &str) -> (String, String) {
    (name.to_owned(), image.to_owned())
}

#[test]
fn containers_are_called_what_their_runtime_calls_them() {
    let machine = containers();
    for cgroup in [format!("/system.slice/docker-{OF_DOCKER}.scope"), format!("/docker/{OF_DOCKER}")] {
        assert_eq!(named(&machine, &cgroup), Some(pair("web", "shop/web:1.4")), "{cgroup}");
    }
    for (id, name) in [(OF_PODMAN, "web"), (BRIEF, "brief")] {
        for cgroup in [
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/machine.slice/libpod-{id}.scope"),
            format!("/libpod_parent/libpod-{id}"),
        ] {
            assert_eq!(named(&machine, &cgroup), Some(pair(name, "localhost/shop/web:1.4")), "{cgroup}");
        }
    }
}

#[test]
fn containers_that_podman_removes_by_itself_have_names_too() {
    let path = "var/lib/containers/storage/vfs-containers/volatile-containers.json".to_owned();
    let machine = machine(&[(path, PODMAN)]);
    assert!(named(&machine, &format!("/machine.slice/libpod-{BRIEF}.scope")).is_some());
}

/// Whoever has been handed a control group can make any other in it.
#[test]
fn no_group_that_a_user_can_make_borrows_the_name_of_a_container() {
    let machine = containers();
    let docker = format!("docker-{OF_DOCKER}.scope");
    for above in [
        "/user.slice/user-1000.slice/user@1000.service",
        "/user.slice/user-1000.slice/user@1000.service/app.slice",
        "/system.slice/buildbot.service",
        "/user.slice/user-1000.slice/session-3.scope",
        &format!("/system.slice/docker-{BRIEF}.scope/docker"),
        "/..",
    ] {
        assert_eq!(named(&machine, &format!("{above}/{docker}")), None, "{above}");
    }
    let podman = format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{OF_PODMAN}.scope");
    assert_eq!(named(&machine, &podman), None);
}

#[test]
fn what_is_no_id_is_no_part_of_a_path() {
    for id in ["..", "", "a", "../../../etc", &"g".repeat(64), &"a".repeat(63), &format!("{}.", "../".repeat(21))] {
        assert!(!is_made_by_the_system(&format!("/docker/{id}"), id), "{id}");
    }
    assert!(is_made_by_the_system(&format!("/docker/{OF_DOCKER}"), OF_DOCKER));
}

#[test]
fn a_container_without_files_has_no_name() {
    let cut = DOCKER.split_at(DOCKER.len() / 2).0;
    for content in [cut, "", "[]", "{}", "null", r#"{"Name":"/web"}"#, r#"{"Name":7,"Config":{"Image":"x"}}"#] {
        let path = format!("var/lib/docker/containers/{OF_DOCKER}/config.v2.json");
        assert_eq!(named(&machine(&[(path, content)]), &format!("/docker/{OF_DOCKER}")), None, "{content}");
    }
    for content in ["{}", "[{}]", PODMAN.split_at(200).0] {
        let path = "var/lib/containers/storage/overlay-containers/containers.json".to_owned();
        assert_eq!(named(&machine(&[(path, content)]), &format!("/libpod_parent/libpod-{OF_PODMAN}")), None);
    }
    assert_eq!(named(&machine(&[]), &format!("/docker/{OF_DOCKER}")), None);
}

#[test]
fn other_runtimes_are_not_asked() {
    let machine = machine(&[
        (format!("var/lib/docker/containers/{OF_DOCKER}/config.v2.json"), DOCKER),
        (format!("var/lib/docker/containers/{OF_PODMAN}/config.v2.json"), DOCKER),
    ]);
    for group in [format!("cri-containerd-{OF_DOCKER}.scope"), format!("crio-{OF_DOCKER}.scope")] {
        assert_eq!(named(&machine, &format!("/kubepods.slice/{group}")), None, "{group}");
    }
    assert_eq!(named(&machine, &format!("/machine.slice/libpod-{OF_PODMAN}.scope")), None);
}

proptest! {
    #[test]
    fn any_file_is_read(bytes: Vec<u8>) {
        docker(&bytes);
        podman(&bytes);
    }

    #[test]
    fn only_ids_of_64_hexadecimal_digits_are_looked_for(id in r"[0-9a-f./]{0,64}|[0-9a-fA-F]{64}") {
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_looked_for = is_made_by_the_system(&format!("/docker/{id}"), &id);
        prop_assert_eq!(is_looked_for, is_id);
    }
}
