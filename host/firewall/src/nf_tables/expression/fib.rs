//! Questions to the routing table.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{End, Fib, FibResult, Load};

// `enum nft_fib_flags`.
const NFTA_FIB_F_SADDR: u32 = 1;
const NFTA_FIB_F_DADDR: u32 = 2;
const NFTA_FIB_F_MARK: u32 = 4;
const NFTA_FIB_F_IIF: u32 = 8;
const NFTA_FIB_F_OIF: u32 = 16;
const NFTA_FIB_F_PRESENT: u32 = 32;
const KNOWN: u32 = 63;

/// `enum nft_fib_attributes`; `nft_fib_init`, `nft_fib_store_result`, `net/netfilter/nft_fib.c`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_FIB_DREG: u16 = 1;
    const NFTA_FIB_FLAGS: u16 = 3;
    let flags = fields.flags(NFTA_FIB_FLAGS, KNOWN)?;
    let (result, length) = result(fields, flags & NFTA_FIB_F_PRESENT != 0)?;
    let end = match flags & (NFTA_FIB_F_SADDR | NFTA_FIB_F_DADDR) {
        NFTA_FIB_F_SADDR => End::Source,
        NFTA_FIB_F_DADDR => End::Destination,
        _ => return Err(fields.unknown_value(NFTA_FIB_FLAGS)),
    };
    let fib = Fib {
        end,
        mark: flags & NFTA_FIB_F_MARK != 0,
        input_interface: flags & NFTA_FIB_F_IIF != 0,
        output_interface: flags & NFTA_FIB_F_OIF != 0,
        result,
    };
    context.load(Load::Fib(fib), fields.register(NFTA_FIB_DREG, length)?);
    Ok(())
}

/// The presence of a route is one byte, the rest of the register 0. Older kernels write it as four bytes, which on a
/// little-endian machine is the same.
fn result(fields: &Fields<'_>, present: bool) -> Result<(FibResult, u32), Flaw> {
    const NFTA_FIB_RESULT: u16 = 2;
    match (fields.u32(NFTA_FIB_RESULT)?, present) {
        (1 | 2, true) => Ok((FibResult::Present, 1)),
        (1, false) => Ok((FibResult::Interface, 4)),
        (2, false) => Ok((FibResult::InterfaceName, 16)),
        (3, false) => Ok((FibResult::AddressType, 4)),
        _ => Err(fields.unknown_value(NFTA_FIB_RESULT)),
    }
}
