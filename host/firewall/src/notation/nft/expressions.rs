//! Loads, as header fields and keys.

use super::context::Context;
use super::values::{Form, hexadecimal};
use crate::notation::names::{CONNTRACK, Field, HEADERS, Header, Kind, Layer, META, Network};
use crate::rule::{ConntrackKey, Direction, End, Fib, FibResult, Load, Meta, PayloadBase};

/// `(value & mask) ^ xor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) mask: Vec<u8>,
    pub(super) xor: Vec<u8>,
}

impl Mask {
    /// This mask, and then another.
    pub(super) fn then(self, next: &Self) -> Self {
        let both = |(a, b): (&u8, &u8)| a & b;
        let kept: Vec<u8> = self.xor.iter().zip(&next.mask).map(both).collect();
        Self {
            mask: self.mask.iter().zip(&next.mask).map(both).collect(),
            xor: kept.iter().zip(&next.xor).map(|(a, b)| a ^ b).collect(),
        }
    }

    pub(super) fn raw(&self) -> String {
        format!("& {} ^ {}", hexadecimal(&self.mask), hexadecimal(&self.xor))
    }

    /// It flips nothing.
    pub(super) fn only_keeps(&self) -> bool {
        self.xor.iter().all(|byte| *byte == 0)
    }
}

/// A load in words.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) form: Form,
    /// What the words imply.
    pub(super) layer: Option<Layer>,
    /// The mask that is left when the field is taken out of its bytes.
    pub(super) mask: Option<Mask>,
    /// The load ends before the field does: this many bytes of it are there.
    pub(super) shorter: bool,
}

impl Expression {
    fn new(text: impl Into<String>, form: Form) -> Self {
        Self { text: text.into(), form, layer: None, mask: None, shorter: false }
    }
}

/// What a load loads, in words that say nothing but that.
pub(crate) fn raw(load: &Load) -> String {
    match load {
        Load::Payload { base, offset, length } => raw_payload(*base, *offset, *length),
        Load::Number { modulus, offset } => format!("numgen mod {modulus} offset {offset}"),
        Load::Opaque { name, .. } | Load::HeaderPresent(name) => name.as_str().to_owned(),
        Load::Meta(meta) => named_meta(load).map_or_else(
            || match meta {
                Meta::Other(number) => format!("meta key {number}"),
                _ => "meta key without a name".to_owned(),
            },
            |found| found.text,
        ),
        Load::Conntrack { key, direction } => conntrack(*key, *direction).map_or_else(
            || match key {
                ConntrackKey::Other(number) => format!("ct key {number}"),
                _ => "ct key without a name".to_owned(),
            },
            |found| found.text,
        ),
        Load::Fib(fib) => self::fib(*fib).text,
    }
}

/// What a load loads, as far as the notation has words for it.
pub(super) fn expression(load: &Load, mask: Option<&Mask>, context: &Context) -> Option<Expression> {
    let found = match load {
        Load::Payload { base, offset, length } => return Some(payload(*base, *offset, *length, mask, context)),
        Load::Meta(_) => named_meta(load)?,
        Load::Conntrack { key, direction } => conntrack(*key, *direction)?,
        Load::Fib(fib) => self::fib(*fib),
        Load::HeaderPresent(name) => {
            let layer = extension_layer(name.as_str());
            Expression { layer, ..Expression::new(name.as_str(), Form::whole(Kind::Boolean, 1)) }
        }
        Load::Opaque { name, length } => opaque(name.as_str(), *length)?,
        Load::Number { .. } => return None,
    };
    Some(Expression { mask: mask.cloned(), ..found })
}

fn named_meta(load: &Load) -> Option<Expression> {
    let Load::Meta(meta) = load else { return None };
    let name = META.iter().find(|name| name.meta == *meta)?;
    let qualifier = if name.bare { "" } else { "meta " };
    Some(Expression::new(format!("{qualifier}{}", name.name), Form::whole(name.kind, name.bytes)))
}

fn conntrack(key: ConntrackKey, direction: Option<Direction>) -> Option<Expression> {
    let name = CONNTRACK.iter().find(|name| name.key == key)?;
    let direction = match direction {
        None => "",
        Some(Direction::Original) => "original ",
        Some(Direction::Reply) => "reply ",
    };
    Some(Expression::new(format!("ct {direction}{}", name.name), Form::whole(name.kind, name.bytes)))
}

fn fib(fib: Fib) -> Expression {
    let mut flags = vec![if fib.end == End::Source { "saddr" } else { "daddr" }];
    flags.extend(fib.mark.then_some("mark"));
    flags.extend(fib.input_interface.then_some("iif"));
    flags.extend(fib.output_interface.then_some("oif"));
    let (result, form) = match fib.result {
        FibResult::Interface => ("oif", Form::whole(Kind::InterfaceIndex, 4)),
        FibResult::InterfaceName => ("oifname", Form::whole(Kind::InterfaceName, 16)),
        FibResult::AddressType => ("type", Form::whole(Kind::FibType, 4)),
        FibResult::Present => ("oif", Form::whole(Kind::Boolean, 1)),
    };
    Expression::new(format!("fib {} {result}", flags.join(" . ")), form)
}

/// Values that are not followed, and how they are written.
const OPAQUE: &[(&str, Kind)] = &[
    ("socket transparent", Kind::HostInteger),
    ("socket wildcard", Kind::HostInteger),
    ("socket mark", Kind::Mark),
    ("rt ip nexthop", Kind::Ipv4),
    ("rt ip6 nexthop", Kind::Ipv6),
    ("rt classid", Kind::Realm),
    ("rt mtu", Kind::HostInteger),
    ("frag nexthdr", Kind::Protocol),
    ("frag id", Kind::Integer),
    ("rt type", Kind::Integer),
    ("rt seg-left", Kind::Integer),
    ("rt hdrlength", Kind::Integer),
    ("rt nexthdr", Kind::Protocol),
    ("hbh nexthdr", Kind::Protocol),
    ("hbh hdrlength", Kind::Integer),
    ("dst nexthdr", Kind::Protocol),
    ("dst hdrlength", Kind::Integer),
    ("tcp option maxseg size", Kind::Integer),
    ("tcp option window count", Kind::Integer),
];

