//! Machine code that runs where it lies in the executable.
//!
//! A copy of it would be most of what loading an embedded plugin costs: a megabyte is hundreds of page faults, and a call
//! touches a fraction of them.

use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use rustix::mm::{MprotectFlags, mprotect};
use rustix::param::page_size;
use wasmtime::component::Component;
use wasmtime::{Config, CustomCodeMemory};

/// Lets an engine run code from memory that is not its own.
pub(crate) fn allow(config: &mut Config) {
    config.with_custom_code_memory(Some(Arc::new(InPlace)));
}

/// The component of machine code that is part of the executable, not copied; `None` where it does not begin with a page, where
/// the system does not let it be run there, and every time but the first: wasmtime knows code by its address, so that one
/// place can be one component only. A run loads each plugin once.
#[expect(unsafe_code, reason = "wasmtime cannot know where machine code comes from, and that it stays")]
pub(crate) fn component(engine: &wasmtime::Engine, code: &'static [u8]) -> Option<Component> {
    if !code.as_ptr().addr().is_multiple_of(page_size()) || !claim(code) {
        return None;
    }
    // SAFETY: the caller answers for the code as for a copy of it, and as a part of the executable it is there, and the
    // same, for as long as the process.
    unsafe { Component::deserialize_raw(engine, NonNull::from(code)) }.ok()
}

/// Whether nobody had the code before. It is never given back, because whoever had it may still hold on to it.
fn claim(code: &'static [u8]) -> bool {
    static CLAIMED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
    CLAIMED.lock().is_ok_and(|mut claimed| claimed.insert(code.as_ptr().addr()))
}

struct InPlace;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        page_size()
    }

    /// From read-only to executable: never writable. Pages of a file stay those of the file.
    #[expect(unsafe_code, reason = "making memory executable is what wasmtime asks for")]
    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: wasmtime gives the whole pages of the code that it has checked, of which nothing is written any more.
        unsafe { mprotect(code.cast_mut().cast(), length, MprotectFlags::READ | MprotectFlags::EXEC) }?;
        Ok(())
    }

    /// What is part of the executable may serve another component too, and what is not is unmapped next.
    fn unpublish_executable(&self, _code: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
