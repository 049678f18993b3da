//! The fields that expressions can name. The checker, the evaluator and the page of the plugin read these tables.
//!
//! A field that has no value is `Absent` where the facts say that there is none, and `Unknown` where it could not be
//! told: neither is ever an empty text, a zero or `null`, which would compare as if they had been observed.

use loopgate_plugin::prelude::*;

use crate::record::{Field, Getter, Kind, Record, Seen};
use crate::types::{Element, ORIGINS, PROTOCOLS, REACHES, RP_FILTERS, SCOPES, Type};
use crate::value::{List, Value};

/// The fields of `host`.
pub(crate) static HOST: &[Field] = &[
    field("hostname", "Host name.", Type::TEXT, Getter::Host(|it| text(&it.machine.hostname))),
    field("os", "Operating system: `linux`, `macos`, `windows`.", Type::TEXT, Getter::Host(|it| text(&it.machine.os))),
    field("kernel", "Release of the kernel.", Type::TEXT, Getter::Host(|it| text(&it.machine.kernel))),
    field(
        "distribution",
        "The distribution, as os-release(5) names it: `debian`, `ubuntu`, `rhel`.",
        Type::TEXT,
        Getter::Host(|it| known(it.machine.distribution.as_ref().map(|distribution| text(&distribution.id)))),
    ),
    field(
        "container",
        "The container runtime that the run was inside of; not there where none left a trace.",
        Type::TEXT,
        Getter::Host(|it| it.machine.container.as_deref().map_or(Seen::Absent, text)),
    )
    .or_absent(),
    field(
        "localhost",
        "The addresses that the resolver gives for `localhost`, in its order.",
        Type::List(Element::Address),
        Getter::Host(|it| match &it.names.localhost {
            Resolution::Addresses(addresses) => list(List::Addresses(addresses)),
            Resolution::NotAsked | Resolution::Failed(_) => Seen::Unknown,
        }),
    )
    .in_area(&RESOLVER),
];

/// The fields of a listener.
pub(crate) static LISTENER: &[Field] = &[
    field("id", "Its name in reports: `tcp/0.0.0.0:5432`.", Type::TEXT, Getter::Listener(|it| text(&it.id))),
    field(
        "protocol",
        "`tcp`, `udp`, `udplite` or `sctp`.",
        Type::One(Element::Word(PROTOCOLS)),
        Getter::Listener(|it| text(it.protocol.as_str())),
    ),
    field("address", "The bound address.", Type::ADDRESS, Getter::Listener(|it| address(&it.address))),
    field("port", "The bound port, 1 to 65535.", Type::INT, Getter::Listener(|it| int(it.port))),
    field(
        "scope",
        "Scope of the address: `loopback`, `link-local`, `private`, `shared`, `public`, `unspecified` (every address of \
         the machine), `multicast`.",
        Type::One(Element::Word(SCOPES)),
        Getter::Listener(|it| text(it.scope.as_str())),
    ),
    field(
        "origin",
        "`socket`, or `published-port` (address translation leads it to a container or another endpoint).",
        Type::One(Element::Word(ORIGINS)),
        Getter::Listener(|it| text(origin(&it.origin))),
    ),
    field(
        "ipv6_only",
        "Whether an IPv6 socket takes no IPv4; not there for IPv4.",
        Type::BOOL,
        Getter::Listener(|it| match it.ipv6_only {
            Some(only) => bool(only),
            None if it.address.is_ipv4() => Seen::Absent,
            None => Seen::Unknown,
        }),
    )
    .or_absent(),
    field(
        "bound_interface",
        "The interface that the socket is bound to, if it is to one.",
        Type::TEXT,
        Getter::Listener(|it| it.bound_interface.as_deref().map_or(Seen::Absent, text)),
    )
    .or_absent(),
    field(
        "uids",
        "User ids of the sockets; not there for a published port.",
        Type::List(Element::Int),
        Getter::Listener(|it| if it.uids.is_empty() { Seen::Absent } else { list(List::Numbers(&it.uids)) }),
    )
    .or_absent(),
    field(
        "owners",
        "The processes that hold it. Not known where none could be seen, so that `all` never passes over nobody.",
        Kind::Owner.list(),
        Getter::Listener(|it| if it.owners.is_empty() { Seen::Unknown } else { list(List::Owners(&it.owners)) }),
    )
    .in_area(&OWNERS),
    field(
        "published",
        "Where a published port leads to; not there for a socket.",
        Kind::Published.one(),
        Getter::Listener(|it| match &it.published {
            Some(published) => record(Record::Published(published)),
            None => Seen::Absent,
        }),
    )
    .or_absent(),
    field(
        "reach",
        "Who can reach it: `none`, `host`, `link`, `private` or `public`; not known where rules leave it open. \
         `reach_at_most` and `reach_at_least` can still tell then.",
        Type::One(Element::Word(REACHES)),
        Getter::Listener(|it| {
            if it.reach.certain == it.reach.possible { text(it.reach.certain.as_str()) } else { Seen::Unknown }
        }),
    )
    .in_area(&FIREWALL),
];

