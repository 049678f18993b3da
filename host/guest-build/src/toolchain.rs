//! Finds a Rust toolchain that can compile for WebAssembly.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of policy plugins: WebAssembly without an operating system, so without one to ask for anything.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Names the toolchain to use, `rustup` or `debian`, where both are there.
const CHOICE: &str = "LOOPGATE_WASM_TOOLCHAIN";

/// A toolchain that can compile for [`TARGET`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    kind: Kind,
    pub(crate) cargo: OsString,
    pub(crate) rustc: OsString,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The toolchain that runs this build has the target's standard library.
    Rustup,
    /// Debian's compiler for web browsers; it has the sources of the standard library, which are compiled too.
    Debian {
        /// The linker, which Debian names by its version.
        linker: PathBuf,
    },
}

/// No toolchain can compile for [`TARGET`].
#[derive(Debug, thiserror::Error)]
#[error(
    "no Rust toolchain here can compile for {TARGET}, which the policy plugins need.\n\
     Any one of these helps:\n\
     \x20 make setup                                                   (tries the next two in turn)\n\
     \x20 rustup target add {TARGET}\n\
     \x20 apt-get install rustc-web cargo-web rust-web-src lld         (Debian and Ubuntu, as root)\n\
     Looked at:\n{0}"
)]
pub struct ToolchainError(String);

impl Toolchain {
    /// Looks for the toolchain that runs this build first, then for Debian's.
    pub fn find() -> Result<Self, ToolchainError> {
        let choice = env::var(CHOICE).unwrap_or_default();
        let mut looked_at = Vec::new();
        for (name, look) in [("rustup", rustup as fn() -> Result<Self, String>), ("debian", debian)] {
            if !choice.is_empty() && choice != name {
                continue;
            }
            match look() {
                Ok(found) => return Ok(found),
                Err(missing) => looked_at.push(format!("  {name}: {missing}")),
            }
        }
        Err(ToolchainError(looked_at.join("\n")))
    }

    /// What a build script has to watch to notice another choice.
    pub fn environment() -> &'static [&'static str] {
        &[CHOICE]
    }

    /// Prepares a `cargo` command: flags before `configured` name the toolchain.
    pub(crate) fn configure(&self, command: &mut Command) {
        command.env("RUSTC", &self.rustc);
        if let Kind::Debian { linker } = &self.kind {
            // Debian has no standard library for the target, but its sources; building them is unstable in cargo.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.kind {
            Kind::Rustup => "rustup",
            Kind::Debian { .. } => "debian",
        };
        let version = output(&self.rustc, &["--version"]).unwrap_or_else(|error| error);
        write!(formatter, "{version} ({origin})")
    }
}

/// The toolchain that runs this build, usually rustup's.
fn rustup() -> Result<Toolchain, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let sysroot = output(&rustc, &["--print", "sysroot"])?;
    let library = Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib");
    require(&library)?;
    Ok(Toolchain { kind: Kind::Rustup, cargo, rustc })
}

/// Debian's `rustc-web`, `cargo-web`, `rust-web-src` and `lld`.
fn debian() -> Result<Toolchain, String> {
    let (rustc, cargo) = (Path::new("/usr/bin/rustc"), Path::new("/usr/bin/cargo"));
    require(rustc)?;
    require(cargo)?;
    let sysroot = output(rustc.as_os_str(), &["--print", "sysroot"])?;
    require(&Path::new(&sysroot).join("lib/rustlib/src/rust/library/std"))?;
    let linker = wasm_linker().ok_or("/usr/bin/wasm-ld is missing (package lld)")?;
    Ok(Toolchain { kind: Kind::Debian { linker }, cargo: cargo.into(), rustc: rustc.into() })
}

/// `wasm-ld`, or the newest `wasm-ld-NN`.
fn wasm_linker() -> Option<PathBuf> {
    let plain = PathBuf::from("/usr/bin/wasm-ld");
    if plain.exists() {
        return Some(plain);
    }
    let version = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("wasm-ld-")?.parse::<u32>().ok();
    let programs = std::fs::read_dir("/usr/bin").ok()?.flatten().map(|entry| entry.path());
    programs.filter_map(|path| Some((version(&path)?, path))).max().map(|(_, path)| path)
}

fn require(path: &Path) -> Result<(), String> {
    if path.exists() { Ok(()) } else { Err(format!("{} is missing", path.display())) }
}

/// What a program prints, without the last newline.
fn output(program: &std::ffi::OsStr, arguments: &[&str]) -> Result<String, String> {
    let describe = |what: &dyn fmt::Display| format!("{} {}: {what}", program.display(), arguments.join(" "));
    let output = Command::new(program).args(arguments).output().map_err(|error| describe(&error))?;
    if !output.status.success() {
        return Err(describe(&output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
