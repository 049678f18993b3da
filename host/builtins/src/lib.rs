//! The plugins that are embedded in loopgate, built from the sources in `plugins/` by the build script.

use loopgate_engine::Builtin;

/// Machine code where a page begins, so that it can be run where it lies.
#[repr(C, align(4096))]
struct Aligned<T>(T);

include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// The embedded plugins.
pub fn all() -> &'static [Builtin] {
    &BUILTINS
}

/// The embedded plugin of a name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}
