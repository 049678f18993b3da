//! Version 0.1 of the contract: the bindings, and the conversions between them and the host's own types.

mod answer;
mod record;

pub(crate) use answer::{plugin_info, problems, results, rules};
pub use record::PreparedFacts;

/// What wasmtime generates from `wit/`.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({ path: "../../wit", world: "policy-plugin" });
}
