//! Recorded messages.

use netlink_packet_core::NetlinkBuffer;

use super::{Builder, Error, Flaw};
use crate::ruleset::Ruleset;

/// The messages by type (`enum nf_tables_msg_types`).
pub(super) const NFT_MSG_NEWTABLE: u8 = 0;
pub(super) const NFT_MSG_NEWCHAIN: u8 = 3;
pub(super) const NFT_MSG_NEWRULE: u8 = 6;
pub(super) const NFT_MSG_NEWSET: u8 = 9;
pub(super) const NFT_MSG_NEWSETELEM: u8 = 12;
pub(super) const NFT_MSG_NEWOBJ: u8 = 18;

/// The order that a [`Builder`] needs.
const PASSES: [u8; 6] =
    [NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWOBJ, NFT_MSG_NEWRULE];

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a type.
const SUBSYSTEM: u8 = 10;

/// Reads concatenated netlink messages, as a dump of the kernel has them, in any order of the kinds. Messages about
/// other things are passed over.
pub fn decode_stream(bytes: &[u8]) -> Result<Ruleset, Error> {
    let mut builder = Builder::new();
    for kind in PASSES {
        for (position, message) in messages(bytes).enumerate() {
            let (found, payload) = message.map_err(|flaw| Error { message: "netlink", position, flaw })?;
            if found == u16::from_be_bytes([SUBSYSTEM, kind]) {
                builder.message(kind, payload)?;
            }
        }
    }
    Ok(builder.finish())
}

/// Types and payloads.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Flaw>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((kind, payload, behind)) = split(rest) else {
            rest = &[];
            return Some(Err(Flaw::Short));
        };
        rest = behind;
        Some(Ok((kind, payload)))
    })
}

/// The first message, and what is behind it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    const HEADER: usize = 16;
    const ALIGNMENT: usize = 4;
    let message = NetlinkBuffer::new_checked(bytes).ok()?;
    let (kind, length) = (message.message_type(), message.length() as usize);
    let payload = bytes.get(HEADER..length)?;
    Some((kind, payload, bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default()))
}
