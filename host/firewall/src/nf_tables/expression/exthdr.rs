//! Options and extension headers.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::Load;

/// `enum nft_exthdr_attributes`; `net/netfilter/nft_exthdr.c`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_EXTHDR_DREG: u16 = 1;
    const NFTA_EXTHDR_OFFSET: u16 = 3;
    const NFTA_EXTHDR_LEN: u16 = 4;
    const NFTA_EXTHDR_FLAGS: u16 = 5;
    const NFT_EXTHDR_F_PRESENT: u32 = 1;
    let present = fields.flags(NFTA_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT)? != 0;
    let name = name(fields)?;
    if !fields.has(NFTA_EXTHDR_DREG) {
        // With a source register it is changed, without any it is taken away.
        context.write(None, name);
    } else if present {
        context.load(Load::HeaderPresent(name.into()), fields.register(NFTA_EXTHDR_DREG, 1)?);
    } else {
        let length = fields.u32(NFTA_EXTHDR_LEN)?;
        let to = fields.register(NFTA_EXTHDR_DREG, length)?;
        let field = field(&name, fields.u32(NFTA_EXTHDR_OFFSET)?, length);
        context.load_opaque(field.map_or_else(|| name.clone(), |field| format!("{name} {field}")), length, to);
    }
    Ok(())
}

/// The kinds by number (`enum nft_exthdr_op`), with the commonest of their types.
const KINDS: &[(&str, &[(u8, &str)])] = &[
    ("exthdr", &[(0, "hbh"), (43, "rt"), (44, "frag"), (51, "auth"), (60, "dst"), (135, "mh")]),
    ("tcp option", &[(2, "maxseg"), (3, "window"), (4, "sack-perm"), (5, "sack"), (8, "timestamp")]),
    ("ip option", &[(7, "rr"), (131, "lsrr"), (137, "ssrr"), (148, "ra")]),
    ("sctp chunk", &[]),
    ("dccp option", &[]),
];

/// The fields of options by their place (`src/tcpopt.c` of nftables).
const FIELDS: &[(&str, u32, u32, &str)] = &[("tcp option maxseg", 2, 2, "size"), ("tcp option window", 2, 1, "count")];

fn field(option: &str, offset: u32, length: u32) -> Option<&'static str> {
    let field = FIELDS.iter().find(|field| (field.0, field.1, field.2) == (option, offset, length));
    field.map(|field| field.3)
}

fn name(fields: &Fields<'_>) -> Result<String, Flaw> {
    const NFTA_EXTHDR_TYPE: u16 = 2;
    const NFTA_EXTHDR_OP: u16 = 6;
    let number = fields.u8(NFTA_EXTHDR_TYPE)?;
    let kind = KINDS.get(fields.u32_or_0(NFTA_EXTHDR_OP)? as usize);
    let (kind, names) = kind.ok_or_else(|| fields.unknown_value(NFTA_EXTHDR_OP))?;
    let name = names.iter().find(|(known, _)| *known == number);
    Ok(name.map_or_else(|| format!("{kind} {number}"), |(_, name)| format!("{kind} {name}")))
}
