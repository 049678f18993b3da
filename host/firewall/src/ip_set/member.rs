//! Members.

use std::net::IpAddr;

use super::Effect;
use super::kind::{
    FLAGS, HARDWARE_ADDRESS, HIGHEST, INTERFACE, Kind, NAME, Network, PORT, PROTOCOL, SECOND_ADDRESS, Source,
};
use crate::nf_tables::fields::{Fields, Flaw};
use crate::ruleset::Family;

/// A member whose parts lie between those of two keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
    /// How many bits of the first and of the second network count: the more, the sooner the kernel finds it.
    pub(super) prefixes: [u8; 2],
    pub(super) effect: Effect,
    /// It stands for every interface whose name begins so.
    pub(super) wildcard: bool,
}

/// What a set says of all its members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) kind: &'static Kind,
    pub(super) family: Option<Family>,
    /// How many bits of an address count (`netmask`).
    pub(super) netmask: Option<u8>,
}

// `enum ipset_cadt_flags`.
const BEFORE: u32 = 1;
pub(super) const PHYSDEV: u32 = 2;
pub(super) const NOMATCH: u32 = 4;
pub(super) const WILDCARD: u32 = 128;
const KNOWN_FLAGS: u32 = BEFORE | PHYSDEV | NOMATCH | WILDCARD;

/// The name of a member of a set of sets.
pub(super) fn name(bytes: &[u8]) -> Result<Box<[u8]>, Flaw> {
    Ok(Fields::strict(bytes, HIGHEST)?.text(NAME)?.into())
}

/// A member of any other set.
pub(super) fn read(bytes: &[u8], context: Context) -> Result<Member, Flaw> {
    let fields = Fields::strict(bytes, HIGHEST)?;
    let flags = fields.flags(FLAGS, KNOWN_FLAGS)?;
    if flags & PHYSDEV != 0 {
        // Whether it hides wider networks depends on how the kernel hashes it.
        return Err(fields.unknown_value(FLAGS));
    }
    let effect = if flags & NOMATCH == 0 { Effect::Match } else { Effect::Except };
    let wildcard = flags & WILDCARD != 0;
    let mut member = Member { first: Vec::new(), last: Vec::new(), prefixes: [0; 2], effect, wildcard };
    for source in context.kind.sources {
        member.add(*source, &fields, context)?;
        member.pad();
    }
    Ok(member)
}

impl Member {
    fn add(&mut self, source: Source, fields: &Fields<'_>, context: Context) -> Result<(), Flaw> {
        match source {
            Source::Network(network) => self.network(network, fields, context)?,
            Source::ProtocolAndPort => {
                self.same(fields.bytes_of::<1>(PROTOCOL)?);
                self.same(fields.bytes_of::<2>(PORT)?);
            }
            Source::Port => self.same(fields.bytes_of::<2>(PORT)?),
            // One that has none yet takes that of the first packet.
            Source::HardwareAddress => self.same(fields.bytes_of::<6>(HARDWARE_ADDRESS).unwrap_or_default()),
            Source::Interface => self.interface(fields.text(INTERFACE)?)?,
        }
        Ok(())
    }

    fn same(&mut self, bytes: impl AsRef<[u8]>) {
        self.first.extend_from_slice(bytes.as_ref());
        self.last.extend_from_slice(bytes.as_ref());
    }

    fn network(&mut self, network: Network, fields: &Fields<'_>, context: Context) -> Result<(), Flaw> {
        let address = address(fields, network.address)?;
        let belongs = context.family.is_none_or(|family| (family == Family::Ip) == address.is_ipv4());
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let length = match network.prefix {
            Some(attribute) => fields.u8(attribute)?,
            None if network.address == SECOND_ADDRESS => bits,
            None => context.netmask.unwrap_or(bits),
        };
        if !belongs || length > bits {
            return Err(fields.unknown_value(network.address));
        }
        let (first, last) = ends(address, length);
        self.first.extend(first);
        self.last.extend(last);
        let [one, two] = &mut self.prefixes;
        if network.prefix.is_some() {
            *if network.address == SECOND_ADDRESS { two } else { one } = length;
        }
        Ok(())
    }

    fn interface(&mut self, name: &[u8]) -> Result<(), Flaw> {
        const IFNAMSIZ: usize = 16;
        let padding = IFNAMSIZ.checked_sub(name.len()).filter(|&padding| padding > 0).ok_or(Flaw::Length)?;
        self.same(name);
        self.first.extend(std::iter::repeat_n(0, padding));
        self.last.extend(std::iter::repeat_n(if self.wildcard { u8::MAX } else { 0 }, padding));
        Ok(())
    }

    /// Each part begins at a multiple of four bytes.
    fn pad(&mut self) {
        for key in [&mut self.first, &mut self.last] {
            key.resize(key.len().next_multiple_of(4), 0);
        }
    }
}

/// An address (`IPSET_ATTR_IPADDR_IPV4`, `IPSET_ATTR_IPADDR_IPV6`).
pub(super) fn address(fields: &Fields<'_>, attribute: u16) -> Result<IpAddr, Flaw> {
    const IPV4: u16 = 1;
    const IPV6: u16 = 2;
    let nested = Fields::strict(fields.bytes(attribute)?, IPV6)?;
    if nested.has(IPV4) {
        return Ok(nested.bytes_of::<4>(IPV4)?.into());
    }
    Ok(nested.bytes_of::<16>(IPV6)?.into())
}

/// The first and the last address of a network.
fn ends(address: IpAddr, length: u8) -> (Vec<u8>, Vec<u8>) {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let host = |index: usize| {
        let bits = usize::from(length).saturating_sub(8 * index).min(8);
        // A shift by eight bits leaves nothing.
        u8::MAX.checked_shr(u32::try_from(bits).unwrap_or(8)).unwrap_or(0)
    };
    let first = octets.iter().enumerate().map(|(index, octet)| octet & !host(index)).collect();
    let last = octets.iter().enumerate().map(|(index, octet)| octet | host(index)).collect();
    (first, last)
}
