//! The registers that a rule computes with.

use crate::rule::{REGISTERS, Register};

use super::symbol::Symbol;

const BYTES: usize = REGISTERS as usize * 4;

/// The register file: 64 bytes.
#[derive(Clone, Debug)]
pub(super) struct Registers([Symbol; BYTES]);

impl Registers {
    /// Registers that nothing was loaded into hold anything.
    pub(super) const fn new() -> Self {
        Self([Symbol::OPAQUE; BYTES])
    }

    /// The bytes from a register on; `None` where there are not so many.
    pub(super) fn read(&self, from: Register, length: usize) -> Option<&[Symbol]> {
        let start = usize::from(from.0) * 4;
        self.0.get(start..start.checked_add(length)?)
    }

    /// Writes from a register on. The rest of the last register becomes zero, as `nft_payload_eval` and its like leave
    /// it (`net/netfilter/nft_payload.c`). Whether there was room.
    pub(super) fn write(&mut self, to: Register, bytes: &[Symbol]) -> bool {
        let start = usize::from(to.0) * 4;
        let end = start + bytes.len();
        let Some(target) = self.0.get_mut(start..end) else { return false };
        target.copy_from_slice(bytes);
        if let Some(padding) = self.0.get_mut(end..end.next_multiple_of(4)) {
            padding.fill(Symbol::known(0));
        }
        true
    }
}
