//! The attributes of one message or expression, by type.

use crate::attribute::{AttributeError, attributes};
use crate::rule::{REGISTERS, Register};

/// Why a message or an expression is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its attributes cannot be read.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// It is shorter than its fixed part.
    #[error("it is too short")]
    Short,
    /// It has an attribute that this version does not know.
    #[error("attribute {0} is not known")]
    UnknownAttribute(u16),
    /// It lacks an attribute.
    #[error("attribute {0} is missing")]
    Missing(u16),
    /// A value that has no meaning known here.
    #[error("attribute {kind} has the value {value}, which is not known")]
    Value {
        /// The type of the attribute.
        kind: u16,
        /// Its value.
        value: u64,
    },
    /// Lengths that disagree, or a length that is impossible.
    #[error("its lengths disagree")]
    Length,
    /// A register that does not exist, or a value that does not fit behind it.
    #[error("it uses registers that do not exist")]
    Register,
    /// Something that it names and that does not exist: what and its name.
    #[error("{0} does not exist")]
    Dangling(String),
    /// It names an expression that is not known.
    #[error("it is not known")]
    Unknown,
}

/// More than the highest attribute type of any message (`NFTA_SET_MAX` is about 20).
const CAPACITY: usize = 32;

/// Attributes by type; numbers are big-endian throughout nf_tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    values: [Option<&'a [u8]>; CAPACITY],
}

impl<'a> Fields<'a> {
    /// Reads attributes of which types above `highest` change a meaning in ways not known here, and are an error.
    pub(crate) fn strict(bytes: &'a [u8], highest: u16) -> Result<Self, Flaw> {
        Self::read(bytes, |kind| if kind > highest { Err(Flaw::UnknownAttribute(kind)) } else { Ok(()) })
    }

    /// Reads attributes of which unknown ones only add to what is said.
    pub(crate) fn lenient(bytes: &'a [u8]) -> Result<Self, Flaw> {
        Self::read(bytes, |_| Ok(()))
    }

    fn read(bytes: &'a [u8], check: impl Fn(u16) -> Result<(), Flaw>) -> Result<Self, Flaw> {
        let mut values = [None; CAPACITY];
        for attribute in attributes(bytes) {
            let attribute = attribute?;
            check(attribute.kind)?;
            if let Some(value) = values.get_mut(usize::from(attribute.kind)) {
                *value = Some(attribute.value);
            }
        }
        Ok(Self { values })
    }

    /// The value of an attribute, where it is there.
    pub(crate) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.values.get(usize::from(kind)).copied().flatten()
    }

    pub(crate) fn has(&self, kind: u16) -> bool {
        self.get(kind).is_some()
    }

    /// The value of an attribute that must be there.
    pub(crate) fn bytes(&self, kind: u16) -> Result<&'a [u8], Flaw> {
        self.get(kind).ok_or(Flaw::Missing(kind))
    }

    /// Text without the NUL that ends it.
    pub(crate) fn text(&self, kind: u16) -> Result<&'a [u8], Flaw> {
        self.bytes(kind).map(until_nul)
    }

    pub(crate) fn u8(&self, kind: u16) -> Result<u8, Flaw> {
        self.bytes_of(kind).map(u8::from_be_bytes)
    }

    pub(super) fn u32(&self, kind: u16) -> Result<u32, Flaw> {
        self.bytes_of(kind).map(u32::from_be_bytes)
    }

    pub(super) fn u64(&self, kind: u16) -> Result<u64, Flaw> {
        self.bytes_of(kind).map(u64::from_be_bytes)
    }

    /// A number that the kernel leaves out where it is 0.
    pub(super) fn u32_or_0(&self, kind: u16) -> Result<u32, Flaw> {
        if self.has(kind) { self.u32(kind) } else { Ok(0) }
    }

    /// The value of an attribute that must be there and have this length.
    pub(crate) fn bytes_of<const SIZE: usize>(&self, kind: u16) -> Result<[u8; SIZE], Flaw> {
        self.bytes(kind)?.try_into().map_err(|_| Flaw::Length)
    }

    /// Flags, of which those outside `known` are an error.
    pub(crate) fn flags(&self, kind: u16, known: u32) -> Result<u32, Flaw> {
        let flags = self.u32_or_0(kind)?;
        if flags & !known != 0 { Err(Flaw::Value { kind, value: flags.into() }) } else { Ok(flags) }
    }

    /// A register behind which a value of `length` bytes fits.
    pub(super) fn register(&self, kind: u16, length: u32) -> Result<Register, Flaw> {
        fitting(self.u32(kind)?, length)
    }

    /// The same, where it is there.
    pub(super) fn optional_register(&self, kind: u16, length: u32) -> Result<Option<Register>, Flaw> {
        self.has(kind).then(|| self.register(kind, length)).transpose()
    }

    /// The bytes of a nested value (`NFTA_DATA_VALUE`).
    pub(super) fn data(&self, kind: u16) -> Result<&'a [u8], Flaw> {
        data(self.bytes(kind)?)
    }

    pub(crate) fn unknown_value(&self, kind: u16) -> Flaw {
        Flaw::Value { kind, value: self.u32(kind).unwrap_or_default().into() }
    }
}