/// The fields of an owner.
pub(crate) static OWNER: &[Field] = &[
    field("pid", "Process id.", Type::INT, Getter::Owner(|it| int(it.pid))),
    field("name", "Name of the process, which it chooses itself.", Type::TEXT, Getter::Owner(|it| text(&it.name))),
    field(
        "executable",
        "Path of the file that it executes, without the ` (deleted)` that Linux adds.",
        Type::TEXT,
        Getter::Owner(|it| {
            known(here(it).and(it.executable.as_deref()).map(|path| text(path.strip_suffix(DELETED).unwrap_or(path))))
        }),
    ),
    field(
        "executable_deleted",
        "Whether that file is gone, or was replaced while the process runs.",
        Type::BOOL,
        Getter::Owner(|it| known(it.executable.as_deref().map(|path| bool(path.ends_with(DELETED))))),
    ),
    field(
        "program",
        "The last component of that path.",
        Type::TEXT,
        Getter::Owner(|it| known(here(it).and(it.program()).map(text))),
    ),
    field(
        "command_line",
        "Its arguments, which it can change itself.",
        Type::List(Element::Text),
        Getter::Owner(|it| known((!it.command_line.is_empty()).then(|| list(List::Texts(&it.command_line))))),
    ),
    field("uid", "Effective user id.", Type::INT, Getter::Owner(|it| known(it.uid.map(int)))),
    field(
        "user",
        "Name of that user in the local user database.",
        Type::TEXT,
        Getter::Owner(|it| known(it.user.as_deref().map(text))),
    ),
    field(
        "unit",
        "The systemd unit that it belongs to, if it does to one.",
        Type::TEXT,
        Getter::Owner(|it| of_cgroup(it, it.unit.as_deref().map(text))),
    )
    .or_absent(),
    field(
        "container",
        "The container that it is in, if it is in one.",
        Kind::Container.one(),
        Getter::Owner(|it| of_cgroup(it, it.container.as_ref().map(|container| record(Record::Container(container))))),
    )
    .or_absent(),
];

/// The fields of a container.
pub(crate) static CONTAINER: &[Field] = &[
    field("id", "Id as the runtime writes it.", Type::TEXT, Getter::Container(|it| text(&it.id))),
    field(
        "runtime",
        "`docker`, `podman`, `containerd`, `cri-o`, `lxc`, `systemd-nspawn`, or `unknown`.",
        Type::TEXT,
        Getter::Container(|it| text(&it.runtime)),
    ),
    field(
        "name",
        "The name that was chosen for it.",
        Type::TEXT,
        Getter::Container(|it| known(it.name.as_deref().map(text))),
    ),
    field(
        "image",
        "The image that it was made from, as its runtime was told: `nginx:1.27`.",
        Type::TEXT,
        Getter::Container(|it| known(it.image.as_deref().map(text))),
    ),
];

