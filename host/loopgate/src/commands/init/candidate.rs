//! A listener that may become an entry: what it is recognised by after a restart, and what speaks against approving it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use loopgate_facts::{
    Container, Facts, Links, Listener, Origin, Owner, Protocol, Reach, ReachBounds, Untrusted, is_unsafe_to_print,
};

use super::doubt::{Bounds, Doubt};
use super::limit::{Inside, Limit};
use crate::gate::identity::ephemeral_ports;

/// What an entry says about owners. An empty set says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) executables: BTreeSet<String>,
    pub(super) units: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
    pub(super) containers: BTreeSet<String>,
    pub(super) images: BTreeSet<String>,
}

/// A listener that no entry approves, or that the policy fails.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'f> {
    pub(super) listener: &'f Listener,
    /// Whether no entry approves it; otherwise the policy only fails it.
    pub(super) needs_approval: bool,
    pub(super) who: Who,
    /// Whether the kernel chose its port.
    pub(super) is_ephemeral: bool,
    /// How far it reaches for certain.
    pub(super) limit: Limit,
    pub(super) doubts: BTreeSet<Doubt>,
}

/// What a candidate is looked at with.
pub(super) struct Surroundings<'f> {
    links: Links<'f>,
    inside: Inside<'f>,
    ephemeral: Option<RangeInclusive<u16>>,
    published: BTreeSet<(Protocol, u16)>,
}

impl<'f> Surroundings<'f> {
    pub(super) fn of(facts: &'f Facts) -> Self {
        let published = facts.listeners.iter().filter(|listener| listener.origin == Origin::PublishedPort);
        Self {
            links: Links::of(&facts.interfaces),
            inside: Inside::of(facts),
            ephemeral: ephemeral_ports(facts),
            published: published.map(|listener| (listener.protocol, listener.port)).collect(),
        }
    }
}

impl<'f> Candidate<'f> {
    pub(super) fn new(listener: &'f Listener, needs_approval: bool, surroundings: &Surroundings<'_>) -> Self {
        let reach = surroundings.links.reach(listener);
        let (who, mut doubts) = who(listener);
        doubts.extend(doubts_about_place(listener, reach, surroundings));
        let is_ephemeral = surroundings.ephemeral.as_ref().is_some_and(|range| range.contains(&listener.port));
        let limit = surroundings.inside.limit(listener, reach.certain);
        Self { listener, needs_approval, who, is_ephemeral, limit, doubts }
    }

    /// Adds what others say against it.
    pub(super) fn doubted_by(mut self, doubts: impl IntoIterator<Item = Doubt>) -> Self {
        self.doubts.extend(doubts);
        self
    }
}

fn doubts_about_place(listener: &Listener, reach: ReachBounds, surroundings: &Surroundings<'_>) -> Vec<Doubt> {
    let is_published = surroundings.published.contains(&(listener.protocol, listener.port));
    let doubts = [
        (!reach.is_exact()).then_some(Doubt::Reach(Bounds(reach))),
        (is_published && reach.possible == Reach::Public).then_some(Doubt::Published),
        listener.bound_interface.clone().map(Doubt::BoundTo),
    ];
    doubts.into_iter().flatten().collect()
}

/// What tells the owners apart from others after a restart, and what does not.
///
/// Nothing that changes with a restart is in it, and whatever was seen is: the program alone could be run by anybody, the
/// user alone could run anything. In a container, who made the image chose both; its name and image count instead.
fn who(listener: &Listener) -> (Who, BTreeSet<Doubt>) {
    let published = listener.published.as_ref().and_then(|published| published.container.as_ref());
    let containers: Vec<Option<&Container>> =
        listener.owners.iter().map(|owner| owner.container.as_ref().or(published)).collect();
    let (who, mut doubts) = if containers.iter().any(Option::is_some) || published.is_some() {
        of_containers(&containers, published)
    } else {
        of_programs(&listener.owners)
    };
    doubts.extend(who.texts().filter_map(|text| doubt_about_name(text)));
    if listener.owners.is_empty() {
        doubts.insert(Doubt::NoOwner);
    }
    (who, doubts)
}

fn of_containers(containers: &[Option<&Container>], published: Option<&Container>) -> (Who, BTreeSet<Doubt>) {
    let (mut who, mut doubts) = (Who::default(), BTreeSet::new());
    let all: BTreeSet<Option<&str>> = containers.iter().map(|it| it.map(|container| container.id.as_str())).collect();
    if all.len() > 1 {
        doubts.insert(Doubt::SeveralContainers);
    }
    for container in containers.iter().copied().flatten().chain(published) {
        match (&container.name, &container.image) {
            (Some(name), Some(image)) => {
                who.containers.insert(name.as_str().to_owned());
                who.images.insert(image.as_str().to_owned());
            }
            _ => _ = doubts.insert(Doubt::NamelessContainer),
        }
    }
    (who, doubts)
}

