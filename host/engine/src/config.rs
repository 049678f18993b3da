//! How wasmtime is set up: the same for compiling at build time and for running.

use std::num::NonZeroUsize;

use wasmtime::{Config, OptLevel, Strategy, WasmBacktraceDetails};

use crate::limits::GUEST_STACK_BYTES;

/// The configuration of every engine. Whatever a policy plugin does not need is off, and so is whatever would make
/// the answer depend on the machine.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20));
    config
}
