//! Runs policy plugins: WebAssembly components that get facts and answer with an outcome for every rule.
//!
//! A guest has no authority: the only function it can call is `log`. Every call has a fresh instance, fuel, a memory
//! limit, an output limit and a deadline, and the host survives whatever the guest does. Choosing plugins, weighing
//! severities and rendering reports is left to the binary.

mod contract;
mod error;

pub use contract::{
    Evidence, Finding, InvalidName, Name, Outcome, PluginInfo, Problem, RuleInfo, Severity, Subject, UnknownSeverity,
};
pub use error::{Failure, LoadError, ParametersError, Rejected};