fn of_programs(owners: &[Owner]) -> (Who, BTreeSet<Doubt>) {
    let (mut who, mut doubts) = (Who::default(), BTreeSet::new());
    for owner in owners {
        match &owner.executable {
            Some(path) => {
                let path = path.as_str().strip_suffix(DELETED);
                doubts.extend(path.map(|_| Doubt::Deleted));
                let path = path.or(owner.executable.as_ref().map(Untrusted::as_str)).unwrap_or_default();
                doubts.extend(folder_of_others(path).map(Doubt::Replaceable));
                who.executables.insert(path.to_owned());
            }
            None => _ = doubts.insert(Doubt::NoProgram),
        }
    }
    if owners.iter().any(|owner| owner.executable_elsewhere) {
        doubts.insert(Doubt::Elsewhere);
        who.executables.clear();
    }
    who.users = all_or_none(owners.iter().map(user));
    who.units = units(owners);
    if who.units.is_empty() && who.executables.iter().any(|path| is_interpreter(path)) {
        doubts.insert(Doubt::Interpreter);
    }
    if let [Owner { pid: 1, executable: Some(path), .. }] = owners
        && path.as_str().ends_with("/systemd")
    {
        doubts.insert(Doubt::NotStarted);
    }
    (who, doubts)
}

/// What Linux writes behind the path of a file that is gone.
const DELETED: &str = " (deleted)";

fn user(owner: &Owner) -> Option<String> {
    let name = owner.user.as_ref().map(|user| user.as_str().to_owned());
    name.or_else(|| owner.uid.map(|uid| uid.to_string()))
}

/// The units of all owners, if each of those that count has one of its own. Process 1 keeps the sockets that it opens
/// for services, and so its own unit counts beside theirs.
fn units(owners: &[Owner]) -> BTreeSet<String> {
    let (first, others): (Vec<&Owner>, Vec<&Owner>) =
        owners.iter().partition(|owner| owner.pid == 1 && owners.len() > 1);
    let unit = |owner: &&Owner| owner.unit.as_ref().map(|unit| unit.as_str().to_owned());
    let lasting = |owner: &&Owner| unit(owner).filter(|unit| is_lasting(unit));
    let mut units = all_or_none(others.iter().map(lasting));
    if !units.is_empty() {
        units.extend(first.iter().filter_map(unit));
    }
    units
}

/// Whether a unit is a service that has the same name after a restart: not a session, what `systemd-run` made, or the
/// manager of everything that a user runs.
fn is_lasting(unit: &str) -> bool {
    unit.ends_with(".service")
        && !unit.contains('/')
        && !["run-", "user@", "session-"].iter().any(|prefix| unit.starts_with(prefix))
}

/// All values, or none if one is missing: an entry must not ask for less of one owner than of another.
fn all_or_none(values: impl Iterator<Item = Option<String>>) -> BTreeSet<String> {
    values.collect::<Option<BTreeSet<String>>>().unwrap_or_default()
}

/// The folder of a program that others than administrators write to, such as the home of a user.
fn folder_of_others(path: &str) -> Option<&'static str> {
    const FOLDERS: [&str; 7] = ["/tmp/", "/var/tmp/", "/dev/", "/home/", "/root/", "/run/user/", "/proc/"];
    const FOR_PROGRAMS: [&str; 8] =
        ["/usr/", "/bin/", "/sbin/", "/lib", "/opt/", "/snap/", "/nix/store/", "/gnu/store/"];
    if !path.starts_with('/') || path.starts_with("/memfd:") {
        return Some("no folder at all");
    }
    let known = FOLDERS.into_iter().find(|folder| path.starts_with(folder));
    let is_for_programs = FOR_PROGRAMS.iter().any(|folder| path.starts_with(folder));
    known.or((!is_for_programs).then_some("a folder that is none for programs"))
}

/// Programs that run other programs: their path does not say what listens.
fn is_interpreter(path: &str) -> bool {
    const INTERPRETERS: [&str; 33] = [
        "bash",
        "beam",
        "bun",
        "busybox",
        "dash",
        "deno",
        "dotnet",
        "gawk",
        "gunicorn",
        "inetd",
        "java",
        "ld",
        "lua",
        "mono",
        "nc",
        "ncat",
        "netcat",
        "node",
        "nodejs",
        "openssl",
        "perl",
        "php",
        "pypy",
        "python",
        "ruby",
        "sh",
        "socat",
        "ssh",
        "systemd-socket-activate",
        "tclsh",
        "uvicorn",
        "xinetd",
        "zsh",
    ];
    let name = path.rsplit('/').next().unwrap_or_default();
    // `nc.openbsd`, `python3.11`, `beam.smp`
    let name = name.split('.').next().unwrap_or_default();
    let name = name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '-');
    INTERPRETERS.contains(&name) || name.starts_with("ld-")
}

fn doubt_about_name(text: &str) -> Option<Doubt> {
    if text.contains(['*', '?']) {
        return Some(Doubt::Glob);
    }
    (text.is_empty() || text.chars().any(is_unsafe_to_print)).then_some(Doubt::Unprintable)
}

impl Who {
    /// Everything that it says.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let Self { executables, units, users, containers, images } = self;
        [executables, units, users, containers, images].into_iter().flatten()
    }
}
