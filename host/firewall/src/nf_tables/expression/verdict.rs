//! Verdicts, and what else takes a packet out of its way.

use super::{Context, translate};
use crate::nf_tables::Names;
use crate::nf_tables::fields::{Fields, Flaw};
use crate::rule::{Op, Rate, Verdict};
use crate::ruleset::Family;

/// The register that holds the verdict (`enum nft_registers`).
pub(in crate::nf_tables) const NFT_REG_VERDICT: u32 = 0;

/// A verdict as a value (`NFTA_DATA_VERDICT`, `enum nft_verdict_attributes`).
pub(in crate::nf_tables) fn nested(data: &[u8], names: &Names) -> Result<Verdict, Flaw> {
    const NFTA_DATA_VERDICT: u16 = 2;
    const NFTA_VERDICT_CODE: u16 = 1;
    const NFTA_VERDICT_CHAIN: u16 = 2;
    let data = Fields::strict(data, NFTA_DATA_VERDICT)?;
    let fields = Fields::strict(data.bytes(NFTA_DATA_VERDICT)?, NFTA_VERDICT_CHAIN)?;
    let chain = || names.chain(fields.text(NFTA_VERDICT_CHAIN)?);
    match fields.u32(NFTA_VERDICT_CODE)?.cast_signed() {
        0 => Ok(Verdict::Drop),
        1 => Ok(Verdict::Accept),
        // `NFT_CONTINUE` and `NFT_BREAK`: see `keep_going_is_not_the_end`.
        -1 | -2 => Ok(Verdict::Continue),
        -3 => Ok(Verdict::Jump(chain()?)),
        -4 => Ok(Verdict::Goto(chain()?)),
        -5 => Ok(Verdict::Return),
        code if code & NF_VERDICT_MASK == NF_QUEUE => {
            Ok(Verdict::Queue { bypass: code & NF_VERDICT_FLAG_QUEUE_BYPASS != 0 })
        }
        _ => Err(fields.unknown_value(NFTA_VERDICT_CODE)),
    }
}

// `include/uapi/linux/netfilter.h`.
const NF_VERDICT_MASK: i32 = 0xff;
const NF_QUEUE: i32 = 3;
const NF_VERDICT_FLAG_QUEUE_BYPASS: i32 = 0x8000;

/// `enum nft_reject_attributes`.
pub(super) fn reject(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_REJECT_TYPE: u16 = 1;
    const NFTA_REJECT_ICMP_CODE: u16 = 2;
    let code = if fields.has(NFTA_REJECT_ICMP_CODE) { fields.u8(NFTA_REJECT_ICMP_CODE)? } else { 0 };
    let family = match context.family {
        Family::Ip | Family::Ip6 => context.family,
        _ if translate::compares_family(&context.ops, translate::NFPROTO_IPV4) => Family::Ip,
        _ if translate::compares_family(&context.ops, translate::NFPROTO_IPV6) => Family::Ip6,
        other => other,
    };
    let text = match (fields.u32(NFTA_REJECT_TYPE)?, family) {
        (0, Family::Ip) => answer("icmp", ICMP, code),
        (0, Family::Ip6) => answer("icmpv6", ICMPV6, code),
        (0, _) => format!("icmp code {code}"),
        (1, _) => "tcp reset".to_owned(),
        (2, _) => answer("icmpx", ICMPX, code),
        _ => return Err(fields.unknown_value(NFTA_REJECT_TYPE)),
    };
    context.ops.push(Op::Verdict(Verdict::Reject(text.into())));
    Ok(())
}

type Codes = &'static [(u8, &'static str)];

// `nft(8)`, "Reject statement".
const ICMP: Codes = &[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
];
const ICMPV6: Codes = &[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
];
const ICMPX: Codes = &[(0, "no-route"), (1, "port-unreachable"), (2, "host-unreachable"), (3, "admin-prohibited")];

fn answer(kind: &str, codes: Codes, code: u8) -> String {
    let name = codes.iter().find(|(known, _)| *known == code);
    name.map_or_else(|| format!("{kind} code {code}"), |(_, name)| format!("{kind} {name}"))
}

/// `enum nft_queue_attributes`.
pub(super) fn queue(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_QUEUE_FLAGS: u16 = 3;
    const NFT_QUEUE_FLAG_BYPASS: u16 = 1;
    let flags = fields.get(NFTA_QUEUE_FLAGS).unwrap_or(&[0, 0]);
    let flags = u16::from_be_bytes(flags.try_into().map_err(|_| Flaw::Length)?);
    context.ops.push(Op::Verdict(Verdict::Queue { bypass: flags & NFT_QUEUE_FLAG_BYPASS != 0 }));
    Ok(())
}

/// A copy goes elsewhere; the packet goes on.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the table of expressions")]
pub(super) fn duplicate(context: &mut Context<'_>, _: &Fields<'_>) -> Result<(), Flaw> {
    context.note("dup");
    Ok(())
}

/// The packet itself goes elsewhere.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the table of expressions")]
pub(super) fn forward(context: &mut Context<'_>, _: &Fields<'_>) -> Result<(), Flaw> {
    context.ops.push(Op::Verdict(Verdict::Stolen("fwd".into())));
    Ok(())
}

/// The connection moves to a flow table, where its packets pass by the rules. That is for established ones: for the
/// first packet the rule ends here (`nft_flow_offload_eval`, `net/netfilter/nft_flow_offload.c`).
pub(super) fn offload(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_FLOW_TABLE_NAME: u16 = 1;
    let table = loopgate_facts::Untrusted::from_bytes(fields.text(NFTA_FLOW_TABLE_NAME)?);
    let text = format!("flow add @{}", table.as_str()).into();
    context.ops.push(Op::Rate(Rate { text, usually: false }));
    Ok(())
}
