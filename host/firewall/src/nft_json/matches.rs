//! Matches, lookups, and what a packet must be for a match to mean anything.
//!
//! `nft` puts a test of the protocol before a header field of it (`src/payload.c` of nftables, "dependency"), and
//! leaves it out where it prints the rule.

use serde_json::Value;

use super::constants::{self, Piece, beginning, constant, piece};
use super::document::Reader;
use super::operands::{Mask, Part, fib_present, parts, registers};
use super::prototype::{Form, Prototype};
use super::{Lowered, Trouble, only_member, text, unclear};
use crate::notation::names::{Kind, Layer, Network, Order, Shape};
use crate::rule::{Comparison, Load, LookupResult, Meta, Op, PayloadBase, Register};
use crate::ruleset::{Family, SetId, TableId};

/// Lowers one rule.
pub(super) struct RuleReader<'r, 'd> {
    pub(super) reader: &'r mut Reader<'d>,
    pub(super) table: TableId,
    pub(super) family: Family,
    /// Where the statement is.
    pub(super) pointer: String,
    /// What it was lowered to so far.
    pub(super) ops: Vec<Op>,
    /// What the operations so far have made sure of.
    pub(super) known: Known,
}

/// What is known of a packet that got so far in a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) ethernet: bool,
    pub(super) network: Option<Network>,
    pub(super) transport: Option<u8>,
}

/// The first register.
pub(super) const FIRST: Register = Register(0);

/// How the two sides of a match are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Compare(Comparison),
    /// One of the bits is set.
    AnyBit,
    /// None of the bits is set.
    NoBit,
    /// Left out: it depends on the right side.
    Implied,
}

fn relation(value: &Value) -> Option<Relation> {
    Some(match value.get("op") {
        None => Relation::Implied,
        Some(op) => match op.as_str()? {
            "==" => Relation::Compare(Comparison::Equal),
            "!=" => Relation::Compare(Comparison::NotEqual),
            "<" => Relation::Compare(Comparison::Less),
            "<=" => Relation::Compare(Comparison::LessOrEqual),
            ">" => Relation::Compare(Comparison::Greater),
            ">=" => Relation::Compare(Comparison::GreaterOrEqual),
            "in" => Relation::AnyBit,
            "!" => Relation::NoBit,
            _ => return None,
        },
    })
}

impl RuleReader<'_, '_> {
    pub(super) fn match_statement(&mut self, value: &Value) -> Lowered<()> {
        let sides = value.get("left").zip(value.get("right"));
        let (Some((left, right)), Some(relation)) = (sides, relation(value)) else { return unclear("match") };
        let parts = parts(left)?;
        let construct = || Trouble::Unclear(format!("match of {}", name(left)));
        match (only_member(right), right.as_str().and_then(|right| right.strip_prefix('@'))) {
            (_, Some(set)) => {
                let inverted = inverted(relation).ok_or_else(construct)?;
                let set = self.named_set(set)?;
                self.lookup(parts, set, inverted, LookupResult::Nothing)
            }
            (Some(("set", elements)), _) => {
                let inverted = inverted(relation).ok_or_else(construct)?;
                self.lookup_anonymous(parts, elements, inverted)
            }
            (Some(("concat", _)), _) => {
                let inverted = inverted(relation).ok_or_else(construct)?;
                self.lookup_anonymous(parts, &Value::Array(vec![right.clone()]), inverted)
            }
            _ => match <[Part; 1]>::try_from(parts) {
                Ok([part]) => self.compare(part, relation, right, construct),
                Err(_) => Err(construct()),
            },
        }
    }

    fn compare(
        &mut self,
        part: Part,
        relation: Relation,
        right: &Value,
        construct: impl Fn() -> Trouble,
    ) -> Lowered<()> {
        let part = by_right_side(part, right).ok_or_else(&construct)?;
        let ops = match (relation, only_member(right)) {
            (Relation::AnyBit, _) => bits(&part, right, Comparison::NotEqual),
            (Relation::NoBit, _) => bits(&part, right, Comparison::Equal),
            (Relation::Implied, _) if part.form.kind.shape() == Shape::Flags => {
                bits(&part, right, Comparison::NotEqual)
            }
            (Relation::Implied, _) => equality(&part, Comparison::Equal, right),
            (Relation::Compare(how @ (Comparison::Equal | Comparison::NotEqual)), _) => equality(&part, how, right),
            (Relation::Compare(how), None) => ordered(&part, how, right),
            (Relation::Compare(_), Some(_)) => None,
        };
        let ops = ops.ok_or_else(&construct)?;
        self.require(part.needs)?;
        self.ops.extend(ops);
        self.learn(&part, relation, right);
        Ok(())
    }

