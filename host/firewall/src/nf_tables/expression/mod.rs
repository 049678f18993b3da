//! The expressions of a rule.
//!
//! Each becomes operations of the model, or one [`Op::Unknown`] with its name: for an unknown expression, an attribute
//! or a value that this version does not know, registers that do not exist, lengths that disagree.

mod conntrack;
mod exthdr;
mod fib;
mod lookup;
mod meta;
mod opaque;
mod payload;
pub(super) mod rate;
mod register;
mod translate;
pub(super) mod verdict;
mod xt;

use loopgate_facts::Untrusted;

use super::fields::{Fields, Flaw};
use super::{Names, SetFacts};
use crate::rule::{Effect, Load, Note, Op, PayloadBase, Register, Unknown};
use crate::ruleset::{Family, SetId};

/// What an expression is read in.
pub(super) struct Context<'a> {
    pub(super) names: &'a Names,
    pub(super) sets: &'a [SetFacts],
    pub(super) family: Family,
    /// What the rule did so far.
    pub(super) ops: Vec<Op>,
}

type Lower = fn(&mut Context<'_>, &Fields<'_>) -> Result<(), Flaw>;

/// An expression: its name, its highest attribute type, and what reads it.
struct Expression(&'static str, u16, Lower);

/// Every expression that is understood, the commonest first.
const EXPRESSIONS: &[Expression] = &[
    Expression("payload", 8, payload::lower),
    Expression("cmp", 3, register::compare),
    Expression("meta", 3, meta::lower),
    Expression("immediate", 2, register::immediate),
    Expression("counter", 3, rate::counter),
    Expression("match", 3, xt::matching),
    Expression("target", 3, xt::target),
    Expression("lookup", 5, lookup::lower),
    Expression("bitwise", 8, register::bitwise),
    Expression("ct", 4, conntrack::lower),
    Expression("range", 4, register::range),
    Expression("limit", 6, rate::limit),
    Expression("log", 6, rate::log),
    Expression("reject", 2, verdict::reject),
    Expression("nat", 7, translate::nat),
    Expression("masq", 3, translate::masquerade),
    Expression("redir", 3, translate::redirect),
    Expression("tproxy", 3, translate::transparent_proxy),
    Expression("fib", 3, fib::lower),
    Expression("notrack", 0, conntrack::notrack),
    Expression("objref", 5, lookup::object),
    Expression("dynset", 10, lookup::update),
    Expression("quota", 4, rate::quota),
    Expression("connlimit", 2, rate::connlimit),
    Expression("last", 3, rate::last),
    Expression("byteorder", 5, register::byteorder),
    Expression("numgen", 4, opaque::numgen),
    Expression("hash", 7, opaque::hash),
    Expression("socket", 3, opaque::socket),
    Expression("rt", 2, opaque::route),
    Expression("osf", 3, opaque::osf),
    Expression("xfrm", 4, opaque::xfrm),
    Expression("tunnel", 3, opaque::tunnel),
    Expression("inner", 5, opaque::inner),
    Expression("exthdr", 7, exthdr::lower),
    Expression("queue", 4, verdict::queue),
    Expression("dup", 2, verdict::duplicate),
    Expression("fwd", 3, verdict::forward),
    Expression("flow_offload", 1, verdict::offload),
];

/// The names of all of them.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    EXPRESSIONS.iter().map(|Expression(name, ..)| *name).collect()
}

/// Appends what an expression does (`enum nft_expr_attributes`).
pub(super) fn lower(context: &mut Context<'_>, expression: &[u8]) {
    let (name, data) = match parts(expression) {
        Ok(parts) => parts,
        Err(flaw) => return context.ops.push(unknown(&format!("an expression: {flaw}"))),
    };
    let before = context.ops.len();
    if let Err(flaw) = lower_named(context, name, data) {
        context.ops.truncate(before);
        context.ops.push(unknown(&describe(name, &flaw)));
    }
}

fn parts(expression: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    const NFTA_EXPR_NAME: u16 = 1;
    const NFTA_EXPR_DATA: u16 = 2;
    let fields = Fields::strict(expression, NFTA_EXPR_DATA)?;
    Ok((fields.text(NFTA_EXPR_NAME)?, fields.get(NFTA_EXPR_DATA).unwrap_or_default()))
}

fn lower_named(context: &mut Context<'_>, name: &[u8], data: &[u8]) -> Result<(), Flaw> {
    let Expression(_, highest, lower) =
        EXPRESSIONS.iter().find(|Expression(known, ..)| known.as_bytes() == name).ok_or(Flaw::Unknown)?;
    lower(context, &Fields::strict(data, *highest)?)
}

fn describe(name: &[u8], flaw: &Flaw) -> String {
    let name = Untrusted::from_bytes(name);
    match flaw {
        Flaw::Unknown => format!("expression \"{}\"", name.as_str()),
        flaw => format!("expression \"{}\": {flaw}", name.as_str()),
    }
}

/// Something that may write registers or decide.
pub(super) fn unknown(construct: &str) -> Op {
    Op::Unknown(Unknown { construct: construct.into(), only_matches: false })
}

/// Something that matches or does not, and writes no register.
fn unknown_match(construct: &str) -> Op {
    Op::Unknown(Unknown { construct: construct.into(), only_matches: true })
}

impl Context<'_> {
    fn load(&mut self, what: Load, to: Register) {
        self.ops.push(Op::Load { what, to });
    }

    /// Loads something whose value is not known.
    fn load_opaque(&mut self, name: impl Into<Untrusted>, length: u32, to: Register) {
        self.load(Load::Opaque { name: name.into(), length }, to);
    }

    fn note(&mut self, text: impl Into<Untrusted>) {
        self.ops.push(Op::Note(Note::Other(text.into())));
    }

    fn write(&mut self, payload: Option<(PayloadBase, u32, u32)>, name: impl Into<Untrusted>) {
        self.ops.push(Op::Effect(Effect::Write { payload, name: name.into() }));
    }

    fn set(&self, name: &[u8]) -> Result<(SetId, &SetFacts), Flaw> {
        let id = self.names.set(name)?;
        Ok((id, self.sets.get(id.0 as usize).ok_or(Flaw::Unknown)?))
    }
}
