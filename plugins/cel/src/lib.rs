//! Built-in plugin: rules that the policy writes as CEL expressions.
//!
//! An expression is parsed by the crate `cel` (`source`), checked and given types (`check`), and evaluated by this crate
//! (`evaluate`) for every subject (`judge`). Why not by the interpreter of `cel`:
//!
//! - It has no budget. A loop within a loop within a loop would use up the fuel of the whole call, and every rule of the
//!   policy would be unknown instead of one. Here every step and every byte is counted, rule by rule (`budget`).
//! - It has values for what is not known only as `null`, and `null == "root"` is false: `owner.user != "root"` would pass
//!   where the user could not be read. Here a field that is not known has no value (`fields`).
//! - It has no types before it runs, so that a mistyped field is noticed on the one machine where it matters.
//! - Ten thousand listeners and a hundred rules are a million evaluations in one call.
//!
//! What is kept of CEL gives the same answers as that interpreter; the tests compare the two.
//!
//! Of the two parsers of `cel` this uses `PrattParser`: with it the component is half a megabyte smaller, and an expression is
//! read in 30 microseconds instead of 300 after 50 milliseconds of preparation in every call. It is not yet part of the
//! crate's stable interface, so the version is pinned, and the tests compare its trees with those of the other parser.

mod address;
mod budget;
mod check;
mod evaluate;
mod fields;
mod judge;
mod program;
mod record;
mod reference;
mod rule;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod value;

pub use reference::reference;
pub use rule::Settings;

loopgate_plugin::dynamic_plugin! {
    name: "cel",
    parameters: Settings,
}
