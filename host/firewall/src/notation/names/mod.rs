//! What `nft(8)` calls things: data types with their symbolic constants, header fields, and the keys of `meta` and
//! `ct`.
//!
//! The reader of JSON documents looks names up here, and the renderer of rules looks up what to call bytes.

mod fields;
mod keys;
mod kinds;
mod symbols;

pub(crate) use fields::{Field, HEADERS, Header, Layer, Network, field, header};
pub(crate) use keys::{CONNTRACK, META};
pub(crate) use kinds::{Kind, Order, Shape};
