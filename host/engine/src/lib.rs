//! Runs policy plugins: WebAssembly components that get facts and answer with an outcome for every rule.
//!
//! A guest has no authority: the only function it can call is `log`. Every call has a fresh instance, fuel, a memory
//! limit, an output limit and a deadline, and the host survives whatever the guest does. Choosing plugins, weighing
//! severities and rendering reports is left to the binary.

mod config;
mod contract;
mod error;
#[cfg(target_os = "linux")]
mod in_place;
mod inspect;
mod limits;
mod plugin;
mod precompiled;
mod runtime;
mod sandbox;
mod v0_1;

pub use contract::{
    Evidence, Finding, InvalidName, Name, Outcome, PluginInfo, Problem, Remark, RuleInfo, RuleResult, Severity,
    Subject, UnknownSeverity,
};
pub use error::{ConfigureError, Failure, LoadError, Rejected};
pub use limits::{COMPILE_DEADLINE, DEADLINE, FUEL, MAX_COMPONENT_BYTES, MEMORY_BYTES, OUTPUT_BYTES, TABLE_ELEMENTS};
pub use plugin::{ConfiguredPlugin, Plugin};
pub use precompiled::{Builtin, PrecompileError, precompile, sha256};
pub use runtime::{Engine, EngineError};
pub use v0_1::PreparedFacts;
