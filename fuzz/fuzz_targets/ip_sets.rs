#![no_main]

#[path = "../../host/firewall/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzzed::ip_sets(input));
