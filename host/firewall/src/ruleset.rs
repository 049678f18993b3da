//! The model of a ruleset: tables, chains and sets, as the kernel holds them.
//!
//! Chains and sets live in flat lists and are named by position ([`ChainId`], [`SetId`]), so that a ruleset can be as
//! deep, wide or cyclic as a hostile file wants without a recursive type.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use loopgate_facts::Untrusted;

use crate::address_set::IpVersion;
use crate::ip_set::{IpSetId, IpSets, Members};
use crate::rule::{Effect, LookupResult, Op, Predicate, Unknown, Verdict};

/// Everything that filters and translates packets in one network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables, in the order they were read.
    pub tables: Vec<Table>,
    /// The chains of all tables.
    pub chains: Vec<Chain>,
    /// The sets and maps of all tables.
    pub sets: Vec<Set>,
    /// The sets of `ipset(8)`, as rules of iptables name them.
    pub ip_sets: IpSets,
    /// Packets may come in or leave protected by `IPsec`: there are policies or keys of it, or it is not known.
    pub ipsec: bool,
}

/// Position of a table in [`Ruleset::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// Position of a chain in [`Ruleset::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub u32);

/// Position of a set in [`Ruleset::sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub u32);

/// A rule of a chain: the chain, and the position in [`Chain::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The chain that holds it.
    pub chain: ChainId,
    /// Its position in the chain, from 0.
    pub position: u32,
}

