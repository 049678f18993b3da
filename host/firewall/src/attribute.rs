//! The attributes that follow the fixed part of a netlink message (`rtnetlink(7)`, "Routing attributes").
//!
//! The kernel's structures are read field by field from the bytes, so that a new or longer attribute of a newer
//! kernel is skipped and an unexpected one cannot spoil the rest.

use std::net::IpAddr;

use loopgate_facts::Untrusted;
use netlink_packet_core::NlasIterator;

/// Why attributes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// The bytes are not attributes.
    #[error("{0}")]
    Malformed(String),
    /// A value that is not what its attribute holds.
    #[error("attribute {kind} of {length} bytes is not {expected}")]
    Value {
        /// The type of the attribute.
        kind: u16,
        /// The length of its value in bytes.
        length: usize,
        /// What it should be.
        expected: &'static str,
    },
}

/// An attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type without the flags.
    pub kind: u16,
    /// Its value without the padding.
    pub value: &'a [u8],
}

/// The attributes in a region of bytes. A malformed one is an error and the last.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, AttributeError>> {
    NlasIterator::new(bytes).map(|attribute| {
        let attribute = attribute.map_err(|error| AttributeError::Malformed(error.to_string()))?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        let value = attribute.into_inner().get(HEADER..length).unwrap_or_default();
        Ok(Attribute { kind, value })
    })
}

/// The first attribute of a type.
pub fn find(bytes: &[u8], kind: u16) -> Result<Option<Attribute<'_>>, AttributeError> {
    for attribute in attributes(bytes) {
        let attribute = attribute?;
        if attribute.kind == kind {
            return Ok(Some(attribute));
        }
    }
    Ok(None)
}

/// Appends an attribute to a message.
pub fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(HEADER), 0);
}

/// Length and type.
const HEADER: usize = 4;

impl Attribute<'_> {
    /// A 32-bit number in the byte order of the machine.
    pub fn u32(self) -> Result<u32, AttributeError> {
        u32_at(self.value, 0).ok_or_else(|| self.malformed("a number"))
    }

    /// Text, which the kernel ends with a NUL.
    pub fn bytes(&self) -> &[u8] {
        self.value.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// Text that somebody else chose.
    pub fn text(&self) -> Untrusted {
        Untrusted::from_bytes(self.bytes())
    }

    /// An address: four bytes are IPv4, sixteen IPv6.
    pub fn address(self) -> Result<IpAddr, AttributeError> {
        if let Ok(octets) = <[u8; 4]>::try_from(self.value) {
            return Ok(octets.into());
        }
        let octets = <[u8; 16]>::try_from(self.value).map_err(|_| self.malformed("an address"))?;
        Ok(octets.into())
    }

    fn malformed(self, expected: &'static str) -> AttributeError {
        AttributeError::Value { kind: self.kind, length: self.value.len(), expected }
    }
}

/// The 32-bit number at an offset, in the byte order of the machine.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + HEADER).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn attributes_come_in_order_without_padding_and_flags() {
        let loaded = 0x1a | 1 << 15;
        let bytes = [encode(3, b"lo\0"), encode(loaded, b"12345678")].concat();
        let found: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(found, [Attribute { kind: 3, value: b"lo\0" }, Attribute { kind: 26, value: b"12345678" }]);
        assert_eq!(found[0].bytes(), b"lo");
    }

    #[test]
    fn a_value_of_the_wrong_size_is_an_error() {
        let attribute = Attribute { kind: 1, value: &[1, 2, 3] };
        assert!(attribute.u32().is_err());
        assert!(attribute.address().is_err());
    }

    proptest! {
        #[test]
        fn attributes_survive_encoding(list in prop::collection::vec((0_u16..1000, any::<Vec<u8>>()), 0..8)) {
            let bytes: Vec<_> = list.iter().flat_map(|(kind, value)| encode(*kind, value)).collect();
            let found: Vec<_> = attributes(&bytes).map(|item| item.map(|a| (a.kind, a.value.to_vec())).unwrap()).collect();
            prop_assert_eq!(found, list);
        }

        #[test]
        fn garbage_ends_in_at_most_one_error(bytes: Vec<u8>) {
            let found: Vec<_> = attributes(&bytes).collect();
            let errors = found.iter().filter(|item| item.is_err()).count();
            prop_assert!(errors <= 1);
            prop_assert!(errors == 0 || found.last().unwrap().is_err());
        }
    }
}
