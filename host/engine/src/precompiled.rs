//! Components that are compiled when loopgate is built.

use loopgate_facts::Untrusted;
use sha2::{Digest, Sha256};

use crate::config::config;

/// A plugin that is embedded in the binary, as component and as machine code.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Name of the plugin.
    pub name: &'static str,
    /// Its version, as it describes itself.
    pub version: &'static str,
    /// JSON Schema of its parameters, as it describes itself.
    pub parameters_schema: &'static str,
    /// The component; its digest is what reports name.
    pub component: &'static [u8],
    /// What [`precompile`] made of it, by this very version of this crate.
    pub precompiled: &'static [u8],
    /// SHA-256 of the component, in hexadecimal digits.
    pub sha256: &'static str,
}

/// Compiling a component failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot compile the component: {}", .0.escaped())]
pub struct PrecompileError(Untrusted);

/// Compiles a component to machine code for every processor of a target, such as `x86_64-unknown-linux-gnu`.
///
/// Naming the target makes cranelift use its baseline only: no feature of the processor that happens to build.
pub fn precompile(component: &[u8], target: &str) -> Result<Vec<u8>, PrecompileError> {
    let mut config = config();
    config
        .target(target)
        .and_then(|config| wasmtime::Engine::new(config))
        .and_then(|engine| engine.precompile_component(component))
        .map_err(|error| PrecompileError(format!("{error:#}").into()))
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