    /// What a comparison makes sure of, as far as header fields depend on it.
    fn learn(&mut self, part: &Part, relation: Relation, right: &Value) {
        if !matches!(relation, Relation::Compare(Comparison::Equal) | Relation::Implied) || part.mask.is_some() {
            return;
        }
        let Some(number) = constants::number(right, part.form.kind).and_then(|number| u64::try_from(number).ok())
        else {
            return;
        };
        match part.load {
            Load::Meta(Meta::NetworkFamily) if self.family == Family::Inet => {
                self.known.network = Network::of_family(number);
            }
            Load::Meta(Meta::Protocol) if matches!(self.family, Family::Bridge | Family::Netdev) => {
                self.known.network = Network::of_ether_type(number);
            }
            Load::Meta(Meta::TransportProtocol) => self.known.transport = u8::try_from(number).ok(),
            Load::Payload { base: PayloadBase::Network, .. } if part.form.kind == Kind::Protocol => {
                self.known.transport = u8::try_from(number).ok();
            }
            _ => {}
        }
    }

    /// Makes sure that a packet has what a header field stands in.
    pub(super) fn require(&mut self, layer: Option<Layer>) -> Lowered<()> {
        match layer {
            None | Some(Layer::AnyTransport) => Ok(()),
            Some(Layer::Ethernet) => {
                self.require_ethernet();
                Ok(())
            }
            Some(Layer::Network(network)) => self.require_network(network),
            Some(Layer::Transport(protocol, network)) => {
                network.map_or(Ok(()), |network| self.require_network(network))?;
                self.require_transport(protocol);
                Ok(())
            }
        }
    }

    /// `ARPHRD_ETHER`; frames of a bridge are all such.
    fn require_ethernet(&mut self) {
        const ARPHRD_ETHER: u16 = 1;
        if self.family != Family::Bridge && !self.known.ethernet {
            self.test(Meta::InputInterfaceType, &ARPHRD_ETHER.to_ne_bytes());
            self.known.ethernet = true;
        }
    }

    pub(super) fn require_network(&mut self, network: Network) -> Lowered<()> {
        let only = match self.family {
            Family::Ip => Some(Network::Ipv4),
            Family::Ip6 => Some(Network::Ipv6),
            Family::Arp => Some(Network::Arp),
            Family::Inet | Family::Bridge | Family::Netdev => self.known.network,
        };
        match (only, self.family) {
            (Some(known), _) if known == network => return Ok(()),
            (Some(_), Family::Ip | Family::Ip6 | Family::Arp) => return unclear("header of another family"),
            (_, Family::Inet) => self.test(Meta::NetworkFamily, &[network.family()]),
            _ => self.test(Meta::Protocol, &network.ether_type().to_be_bytes()),
        }
        self.known.network = Some(network);
        Ok(())
    }

    pub(super) fn require_transport(&mut self, protocol: u8) {
        if self.known.transport != Some(protocol) {
            self.test(Meta::TransportProtocol, &[protocol]);
            self.known.transport = Some(protocol);
        }
    }

    fn test(&mut self, meta: Meta, value: &[u8]) {
        self.ops.push(Op::Load { what: Load::Meta(meta), to: FIRST });
        self.ops.push(Op::Compare { register: FIRST, how: Comparison::Equal, value: value.into() });
    }

    /// A set by its name.
    pub(super) fn named_set(&self, name: &str) -> Lowered<SetId> {
        self.reader.set(self.table, name, &self.pointer).map_err(Trouble::Broken)
    }

    fn lookup_anonymous(&mut self, parts: Vec<Part>, elements: &Value, inverted: bool) -> Lowered<()> {
        let set = self.anonymous_set(&parts, elements, Vec::new(), false)?;
        self.lookup(parts, set, inverted, LookupResult::Nothing)
    }

