//! Reads the tables of legacy iptables over `getsockopt(2)` (`do_ipt_get_ctl`, `net/ipv4/netfilter/ip_tables.c`, and
//! `do_ip6t_get_ctl`, `net/ipv6/netfilter/ip6_tables.c`).
//!
//! Only tables that `/proc/net/ip_tables_names` and `/proc/net/ip6_tables_names` list are asked for: the kernel would
//! create any other, and filter with it from then on.

mod option;

use std::io;
use std::path::Path;

use loopgate_facts::Untrusted;
use loopgate_firewall::Ruleset;
use loopgate_firewall::legacy::{LegacyError, decode};
use loopgate_firewall::ruleset::Family;
use rustix::io::Errno;

use crate::linux::root::Root;
use option::{Protocol, Socket};

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The tables of this network namespace.
    Read(Ruleset),
    /// There are none.
    Absent,
}

/// Why the tables cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Which tables there are is not known; the file is for root alone.
    #[error("/{path} cannot be read: {error}")]
    Names {
        /// The file that lists them.
        path: &'static str,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// It needs `CAP_NET_ADMIN` in the user namespace that the network namespace belongs to.
    #[error("reading the tables of legacy iptables needs CAP_NET_ADMIN")]
    NotPermitted,
    /// A table changed each time it was read.
    #[error("the table {} changed each time it was read", .0.escaped())]
    Changing(Untrusted),
    /// The kernel did not give a table.
    #[error("the table {} cannot be read: {error}", table.escaped())]
    Failed {
        /// The table.
        table: Untrusted,
        /// Why not.
        error: io::Error,
    },
    /// What the kernel gave is not understood.
    #[error("the table {} is not understood: {error}", table.escaped())]
    Malformed {
        /// The table.
        table: Untrusted,
        /// Why not.
        error: LegacyError,
    },
}

/// A table as the kernel gives it.
#[derive(Clone, Debug)]
struct Blob {
    /// A `struct ipt_getinfo`.
    info: Vec<u8>,
    /// A `struct ipt_get_entries`.
    entries: Vec<u8>,
}

/// Reads the legacy tables of one family of this network namespace.
pub fn read_here(family: Family) -> Result<Reading, Unreadable> {
    read(&Root::new(Path::new("/")), family)
}

/// The same, with a directory that holds `/proc`.
pub(super) fn read(root: &Root, family: Family) -> Result<Reading, Unreadable> {
    let names = names(root, family)?;
    if names.is_empty() {
        return Ok(Reading::Absent);
    }
    let mut ruleset = Ruleset::default();
    for name in &names {
        let table = || Untrusted::from_bytes(name);
        let blob = table_of(name, family)?;
        let decoded = decode(&blob.info, &blob.entries, family);
        ruleset.append(decoded.map_err(|error| Unreadable::Malformed { table: table(), error })?);
    }
    Ok(Reading::Read(ruleset))
}

/// The tables that there are. Without the module there is no file, as there is none without `/proc`.
fn names(root: &Root, family: Family) -> Result<Vec<Vec<u8>>, Unreadable> {
    const LIMIT: u64 = 64 << 10;
    let path = if family == Family::Ip6 { "proc/net/ip6_tables_names" } else { "proc/net/ip_tables_names" };
    match root.read(path, LIMIT) {
        Ok(names) => {
            Ok(names.split(|&byte| byte == b'\n').filter(|name| !name.is_empty()).map(<[_]>::to_vec).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && root.has("proc/net") => Ok(Vec::new()),
        Err(error) => Err(Unreadable::Names { path, error }),
    }
}

/// How often a table is read before it is said to change all the time.
const ATTEMPTS: usize = 8;

/// Reads a table that is there.
fn table_of(name: &[u8], family: Family) -> Result<Blob, Unreadable> {
    let table = || Untrusted::from_bytes(name);
    let failed = |error: io::Error| match Errno::from_io_error(&error) {
        Some(Errno::PERM) => Unreadable::NotPermitted,
        _ => Unreadable::Failed { table: table(), error },
    };
    let protocol = if family == Family::Ip6 { Protocol::Ipv6 } else { Protocol::Ipv4 };
    let socket = Socket::open(protocol).map_err(failed)?;
    for _ in 0..ATTEMPTS {
        if let Some(blob) = attempt(&socket, name).map_err(failed)? {
            return Ok(blob);
        }
    }
    Err(Unreadable::Changing(table()))
}

// `linux/netfilter_ipv4/ip_tables.h`; those of IPv6 have the same numbers.
const IPT_SO_GET_INFO: i32 = 64;
const IPT_SO_GET_ENTRIES: i32 = 65;

/// `sizeof(struct ipt_getinfo)`.
const INFO: usize = 84;

/// `sizeof(struct ipt_get_entries)`.
const ENTRIES: usize = 40;

/// `XT_TABLE_MAXNAMELEN`.
const NAME: usize = 32;

/// Reads a table once; `None` if it changed meanwhile, which the kernel notices where its size changed.
fn attempt(socket: &Socket, name: &[u8]) -> io::Result<Option<Blob>> {
    let info = info(socket, name)?;
    let size = info.last_chunk().map_or(0, |size| u32::from_ne_bytes(*size));
    let length = ENTRIES.saturating_add(size as usize);
    let mut question = padded(name)?.to_vec();
    question.extend_from_slice(&size.to_ne_bytes());
    let entries = match socket.get(IPT_SO_GET_ENTRIES, &question, length) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => return Ok(None),
        entries => entries?,
    };
    let unchanged = self::info(socket, name)? == info;
    Ok(unchanged.then_some(Blob { info, entries }))
}

fn info(socket: &Socket, name: &[u8]) -> io::Result<Vec<u8>> {
    socket.get(IPT_SO_GET_INFO, &padded(name)?, INFO)
}

/// A name with its NULs.
fn padded(name: &[u8]) -> io::Result<[u8; NAME]> {
    let mut padded = [0; NAME];
    match padded.get_mut(..name.len()) {
        Some(start) if name.len() < NAME => start.copy_from_slice(name),
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name that is too long")),
    }
    Ok(padded)
}

#[cfg(test)]
mod tests;
