//! Why a plugin could not be loaded, asked or judged with.

use loopgate_facts::Untrusted;

use crate::Problem;
use crate::inspect::SERVED;
use crate::limits::COMPILE_DEADLINE;

/// Why a file is not a plugin that this host runs. Nothing of the guest has been executed.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// More bytes than a plugin may have.
    #[error("{size} bytes are more than the {most} that a plugin may have")]
    TooLarge {
        /// Size of the file in bytes.
        size: u64,
        /// The largest size in bytes.
        most: u64,
    },
    /// A core module, not a component.
    #[error(
        "this is a core WebAssembly module, not a component; make one with `wasm-tools component new`, or build it with the loopgate SDK"
    )]
    CoreModule,
    /// Code that was compiled by wasmtime: running it would mean trusting its machine code.
    #[error(
        "this is precompiled machine code (.cwasm), which is never accepted; give the .wasm component it was made from"
    )]
    Precompiled,
    /// Another kind of file.
    #[error("this is not a WebAssembly file: it does not begin with `\\0asm`")]
    NotWebAssembly,
    /// Not valid WebAssembly.
    #[error("not a valid WebAssembly component: {}", .0.escaped())]
    Invalid(Untrusted),
    /// Takes too long to compile.
    #[error("it could not be compiled within {} seconds", COMPILE_DEADLINE.as_secs())]
    CompileDeadline,
    /// Imports beside `log`.
    #[error("it imports {}, and a policy plugin may import nothing but `loopgate:policy/log`; {}", list(.imports), way_out(.imports))]
    Imports {
        /// The functional imports that are refused, in order.
        imports: Vec<Untrusted>,
    },
    /// Built for a version of the contract that this host does not serve.
    #[error("it is built for {}, and this loopgate serves loopgate:policy@{SERVED}; rebuild it with a matching SDK", .found.escaped())]
    Version {
        /// The interface that the component names.
        found: Untrusted,
    },
    /// Exports no rules.
    #[error("it does not export `loopgate:policy/rules@{SERVED}`: it is a component, but not a policy plugin")]
    NotAPolicyPlugin,
    /// Describes itself in a way that cannot be used.
    #[error("its description cannot be used: {}", .0.escaped())]
    Description(Untrusted),
}

fn list(imports: &[Untrusted]) -> String {
    let shown: Vec<String> = imports.iter().take(3).map(|import| format!("`{}`", import.escaped())).collect();
    match imports.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn way_out(imports: &[Untrusted]) -> &'static str {
    if imports.iter().any(|import| import.as_str().starts_with("wasi:")) {
        "build Rust for wasm32-unknown-unknown instead of a WASI target, and for other languages stub WASI out \
         (jco: --backend-qjs-stub-wasi, componentize-py: --stub-wasi)"
    } else {
        "remove the import: everything that a rule needs is in the facts"
    }
}

/// How a call into a guest failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It executed more instructions than a call may.
    #[error("it ran out of fuel: a call may execute {limit} units")]
    OutOfFuel {
        /// The limit in units of fuel, about one an instruction.
        limit: u64,
    },
    /// It wanted more memory or table space than a call may have.
    #[error("it ran out of memory: a call may use {limit} bytes")]
    OutOfMemory {
        /// The limit in bytes.
        limit: usize,
    },
    /// Its answer was larger than one may be.
    #[error("its answer is too large: a call may return {limit} bytes")]
    TooMuchOutput {
        /// The limit in bytes.
        limit: usize,
    },
    /// It took longer than a call may.
    #[error("it missed its deadline: a call may take {seconds} seconds")]
    Deadline {
        /// The limit in seconds.
        seconds: u64,
    },
    /// It overflowed its stack.
    #[error("it overflowed its stack")]
    StackOverflow,
    /// It trapped.
    #[error("it trapped: {}{}", .reason.escaped(), panic_text(.message.as_ref()))]
    Trap {
        /// The trap as WebAssembly names it.
        reason: Untrusted,
        /// The last error message that it logged, for Rust guests that of the panic.
        message: Option<Untrusted>,
    },
    /// It answered with an error of its own.
    #[error("it could not judge the facts: {}", .0.escaped())]
    Refused(Untrusted),
    /// The host could not run it.
    #[error("the host could not run it: {}", .0.escaped())]
    Host(Untrusted),
}

fn panic_text(message: Option<&Untrusted>) -> String {
    message.map(|message| format!(" ({})", message.escaped())).unwrap_or_default()
}

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not a plugin that this host runs.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Asking it to describe itself failed.
    #[error("asked to describe itself, {0}")]
    Failed(#[from] Failure),
}

/// Why a plugin has no rules with the parameters of a policy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The plugin found problems in the parameters, at least one.
    #[error("the plugin refuses its parameters")]
    Problems(Vec<Problem>),
    /// The rules that it names cannot be used.
    #[error("its rules cannot be used: {}", .0.escaped())]
    Rules(Untrusted),
    /// The question itself failed.
    #[error("asked to check its parameters, {0}")]
    Failed(#[from] Failure),
}
