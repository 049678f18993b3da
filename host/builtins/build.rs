//! Builds the embedded plugins from `plugins/`, makes components of them and compiles those for the target.
#![allow(clippy::disallowed_methods, reason = "it builds: it reads cargo's environment and writes to OUT_DIR")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use loopgate_engine::{Engine, Plugin, precompile, sha256};
use loopgate_guest_build::{Guests, Toolchain, finish, shared_target_dir, watch};

/// The embedded plugins.
const PLUGINS: [&str; 7] = ["listeners", "loopback", "boundary", "firewall", "approved", "cis", "cel"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    finish(build())
}

fn build() -> Result<()> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    watch(&workspace, &["plugins"]);
    let packages = PLUGINS.map(|name| format!("loopgate-plugin-{name}"));
    let guests = Guests {
        workspace: &workspace,
        target_dir: &shared_target_dir(&out_dir)?,
        packages: &packages.each_ref().map(String::as_str),
        examples: false,
    };
    guests.compile(&Toolchain::find()?)?;
    let engine = Engine::new()?;
    let entries = PLUGINS.iter().zip(&packages);
    let entries = entries.map(|(name, package)| embed(&engine, name, package, &guests, &out_dir));
    let entries = entries.collect::<Result<String>>()?;
    fs::write(out_dir.join("builtins.rs"), source(&entries))?;
    Ok(())
}

/// Writes a plugin's component and machine code, and gives the Rust source that embeds them.
fn embed(engine: &Engine, name: &str, package: &str, guests: &Guests<'_>, out_dir: &Path) -> Result<String> {
    let component = guests.component(package)?;
    let plugin = Plugin::from_component(engine, &component)?;
    let (version, schema) = (plugin.info().version.as_str(), plugin.info().parameters_schema.as_str());
    let precompiled = precompile(&component, &env::var("TARGET")?)?;
    fs::write(out_dir.join(format!("{name}.wasm")), &component)?;
    fs::write(out_dir.join(format!("{name}.cwasm")), precompiled)?;
    Ok(format!(
        "Builtin {{ name: {name:?}, version: {version:?}, parameters_schema: {schema:?}, component: include_bytes!(\"{name}.wasm\"), \
         precompiled: &Aligned(*include_bytes!(\"{name}.cwasm\")).0, sha256: \"{}\" }},\n",
        sha256(&component)
    ))
}

fn source(entries: &str) -> String {
    format!("static BUILTINS: [Builtin; {}] = [\n{entries}];\n", PLUGINS.len())
}
