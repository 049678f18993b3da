//! What a rule loads: header fields, `meta`, `ct`, `fib` and the rest, with the masks on them.

use serde_json::Value;

use super::constants::constant;
use super::prototype::Form;
use super::{Lowered, Trouble, only_member, text, unclear};
use crate::notation::names::{self, CONNTRACK, Kind, Layer, META, Network};
use crate::rule::{Direction, End, Fib, FibResult, Load, Meta, Op, PayloadBase, Register};

/// One value of the packet.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// What is loaded.
    pub(super) load: Load,
    /// How it stands in the register.
    pub(super) form: Form,
    /// The mask on it, if it has one.
    pub(super) mask: Option<Mask>,
    /// Shifts behind the mask: to the left, by how many bits.
    pub(super) shifts: Vec<(bool, u32)>,
    /// What must hold for a packet to have it.
    pub(super) needs: Option<Layer>,
}

/// `(value & mask) ^ xor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) mask: Vec<u8>,
    pub(super) xor: Vec<u8>,
}

impl Mask {
    /// This mask, and then another.
    fn then(&self, next: &Self) -> Self {
        let both = |(a, b): (&u8, &u8)| a & b;
        let kept: Vec<u8> = self.xor.iter().zip(&next.mask).map(both).collect();
        Self {
            mask: self.mask.iter().zip(&next.mask).map(both).collect(),
            xor: kept.iter().zip(&next.xor).map(|(a, b)| a ^ b).collect(),
        }
    }
}

impl Part {
    fn new(load: Load, form: Form) -> Self {
        Self { load, form, mask: None, shifts: Vec::new(), needs: None }
    }

    /// The same by the name of the interface instead of its index.
    pub(super) fn by_name(mut self) -> Option<Self> {
        match &mut self.load {
            Load::Meta(meta) => *meta = name_of_index(*meta)?,
            Load::Fib(fib) if fib.result == FibResult::Interface => fib.result = FibResult::InterfaceName,
            _ => return None,
        }
        self.form = self.form.by_name();
        self.mask.is_none().then_some(self)
    }

    /// The number of registers that it takes.
    fn registers(&self) -> u32 {
        self.form.padded() / 4
    }

    /// Puts another mask on it.
    pub(super) fn masked(mut self, mask: Mask) -> Self {
        self.mask = Some(match &self.mask {
            Some(first) => first.then(&mask),
            None => mask,
        });
        self
    }

    /// The operations that load it.
    pub(super) fn ops(&self, to: Register) -> Vec<Op> {
        let mut ops = vec![Op::Load { what: self.load.clone(), to }];
        ops.extend(self.mask.iter().map(|mask| mask_op(mask, to)));
        let length = self.form.bytes;
        ops.extend(self.shifts.iter().map(|&(left, by)| Op::Shift { from: to, to, length, left, by }));
        ops
    }
}

pub(super) fn mask_op(Mask { mask, xor }: &Mask, register: Register) -> Op {
    Op::Mask { from: register, to: register, mask: mask.as_slice().into(), xor: xor.as_slice().into() }
}

fn name_of_index(meta: Meta) -> Option<Meta> {
    match meta {
        Meta::InputInterface => Some(Meta::InputInterfaceName),
        Meta::OutputInterface => Some(Meta::OutputInterfaceName),
        Meta::SlaveInterface => Some(Meta::SlaveInterfaceName),
        _ => None,
    }
}

/// The registers of several values that stand behind each other; `None` if they are too many.
pub(super) fn registers(parts: &[Part]) -> Option<Vec<Register>> {
    let mut next = 0_u32;
    let registers = parts.iter().map(|part| {
        let register = Register(u8::try_from(next).ok()?);
        next = next.checked_add(part.registers())?;
        (next <= u32::from(crate::rule::REGISTERS)).then_some(register)
    });
    registers.collect()
}