/// The fields of where a published port leads to.
pub(crate) static PUBLISHED: &[Field] = &[
    field(
        "address",
        "The address that packets go to instead.",
        Type::ADDRESS,
        Getter::Published(|it| address(&it.target.address)),
    ),
    field("port", "The port that packets go to instead.", Type::INT, Getter::Published(|it| int(it.target.port))),
    field(
        "container",
        "The container that has the target; not known where that could not be seen.",
        Kind::Container.one(),
        Getter::Published(|it| known(it.container.as_ref().map(|container| record(Record::Container(container))))),
    )
    .or_absent(),
];

/// The fields of an interface.
pub(crate) static INTERFACE: &[Field] = &[
    field("name", "Its name.", Type::TEXT, Getter::Interface(|it| text(&it.name))),
    field(
        "kind",
        "`loopback`, `ethernet`, `wireless`, `bridge`, `veth`, `vlan`, `bond`, `tunnel`, `wireguard`, `dummy`, `vrf`, or \
         another by the name that the kernel gives it.",
        Type::TEXT,
        Getter::Interface(|it| text(kind(&it.kind))),
    ),
    field("up", "Whether it is administratively up.", Type::BOOL, Getter::Interface(|it| bool(it.up))),
    field("running", "Whether it is operational.", Type::BOOL, Getter::Interface(|it| bool(it.running))),
    field("mtu", "Largest packet in bytes.", Type::INT, Getter::Interface(|it| int(it.mtu))),
    field(
        "addresses",
        "Its addresses.",
        Kind::InterfaceAddress.list(),
        Getter::Interface(|it| list(List::InterfaceAddresses(&it.addresses))),
    ),
    setting(
        "route_localnet",
        "Whether packets to and from 127.0.0.0/8 are routed here.",
        Getter::Interface(|it| known(it.settings.route_localnet.map(bool))),
    ),
    setting(
        "accept_local",
        "Whether packets with a source address of this machine are accepted.",
        Getter::Interface(|it| known(it.settings.accept_local.map(bool))),
    ),
    Field {
        of: Type::One(Element::Word(RP_FILTERS)),
        ..setting(
            "rp_filter",
            "Reverse path filtering of IPv4: `off`, `strict`, `loose`.",
            Getter::Interface(|it| known(it.settings.rp_filter.map(|filter| text(rp_filter(filter))))),
        )
    },
    setting(
        "ipv4_forwarding",
        "Whether IPv4 packets that arrive here are forwarded.",
        Getter::Interface(|it| known(it.settings.ipv4_forwarding.map(bool))),
    ),
    setting(
        "ipv6_forwarding",
        "Whether IPv6 packets are forwarded.",
        Getter::Interface(|it| known(it.settings.ipv6_forwarding.map(bool))),
    ),
    setting(
        "ipv6_disabled",
        "Whether IPv6 is disabled here.",
        Getter::Interface(|it| known(it.settings.disable_ipv6.map(bool))),
    ),
];

/// The fields of an address of an interface.
pub(crate) static INTERFACE_ADDRESS: &[Field] = &[
    field("address", "The address.", Type::ADDRESS, Getter::InterfaceAddress(|it| address(&it.address))),
    field(
        "prefix_length",
        "Length of its prefix in bits.",
        Type::INT,
        Getter::InterfaceAddress(|it| int(it.prefix_length)),
    ),
    field(
        "scope",
        "Scope of the address, as of a listener.",
        Type::One(Element::Word(SCOPES)),
        Getter::InterfaceAddress(|it| text(it.scope.as_str())),
    ),
];

/// The fields of a name of the host table.
pub(crate) static NAME: &[Field] = &[
    field("name", "The name, such as `localhost`.", Type::TEXT, Getter::Name(|it| text(it.name))),
    field("address", "The address that it stands for.", Type::ADDRESS, Getter::Name(|it| address(&it.entry.address))),
    field("line", "The line in the host table, from 1.", Type::INT, Getter::Name(|it| int(it.entry.line))),
];

