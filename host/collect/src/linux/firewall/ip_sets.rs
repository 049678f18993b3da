//! Reads sets of `ipset(8)` over nfnetlink (`net/netfilter/ipset/ip_set_core.c`).
//!
//! The kernel numbers no generations of them, so they are read until two readings agree.
//!
//! Nothing is asked unless a rule names a set, so that no module is loaded for it.

use std::collections::{BTreeMap, BTreeSet};

use loopgate_facts::Untrusted;
use loopgate_firewall::attribute::{self, attributes};
use loopgate_firewall::ip_set::{Builder, IpSet, IpSetId, IpSets, Members};
use rustix::io::Errno;

use super::nf_tables::NETLINK_NETFILTER;
use crate::linux::errno::is;
use crate::linux::netlink::{NetlinkError, Request, Session, retry};

/// Why the sets cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It needs `CAP_NET_ADMIN` in the user namespace that the network namespace belongs to.
    #[error("reading ipsets needs CAP_NET_ADMIN")]
    NotPermitted,
    /// The kernel did not answer, or not in a way that is understood.
    #[error("ipsets cannot be read: {0}")]
    Failed(String),
}

/// How often sets are read before those that still change are said to change all the time.
const ATTEMPTS: u32 = 8;

/// Reads the sets with these numbers, and those that are members of them. One that is not there is left out.
pub fn read(numbers: &BTreeSet<u16>) -> Result<IpSets, Unreadable> {
    if numbers.is_empty() {
        return Ok(IpSets::new());
    }
    let read = || retry(|room| once(room, numbers)).map_err(unreadable);
    let mut sets = read()?;
    let mut changed = BTreeSet::new();
    for _ in 1..ATTEMPTS {
        let again = read()?;
        changed = differing(&sets, &again);
        sets = again;
        if changed.is_empty() {
            break;
        }
    }
    Ok(without(sets, &changed))
}

fn differing(before: &IpSets, after: &IpSets) -> BTreeSet<IpSetId> {
    let either = before.keys().chain(after.keys());
    either.filter(|id| before.get(id) != after.get(id)).cloned().collect()
}

/// Stands for sets that could not be read.
pub(super) fn unknown(numbers: &BTreeSet<u16>, why: &Unreadable) -> IpSets {
    let set = |number: &u16| IpSet {
        name: format!("(number {number})").into(),
        kind: Untrusted::from("not read"),
        family: None,
        members: Members::Unknown(why.to_string().into()),
    };
    numbers.iter().map(|number| (IpSetId::Number(*number), set(number))).collect()
}

fn unreadable(error: NetlinkError) -> Unreadable {
    match error {
        NetlinkError::Refused(error) if is(&error, Errno::PERM) => Unreadable::NotPermitted,
        error => Unreadable::Failed(error.to_string()),
    }
}

/// The members of sets that changed while they were read are not known.
fn without(mut sets: IpSets, changed: &BTreeSet<IpSetId>) -> IpSets {
    for set in sets.iter_mut().filter(|(id, _)| changed.contains(id)).map(|(_, set)| set) {
        set.members = Members::Unknown("its members changed each time they were read".into());
    }
    sets
}

fn once(room: usize, numbers: &BTreeSet<u16>) -> Result<IpSets, NetlinkError> {
    let mut session = Session::open(NETLINK_NETFILTER, room)?;
    let names = names(&mut session)?;
    let mut builder = Builder::new();
    for name in numbers.iter().filter_map(|number| names.get(number)) {
        list(&mut session, name, &mut builder)?;
    }
    for name in builder.missing() {
        list(&mut session, &name, &mut builder)?;
    }
    Ok(builder.finish())
}

// `enum` at the command level of `include/uapi/linux/netfilter/ipset/ip_set.h`.
const PROTOCOL: u16 = 1;
const NAME: u16 = 2;
const FLAGS: u16 = 6;
const NUMBER: u16 = 11;

/// The names of all sets.
fn names(session: &mut Session) -> Result<BTreeMap<u16, Vec<u8>>, NetlinkError> {
    const LIST_HEADER: u32 = 1 << 2;
    let mut names = BTreeMap::new();
    session.dump(&request(&[(FLAGS, &LIST_HEADER.to_be_bytes())]), |payload| {
        names.extend([name(payload)?]);
        Ok(())
    })?;
    Ok(names)
}

fn name(payload: &[u8]) -> Result<(u16, Vec<u8>), NetlinkError> {
    let (mut number, mut name) = (None, Vec::new());
    for attribute in attributes(payload.get(GENERIC..).unwrap_or_default()) {
        let attribute = attribute?;
        match attribute.kind {
            NUMBER => number = attribute.value.first_chunk().map(|number| u16::from_be_bytes(*number)),
            NAME => name = attribute.bytes().to_vec(),
            _ => {}
        }
    }
    let number = number.ok_or_else(|| NetlinkError::Malformed("an ipset without a number".to_owned()))?;
    Ok((number, name))
}

/// Reads a set with its members.
fn list(session: &mut Session, name: &[u8], builder: &mut Builder) -> Result<(), NetlinkError> {
    let request = request(&[(NAME, &[name, &[0]].concat())]);
    let listed = session
        .dump(&request, |payload| builder.message(payload).map_err(|error| NetlinkError::Malformed(error.to_string())));
    listed.map_err(|error| match error {
        // It was deleted or renamed since.
        NetlinkError::Refused(error) if is(&error, Errno::NOENT) => NetlinkError::Interrupted,
        error => error,
    })
}

/// `sizeof(struct nfgenmsg)`.
const GENERIC: usize = 4;

fn request(more: &[(u16, &[u8])]) -> Request {
    /// `IPSET_PROTOCOL`: with it the kernel gives the numbers of sets, since Linux 4.20.
    const VERSION: u8 = 7;
    /// `NFNL_SUBSYS_IPSET` and `IPSET_CMD_LIST`.
    const LIST: u16 = u16::from_be_bytes([6, 7]);
    let mut body = vec![0; GENERIC];
    for (kind, value) in [(PROTOCOL, &[VERSION][..])].iter().chain(more) {
        attribute::append(&mut body, *kind, value);
    }
    Request { protocol: NETLINK_NETFILTER, kind: LIST, answer: LIST, body }
}
