//! Built-in plugin: rules that the policy writes as expressions.

mod address;
mod budget;
mod check;
mod evaluate;
mod fields;
mod glob;
mod judge;
mod names;
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
