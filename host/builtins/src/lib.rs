//! The plugins that are embedded in loopgate, built from the sources in `plugins/` by the build script.

use loopgate_engine::Builtin;

include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The embedded plugins, in the order that reports show them.
pub fn all() -> &'static [Builtin] {
    &BUILTINS
}

/// The embedded plugin of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// The toolchain that compiled the plugins to WebAssembly.
pub fn built_with() -> &'static str {
    BUILT_WITH
}