/// The fields of a kernel setting.
pub(crate) static SYSCTL: &[Field] = &[
    field("name", "Its name: `net.ipv4.ip_forward`.", Type::TEXT, Getter::Sysctl(|it| text(&it.name))),
    field("value", "Its value; `int(sysctl.value)` is the number.", Type::TEXT, Getter::Sysctl(|it| text(&it.value))),
];

/// Nothing where the path of an executable is one of a file system of its own, which says nothing of what it executes.
fn here(owner: &Owner) -> Option<()> {
    (!owner.executes_elsewhere()).then_some(())
}

/// What Linux writes behind the path of an executable that is gone.
const DELETED: &str = " (deleted)";

static RESOLVER: Area = Area::Resolver;
static OWNERS: Area = Area::Owners;
static FIREWALL: Area = Area::Firewall;
static INTERFACE_SETTINGS: Area = Area::InterfaceSettings;

const fn field(name: &'static str, about: &'static str, of: Type, get: Getter) -> Field {
    Field { name, about, of, area: None, can_be_absent: false, get }
}

const fn setting(name: &'static str, about: &'static str, get: Getter) -> Field {
    Field { name, about, of: Type::BOOL, area: Some(&INTERFACE_SETTINGS), can_be_absent: false, get }
}

impl Field {
    const fn in_area(self, area: &'static Area) -> Self {
        Self { area: Some(area), ..self }
    }

    const fn or_absent(self) -> Self {
        Self { can_be_absent: true, ..self }
    }
}

fn text(text: &str) -> Seen<'_> {
    Seen::Value(Value::text(text))
}

fn int<'a>(number: impl Into<i64>) -> Seen<'a> {
    Seen::Value(Value::Int(number.into()))
}

fn bool<'a>(value: bool) -> Seen<'a> {
    Seen::Value(Value::Bool(value))
}

fn address(address: &IpAddress) -> Seen<'_> {
    Seen::Value(Value::address(address))
}

fn list(list: List<'_>) -> Seen<'_> {
    Seen::Value(Value::List(list))
}

fn record(record: Record<'_>) -> Seen<'_> {
    Seen::Value(Value::Record(record))
}

/// A field that everything has, whether or not it could be seen.
fn known(seen: Option<Seen<'_>>) -> Seen<'_> {
    seen.unwrap_or(Seen::Unknown)
}

/// A field that the control group tells: where that is known and names none, there is none.
fn of_cgroup<'a>(owner: &Owner, seen: Option<Seen<'a>>) -> Seen<'a> {
    match seen {
        Some(seen) => seen,
        None if owner.cgroup.is_some() => Seen::Absent,
        None => Seen::Unknown,
    }
}

fn origin(origin: &Origin) -> &str {
    match origin {
        Origin::Socket => "socket",
        Origin::PublishedPort => "published-port",
        Origin::Other(name) => name,
    }
}

fn kind(kind: &InterfaceKind) -> &str {
    match kind {
        InterfaceKind::Loopback => "loopback",
        InterfaceKind::Ethernet => "ethernet",
        InterfaceKind::Wireless => "wireless",
        InterfaceKind::Bridge => "bridge",
        InterfaceKind::Veth => "veth",
        InterfaceKind::Vlan => "vlan",
        InterfaceKind::Bond => "bond",
        InterfaceKind::Tunnel => "tunnel",
        InterfaceKind::Wireguard => "wireguard",
        InterfaceKind::Dummy => "dummy",
        InterfaceKind::Vrf => "vrf",
        InterfaceKind::Other(name) => name,
    }
}

fn rp_filter(filter: RpFilter) -> &'static str {
    match filter {
        RpFilter::Off => "off",
        RpFilter::Strict => "strict",
        RpFilter::Loose => "loose",
    }
}
