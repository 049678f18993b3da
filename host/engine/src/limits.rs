//! What a guest may use. The limits are fixed, so that a verdict does not depend on the machine.

use std::time::Duration;

use wasmtime::{ResourceLimiter, Result};

/// Largest component that is loaded, in bytes. A Python guest with its interpreter has 18 MB.
pub const MAX_COMPONENT_BYTES: u64 = 32 << 20;

/// Longest time that compiling a component may take. Compilation is not bounded by wasmtime itself.
pub const COMPILE_DEADLINE: Duration = Duration::from_mins(1);

/// Fuel of one call, about one unit an instruction. The built-in plugins need about 5,000 units a listener; a hundred rules
/// of a policy over ten thousand listeners need half of it. Spending all of it takes under a second.
pub const FUEL: u64 = 2_000_000_000;

/// Longest time of one call: a backstop behind fuel, for a machine that is slow or overloaded.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Linear memory of one call, in bytes, over all memories of the component.
pub const MEMORY_BYTES: usize = 256 << 20;

/// Table elements of one call, over all tables of the component.
pub const TABLE_ELEMENTS: usize = 100_000;

/// Largest answer of one call, in bytes of the canonical ABI.
pub const OUTPUT_BYTES: usize = 32 << 20;

/// Stack of the guest, in bytes.
pub(crate) const GUEST_STACK_BYTES: usize = 512 << 10;

/// Stack of the thread that a guest runs on, in bytes. The guest's own stack lies on it, and the host needs room below.
pub(crate) const THREAD_STACK_BYTES: usize = 4 << 20;

/// A guest asked for more memory or table space than a call may have.
#[derive(Debug, thiserror::Error)]
#[error("the guest asked for more memory than a call may have")]
pub(crate) struct MemoryExhausted;

/// Counts what one instance uses. wasmtime's own `StoreLimits` counts each memory apart.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    memory_bytes: usize,
    table_elements: usize,
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        grow(&mut self.memory_bytes, current, desired, MEMORY_BYTES)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        grow(&mut self.table_elements, current, desired, TABLE_ELEMENTS)
    }
}

/// Adds the growth to what is used. Refusing ends the call instead of letting the guest see a failed growth: a guest
/// that carries on with less could judge by less.
fn grow(used: &mut usize, current: usize, desired: usize, limit: usize) -> Result<bool> {
    *used = used.saturating_add(desired.saturating_sub(current));
    if *used > limit { Err(MemoryExhausted.into()) } else { Ok(true) }
}
