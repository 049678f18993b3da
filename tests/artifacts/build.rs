//! Builds the guests of `tests/guests` and lists them for a macro that tests must cover.
#![allow(clippy::disallowed_methods, reason = "it builds: it reads cargo's environment and writes to OUT_DIR")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use loopgate_guest_build::{Guests, Toolchain, finish, shared_target_dir, watch};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    finish(build())
}

fn build() -> Result<()> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    watch(&workspace, &["tests/guests"]);
    let guests = Guests {
        workspace: &workspace,
        target_dir: &shared_target_dir(&out_dir)?,
        packages: &["loopgate-test-guests"],
        examples: true,
    };
    guests.compile(&Toolchain::find()?)?;
    let names = names(&workspace.join("tests/guests/examples"))?;
    for name in &names {
        fs::write(out_dir.join(format!("{name}.wasm")), guests.component(name)?)?;
    }
    fs::write(out_dir.join("guests.rs"), source(&names))?;
    Ok(())
}

/// The crate names of the examples, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a guest's name is not UTF-8")?;
        names.push(name.replace('-', "_"));
    }
    names.sort();
    Ok(names)
}

fn source(names: &[String]) -> String {
    let constant = |name: &String| {
        format!(
            "/// The guest `{name}`.\npub const {}: &[u8] = include_bytes!(\"{name}.wasm\");\n",
            name.to_uppercase()
        )
    };
    format!(
        "{}\n/// Calls a macro for every guest.\n#[macro_export]\nmacro_rules! foreach_guest {{\n    \
         ($macro:ident) => {{ {} }};\n}}\n",
        names.iter().map(constant).collect::<String>(),
        names.iter().map(|name| format!("$macro!({name});")).collect::<Vec<_>>().join(" ")
    )
}