impl Ruleset {
    /// The table at a position.
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.get(id.0 as usize)
    }

    /// The chain at a position.
    pub fn chain(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(id.0 as usize)
    }

    /// The set at a position.
    pub fn set(&self, id: SetId) -> Option<&Set> {
        self.sets.get(id.0 as usize)
    }

    /// A rule.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.chain(id.chain)?.rules.get(id.position as usize)
    }

    /// Some chains, and those that their rules lead to, however far.
    pub(crate) fn reached(&self, from: impl IntoIterator<Item = ChainId>) -> BTreeSet<ChainId> {
        let mut open: Vec<ChainId> = from.into_iter().collect();
        let (mut found, mut maps) = (BTreeSet::new(), BTreeSet::new());
        while let Some(chain) = open.pop() {
            if !found.insert(chain) {
                continue;
            }
            for op in self.chain(chain).into_iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops) {
                match op {
                    Op::Verdict(verdict) => open.extend(verdict.called()),
                    Op::Lookup { set, result: LookupResult::Verdict, .. } if maps.insert(*set) => {
                        let elements = self.set(*set).into_iter().flat_map(|set| &set.elements);
                        open.extend(elements.filter_map(|element| match &element.data {
                            Some(Data::Verdict(verdict)) => verdict.called(),
                            _ => None,
                        }));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    /// The table that a chain belongs to.
    pub fn table_of(&self, chain: ChainId) -> Option<&Table> {
        self.table(self.chain(chain)?.table)
    }

    /// The sets of `ipset(8)` that its rules name.
    pub fn named_ip_sets(&self) -> BTreeSet<IpSetId> {
        let ops = self.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
        let mut named = BTreeSet::new();
        for op in ops {
            match op {
                Op::Match { all, .. } => named.extend(all.iter().filter_map(|test| match &test.predicate {
                    Predicate::InIpSet(question) => Some(question.set.id.clone()),
                    _ => None,
                })),
                Op::Effect(Effect::ChangeIpSets(changes)) => {
                    named.extend(changes.iter().map(|change| change.set.id.clone()));
                }
                _ => {}
            }
        }
        named
    }

    /// Stands for rules that could not be read: whatever comes to a socket, goes on to another machine or leaves this
    /// one may be let through by them or not. They run last, because what other rules drop stays dropped.
    pub fn unreadable(family: Family, why: &Untrusted) -> Self {
        let unknown = Unknown { construct: why.clone(), only_matches: false };
        let chain = |hook| Chain {
            table: TableId(0),
            name: "not read".into(),
            base: Some(Base {
                hook,
                priority: i32::MAX,
                kind: ChainKind::Filter,
                policy: Policy::Accept,
                devices: Vec::new(),
                registered: 0,
            }),
            rules: vec![Rule { ops: vec![Op::Unknown(unknown.clone())], text: Some(why.clone()), ..Rule::default() }],
        };
        let table = Table {
            backend: if family == Family::Inet { Backend::NfTables } else { Backend::Legacy },
            family,
            name: "not read".into(),
            dormant: false,
            notation: Notation::Nft,
        };
        let chains = [Hook::Input, Hook::Forward, Hook::Output].map(chain).to_vec();
        Self { tables: vec![table], chains, ..Self::default() }
    }

    /// Adds everything of another ruleset behind what is there, with its positions moved on.
    pub fn append(&mut self, other: Self) {
        let (tables, chains, sets) = (length(&self.tables), length(&self.chains), length(&self.sets));
        self.ipsec |= other.ipsec;
        self.tables.extend(other.tables);
        self.chains.extend(other.chains.into_iter().map(|mut chain| {
            chain.table.0 += tables;
            for op in chain.rules.iter_mut().flat_map(|rule| &mut rule.ops) {
                op.move_references(chains, sets);
            }
            chain
        }));
        self.sets.extend(other.sets.into_iter().map(|mut set| {
            set.table.0 += tables;
            for data in set.elements.iter_mut().filter_map(|element| element.data.as_mut()) {
                if let Data::Verdict(verdict) = data {
                    verdict.move_references(chains);
                }
            }
            set
        }));
        for (id, set) in other.ip_sets {
            match self.ip_sets.entry(id) {
                Entry::Vacant(new) => drop(new.insert(set)),
                Entry::Occupied(mut known) => {
                    known.get_mut().members = Members::Unknown("it is there more than once".into());
                }
            }
        }
    }
}

/// The kernel numbers all of these with 32 bits.
fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Who evaluates it.
    pub backend: Backend,
    /// Which packets it sees.
    pub family: Family,
    /// Its name.
    pub name: Untrusted,
    /// Its chains are not registered with any hook (`flags dormant`, `nft(8)`).
    pub dormant: bool,
    /// The tool whose notation its rules are shown in.
    pub notation: Notation,
}

/// The part of the kernel that evaluates a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// `nf_tables`, whether `nft` or `iptables-nft` wrote the table.
    NfTables,
    /// The older `ip_tables` and `ip6_tables`.
    Legacy,
    /// No rules, but something beside netfilter that takes packets at one of its hooks: policies of `IPsec`, services
    /// of IP virtual server, BPF programs. Its rules have unknown effects.
    Beside,
}

/// The tool whose notation an administrator knows a table in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notation {
    /// `nft(8)`.
    Nft,
    /// `iptables(8)` and `ip6tables(8)`.
    Iptables,
}

/// Which packets a table sees (`nft(8)`, "Address families").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// ARP.
    Arp,
    /// Frames that a bridge forwards.
    Bridge,
    /// Everything that arrives on a device.
    Netdev,
}

impl Family {
    /// Whether its chains see packets of an IP version at the hooks between devices and sockets.
    pub fn routes(self, version: IpVersion) -> bool {
        match self {
            Self::Ip => version == IpVersion::V4,
            Self::Ip6 => version == IpVersion::V6,
            Self::Inet => true,
            Self::Arp | Self::Bridge | Self::Netdev => false,
        }
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The table that it belongs to.
    pub table: TableId,
    /// Its name.
    pub name: Untrusted,
    /// Where the kernel enters it; `None` for a chain that rules jump to.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// Devices that a base chain is registered for. A `*` in a name is a letter like any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// The one of this name.
    Is(Vec<u8>),
    /// All whose names begin so (`NFTA_DEVICE_PREFIX`).
    BeginsWith(Vec<u8>),
}

impl DeviceName {
    /// Whether it means the device of a name.
    pub fn means(&self, name: &[u8]) -> bool {
        match self {
            Self::Is(wanted) => wanted == name,
            Self::BeginsWith(start) => name.starts_with(start),
        }
    }