    /// Makes a set of what a rule holds within itself.
    pub(super) fn anonymous_set(
        &mut self,
        parts: &[Part],
        elements: &Value,
        data: Vec<Form>,
        verdicts: bool,
    ) -> Lowered<SetId> {
        let Some(elements) = elements.as_array() else { return unclear("anonymous set") };
        let key = parts.iter().map(|part| part.form).collect();
        let prototype = Prototype { key, data, verdicts, ..Prototype::default() };
        self.reader.add_anonymous(self.table, prototype, elements, &self.pointer)
    }

    /// Loads the parts of a key and looks it up.
    pub(super) fn lookup(&mut self, parts: Vec<Part>, set: SetId, inverted: bool, result: LookupResult) -> Lowered<()> {
        self.load_key(parts, set)?;
        self.ops.push(Op::Lookup { set, key: FIRST, inverted, result });
        Ok(())
    }

    /// Loads the parts of a key as a set holds them.
    pub(super) fn load_key(&mut self, parts: Vec<Part>, set: SetId) -> Lowered<()> {
        let Some(prototype) = self.reader.prototype(set) else { return unclear("set") };
        let interval = prototype.interval;
        let key = prototype.key.clone();
        let anonymous = self.reader.is_anonymous(set);
        let matching = parts.into_iter().zip(&key).map(|(part, form)| fitted(part, form, anonymous));
        let Some(parts) = matching.collect::<Option<Vec<_>>>().filter(|parts| parts.len() == key.len()) else {
            return unclear("lookup of a key of another type than that of the set");
        };
        let Some(registers) = registers(&parts) else { return unclear("key that is too long") };
        for part in &parts {
            self.require(part.needs)?;
        }
        for (part, register) in parts.iter().zip(registers) {
            self.ops.extend(part.ops(register));
            if interval && part.form.turns() {
                self.ops.push(turn(part, register));
            }
        }
        Ok(())
    }
}

/// What `!` and `==` mean for a lookup.
fn inverted(relation: Relation) -> Option<bool> {
    match relation {
        Relation::Compare(Comparison::Equal) | Relation::AnyBit | Relation::Implied => Some(false),
        Relation::Compare(Comparison::NotEqual) => Some(true),
        _ => None,
    }
}

/// A part as a set holds it: an interface by its name where the set has names, and the same length.
///
/// The values of a named set stand at the right of their bytes, those of a field that does not fill its bytes not
/// always.
fn fitted(part: Part, form: &Form, anonymous: bool) -> Option<Part> {
    let part = match (part.form.kind, form.kind) {
        (Kind::InterfaceIndex, Kind::InterfaceName) => part.by_name()?,
        _ => part,
    };
    let usable = part.form.bytes == form.bytes && (anonymous || part.form.shift == 0);
    // The order of the bytes must be the same; for addresses and text the kind decides nothing else.
    (usable && part.form.kind.order() == form.kind.order()).then_some(part)
}

/// The part that fits what it is compared with: a name for the name of an interface, a yes or no for a route.
fn by_right_side(part: Part, right: &Value) -> Option<Part> {
    match (&part.load, right) {
        (Load::Fib(_), Value::Bool(_)) if part.form.kind != Kind::Boolean => fib_present(part),
        // No interface has this number: `fib` gives it where there is no route.
        (_, Value::String(none)) if part.form.kind == Kind::InterfaceIndex && none == "0" => Some(part),
        (_, Value::String(_)) if part.form.kind == Kind::InterfaceIndex => part.by_name(),
        _ => Some(part),
    }
}

fn name(left: &Value) -> String {
    match only_member(left) {
        Some((kind, inner)) => match (text(inner, "protocol"), text(inner, "field").or_else(|| text(inner, "key"))) {
            (Some(protocol), Some(field)) => format!("{protocol} {field}"),
            (None, Some(key)) => format!("{kind} {key}"),
            _ => kind.to_owned(),
        },
        None => "expression".to_owned(),
    }
}

/// `(value & bits) != 0`, or `== 0`.
fn bits(part: &Part, right: &Value, how: Comparison) -> Option<Vec<Op>> {
    let mask = constant(right, &part.form, false)?;
    let zero = vec![0; mask.len()];
    let part = part.clone().masked(Mask { mask, xor: zero.clone() });
    part.shifts.is_empty().then_some(())?;
    let mut ops = part.ops(FIRST);
    ops.push(Op::Compare { register: FIRST, how, value: zero.into() });
    Some(ops)
}