/// The parts of an expression: one, or those of a concatenation.
pub(super) fn parts(value: &Value) -> Lowered<Vec<Part>> {
    match only_member(value) {
        Some(("concat", list)) => match list.as_array().filter(|list| !list.is_empty()) {
            Some(list) => list.iter().map(part).collect(),
            None => unclear("concat"),
        },
        _ => Ok(vec![part(value)?]),
    }
}

/// One expression that is not a concatenation.
pub(super) fn part(value: &Value) -> Lowered<Part> {
    let Some((kind, inner)) = only_member(value) else { return unclear("expression") };
    match kind {
        "payload" => payload(inner),
        "meta" => meta(inner),
        "ct" => conntrack(inner),
        "fib" => fib(inner),
        "numgen" => numgen(inner),
        "&" | "|" | "^" => bitwise(kind, inner),
        "<<" | ">>" => shift(kind == "<<", inner),
        "exthdr" | "tcp option" | "ip option" | "sctp chunk" | "dccp option" => extension(kind, inner),
        "socket" => socket(inner),
        "rt" => route(inner),
        "jhash" | "symhash" => Ok(opaque(kind, Kind::HostInteger, 4)),
        "osf" => Ok(opaque("osf", Kind::Text, 16)),
        _ => unclear(kind),
    }
}

fn or_unclear<T>(value: Option<T>, construct: impl FnOnce() -> String) -> Lowered<T> {
    value.ok_or_else(|| Trouble::Unclear(construct()))
}

fn payload(value: &Value) -> Lowered<Part> {
    let (protocol, field) = (text(value, "protocol"), text(value, "field"));
    let found = match (protocol, field) {
        (Some(protocol), Some(field)) => header_field(protocol, field),
        _ => raw_payload(value),
    };
    or_unclear(found, || match (protocol, field) {
        (Some(protocol), Some(field)) => format!("{protocol} {field}"),
        _ => "payload".to_owned(),
    })
}

/// A field that does not fill its bytes is loaded with them and masked.
fn header_field(protocol: &str, name: &str) -> Option<Part> {
    let header = names::header(protocol)?;
    let field = names::field(header, name)?;
    let (first, end) = (field.offset / 8, (field.offset + field.bits).div_ceil(8));
    let form = Form {
        kind: field.kind,
        bits: field.bits,
        bytes: end - first,
        shift: end * 8 - field.offset - field.bits,
        literal: false,
    };
    let load = Load::Payload { base: header.base, offset: first, length: form.bytes };
    let mut part = Part::new(load, form);
    part.needs = Some(header.layer);
    part.mask = sub_byte_mask(&form);
    Some(part)
}

fn sub_byte_mask(form: &Form) -> Option<Mask> {
    (form.bits != form.bytes * 8).then_some(())?;
    let ones = (1_u128.checked_shl(form.bits)?).checked_sub(1)?;
    let mask = super::constants::place(ones, form, names::Order::Network)?;
    Some(Mask { xor: vec![0; mask.len()], mask })
}

/// The longest value that registers hold (`NFT_REG_SIZE` times 4).
const MAX_BITS: u64 = 512;

fn raw_payload(value: &Value) -> Option<Part> {
    let base = match text(value, "base")? {
        "ll" => PayloadBase::Link,
        "nh" => PayloadBase::Network,
        "th" => PayloadBase::Transport,
        "ih" => PayloadBase::Inner,
        _ => return None,
    };
    let (offset, bits) = (value.get("offset")?.as_u64()?, value.get("len")?.as_u64()?);
    (offset % 8 == 0 && bits % 8 == 0 && (8..=MAX_BITS).contains(&bits)).then_some(())?;
    let (offset, length) = (u32::try_from(offset / 8).ok()?, u32::try_from(bits / 8).ok()?);
    Some(Part::new(Load::Payload { base, offset, length }, Form::whole(Kind::Integer, length)))
}

fn meta(value: &Value) -> Lowered<Part> {
    let key = text(value, "key").unwrap_or_default();
    let found = META.iter().find(|meta| meta.name == key);
    or_unclear(found, || format!("meta {key}"))
        .map(|meta| Part::new(Load::Meta(meta.meta), Form::whole(meta.kind, meta.bytes)))
}

