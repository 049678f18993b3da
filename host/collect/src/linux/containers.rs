//! What a container is called and which image it was made from, by the files of its runtime.
//!
//! | runtime | files |
//! | --- | --- |
//! | Docker | `/var/lib/docker/containers/ID/config.v2.json` |
//! | Podman | `containers.json` and `volatile-containers.json` in `/var/lib/containers/storage/DRIVER-containers` |
//!
//! Both need root. Who may not read them sees containers without names, which is no gap: nothing that is wrong is said,
//! and a rule that goes by names finds none. Others than the system's own runtimes are not asked. A user who runs
//! containers without privileges calls them, and tags their images, as they like; one name there must not stand for
//! another here.

use std::cell::RefCell;
use std::collections::BTreeMap;

use loopgate_facts::{Container, Owner, Untrusted};
use serde::Deserialize;

use super::cgroup::Membership;
use super::root::Root;

/// A file that says what the containers are called is not read beyond this: 16 MiB are those of some 10,000 containers.
const MOST_BYTES: u64 = 16 << 20;

/// The drivers that Podman stores layers with (`containers-storage.conf(5)`), the usual one first.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];

/// What the files of the runtimes say. Each is read once, when something is asked of it.
pub(super) struct Catalogue<'r> {
    root: &'r Root,
    docker: RefCell<BTreeMap<String, Named>>,
    podman: RefCell<Option<BTreeMap<String, Named>>>,
}

/// What a person calls a container and its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    name: Option<Untrusted>,
    image: Option<Untrusted>,
}

impl<'r> Catalogue<'r> {
    pub(super) fn new(root: &'r Root) -> Self {
        Self { root, docker: RefCell::default(), podman: RefCell::default() }
    }

    /// Adds names and images to the containers of processes.
    pub(super) fn describe(&self, owners: &mut [Owner]) {
        for Owner { cgroup, container, .. } in owners {
            if let (Some(cgroup), Some(container)) = (cgroup, container) {
                self.add(cgroup, container);
            }
        }
    }

    /// The container that the control group of a process names.
    pub(super) fn container_of_process(&self, pid: u32) -> Option<Container> {
        let Membership { path, container, .. } =
            Membership::parse(&self.root.read(&format!("proc/{pid}/cgroup"), 64 << 10).ok()?);
        let mut container = container?;
        if let Some(path) = path {
            self.add(&path, &mut container);
        }
        Some(container)
    }

    fn add(&self, cgroup: &Untrusted, container: &mut Container) {
        let id = container.id.as_str();
        if !is_made_by_the_system(cgroup.as_str(), id) {
            return;
        }
        let Named { name, image } = match container.runtime.as_str() {
            "docker" => self.of_docker(id),
            "podman" => self.of_podman(id),
            _ => return,
        };
        (container.name, container.image) = (name, image);
    }

    fn of_docker(&self, id: &str) -> Named {
        let read = || {
            let path = format!("var/lib/docker/containers/{id}/config.v2.json");
            self.root.read(&path, MOST_BYTES).ok().and_then(|text| docker(&text)).unwrap_or_default()
        };
        self.docker.borrow_mut().entry(id.to_owned()).or_insert_with(read).clone()
    }

    fn of_podman(&self, id: &str) -> Named {
        let read = || {
            let files = DRIVERS.iter().flat_map(|driver| {
                ["containers.json", "volatile-containers.json"].map(|file| format!("{driver}-containers/{file}"))
            });
            let texts =
                files.filter_map(|file| self.root.read(&format!("var/lib/containers/storage/{file}"), MOST_BYTES).ok());
            texts.filter_map(|text| podman(&text)).flatten().collect::<BTreeMap<_, _>>()
        };
        self.podman.borrow_mut().get_or_insert_with(read).get(id).cloned().unwrap_or_default()
    }
}

/// Whether a control group is where the system's own runtime puts a container: with nothing above it but slices, and the
/// group that a driver without systemd makes. What is below a service or a scope, as the groups of a user's own manager
/// are, may be made by whoever it was handed to, with any name.
///
/// The id must be one that an OCI runtime makes, so that nothing else becomes part of a path.
fn is_made_by_the_system(cgroup: &str, id: &str) -> bool {
    const DIGITS: usize = 64;
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut groups = cgroup.split('/').filter(|group| !group.is_empty());
    let is_slice = |group: &str| group.strip_suffix(".slice").is_some();
    let is_of_system = |group: &&str| is_slice(group) || ["docker", "libpod_parent"].contains(group);
    is_id && groups.find(|group| !is_of_system(group)).is_some_and(|group| group.contains(id))
}

/// Reads the `config.v2.json` of a container.
fn docker(text: &[u8]) -> Option<Named> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "Config")]
        config: Config,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "Image")]
        image: String,
    }
    let Document { name, config } = serde_json::from_slice(text).ok()?;
    Some(Named { name: given(name.strip_prefix('/').unwrap_or(&name)), image: given(&config.image) })
}

/// Reads the `containers.json` of a store: ids with what they are called.
fn podman(text: &[u8]) -> Option<Vec<(String, Named)>> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        #[serde(default)]
        names: Vec<String>,
        /// A document within the document.
        #[serde(default)]
        metadata: String,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "image-name", default)]
        image_name: String,
    }
    let entries: Vec<Entry> = serde_json::from_slice(text).ok()?;
    let named = entries.into_iter().map(|Entry { id, names, metadata }| {
        let metadata = serde_json::from_str(&metadata).ok();
        let image = metadata.and_then(|Metadata { image_name }| given(&image_name));
        (id, Named { name: names.first().and_then(|name| given(name)), image })
    });
    Some(named.collect())
}

fn given(text: &str) -> Option<Untrusted> {
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests;
