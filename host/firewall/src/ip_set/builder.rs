//! Reads the messages in which the kernel lists sets (`IPSET_CMD_LIST`; `ip_set_dump_do`,
//! `net/netfilter/ipset/ip_set_core.c`). A set that does not fit into one message goes on in the next.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use loopgate_facts::Untrusted;

use super::kind::{Kind, Network, Source};
use super::layers::layers;
use super::member::{self, Context, Member};
use super::{IpSet, IpSetId, IpSets, Members};
use crate::attribute::attributes;
use crate::nf_tables::Flaw;
use crate::nf_tables::fields::{Fields, message};
use crate::nf_tables::stream;
use crate::ruleset::Family;

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {position} of the sets: {flaw}")]
pub struct Error {
    /// How many came before it.
    pub position: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Builds sets from the payloads of messages: what follows the netlink header.
#[derive(Debug, Default)]
pub struct Builder {
    sets: Vec<Draft>,
    names: HashMap<Box<[u8]>, usize>,
    messages: usize,
}

/// A set that is being read.
#[derive(Debug)]
pub(super) struct Draft {
    id: IpSetId,
    name: Untrusted,
    kind: Untrusted,
    family: Option<Family>,
    /// How its members are read, or why they are not.
    context: Result<Context, Untrusted>,
    members: Vec<Member>,
    sets: Vec<Box<[u8]>>,
}

// Attributes of messages (`ip_set.h`).
const NAME: u16 = 2;
const KIND: u16 = 3;
const REVISION: u16 = 4;
const FAMILY: u16 = 5;
const HEADER: u16 = 7;
const MEMBERS: u16 = 8;
const NUMBER: u16 = 11;

// Attributes of what is of all members.
pub(super) const HEADER_BITMASK: u16 = 12;
pub(super) const HEADER_NETMASK: u16 = 20;

impl Builder {
    /// A builder without sets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a message holds (`IPSET_CMD_LIST`).
    pub fn message(&mut self, payload: &[u8]) -> Result<(), Error> {
        let position = self.messages;
        self.messages += 1;
        self.add(payload).map_err(|flaw| Error { position, flaw })
    }

    fn add(&mut self, payload: &[u8]) -> Result<(), Flaw> {
        let fields = Fields::lenient(message(payload)?.1)?;
        let name = fields.text(NAME)?;
        if fields.has(KIND) {
            let draft = Draft::read(name, &fields)?;
            self.names.insert(name.into(), self.sets.len());
            self.sets.push(draft);
        }
        let known = self.names.get(name).and_then(|position| self.sets.get_mut(*position));
        let set = known.ok_or(Flaw::Missing(KIND))?;
        if let Some(members) = fields.get(MEMBERS) {
            set.add_members(members)?;
        }
        Ok(())
    }

    /// The names of sets that are members of those that were read, and were not read themselves.
    pub fn missing(&self) -> BTreeSet<Box<[u8]>> {
        let members = self.sets.iter().flat_map(|set| &set.sets);
        members.filter(|name| !self.names.contains_key(*name)).cloned().collect()
    }

    /// The sets by number, once every message was given.
    pub fn finish(self) -> IpSets {
        let ids: HashMap<_, _> = self
            .names
            .iter()
            .filter_map(|(name, position)| Some((name.clone(), self.sets.get(*position)?.id.clone())))
            .collect();
        self.sets.into_iter().map(|draft| draft.finish(&ids)).collect()
    }
}

/// Reads concatenated netlink messages, as a dump of the kernel has them. Messages about other things are passed over.
pub fn decode_stream(bytes: &[u8]) -> Result<IpSets, Error> {
    /// `NFNL_SUBSYS_IPSET` and `IPSET_CMD_LIST`.
    const LIST: u16 = u16::from_be_bytes([6, 7]);
    let mut builder = Builder::new();
    for (position, message) in stream::messages(bytes).enumerate() {
        let (kind, payload) = message.map_err(|flaw| Error { position, flaw })?;
        if kind == LIST {
            builder.message(payload)?;
        }
    }
    Ok(builder.finish())
}

impl Draft {
    fn read(name: &[u8], fields: &Fields<'_>) -> Result<Self, Flaw> {
        let (kind, revision) = (fields.text(KIND)?, fields.u8(REVISION)?);
        let id = IpSetId::Number(u16::from_be_bytes(fields.bytes_of(NUMBER)?));
        let family = family(fields.u8(FAMILY)?)?;
        let context = context(kind, revision, family, fields.bytes(HEADER)?);
        Ok(Self { context, ..Self::new(id, name, kind, family, &[]) })
    }

    /// A set of whichever revision. `header` holds the attributes that are of all its members.
    pub(super) fn new(id: IpSetId, name: &[u8], kind: &[u8], family: Option<Family>, header: &[u8]) -> Self {
        Self {
            id,
            name: Untrusted::from_bytes(name),
            kind: Untrusted::from_bytes(kind),
            family,
            context: context(kind, 0, family, header),
            members: Vec::new(),
            sets: Vec::new(),
        }
    }