    /// The name as `nft(8)` writes it.
    pub fn shown(&self) -> Untrusted {
        match self {
            Self::Is(name) => Untrusted::from_bytes(name),
            Self::BeginsWith(start) => Untrusted::from_bytes(&[start, &b"*"[..]].concat()),
        }
    }
}

/// Where and when the kernel enters a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// Lower numbers run first at a hook.
    pub priority: i32,
    /// What the chain is for.
    pub kind: ChainKind,
    /// What happens to a packet that reaches its end.
    pub policy: Policy,
    /// For [`Hook::Ingress`] and [`Hook::Egress`]: the devices that it is registered for. Others see every device.
    pub devices: Vec<DeviceName>,
    /// When it was registered relative to others of this backend, as far as the handles tell: larger is later. Of
    /// chains with equal priority the one that was registered last runs first (`nf_hook_entries_grow`,
    /// `net/netfilter/core.c`).
    pub registered: u64,
}

/// A hook (`NF_INET_*`, `include/uapi/linux/netfilter.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// As a packet leaves the device driver.
    Ingress,
    /// Before routing.
    Prerouting,
    /// For this machine.
    Input,
    /// For another machine.
    Forward,
    /// From this machine, before it is routed again.
    Output,
    /// After routing.
    Postrouting,
    /// As a packet is handed to the device driver.
    Egress,
}

/// What a base chain is for (`nft(8)`, "Supported chain types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainKind {
    /// Filtering; every packet.
    Filter,
    /// Address translation; the first packet of a connection, where connections are tracked.
    Nat,
    /// Packets of this machine, routed again where a rule changed what routing depends on.
    Route,
}

/// What happens at the end of a base chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// The packet goes on.
    Accept,
    /// The packet is dropped.
    Drop,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its number within the table (`nft -a list ruleset`); `None` where it comes from something without handles.
    pub handle: Option<u64>,
    /// Its line in the file that it comes from, from 1.
    pub line: Option<u32>,
    /// Its comment.
    pub comment: Option<Untrusted>,
    /// The rule as its file has it. `None` where it is shown from [`Rule::ops`].
    pub text: Option<Untrusted>,
    /// What it does, in order.
    pub ops: Vec<Op>,
}

/// A set or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The table that it belongs to.
    pub table: TableId,
    /// Its name, or what the kernel calls an anonymous one.
    pub name: Untrusted,
    /// Written within a rule.
    pub anonymous: bool,
    /// Packets can add to it, or its elements expire: what was read holds for the moment of reading only.
    pub changes: bool,
    /// Lengths of the parts of a key in bytes. Each part begins at a multiple of four bytes; a key of one part has one
    /// length. The sum of the padded lengths is the length of a key.
    pub fields: Vec<u32>,
    /// How keys are shown, part by part: the numbers that nf_tables gives of data types (`nft` `include/datatype.h`); 0
    /// for none.
    pub field_types: Vec<u32>,
    /// Length of the data of a map in bytes; `None` for a set and for a map to verdicts.
    pub data_length: Option<u32>,
    /// The elements, in the order they were read.
    pub elements: Vec<Element>,
    /// Why the elements are not all there, where they are not: then nothing can be said about a lookup.
    pub incomplete: Option<Untrusted>,
}

/// An element of a set or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// What it covers.
    pub key: Key,
    /// What a map gives for it.
    pub data: Option<Data>,
    /// It holds expressions of its own (a limit, a quota, a count of connections) that can keep it from matching.
    pub limited: bool,
    /// Seconds until it goes, where it has a timeout.
    pub expires: Option<u64>,
}

/// What an element covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// One key.
    Exact(Box<[u8]>),
    /// From one key to another, both included, **part by part**: each part of the key lies between the parts of the
    /// two. Bytes compare as the kernel does, most significant first.
    Range(Box<[u8]>, Box<[u8]>),
    /// Every key that no other element covers (`*`, `nft(8)`).
    CatchAll,
}

/// What a map gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// Bytes for a register.
    Value(Box<[u8]>),
    /// A verdict.
    Verdict(Verdict),
}
