//! Reads the rules of `nf_tables` over nfnetlink (`net/netfilter/nf_tables_api.c`).
//!
//! The kernel numbers the generations of its rules. A reading is of one generation or it is read again: the number is
//! asked before and after, and a dump during which it changed says so.
//!
//! Asking makes the kernel load its `nf_tables` module, as `nft list ruleset` does; it adds no table.

use std::sync::mpsc;
use std::thread;

use loopgate_firewall::nf_tables::Builder;
use loopgate_firewall::{Ruleset, attribute};
use rustix::io::Errno;

use crate::linux::errno::is;
use crate::linux::netlink::{NetlinkError, Request, Session, find, retry, u32_at};

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The rules of this network namespace.
    Read(Ruleset),
    /// The kernel has no `nf_tables`, so that there are no rules of it.
    Absent,
}

/// Why the rules cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It needs `CAP_NET_ADMIN` in the user namespace that the network namespace belongs to.
    #[error("reading the rules of nf_tables needs CAP_NET_ADMIN")]
    NotPermitted,
    /// The rules changed each time they were read.
    #[error("the rules of nf_tables changed each time they were read")]
    Changing,
    /// The kernel did not answer, or not in a way that is understood.
    #[error("the rules of nf_tables cannot be read: {0}")]
    Failed(String),
}

/// Reads all rules of this network namespace.
pub fn read() -> Result<Reading, Unreadable> {
    match retry(read_once) {
        Ok(ruleset) => Ok(Reading::Read(ruleset)),
        Err(error) if is_absent(&error) => Ok(Reading::Absent),
        Err(error) => Err(unreadable(error)),
    }
}

/// Messages by the type of their kind.
type Messages = mpsc::Receiver<(u8, Box<[u8]>)>;

/// The most messages that are read before the first of them is understood.
const AHEAD: usize = 256;

/// Most of the time goes into the kernel, which writes each part of an answer when it is asked for; what came before is
/// understood meanwhile.
fn read_once(room: usize) -> Result<Ruleset, NetlinkError> {
    let (sender, messages) = mpsc::sync_channel(AHEAD);
    thread::scope(|scope| {
        let building =
            thread::Builder::new().spawn_scoped(scope, move || build(&messages)).map_err(NetlinkError::Open)?;
        let walked = walk(room, |kind, payload| {
            sender.send((kind, payload.into())).map_err(|_| NetlinkError::Malformed("an earlier message".to_owned()))
        });
        drop(sender);
        let built = building.join().unwrap_or(Err(NetlinkError::Unexpected("a defect")));
        match walked {
            Err(error) if error.is_transient() => Err(error),
            // What was not understood has ended the walk.
            walked => built.and_then(|ruleset| walked.map(|()| ruleset)),
        }
    })
}

fn build(messages: &Messages) -> Result<Ruleset, NetlinkError> {
    let mut builder = Builder::new();
    for (kind, payload) in messages {
        builder.message(kind, &payload).map_err(|error| NetlinkError::Malformed(error.to_string()))?;
    }
    Ok(builder.finish())
}

/// Records the messages that [`read`] reads, as [`loopgate_firewall::nf_tables::decode_stream`] takes them.
pub fn record() -> Result<Vec<u8>, Unreadable> {
    let recorded = retry(|room| {
        let mut stream = Vec::new();
        walk(room, |kind, payload| {
            append_message(&mut stream, kind, payload);
            Ok(())
        })?;
        Ok(stream)
    });
    recorded.map_err(unreadable)
}

fn append_message(stream: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    const HEADER: usize = 16;
    const ALIGNMENT: usize = 4;
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    stream.extend_from_slice(&length.to_ne_bytes());
    stream.extend_from_slice(&message_type(kind).to_ne_bytes());
    // Flags, sequence number and port.
    stream.extend_from_slice(&[0; 10]);
    stream.extend_from_slice(payload);
    stream.resize(stream.len().next_multiple_of(ALIGNMENT), 0);
}

/// Without nfnetlink there is no such protocol; without `nf_tables` the kernel knows no such message
/// (`nfnetlink_rcv_msg`, `net/netfilter/nfnetlink.c`).
fn is_absent(error: &NetlinkError) -> bool {
    match error {
        NetlinkError::Open(error) => is(error, Errno::PROTONOSUPPORT),
        NetlinkError::Absent => true,
        _ => false,
    }
}

fn unreadable(error: NetlinkError) -> Unreadable {
    match error {
        NetlinkError::Interrupted => Unreadable::Changing,
        NetlinkError::Refused(error) if is(&error, Errno::PERM) => Unreadable::NotPermitted,
        error => Unreadable::Failed(error.to_string()),
    }
}

/// A kind of message: what asks for it and what answers (`enum nf_tables_msg_types`).
#[derive(Clone, Copy)]
struct Kind {
    get: u8,
    new: u8,
}

const TABLES: Kind = Kind { get: 1, new: 0 };
const CHAINS: Kind = Kind { get: 4, new: 3 };
const RULES: Kind = Kind { get: 7, new: 6 };
const SETS: Kind = Kind { get: 10, new: 9 };
const ELEMENTS: Kind = Kind { get: 13, new: 12 };
const GENERATION: Kind = Kind { get: 16, new: 15 };
const OBJECTS: Kind = Kind { get: 19, new: 18 };