/// `==` and `!=` with a value, a prefix, a range, or the beginning of a name.
fn equality(part: &Part, how: Comparison, right: &Value) -> Option<Vec<Op>> {
    match only_member(right) {
        Some(("prefix", prefix)) => self::prefix(part, how, prefix),
        Some(("range", _)) => range(part, how, right),
        _ if is_name(part) => compare_name(part, how, right.as_str()?),
        _ => Some(compared(part.ops(FIRST), how, constant(right, &part.form, false)?)),
    }
}

/// Interfaces that came from an index are whole names, with a `*` that is nothing but itself.
fn is_name(part: &Part) -> bool {
    !part.form.literal
        && part.form.kind.shape() == Shape::Text
        && matches!(&part.load, Load::Meta(key) if key.is_name())
}

fn compare_name(part: &Part, how: Comparison, name: &str) -> Option<Vec<Op>> {
    let value = match beginning(name) {
        Some(start) => Some(start.to_vec()).filter(|start| (1..part.form.bytes as usize).contains(&start.len())),
        None => constants::text_bytes(name, &part.form),
    };
    Some(compared(part.ops(FIRST), how, value?))
}

fn compared(mut ops: Vec<Op>, how: Comparison, value: Vec<u8>) -> Vec<Op> {
    ops.push(Op::Compare { register: FIRST, how, value: value.into() });
    ops
}

/// A prefix of whole bytes is compared with as many bytes of the packet, another under a mask.
fn prefix(part: &Part, how: Comparison, prefix: &Value) -> Option<Vec<Op>> {
    let address = constant(prefix.get("addr")?, &part.form, false)?;
    let mut mask = constants::prefix_mask(prefix, &part.form)?;
    let zero = vec![0; mask.len()];
    if part.form.order(false) == Order::Host && cfg!(target_endian = "little") {
        mask.reverse();
    }
    let value: Vec<u8> = address.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
    if let (Some(length), Load::Payload { base, offset, .. }, None) = (whole_bytes(&mask), &part.load, &part.mask) {
        let what = Load::Payload { base: *base, offset: *offset, length: u32::try_from(length).ok()? };
        let shorter = value.get(..length)?.to_vec();
        return Some(compared(vec![Op::Load { what, to: FIRST }], how, shorter));
    }
    Some(compared(part.clone().masked(Mask { mask, xor: zero }).ops(FIRST), how, value))
}

/// The number of bytes of a mask that are kept whole, if the others are not kept at all.
fn whole_bytes(mask: &[u8]) -> Option<usize> {
    let length = mask.iter().take_while(|byte| **byte == 0xff).count();
    (length > 0 && mask.iter().skip(length).all(|byte| *byte == 0)).then_some(length)
}

fn range(part: &Part, how: Comparison, right: &Value) -> Option<Vec<Op>> {
    let Piece::Range(from, to) = piece(right, &part.form, true)? else { return None };
    (part.form.kind.shape() != Shape::Text).then_some(())?;
    let ops = turned(part);
    Some(if how == Comparison::Equal {
        compared(compared(ops, Comparison::GreaterOrEqual, from), Comparison::LessOrEqual, to)
    } else {
        let range = Op::Range { register: FIRST, inverted: true, from: from.into(), to: to.into() };
        ops.into_iter().chain([range]).collect()
    })
}

/// `<` and the like.
fn ordered(part: &Part, how: Comparison, right: &Value) -> Option<Vec<Op>> {
    (part.form.kind.shape() != Shape::Text).then_some(())?;
    Some(compared(turned(part), how, constant(right, &part.form, true)?))
}

/// Loads a value with the most significant byte first.
fn turned(part: &Part) -> Vec<Op> {
    let mut ops = part.ops(FIRST);
    if part.form.turns() {
        ops.push(turn(part, FIRST));
    }
    ops
}

fn turn(part: &Part, register: Register) -> Op {
    let length = part.form.bytes;
    Op::SwapBytes { from: register, to: register, length, size: length }
}
