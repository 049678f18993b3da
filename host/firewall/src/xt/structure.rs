//! Reads a structure field by field.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use loopgate_facts::Untrusted;

use crate::ruleset::Family;

/// A structure of the kernel, read from its beginning.
pub(crate) struct Structure<'a> {
    rest: &'a [u8],
    family: Family,
}

impl<'a> Structure<'a> {
    pub(crate) fn new(bytes: &'a [u8], family: Family) -> Self {
        Self { rest: bytes, family }
    }

    /// The family of the table that it is in.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(crate) fn skip(&mut self, length: usize) -> Option<()> {
        self.bytes(length).map(|_| ())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.first_chunk().copied()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    /// A number in the order of the network.
    pub(crate) fn be16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A byte that is 0 or 1. The kernel flips its answer with it by exclusive or, so that another value does not mean
    /// what it seems to.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        flag(self.u8()?.into())
    }

    /// The same in four bytes.
    pub(crate) fn flag32(&mut self) -> Option<bool> {
        flag(self.u32()?)
    }

    /// Text in a field of this length.
    pub(crate) fn text(&mut self, length: usize) -> Option<Untrusted> {
        self.bytes(length).map(|bytes| Untrusted::from_bytes(until_nul(bytes)))
    }

    /// Two ports, the lower first. A range that is turned round holds none.
    pub(crate) fn ports(&mut self) -> Option<std::ops::RangeInclusive<u16>> {
        Some(self.u16()?..=self.u16()?)
    }

    pub(crate) fn ipv4(&mut self) -> Option<IpAddr> {
        self.array::<4>().map(|bytes| Ipv4Addr::from(bytes).into())
    }

    pub(crate) fn ipv6(&mut self) -> Option<IpAddr> {
        self.array::<16>().map(|bytes| Ipv6Addr::from(bytes).into())
    }

    /// `union nf_inet_addr` (`linux/netfilter.h`), whose meaning depends on the family.
    pub(crate) fn address(&mut self) -> Option<IpAddr> {
        let mut union = Self::new(self.bytes(16)?, self.family);
        match self.family {
            Family::Ip => union.ipv4(),
            Family::Ip6 => union.ipv6(),
            _ => None,
        }
    }
}

fn flag(value: u32) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What stands before the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}