    /// Its type, as long as what is in it is known.
    pub(super) fn kind(&self) -> Option<&'static Kind> {
        self.context.as_ref().ok().map(|context| context.kind)
    }

    /// What is in it is not known: why.
    pub(super) fn spoil(&mut self, why: Untrusted) {
        self.context = Err(why);
    }

    fn add_members(&mut self, list: &[u8]) -> Result<(), Flaw> {
        for item in attributes(list) {
            let item = item?;
            if item.kind != HEADER {
                return Err(Flaw::UnknownAttribute(item.kind));
            }
            self.add(item.value);
        }
        Ok(())
    }

    /// Adds a member from its attributes. One that is not understood spoils the set.
    pub(super) fn add(&mut self, member: &[u8]) {
        let Ok(context) = self.context else { return };
        if let Err(flaw) = self.add_member(member, context) {
            self.spoil(format!("member {}: {flaw}", self.members.len() + self.sets.len()).into());
        }
    }

    fn add_member(&mut self, bytes: &[u8], context: Context) -> Result<(), Flaw> {
        if context.kind.is_list() {
            self.sets.push(member::name(bytes)?);
        } else {
            self.members.push(member::read(bytes, context)?);
        }
        Ok(())
    }

    /// The set, given what the names of sets stand for.
    pub(super) fn finish(self, ids: &HashMap<Box<[u8]>, IpSetId>) -> (IpSetId, IpSet) {
        let members = match self.context {
            Err(why) => Members::Unknown(why),
            Ok(context) if context.kind.is_list() => list(&self.sets, ids),
            Ok(context) => values(context, self.members),
        };
        (self.id, IpSet { name: self.name, kind: self.kind, family: self.family, members })
    }
}

fn list(names: &[Box<[u8]>], ids: &HashMap<Box<[u8]>, IpSetId>) -> Members {
    let sets: Option<Vec<_>> = names.iter().map(|name| ids.get(name).cloned()).collect();
    sets.map_or_else(|| Members::Unknown("one of its sets was not listed".into()), Members::Sets)
}

fn values(context: Context, members: Vec<Member>) -> Members {
    let address = if context.family == Some(Family::Ip6) { 16 } else { 4 };
    match layers(context.kind, address, members) {
        Ok(layers) => Members::Values {
            parts: context.kind.sources.iter().map(|source| source.part()).collect(),
            layers,
            exceptions: context.kind.has_exceptions(),
        },
        Err(why) => Members::Unknown(why),
    }
}

/// `NFPROTO_UNSPEC`, `NFPROTO_IPV4`, `NFPROTO_IPV6`.
fn family(number: u8) -> Result<Option<Family>, Flaw> {
    match number {
        0 => Ok(None),
        2 => Ok(Some(Family::Ip)),
        10 => Ok(Some(Family::Ip6)),
        _ => Err(Flaw::Value { kind: FAMILY, value: number.into() }),
    }
}

fn context(kind: &[u8], revision: u8, family: Option<Family>, header: &[u8]) -> Result<Context, Untrusted> {
    let kind = Kind::named(kind).ok_or("its type is not known")?;
    if revision > kind.revision {
        return Err(format!("revision {revision} of its type is not known").into());
    }
    let has_addresses = kind.sources.iter().any(|source| matches!(source, Source::Network(_)));
    if has_addresses && family.is_none() {
        return Err("its addresses are of no family".into());
    }
    let netmask = netmask(header).map_err(|flaw| Untrusted::from(format!("what all its members share: {flaw}")))?;
    if netmask.is_some() && !matches!(kind.sources, [Source::Network(Network { prefix: None, .. }), ..]) {
        return Err("a mask for all its networks".into());
    }
    Ok(Context { kind, family, netmask })
}

/// How many bits of the addresses count, for all members alike.
fn netmask(header: &[u8]) -> Result<Option<u8>, Flaw> {
    /// `IPSET_ATTR_MEMSIZE`.
    const HIGHEST: u16 = 26;
    let fields = Fields::strict(header, HIGHEST)?;
    if fields.has(HEADER_BITMASK) {
        let mask = match member::address(&fields, HEADER_BITMASK)? {
            IpAddr::V4(mask) => (u128::from(mask.to_bits()) << 96, 32),
            IpAddr::V6(mask) => (mask.to_bits(), 128),
        };
        return prefix(mask).map(Some).ok_or(Flaw::Value { kind: HEADER_BITMASK, value: 0 });
    }
    if fields.has(HEADER_NETMASK) { fields.u8(HEADER_NETMASK).map(Some) } else { Ok(None) }
}

/// The length of a mask that is a prefix, given in the upper bits.
fn prefix((mask, bits): (u128, u32)) -> Option<u8> {
    let length = mask.leading_ones();
    let is_prefix = mask.count_ones() == length && length <= bits;
    is_prefix.then(|| u8::try_from(length).ok()).flatten()
}
