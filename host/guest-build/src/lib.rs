//! Builds policy plugins from Rust sources: finds a WebAssembly toolchain, compiles, and makes components.
//!
//! Build scripts use it for the embedded plugins and for the guests that tests run. It needs nothing but a toolchain:
//! no `wasm-tools`, no WASI, no adapter.
#![allow(clippy::disallowed_methods, reason = "it builds: it reads the toolchain's environment and runs cargo")]

mod compile;
mod toolchain;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use wit_component::ComponentEncoder;

pub use compile::{CompileError, Guests, shared_target_dir};
pub use toolchain::{TARGET, Toolchain, ToolchainError};

/// Tells cargo what the guests of a build script are made from: `sources` within the workspace, what decides how they
/// are compiled, and the choice of a toolchain.
#[expect(clippy::print_stdout, reason = "how a build script talks to cargo")]
pub fn watch(workspace: &Path, sources: &[&str]) {
    for path in sources.iter().chain(&["wit", "Cargo.toml", "Cargo.lock"]) {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    for variable in Toolchain::environment() {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}

/// What the `main` of a build script ends with: an error is shown as cargo shows its own, line by line.
#[expect(clippy::print_stdout, reason = "how a build script talks to cargo")]
pub fn finish(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    for line in error.to_string().lines() {
        println!("cargo::error={line}");
    }
    ExitCode::FAILURE
}

/// A core module could not be made a component: it is not a module, or it does not fit the world it names.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a component: {0}")]
pub struct ComponentError(String);

/// Makes a component of a core module that `wit-bindgen` described itself in.
pub fn component(core_module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    ComponentEncoder::default()
        .validate(true)
        .module(core_module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ComponentError(format!("{error:#}")))
}
