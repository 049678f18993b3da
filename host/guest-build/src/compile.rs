//! Compiles guests with cargo, apart from the build that asks for them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{ComponentError, TARGET, Toolchain, component};

/// Guests of one workspace, to be compiled together.
#[derive(Clone, Debug)]
pub struct Guests<'a> {
    /// Folder of the workspace.
    pub workspace: &'a Path,
    /// Folder for what is compiled; never the target folder of the build that asks, which is locked.
    pub target_dir: &'a Path,
    /// Packages to compile.
    pub packages: &'a [&'a str],
    /// Compile the examples of the packages instead of their libraries.
    pub examples: bool,
}

/// Compiling guests failed.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// cargo could not be started.
    #[error("cannot run {program}: {source}")]
    Cargo {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// cargo failed; it said why on standard error.
    #[error("compiling the guests failed: {0}")]
    Failed(std::process::ExitStatus),
    /// `OUT_DIR` is not where cargo puts it.
    #[error("OUT_DIR is not within a target folder")]
    OutDir,
    /// What cargo made is not there.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What cargo made is no component.
    #[error("{path}: {source}")]
    Component {
        /// The core module.
        path: String,
        /// Why.
        source: ComponentError,
    },
}

/// A folder for guests that every profile and build script shares: `target/guests`, from a build script's `OUT_DIR`.
pub fn shared_target_dir(out_dir: &Path) -> Result<PathBuf, CompileError> {
    let target = out_dir.ancestors().nth(4).ok_or(CompileError::OutDir)?;
    Ok(target.join("guests"))
}

impl Guests<'_> {
    /// Compiles the guests; afterwards [`Guests::component`] gives each.
    pub fn compile(&self, toolchain: &Toolchain) -> Result<(), CompileError> {
        let mut command = Command::new(&toolchain.cargo);
        forget_outer_build(&mut command);
        command.current_dir(self.workspace).args(["build", "--locked", "--profile", "guest", "--target", TARGET]);
        toolchain.configure(&mut command);
        command.arg("--target-dir").arg(self.target_dir);
        command.args(self.packages.iter().flat_map(|package| ["--package", package]));
        if self.examples {
            command.arg("--examples");
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        let program = toolchain.cargo.display().to_string();
        let status = command.status().map_err(|source| CompileError::Cargo { program, source })?;
        if status.success() { Ok(()) } else { Err(CompileError::Failed(status)) }
    }

    /// The component of a package's library or of an example, by crate name (with hyphens or underscores).
    pub fn component(&self, name: &str) -> Result<Vec<u8>, CompileError> {
        let module = self.module(name);
        let path = module.display().to_string();
        let bytes = std::fs::read(&module).map_err(|source| CompileError::Read { path: path.clone(), source })?;
        component(&bytes).map_err(|source| CompileError::Component { path, source })
    }

    fn module(&self, name: &str) -> PathBuf {
        let mut folder = self.target_dir.join(TARGET).join("guest");
        if self.examples {
            folder.push("examples");
        }
        folder.join(format!("{}.wasm", name.replace('-', "_")))
    }

    /// Keeps the paths of the building machine out of the guests: the same sources give the same bytes anywhere.
    fn flags(&self) -> String {
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default_cargo_home);
        let mut flags = vec![format!("--remap-path-prefix={}=.", self.workspace.display())];
        flags.extend(cargo_home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
        flags.join("\u{1f}")
    }
}

fn default_cargo_home() -> Option<PathBuf> {
    env::home_dir().map(|home| home.join(".cargo"))
}

/// Removes what the outer build set for itself: its flags, its wrappers (clippy is one) and its choice of target.
fn forget_outer_build(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_outer_build) {
            command.env_remove(name);
        }
    }
}

fn is_of_outer_build(name: &str) -> bool {
    const KEPT: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_BUILD_JOBS",
        "CARGO_MAKEFLAGS",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
    ];
    let set_by_cargo = ["CARGO_", "RUSTC", "RUSTFLAGS", "RUSTDOC", "CLIPPY_"];
    set_by_cargo.iter().any(|prefix| name.starts_with(prefix)) && !KEPT.iter().any(|kept| name.starts_with(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_and_flags_of_the_outer_build_are_forgotten() {
        for name in ["RUSTC_WORKSPACE_WRAPPER", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CLIPPY_ARGS"] {
            assert!(is_of_outer_build(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_NET_OFFLINE", "PATH", "RUSTUP_HOME"] {
            assert!(!is_of_outer_build(name), "{name}");
        }
    }
}
