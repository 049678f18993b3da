//! What the control group of a process says of its systemd unit and its container.
//!
//! A pure reading of `/proc/PID/cgroup` (`cgroups(7)`): version 1, version 2 and both at once.

use loopgate_facts::{Container, Untrusted};

/// What a control group says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// The path in the hierarchy that systemd uses, or in the only one.
    pub(super) path: Option<Untrusted>,
    pub(super) unit: Option<Untrusted>,
    pub(super) container: Option<Container>,
}

impl Membership {
    /// Reads the text of `/proc/PID/cgroup`.
    pub(super) fn parse(text: &[u8]) -> Self {
        let lines: Vec<_> = text.split(|&byte| byte == b'\n').filter_map(Hierarchy::parse).collect();
        let main = lines.iter().max_by_key(|line| line.rank());
        Self {
            path: main.map(|line| Untrusted::from_bytes(line.path)),
            unit: main.and_then(|line| unit(line.path)).map(|unit| Untrusted::from_bytes(&unit)),
            container: lines.iter().find_map(|line| container(line.path)),
        }
    }
}

/// A line: `hierarchy-id:controllers:path`.
struct Hierarchy<'a> {
    controllers: &'a [u8],
    path: &'a [u8],
}

impl<'a> Hierarchy<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        path.starts_with(b"/").then_some(Self { controllers, path })
    }

    /// The hierarchy of systemd says most, then version 2, then whichever has a path.
    fn rank(&self) -> u8 {
        match self.controllers {
            b"name=systemd" => 3,
            b"" if self.path != b"/" => 2,
            _ => u8::from(self.path != b"/"),
        }
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
}

/// The systemd unit of a path: the first component below the slices, and within `user@UID.service` the unit of the
/// user's own manager (`cg_path_get_unit` and `cg_path_get_user_unit` in systemd's src/basic/cgroup-util.c), behind that of the
/// manager: a user may give a unit any name, also that of one of the system.
///
/// The name stays as systemd writes it, escapes included: `a\x2db.service` is another unit than `a-b.service`.
fn unit(path: &[u8]) -> Option<Vec<u8>> {
    let mut below_slices = components(path).skip_while(|component| component.ends_with(b".slice"));
    let system = below_slices.next().map(unescape_component).filter(|name| is_unit(name))?;
    if !system.starts_with(b"user@") {
        return Some(system.to_vec());
    }
    let mut of_user = below_slices.skip_while(|component| component.ends_with(b".slice"));
    let of_user = of_user.next().map(unescape_component).filter(|name| is_unit(name));
    Some(of_user.map_or_else(|| system.to_vec(), |name| [system, b"/", name].concat()))
}

fn is_unit(name: &[u8]) -> bool {
    const SUFFIXES: [&[u8]; 5] = [b".service", b".scope", b".socket", b".mount", b".swap"];
    SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

/// systemd puts `_` before names that would collide with a file of the control group (`cg_escape`).
fn unescape_component(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}

/// The container of a path. The innermost counts.
fn container(path: &[u8]) -> Option<Container> {
    let components: Vec<_> = components(path).collect();
    let parents = std::iter::once(None).chain(components.iter().copied().map(Some));
    let pairs: Vec<_> = parents.zip(components.iter().copied()).collect();
    pairs.into_iter().rev().find_map(|(parent, component)| container_of(parent, component))
}

fn container_of(parent: Option<&[u8]>, component: &[u8]) -> Option<Container> {
    by_prefix(component)
        .or_else(|| by_colons(component))
        .or_else(|| by_parent(parent?, component))
        .or_else(|| nspawn(component))
        .or_else(|| lxc(component))
        .or_else(|| named(component, "unknown"))
}

/// `docker-ID.scope` of runc's systemd driver, `libpod-ID` of Podman's cgroupfs driver, and their like.
fn by_prefix(component: &[u8]) -> Option<Container> {
    const PREFIXES: [(&[u8], &str); 6] = [
        (b"docker-", "docker"),
        (b"libpod-", "podman"),
        (b"cri-containerd-", "containerd"),
        (b"nerdctl-", "containerd"),
        (b"crio-", "cri-o"),
        (b"cri-o-", "cri-o"),
    ];
    let name = component.strip_suffix(b".scope").unwrap_or(component);
    PREFIXES.iter().find_map(|&(prefix, runtime)| named(name.strip_prefix(prefix)?, runtime))
}

/// `kubepods-burstable-podUID.slice:cri-containerd:ID`: a systemd path given to a cgroupfs driver.
fn by_colons(component: &[u8]) -> Option<Container> {
    let mut fields = component.rsplitn(3, |&byte| byte == b':');
    let (id, prefix) = (fields.next()?, fields.next()?);
    let runtime = match prefix {
        b"cri-containerd" => "containerd",
        b"crio" => "cri-o",
        b"docker" => "docker",
        _ => return None,
    };
    named(id, runtime)
}

/// `docker/ID` of the cgroupfs driver.
fn by_parent(parent: &[u8], component: &[u8]) -> Option<Container> {
    match parent {
        b"docker" => named(component, "docker"),
        b"libpod_parent" => named(component, "podman"),
        b"lxc" | b"lxc.payload" => any_name(component, "lxc"),
        _ => None,
    }
}

/// `machine-NAME.scope`, which systemd-machined makes, and `systemd-nspawn@NAME.service`. Virtual machines of libvirt
/// have such a scope too, and are no containers.
fn nspawn(component: &[u8]) -> Option<Container> {
    let of_service = || component.strip_prefix(b"systemd-nspawn@")?.strip_suffix(b".service");
    let of_scope = || component.strip_prefix(b"machine-")?.strip_suffix(b".scope");
    let name = unescape_unit(of_service().or_else(of_scope)?);
    if name.starts_with(b"qemu-") {
        return None;
    }
    any_name(&name, if name.starts_with(b"lxc-") { "lxc" } else { "systemd-nspawn" })
}

/// `lxc.payload.NAME`; `lxc.monitor.NAME` is outside of the container.
fn lxc(component: &[u8]) -> Option<Container> {
    any_name(component.strip_prefix(b"lxc.payload.")?, "lxc")
}

/// A container by an id as OCI runtimes make it.
fn named(id: &[u8], runtime: &str) -> Option<Container> {
    const DIGITS: usize = 64;
    let is_id = id.len() == DIGITS && id.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| unnamed(id, runtime))
}

/// A container by a name that a person chose.
fn any_name(name: &[u8], runtime: &str) -> Option<Container> {
    (!name.is_empty()).then(|| unnamed(name, runtime))
}

/// A control group tells no more than this; [`super::containers`] adds what the files of a runtime tell.
fn unnamed(id: &[u8], runtime: &str) -> Container {
    Container { id: Untrusted::from_bytes(id), runtime: runtime.to_owned(), name: None, image: None }
}

/// Undoes `\xNN` (`systemd.unit(5)`, "String escaping for inclusion in unit names").
fn unescape_unit(mut name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    while let Some((&first, rest)) = name.split_first() {
        let (byte, left) = escaped_byte(name).unwrap_or((first, rest));
        plain.push(byte);
        name = left;
    }
    plain
}

fn escaped_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.strip_prefix(br"\x")?.split_first_chunk::<2>()?;
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests;