fn conntrack(value: &Value) -> Lowered<Part> {
    let key = text(value, "key").unwrap_or_default();
    let direction = match text(value, "dir") {
        None => Some(None),
        Some("original") => Some(Some(Direction::Original)),
        Some("reply") => Some(Some(Direction::Reply)),
        Some(_) => None,
    };
    // `saddr` without the family is what nft 0.9 prints; what it is compared with says how long it is.
    let found = direction.zip(CONNTRACK.iter().find(|name| name.name == key));
    or_unclear(found, || format!("ct {key}")).map(|(direction, name)| {
        Part::new(Load::Conntrack { key: name.key, direction }, Form::whole(name.kind, name.bytes))
    })
}

fn fib(value: &Value) -> Lowered<Part> {
    or_unclear(known_fib(value), || "fib".to_owned())
}

fn known_fib(value: &Value) -> Option<Part> {
    let flags: Option<Vec<&str>> = super::several(value.get("flags")?).iter().map(Value::as_str).collect();
    let flags = flags?;
    let known = ["saddr", "daddr", "mark", "iif", "oif"];
    flags.iter().all(|flag| known.contains(flag)).then_some(())?;
    let has = |flag| flags.contains(&flag);
    let end = match (has("saddr"), has("daddr")) {
        (true, false) => End::Source,
        (false, true) => End::Destination,
        _ => return None,
    };
    let (result, form) = match text(value, "result")? {
        "type" => (FibResult::AddressType, Form::whole(Kind::FibType, 4)),
        "oif" => (FibResult::Interface, Form::whole(Kind::InterfaceIndex, 4)),
        "oifname" => (FibResult::InterfaceName, Form::whole(Kind::InterfaceName, 16)),
        "check" => (FibResult::Present, Form::whole(Kind::Boolean, 1)),
        _ => return None,
    };
    let (input_interface, output_interface) = (has("iif"), has("oif"));
    let fib = Fib { end, mark: has("mark"), input_interface, output_interface, result };
    Some(Part::new(Load::Fib(fib), form))
}

/// The question whether there is a route, in place of the one for its interface.
pub(super) fn fib_present(mut part: Part) -> Option<Part> {
    match &mut part.load {
        Load::Fib(fib) if fib.result != FibResult::AddressType => fib.result = FibResult::Present,
        _ => return None,
    }
    part.form = Form::whole(Kind::Boolean, 1);
    Some(part)
}

fn numgen(value: &Value) -> Lowered<Part> {
    let number = |member| u32::try_from(value.get(member)?.as_u64()?).ok();
    let found = number("mod").filter(|modulus| *modulus > 0).zip(match value.get("offset") {
        None => Some(0),
        Some(_) => number("offset"),
    });
    or_unclear(found, || "numgen".to_owned())
        .map(|(modulus, offset)| Part::new(Load::Number { modulus, offset }, Form::whole(Kind::HostInteger, 4)))
}

fn opaque(name: &str, kind: Kind, bytes: u32) -> Part {
    Part::new(Load::Opaque { name: name.into(), length: bytes }, Form::whole(kind, bytes))
}

/// Extension headers and options whose fields have a known length, in bytes (`src/exthdr.c`, `src/tcpopt.c` of
/// nftables).
const EXTENSION_FIELDS: &[(&str, &str, Kind, u32)] = &[
    ("frag", "nexthdr", Kind::Protocol, 1),
    ("frag", "id", Kind::Integer, 4),
    ("rt", "nexthdr", Kind::Protocol, 1),
    ("rt", "hdrlength", Kind::Integer, 1),
    ("rt", "type", Kind::Integer, 1),
    ("rt", "seg-left", Kind::Integer, 1),
    ("hbh", "nexthdr", Kind::Protocol, 1),
    ("hbh", "hdrlength", Kind::Integer, 1),
    ("dst", "nexthdr", Kind::Protocol, 1),
    ("dst", "hdrlength", Kind::Integer, 1),
    ("maxseg", "size", Kind::Integer, 2),
    ("window", "count", Kind::Integer, 1),
];

