//! The sets of `ipset(8)`, which rules of iptables ask (`-m set`).
//!
//! | module | what it is |
//! | --- | --- |
//! | `builder` | reads the messages in which the kernel lists sets (`include/uapi/linux/netfilter/ipset/ip_set.h`) |
//! | `kind` | the types of sets: what their members are made of |
//! | `member` | reads a member |
//! | `save` | reads what `ipset save` prints |
//! | `layers` | puts the members in the order in which the kernel finds them |
//!
//! A type, a revision or a member that is not understood makes its set unknown, and no other.

mod builder;
mod kind;
mod layers;
mod member;
mod save;

use std::collections::BTreeMap;

use loopgate_facts::Untrusted;

pub use builder::{Builder, Error, decode_stream};
pub use save::{Problem, SaveError, is_save, parse};

use crate::ruleset::{Family, Set};

/// Sets, as rules name them.
pub type IpSets = BTreeMap<IpSetId, IpSet>;

/// What a rule names a set by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpSetId {
    /// The number that the kernel has given to it.
    Number(u16),
    /// Its name, as files have it.
    Name(Untrusted),
}

/// A set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSet {
    /// Its name.
    pub name: Untrusted,
    /// The name of its type: `hash:net`.
    pub kind: Untrusted,
    /// The family of the packets that can be in it, IPv4 or IPv6; `None` for both.
    pub family: Option<Family>,
    /// What is in it. A member with a timeout is there until it expires, and is in force till then.
    pub members: Members,
}

/// What is in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Values of packets.
    Values {
        /// What each is made of.
        parts: Vec<Part>,
        /// The values. The first layer that has the packet's decides; without one the packet is not in the set.
        layers: Vec<Layer>,
        /// Members of its type can be exceptions, so that `--return-nomatch` asks for these (`IPSET_TYPE_NOMATCH`).
        exceptions: bool,
    },
    /// Other sets (`list:set`). A packet is in the set if it is in any of them.
    Sets(Vec<IpSetId>),
    /// It is not known: why.
    Unknown(Untrusted),
}

/// A part of a member: what of the packet it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An address.
    Address,
    /// The transport protocol and a port: one byte and two.
    ProtocolAndPort,
    /// A port of TCP or UDP.
    Port,
    /// The hardware address that the frame was sent from.
    HardwareAddress,
    /// The name of an interface: `IFNAMSIZ` bytes.
    Interface,
}

/// Members that have the same effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it means for a packet to be among them.
    pub effect: Effect,
    /// They, as the elements of a set that belongs to no table.
    pub values: Set,
}

/// What it means for a packet to be among members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It is in the set.
    Match,
    /// It is excepted from the set (`nomatch`).
    Except,
    /// Neither: the kernel does not look any further.
    Stop,
}