fn opaque(name: &str, length: u32) -> Option<Expression> {
    let (_, kind) = OPAQUE.iter().find(|(known, _)| *known == name)?;
    Some(Expression { layer: extension_layer(name), ..Expression::new(name, Form::whole(*kind, length)) })
}

/// Extension headers and options imply the network protocol that they belong to.
fn extension_layer(name: &str) -> Option<Layer> {
    const OF_IPV6: &[&str] = &["exthdr", "frag", "hbh", "dst", "mh", "srh", "rt0", "rt2", "rt4"];
    let mut words = name.split(' ');
    match (words.next()?, words.next()?) {
        ("ip", "option") => Some(Layer::Network(Network::Ipv4)),
        // `rt` is the extension header and the route of the packet.
        ("rt", "type" | "seg-left" | "hdrlength" | "nexthdr") => Some(Layer::Network(Network::Ipv6)),
        (first, _) if OF_IPV6.contains(&first) => Some(Layer::Network(Network::Ipv6)),
        _ => None,
    }
}

fn raw_payload(base: PayloadBase, offset: u32, length: u32) -> String {
    let base = match base {
        PayloadBase::Link => "ll",
        PayloadBase::Network => "nh",
        PayloadBase::Transport => "th",
        PayloadBase::Inner => "ih",
    };
    format!("@{base},{},{}", u64::from(offset) * 8, u64::from(length) * 8)
}

fn payload(base: PayloadBase, offset: u32, length: u32, mask: Option<&Mask>, context: &Context) -> Expression {
    let fields = fields(base, context);
    let found = fields.into_iter().find_map(|(header, field)| in_field(header, field, offset, length, mask));
    found.unwrap_or_else(|| {
        let form = Form { raw: true, ..Form::whole(Kind::Integer, length) };
        Expression { mask: mask.cloned(), ..Expression::new(raw_payload(base, offset, length), form) }
    })
}

/// The fields that a load of a header can mean.
fn fields(base: PayloadBase, context: &Context) -> Vec<(&'static Header, &'static Field)> {
    let applies = |header: &&Header| {
        header.base == base
            && match header.layer {
                Layer::Ethernet => context.ethernet,
                Layer::Network(network) => context.network == Some(network),
                Layer::Transport(protocol, network) => {
                    let fits = network.is_none() || context.network.is_none() || network == context.network;
                    context.transport == Some(protocol) && fits
                }
                // Not where the protocol is known to have a header of its own, perhaps without ports.
                Layer::AnyTransport => !has_header(context.transport),
            }
    };
    HEADERS.iter().filter(applies).flat_map(|header| header.fields.iter().map(move |field| (header, field))).collect()
}

fn has_header(transport: Option<u8>) -> bool {
    let is_its = |header: &Header| matches!(header.layer, Layer::Transport(protocol, _) if Some(protocol) == transport);
    HEADERS.iter().any(is_its)
}

fn in_field(header: &Header, field: &Field, offset: u32, length: u32, mask: Option<&Mask>) -> Option<Expression> {
    let (first, end) = (field.offset / 8, (field.offset + field.bits).div_ceil(8));
    (first == offset).then_some(())?;
    let text = format!("{} {}", header.name, field.name);
    let bytes = end - first;
    let form = Form {
        kind: field.kind,
        bits: field.bits,
        bytes,
        shift: end * 8 - field.offset - field.bits,
        swapped: false,
        raw: false,
    };
    let layer = Some(header.layer);
    let found = Expression { layer, ..Expression::new(text, form) };
    if field.bits != bytes * 8 {
        return of_part(&form, length, mask?).map(|mask| Expression { mask, ..found });
    }
    if length < bytes && matches!(field.kind, Kind::Ipv4 | Kind::Ipv6) && mask.is_none() {
        return Some(Expression { shorter: true, ..found });
    }
    (length == bytes).then(|| Expression { mask: mask.cloned(), ..found })
}

/// What is left of a mask when it takes a field out of its bytes; `None` if it does not.
#[expect(clippy::option_option, reason = "no field, and no mask beside it")]
fn of_part(form: &Form, length: u32, mask: &Mask) -> Option<Option<Mask>> {
    let number = form.number(&mask.mask)?;
    let all = 1_u128.checked_shl(form.bits)?.checked_sub(1)?;
    (length == form.bytes && form.number(&mask.xor).is_some()).then_some(())?;
    Some((number != all || !mask.only_keeps()).then(|| mask.clone()))
}

/// The fields that a load covers one after the other, which `nft` loads at once where all are compared.
pub(super) fn split(base: PayloadBase, offset: u32, length: u32, context: &Context) -> Option<Vec<Expression>> {
    let mut found = Vec::new();
    let (mut at, end) = (offset, offset.checked_add(length)?);
    while at < end {
        let covers = |(header, field): (&'static Header, &'static Field)| {
            (at.checked_mul(8) == Some(field.offset) && field.bits % 8 == 0 && field.bits / 8 <= end - at)
                .then(|| in_field(header, field, at, field.bits / 8, None))
                .flatten()
        };
        let next = fields(base, context).into_iter().find_map(covers)?;
        at += next.form.bytes;
        found.push(next);
    }
    (found.len() > 1).then_some(found)
}
