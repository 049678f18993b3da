//! Rules in the notation of the tool that wrote them.

pub(crate) mod names;
