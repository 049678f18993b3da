//! Named objects: counters, quotas, limits and others.

use super::Builder;
use super::expression::rate;
use super::fields::{Fields, Flaw, message};
use crate::rule::Op;

// `NFT_OBJECT_*`.
pub(super) const NFT_OBJECT_COUNTER: u32 = 1;
pub(super) const NFT_OBJECT_QUOTA: u32 = 2;
pub(super) const NFT_OBJECT_CT_HELPER: u32 = 3;
pub(super) const NFT_OBJECT_LIMIT: u32 = 4;
pub(super) const NFT_OBJECT_CONNLIMIT: u32 = 5;
pub(super) const NFT_OBJECT_CT_TIMEOUT: u32 = 7;
pub(super) const NFT_OBJECT_SECMARK: u32 = 8;
pub(super) const NFT_OBJECT_CT_EXPECT: u32 = 9;
pub(super) const NFT_OBJECT_SYNPROXY: u32 = 10;

/// What a rule does that uses the object.
pub(super) type Object = Op;

/// `enum nft_object_attributes`.
pub(super) fn add(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    const NFTA_OBJ_TABLE: u16 = 1;
    const NFTA_OBJ_NAME: u16 = 2;
    const NFTA_OBJ_TYPE: u16 = 3;
    const NFTA_OBJ_DATA: u16 = 4;
    let (family, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let table = builder.find_table(family, fields.text(NFTA_OBJ_TABLE)?)?;
    let (name, kind) = (fields.text(NFTA_OBJ_NAME)?, fields.u32(NFTA_OBJ_TYPE)?);
    let object = rate::of_object(kind, name, fields.get(NFTA_OBJ_DATA).unwrap_or_default());
    builder.names_mut(table)?.objects.entry((kind, name.into())).or_insert(object);
    Ok(())
}
