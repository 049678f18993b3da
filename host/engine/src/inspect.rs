//! Looks at a file before anything of it runs: is it a component, for this contract, without authority?

use loopgate_facts::Untrusted;
use wasmtime::Precompiled;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::Rejected;
use crate::limits::MAX_COMPONENT_BYTES;
use crate::runtime::Engine;

/// The package of the contract.
const PACKAGE: &str = "loopgate:policy/";

/// The version of the contract that is served.
pub(crate) const SERVED: &str = "0.1.0";

/// How every WebAssembly binary begins (WebAssembly binary format, 5.5.16).
const MAGIC: &[u8] = b"\0asm";

/// How a core module begins: magic, version 1, layer 0 (WebAssembly binary format, 5.5.16).
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Refuses what can be told from the first bytes.
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), Rejected> {
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT_BYTES {
        return Err(Rejected::TooLarge { size, most: MAX_COMPONENT_BYTES });
    }
    if bytes.starts_with(CORE_MODULE) {
        return Err(Rejected::CoreModule);
    }
    match wasmtime::Engine::detect_precompiled(bytes) {
        Some(Precompiled::Module | Precompiled::Component) => Err(Rejected::Precompiled),
        None if !bytes.starts_with(MAGIC) => Err(Rejected::NotWebAssembly),
        None => Ok(()),
    }
}

/// Refuses a component of another version or with more authority than a policy plugin has.
///
/// The version goes first: a plugin for another version may import what that version offers.
pub(crate) fn check_interface(engine: &Engine, component: &Component) -> Result<(), Rejected> {
    let engine = engine.wasmtime();
    let kind = component.component_type();
    let imports: Vec<_> = kind.imports(engine).map(|(name, item)| (name, item.ty)).collect();
    let exports: Vec<&str> = kind.exports(engine).map(|(name, _)| name).collect();
    let names = imports.iter().map(|(name, _)| *name).chain(exports.iter().copied());
    if let Some(found) = names.clone().find(|name| is_other_version(name)) {
        return Err(Rejected::Version { found: found.into() });
    }
    let refused: Vec<Untrusted> = imports
        .iter()
        .filter(|(name, item)| *name != served("log") && grants_authority(engine, item))
        .map(|(name, _)| (*name).into())
        .collect();
    if !refused.is_empty() {
        return Err(Rejected::Imports { imports: refused });
    }
    if exports.contains(&served("rules").as_str()) { Ok(()) } else { Err(Rejected::NotAPolicyPlugin) }
}

/// The full name of an interface of the contract.
fn served(interface: &str) -> String {
    format!("{PACKAGE}{interface}@{SERVED}")
}

fn is_other_version(name: &str) -> bool {
    name.starts_with(PACKAGE) && name.rsplit_once('@').is_none_or(|(_, version)| version != SERVED)
}

/// Whether an import is more than types: a component that uses the types of an interface imports that interface,
/// with nothing in it that could be called.
fn grants_authority(engine: &wasmtime::Engine, item: &ComponentItem) -> bool {
    match item {
        ComponentItem::Type(_) => false,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).any(|(_, item)| grants_authority(engine, &item.ty))
        }
        ComponentItem::ComponentFunc(_)
        | ComponentItem::CoreFunc(_)
        | ComponentItem::Module(_)
        | ComponentItem::Component(_)
        | ComponentItem::Resource(_) => true,
    }
}
