//! The guests of `tests/guests`, built from source, as components.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
