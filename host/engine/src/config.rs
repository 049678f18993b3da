//! How wasmtime is set up: the same for compiling at build time and for running.

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
        // Nobody reads backtraces of guests, and the tables for them are a tenth of what is loaded at every run.
        .generate_address_map(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(None)
        // An instance lives for one call: copying its data costs less than a file mapping in memory.
        .memory_init_cow(false);
    config
}
