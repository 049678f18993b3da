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
mod rule;
mod source;
mod template;
mod text;
mod types;
mod value;

pub use rule::Settings;

loopgate_plugin::dynamic_plugin! {
    name: "cel",
    parameters: Settings,
}
