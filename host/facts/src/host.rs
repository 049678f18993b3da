//! The machine, and the place on it that the observation was made from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Untrusted;

/// The machine that was observed, when, by whom, and from which network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The host name, as `uname(2)` gives it.
    pub hostname: Untrusted,
    /// The operating system as Rust names it: `linux`, `macos`, `windows`.
    pub os: String,
    /// The release of the kernel, as `uname(2)` gives it.
    pub kernel: Untrusted,
    /// The distribution, as `os-release(5)` names it; `None` where it does not.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    /// The container runtime that the run is inside of, `None` outside of any that leaves a trace.
    pub container: Option<Untrusted>,
    /// The network namespace that was observed; `None` where the system has none or it could not be told.
    pub network_namespace: Option<NetworkNamespace>,
    /// When the observation began, in UTC. The only time that judging knows.
    pub collected_at: Timestamp,
    /// The effective user id of the collector, `None` on systems without one.
    pub effective_uid: Option<u32>,
    /// The effective capabilities of the collector that decide what it may see.
    pub capabilities: Vec<Capability>,
    /// Version of the loopgate that collected the facts.
    pub collector: String,
}

/// A distribution of an operating system (`os-release(5)`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// `ID`: `debian`, `ubuntu`, `rhel`; `linux` where it is not given, as the manual page says.
    pub id: Untrusted,
    /// `VERSION_ID`: `12`, `24.04`; `None` where it is not given, as of rolling releases.
    pub version_id: Option<Untrusted>,
    /// `ID_LIKE`: the distributions that it is made from, the closest first.
    pub id_like: Vec<Untrusted>,
}

/// A network namespace (`network_namespaces(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkNamespace {
    /// The inode number of the namespace in the `nsfs` file system.
    pub id: u64,
    /// Whether it is the one that process 1 is in, as far as the run can see; `None` where it may not look.
    pub initial: Option<bool>,
}

/// A Linux capability (`capabilities(7)`) that decides what an observer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `CAP_DAC_READ_SEARCH`: read every file.
    DacReadSearch,
    /// `CAP_DAC_OVERRIDE`: read and write every file.
    DacOverride,
    /// `CAP_NET_ADMIN`: read the firewall.
    NetAdmin,
    /// `CAP_NET_RAW`: raw sockets.
    NetRaw,
    /// `CAP_SYS_PTRACE`: see the descriptors of other users' processes.
    SysPtrace,
    /// `CAP_SYS_ADMIN`: enter other namespaces.
    SysAdmin,
}

impl Capability {
    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DacReadSearch => "dac-read-search",
            Self::DacOverride => "dac-override",
            Self::NetAdmin => "net-admin",
            Self::NetRaw => "net-raw",
            Self::SysPtrace => "sys-ptrace",
            Self::SysAdmin => "sys-admin",
        }
    }
}