/// Gives every message to `each`, with the type of its kind, in the order that a [`Builder`] needs.
fn walk(room: usize, mut each: impl FnMut(u8, &[u8]) -> Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    let mut session = Session::open(NETLINK_NETFILTER, room)?;
    let before = first_generation(&mut session)?;
    let mut element_requests = Vec::new();
    for kind in [TABLES, CHAINS, SETS] {
        session.dump(&request(kind, NFPROTO_UNSPEC, &[]), |payload| {
            if kind.new == SETS.new {
                element_requests.push(elements_of(payload)?);
            }
            each(kind.new, payload)
        })?;
    }
    elements(&mut session, room, &element_requests, &mut each)?;
    for kind in [OBJECTS, RULES] {
        session.dump(&request(kind, NFPROTO_UNSPEC, &[]), |payload| each(kind.new, payload))?;
    }
    if generation(&mut session)? == before { Ok(()) } else { Err(NetlinkError::Interrupted) }
}

/// The kernel looks through the list of sets for each set that it is asked about, so that many take long: then several
/// sockets ask at once, which readers may (`nf_tables_dump_set` holds no lock).
fn elements(
    session: &mut Session,
    room: usize,
    requests: &[Request],
    each: &mut impl FnMut(u8, &[u8]) -> Result<(), NetlinkError>,
) -> Result<(), NetlinkError> {
    const MANY: usize = 512;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(requests.len() / MANY);
    if threads < 2 {
        return dump_elements(session, requests, |payload| each(ELEMENTS.new, payload));
    }
    let found = thread::scope(|scope| {
        let chunks = requests.chunks(requests.len().div_ceil(threads));
        let started: Vec<_> = chunks.map(|chunk| start(scope, room, chunk)).collect();
        started
            .into_iter()
            .map(|thread| thread?.join().unwrap_or(Err(NetlinkError::Unexpected("a defect"))))
            .collect::<Result<Vec<_>, _>>()
    })?;
    found.iter().flatten().try_for_each(|payload| each(ELEMENTS.new, payload))
}

type Payloads = Result<Vec<Box<[u8]>>, NetlinkError>;

fn start<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    room: usize,
    requests: &'scope [Request],
) -> Result<thread::ScopedJoinHandle<'scope, Payloads>, NetlinkError> {
    let read = move || {
        let mut found = Vec::new();
        dump_elements(&mut Session::open(NETLINK_NETFILTER, room)?, requests, |payload| {
            found.push(payload.into());
            Ok(())
        })?;
        Ok(found)
    };
    thread::Builder::new().spawn_scoped(scope, read).map_err(NetlinkError::Open)
}

fn dump_elements(
    session: &mut Session,
    requests: &[Request],
    mut each: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
) -> Result<(), NetlinkError> {
    requests.iter().try_for_each(|request| session.dump(request, &mut each).map_err(gone))
}

/// The first question to `nf_tables`, which the kernel does not understand where it has none.
fn first_generation(session: &mut Session) -> Result<u32, NetlinkError> {
    generation(session).map_err(|error| match error {
        NetlinkError::Refused(error) if is(&error, Errno::INVAL) => NetlinkError::Absent,
        error => error,
    })
}

fn generation(session: &mut Session) -> Result<u32, NetlinkError> {
    const NFTA_GEN_ID: u16 = 1;
    let answer = session.ask(&request(GENERATION, NFPROTO_UNSPEC, &[]))?;
    let attributes = answer.get(HEADER..).unwrap_or_default();
    let id = find(attributes, NFTA_GEN_ID)?.and_then(|id| u32_at(id.value, 0));
    id.ok_or_else(|| NetlinkError::Malformed("a generation without a number".to_owned()))
}

/// A set that is not there any more was deleted since the sets were listed.
fn gone(error: NetlinkError) -> NetlinkError {
    match error {
        NetlinkError::Refused(error) if is(&error, Errno::NOENT) => NetlinkError::Interrupted,
        error => error,
    }
}

/// Asks for the elements of a set, given its message.
fn elements_of(set: &[u8]) -> Result<Request, NetlinkError> {
    // `enum nft_set_attributes` and `enum nft_set_elem_list_attributes` agree on these.
    const TABLE: u16 = 1;
    const NAME: u16 = 2;
    let family = set.first().copied().unwrap_or_default();
    let attributes = set.get(HEADER..).unwrap_or_default();
    let name = |kind| match find(attributes, kind)? {
        Some(name) => Ok((kind, name.value)),
        None => Err(NetlinkError::Malformed("a set without a name".to_owned())),
    };
    Ok(request(ELEMENTS, family, &[name(TABLE)?, name(NAME)?]))
}

pub(super) const NETLINK_NETFILTER: isize = 12;

const NFPROTO_UNSPEC: u8 = 0;

/// `sizeof(struct nfgenmsg)`: family, version 0, resource 0.
const HEADER: usize = 4;

fn request(kind: Kind, family: u8, attributes: &[(u16, &[u8])]) -> Request {
    let mut body = vec![family, 0, 0, 0];
    for (kind, value) in attributes {
        attribute::append(&mut body, *kind, value);
    }
    Request { protocol: NETLINK_NETFILTER, kind: message_type(kind.get), answer: message_type(kind.new), body }
}

/// The subsystem is the upper byte of a type.
fn message_type(kind: u8) -> u16 {
    const NFNL_SUBSYS_NFTABLES: u8 = 10;
    u16::from_be_bytes([NFNL_SUBSYS_NFTABLES, kind])
}
