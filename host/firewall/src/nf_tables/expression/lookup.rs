//! Sets, maps and objects.

use super::{Context, rate, unknown_match, verdict};
use crate::nf_tables::fields::{Fields, Flaw, list};
use crate::nf_tables::object::{
    NFT_OBJECT_COUNTER, NFT_OBJECT_CT_EXPECT, NFT_OBJECT_CT_HELPER, NFT_OBJECT_CT_TIMEOUT, NFT_OBJECT_SECMARK,
};
use crate::nf_tables::{DataKind, SetFacts, dangling};
use crate::rule::{LookupResult, Op, Rate, Register, SetUpdate};
use crate::ruleset::SetId;

/// `enum nft_lookup_attributes`; `net/netfilter/nft_lookup.c`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_LOOKUP_SET: u16 = 1;
    const NFTA_LOOKUP_SREG: u16 = 2;
    const NFTA_LOOKUP_DREG: u16 = 3;
    const NFTA_LOOKUP_FLAGS: u16 = 5;
    const NFT_LOOKUP_F_INV: u32 = 1;
    let inverted = fields.flags(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV)? != 0;
    let (set, key, facts) = keyed(context, fields, NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG)?;
    let result = match (fields.has(NFTA_LOOKUP_DREG), facts.data) {
        (false, _) => LookupResult::Nothing,
        (true, _) if inverted => return Err(fields.unknown_value(NFTA_LOOKUP_FLAGS)),
        (true, DataKind::Value(length)) => LookupResult::Register(fields.register(NFTA_LOOKUP_DREG, length)?),
        (true, DataKind::Verdict) if fields.u32(NFTA_LOOKUP_DREG)? == verdict::NFT_REG_VERDICT => LookupResult::Verdict,
        (true, _) => return Err(Flaw::Register),
    };
    context.ops.push(Op::Lookup { set, key, inverted, result });
    Ok(())
}

/// The set that an expression names, and the register with the key.
fn keyed<'a>(
    context: &'a Context<'_>,
    fields: &Fields<'_>,
    set: u16,
    register: u16,
) -> Result<(SetId, Register, &'a SetFacts), Flaw> {
    let (id, facts) = context.set(fields.text(set)?)?;
    Ok((id, fields.register(register, facts.key_length)?, facts))
}

/// `enum nft_objref_attributes`; `net/netfilter/nft_objref.c`.
pub(super) fn object(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_OBJREF_IMM_TYPE: u16 = 1;
    const NFTA_OBJREF_IMM_NAME: u16 = 2;
    const NFTA_OBJREF_SET_SREG: u16 = 3;
    const NFTA_OBJREF_SET_NAME: u16 = 4;
    if fields.has(NFTA_OBJREF_SET_NAME) {
        let (set, key, facts) = keyed(context, fields, NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_SREG)?;
        let DataKind::Object(kind) = facts.data else { return Err(Flaw::Length) };
        let effect = effect_of_some(kind);
        context.ops.push(Op::Lookup { set, key, inverted: false, result: LookupResult::Nothing });
        context.ops.extend(effect);
        return Ok(());
    }
    let (kind, name) = (fields.u32(NFTA_OBJREF_IMM_TYPE)?, fields.text(NFTA_OBJREF_IMM_NAME)?);
    let object = context.names.objects.get(&(kind, Box::from(name))).ok_or_else(|| dangling("object", name))?;
    context.ops.push(object.clone());
    Ok(())
}

/// What the object that a map gives does: which one it is depends on the key.
fn effect_of_some(kind: u32) -> Option<Op> {
    match kind {
        NFT_OBJECT_COUNTER => None,
        NFT_OBJECT_CT_HELPER | NFT_OBJECT_CT_TIMEOUT | NFT_OBJECT_SECMARK | NFT_OBJECT_CT_EXPECT => {
            Some(rate::of_object(kind, b"of a map", &[]))
        }
        _ if rate::is_rate(kind) => Some(unknown_match("a limit, quota or count of connections of a map")),
        _ => Some(super::unknown(&format!("an object of type {kind} of a map"))),
    }
}

/// `enum nft_dynset_attributes`; `net/netfilter/nft_dynset.c`.
pub(super) fn update(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_DYNSET_SET_NAME: u16 = 1;
    const NFTA_DYNSET_OP: u16 = 3;
    const NFTA_DYNSET_SREG_KEY: u16 = 4;
    const NFTA_DYNSET_FLAGS: u16 = 9;
    const NFT_DYNSET_F_INV: u32 = 1;
    const NFT_DYNSET_F_EXPR: u32 = 2;
    let how = match fields.u32(NFTA_DYNSET_OP)? {
        0 => SetUpdate::Add,
        1 => SetUpdate::Update,
        2 => SetUpdate::Delete,
        _ => return Err(fields.unknown_value(NFTA_DYNSET_OP)),
    };
    let inverted = fields.flags(NFTA_DYNSET_FLAGS, NFT_DYNSET_F_INV | NFT_DYNSET_F_EXPR)? & NFT_DYNSET_F_INV != 0;
    let (set, key, facts) = keyed(context, fields, NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SREG_KEY)?;
    let rates = element_rates(fields, facts)?;
    context.ops.push(Op::Update { set, key, how, inverted, rates });
    Ok(())
}

/// The expressions of an added element: those of the rule, or else those that the set gives to each.
fn element_rates(fields: &Fields<'_>, facts: &SetFacts) -> Result<Vec<Rate>, Flaw> {
    const NFTA_DYNSET_EXPR: u16 = 7;
    const NFTA_DYNSET_EXPRESSIONS: u16 = 10;
    if facts.unknown_expression {
        return Err(Flaw::Dangling("the meaning of an expression of the set".to_owned()));
    }
    let single = fields.get(NFTA_DYNSET_EXPR).map(Ok);
    let several = fields.get(NFTA_DYNSET_EXPRESSIONS).into_iter().flat_map(list);
    let own: Result<Vec<_>, _> = single.into_iter().chain(several).map(|item| rate::of_element(item?)).collect();
    let own = own?;
    Ok(if own.is_empty() { facts.rates.clone() } else { own.into_iter().flatten().collect() })
}