/// The bytes of a value (`enum nft_data_attributes`).
pub(super) fn data(bytes: &[u8]) -> Result<&[u8], Flaw> {
    const NFTA_DATA_VALUE: u16 = 1;
    let value = Fields::strict(bytes, NFTA_DATA_VALUE)?.bytes(NFTA_DATA_VALUE)?;
    if value.is_empty() { Err(Flaw::Length) } else { Ok(value) }
}

pub(super) fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Bytes in a register.
pub(super) const REGISTER_SIZE: u32 = 4;

/// Registers have two numberings: 1 to 4 for 16 bytes each, 8 to 23 for four (`enum nft_registers`); they are the same
/// memory (`nft_parse_register`, `net/netfilter/nf_tables_api.c`).
fn fitting(number: u32, length: u32) -> Result<Register, Flaw> {
    let first = match number {
        1..=4 => (number - 1) * 4,
        8..=23 => number - 8,
        _ => return Err(Flaw::Register),
    };
    let end = length.div_ceil(REGISTER_SIZE).checked_add(first).ok_or(Flaw::Register)?;
    match u8::try_from(first) {
        Ok(first) if length > 0 && end <= REGISTERS.into() => Ok(Register(first)),
        _ => Err(Flaw::Register),
    }
}

/// The length of everything from a register to the last.
pub(super) fn rest_behind(register: Register) -> u32 {
    u32::from(REGISTERS.saturating_sub(register.0)) * REGISTER_SIZE
}

/// `sizeof(struct nfgenmsg)`: family, version, generation.
const HEADER: usize = 4;

/// The number of the family (`NFPROTO_*`) and the attributes of a message.
pub(crate) fn message(payload: &[u8]) -> Result<(u8, &[u8]), Flaw> {
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or(Flaw::Short)?;
    Ok((header[0], rest))
}

/// The items of a list (`NFTA_LIST_ELEM`).
pub(super) fn list(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Flaw>> {
    const NFTA_LIST_ELEM: u16 = 1;
    attributes(bytes).map(|item| match item? {
        item if item.kind == NFTA_LIST_ELEM => Ok(item.value),
        item => Err(Flaw::UnknownAttribute(item.kind)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numberings_name_the_same_registers() {
        for (number, register) in [(1, 0), (2, 4), (3, 8), (4, 12), (8, 0), (9, 1), (12, 4), (23, 15)] {
            assert_eq!(fitting(number, 4), Ok(Register(register)));
        }
    }

    #[test]
    fn a_value_must_fit_behind_its_register() {
        assert_eq!(fitting(4, 16), Ok(Register(12)));
        assert_eq!(fitting(1, 64), Ok(Register(0)));
        for (number, length) in [(0, 4), (5, 4), (7, 1), (24, 4), (4, 17), (23, 5), (1, 65), (1, 0), (1, u32::MAX)] {
            assert_eq!(fitting(number, length), Err(Flaw::Register));
        }
    }
}
