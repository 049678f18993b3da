//! Built-in plugin: rules that the policy writes as expressions.

mod address;
mod budget;
mod check;
mod evaluate;
mod fields;
mod glob;
mod names;
mod program;
mod record;
mod source;
mod text;
mod types;
mod value;