fn extension(kind: &str, value: &Value) -> Lowered<Part> {
    let name = text(value, "name").unwrap_or_default();
    let prefix = if kind == "exthdr" { name.to_owned() } else { format!("{kind} {name}") };
    let mut part = match text(value, "field") {
        None => {
            let shown = if kind == "exthdr" { format!("exthdr {name}") } else { prefix };
            Part::new(Load::HeaderPresent(shown.into()), Form::whole(Kind::Boolean, 1))
        }
        Some(field) => {
            let known = EXTENSION_FIELDS.iter().find(|known| known.0 == name && known.1 == field);
            let (_, _, kind, bytes) = or_unclear(known, || format!("{prefix} {field}"))?;
            opaque(&format!("{prefix} {field}"), *kind, *bytes)
        }
    };
    part.needs = match kind {
        "exthdr" => Some(Layer::Network(Network::Ipv6)),
        "ip option" => Some(Layer::Network(Network::Ipv4)),
        _ => None,
    };
    Ok(part)
}

fn socket(value: &Value) -> Lowered<Part> {
    match text(value, "key").unwrap_or_default() {
        "mark" => Ok(opaque("socket mark", Kind::Mark, 4)),
        key @ ("transparent" | "wildcard") => Ok(opaque(&format!("socket {key}"), Kind::HostInteger, 1)),
        key => unclear(format!("socket {key}")),
    }
}

fn route(value: &Value) -> Lowered<Part> {
    match (text(value, "key").unwrap_or_default(), text(value, "family")) {
        ("nexthop", Some("ip")) => Ok(opaque("rt ip nexthop", Kind::Ipv4, 4)),
        ("nexthop", Some("ip6")) => Ok(opaque("rt ip6 nexthop", Kind::Ipv6, 16)),
        ("classid", _) => Ok(opaque("rt classid", Kind::Realm, 4)),
        ("mtu", _) => Ok(opaque("rt mtu", Kind::HostInteger, 2)),
        (key, _) => unclear(format!("rt {key}")),
    }
}

/// The most operands of one operator.
const MAX_OPERANDS: usize = 32;

fn bitwise(operator: &str, value: &Value) -> Lowered<Part> {
    let known = || match value.as_array()?.as_slice() {
        [left, rest @ ..] if (1..=MAX_OPERANDS).contains(&rest.len()) => Some((left, rest)),
        _ => None,
    };
    let (left, rest) = or_unclear(known(), || format!("operator {operator}"))?;
    rest.iter().try_fold(part(left)?, |part, operand| {
        let usable = part.shifts.is_empty().then(|| constant(operand, &part.form, false)).flatten();
        let operand = or_unclear(usable, || format!("operator {operator}"))?;
        Ok(part.masked(mask_of(operator, operand)))
    })
}

fn mask_of(operator: &str, operand: Vec<u8>) -> Mask {
    match operator {
        "&" => Mask { xor: vec![0; operand.len()], mask: operand },
        "|" => Mask { mask: operand.iter().map(|byte| !byte).collect(), xor: operand },
        _ => Mask { mask: vec![0xff; operand.len()], xor: operand },
    }
}

/// The kernel shifts words in the order of the machine (`nft_bitwise_eval_lshift`, `net/netfilter/nft_bitwise.c`).
fn shift(left: bool, value: &Value) -> Lowered<Part> {
    let known = || {
        let [operand, by] = value.as_array()?.as_slice() else { return None };
        Some((operand, u32::try_from(by.as_u64()?).ok().filter(|by| *by < 32)?))
    };
    let (operand, by) = or_unclear(known(), || "shift".to_owned())?;
    let mut part = part(operand)?;
    if part.form.kind.order() == names::Order::Network || part.form.bytes != 4 {
        return unclear("shift of a value in network order");
    }
    part.shifts.push((left, by));
    Ok(part)
}
