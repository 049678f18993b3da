//! Comparisons and lookups.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::context::Proof;
use super::elements;
use super::expressions::{self, Expression, Mask, expression};
use super::values::{self, Form, hexadecimal, mask_length, value};
use super::{Cell, Content, Item, Writer};
use crate::notation::iptables;
use crate::notation::names::{Kind, Layer, Network, Shape};
use crate::rule::{Comparison, Load, LookupResult, Meta, Op, Predicate, Register, SetUpdate, Test};
use crate::ruleset::SetId;

impl<'r> Writer<'r> {
    /// Says something of a header field. The tests that it implies go without saying.
    pub(super) fn say_of(&mut self, layer: Option<Layer>, text: impl Into<String>) {
        for item in self.context.implied(layer) {
            if let Some(item) = self.items.get_mut(item) {
                item.hidden = true;
            }
        }
        self.items.push(Item { text: text.into(), hidden: false });
    }

    /// Writes a comparison, and with it one behind it that is the other end of a range.
    pub(super) fn compare(&mut self, register: Register, how: Comparison, constant: &[u8], behind: &'r [Op]) -> usize {
        let Some(cell) = self.take(register) else {
            self.say(bracket(&super::raw_register(register), how, constant));
            return 0;
        };
        if let Some(to) = end_of_range(register, how, behind)
            && let Some((layer, text)) = self.range_text(&cell, false, constant, to)
        {
            self.say_of(layer, text);
            return 1;
        }
        if let Some(parts) = self.fields_at_once(&cell, how, constant) {
            for (layer, text) in parts {
                self.say_of(layer, text);
            }
            return 0;
        }
        match self.comparison(&cell, how, constant) {
            Some((layer, text)) => {
                self.say_of(layer, text);
                self.learn(&cell, how, constant);
            }
            None => self.say(bracket(&cell.raw(), how, constant)),
        }
        0
    }

    fn expression_of(&self, cell: &Cell<'_>) -> Option<Expression> {
        let Content::Load(load) = &cell.content else { return None };
        let mut found = expression(load, cell.mask.as_ref(), &self.context)?;
        found.form.swapped = cell.swapped;
        cell.shifts.is_empty().then_some(found)
    }

    fn comparison(&self, cell: &Cell<'_>, how: Comparison, constant: &[u8]) -> Option<(Option<Layer>, String)> {
        let found = self.expression_of(cell)?;
        let text = match &found.mask {
            Some(mask) => masked(&found, mask, how, constant),
            None => plain(cell, &found, how, constant),
        };
        Some((found.layer, text?))
    }

    /// What a comparison proves of the headers.
    fn learn(&mut self, cell: &Cell<'_>, how: Comparison, constant: &[u8]) {
        let (Comparison::Equal, Content::Load(load), None) = (how, &cell.content, &cell.mask) else { return };
        let Some(found) = self.expression_of(cell) else { return };
        let number = found.form.number(constant).and_then(|number| u64::try_from(number).ok());
        let number = match (number, load) {
            (None, Load::Payload { length: 2, .. }) => {
                constant.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes)))
            }
            (number, _) => number,
        };
        let proof = number.and_then(|number| self.context.proof(load, found.form.kind, number));
        if let (Some(proof), Some(item)) = (proof, self.items.len().checked_sub(1)) {
            self.context.learn(load, proof, item);
        }
    }

    fn fields_at_once(
        &self,
        cell: &Cell<'_>,
        how: Comparison,
        constant: &[u8],
    ) -> Option<Vec<(Option<Layer>, String)>> {
        let (Content::Load(Load::Payload { base, offset, length }), None, Comparison::Equal) =
            (&cell.content, &cell.mask, how)
        else {
            return None;
        };
        let whole = self.expression_of(cell)?;
        (whole.form.raw && constant.len() == *length as usize).then_some(())?;
        let parts = expressions::split(*base, *offset, *length, &self.context)?;
        let mut rest = constant;
        let texts = parts.into_iter().map(|part| {
            let (bytes, behind) = rest.split_at_checked(part.form.bytes as usize)?;
            rest = behind;
            Some((part.layer, format!("{} {}", part.text, value(&part.form, bytes)?)))
        });
        texts.collect()
    }

    pub(super) fn range(&mut self, register: Register, inverted: bool, from: &[u8], to: &[u8]) {
        let cell = self.take(register);
        let text = cell.as_ref().and_then(|cell| self.range_text(cell, inverted, from, to));
        match (text, cell) {
            (Some((layer, text)), _) => self.say_of(layer, text),
            (None, cell) => {
                let raw = cell.map_or_else(|| super::raw_register(register), |cell| cell.raw());
                let not = if inverted { "not " } else { "" };
                self.say(format!("[{raw} {not}from {} to {}]", hexadecimal(from), hexadecimal(to)));
            }
        }
    }

    fn range_text(&self, cell: &Cell<'_>, inverted: bool, from: &[u8], to: &[u8]) -> Option<(Option<Layer>, String)> {
        let found = self.expression_of(cell)?;
        (found.mask.is_none() && !found.shorter).then_some(())?;
        let not = if inverted { "!= " } else { "" };
        Some((found.layer, format!("{} {not}{}", found.text, values::span(&found.form, from, to)?)))
    }

    pub(super) fn lookup(&mut self, set: SetId, key: Register, inverted: bool, result: LookupResult) {
        let Some(parts) = self.key(set, key) else {
            let name = self.ruleset.set(set).map(|set| set.name.as_str()).unwrap_or_default();
            let raw = self.raw(key);
            self.take(key);
            return self.say(format!("[lookup {raw} in @{name}{}]", if inverted { " inverted" } else { "" }));
        };
        let left = joined(&parts);
        let forms: Vec<Form> = parts.iter().map(|part| part.form).collect();
        for part in &parts {
            self.say_of(part.layer, "");
        }
        match result {
            LookupResult::Nothing => {
                let not = if inverted { "!= " } else { "" };
                let set = elements::set(self.ruleset, set, &forms, &[]);
                self.say(format!("{left} {not}{set}"));
            }
            LookupResult::Verdict => {
                let map = elements::set(self.ruleset, set, &forms, &[]);
                self.say(format!("{left} vmap {map}"));
            }
            LookupResult::Register(to) => {
                // How its data is shown depends on what it is used for.
                let anonymous = self.ruleset.set(set).is_some_and(|set| set.anonymous);
                let name = self.ruleset.set(set).map(|set| set.name.as_str()).unwrap_or_default();
                let text = if anonymous { format!("{left} map ") } else { format!("{left} map @{name}") };
                self.put(to, Content::Mapped(text, set, forms));
            }
        }
    }

    /// The parts of a key, as the set has them.
    fn key(&mut self, set: SetId, key: Register) -> Option<Vec<Expression>> {
        let fields = &self.ruleset.set(set)?.fields;
        let mut register = u32::from(key.0);
        let mut parts = Vec::with_capacity(fields.len());
        for length in fields {
            let at = Register(u8::try_from(register).ok()?);
            let part = self.expression_of(self.cell(at)?)?;
            (part.form.bytes == *length && !part.shorter).then_some(())?;
            let part = with_mask(part)?;
            parts.push((at, part));
            register = register.checked_add(length.div_ceil(4))?;
        }
        for (at, _) in &parts {
            self.take(*at);
        }
        (!parts.is_empty()).then(|| parts.into_iter().map(|(_, part)| part).collect())
    }

    /// A translation applies to packets of its family alone, which a test of all addresses of the family before it
    /// says.
    pub(super) fn test_family(&mut self, inverted: bool, all: &[Test]) {
        let network = match all {
            [Test { inverted: false, predicate: Predicate::AddressRange { range, .. } }] if !inverted => {
                family_of(range)
            }
            _ => None,
        };
        let Some(network) = network else {
            let words = iptables::tests(inverted, all, self.context.family, self.ruleset);
            return self.say(format!("[{words}]"));
        };
        self.say(if network == Network::Ipv4 { "meta nfproto ipv4" } else { "meta nfproto ipv6" });
        if let Some(item) = self.items.len().checked_sub(1) {
            self.context.learn(&Load::Meta(Meta::NetworkFamily), Proof::Network(network), item);
        }
    }

    pub(super) fn update(&mut self, op: &Op) {
        let Op::Update { set, key, how, inverted, rates } = op else { return };
        let how = match how {
            SetUpdate::Add => "add",
            SetUpdate::Update => "update",
            SetUpdate::Delete => "delete",
        };
        let name = self.ruleset.set(*set).map(|set| set.name.as_str()).unwrap_or_default();
        let parts = self.key(*set, *key);
        let key = match &parts {
            Some(parts) => joined(parts),
            None => format!("[{}]", self.raw(*key)),
        };
        for part in parts.iter().flatten() {
            self.say_of(part.layer, "");
        }
        let rates = rates.iter().map(|rate| rate.text.as_str());
        let element = [key.as_str()].into_iter().chain(rates).collect::<Vec<_>>().join(" ");
        let not = if *inverted { " [inverted]" } else { "" };
        self.say(format!("{how} @{name} {{ {element} }}{not}"));
    }

    /// A value that is written somewhere: a constant, an expression, or what a map gives.
    pub(super) fn operand(&mut self, register: Register, forms: &[Form]) -> String {
        let Some(cell) = self.take(register) else { return format!("[{}]", super::raw_register(register)) };
        let shown = match (&cell.content, forms) {
            (Content::Constant(bytes), [form]) if cell.mask.is_none() => value(form, bytes),
            (Content::Mapped(text, set, key), _) => Some(self.mapped(text, *set, key, forms)),
            (Content::Load(_), _) => self.expression_of(&cell).and_then(|found| {
                for item in self.context.implied(found.layer) {
                    if let Some(item) = self.items.get_mut(item) {
                        item.hidden = true;
                    }
                }
                with_mask(found).map(|found| found.text)
            }),
            _ => None,
        };
        shown.unwrap_or_else(|| format!("[{}]", cell.raw()))
    }

    /// A map with its elements where it has no name.
    pub(super) fn mapped(&self, text: &str, set: SetId, key: &[Form], data: &[Form]) -> String {
        match self.ruleset.set(set).filter(|set| set.anonymous) {
            Some(_) => format!("{text}{}", elements::set(self.ruleset, set, key, data)),
            None => text.to_owned(),
        }
    }
}

/// The family of which a range holds all addresses.
fn family_of(range: &RangeInclusive<IpAddr>) -> Option<Network> {
    match (range.start(), range.end()) {
        (IpAddr::V4(from), IpAddr::V4(to)) if from.to_bits() == 0 && to.to_bits() == u32::MAX => Some(Network::Ipv4),
        (IpAddr::V6(from), IpAddr::V6(to)) if from.to_bits() == 0 && to.to_bits() == u128::MAX => Some(Network::Ipv6),
        _ => None,
    }
}

fn joined(parts: &[Expression]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(" . ")
}

/// An expression with its mask in words.
pub(super) fn with_mask(found: Expression) -> Option<Expression> {
    let Some(mask) = &found.mask else { return Some(found) };
    let text = format!("{} {}", found.text, mask_words(&found.form, mask)?);
    Some(Expression { text, mask: None, ..found })
}

/// `& 0xff`, `| 0x1`, `^ 0x1`: what a mask and the bits that it flips mean together.
fn mask_words(form: &Form, Mask { mask, xor }: &Mask) -> Option<String> {
    let show = |bytes: &[u8]| value_or_flags(form, bytes);
    let pairs = || mask.iter().zip(xor);
    let flips_what_it_clears = pairs().all(|(mask, xor)| mask & xor == 0);
    if xor.iter().all(|byte| *byte == 0) {
        Some(format!("& {}", show(mask)?))
    } else if mask.iter().all(|byte| *byte == 0xff) {
        Some(format!("^ {}", show(xor)?))
    } else if pairs().all(|(mask, xor)| *mask == !xor) {
        Some(format!("| {}", show(xor)?))
    } else if flips_what_it_clears {
        let either: Vec<u8> = pairs().map(|(mask, xor)| mask | xor).collect();
        Some(format!("& {} | {}", show(&either)?, show(xor)?))
    } else {
        Some(format!("& {} ^ {}", show(mask)?, show(xor)?))
    }
}

fn value_or_flags(form: &Form, bytes: &[u8]) -> Option<String> {
    match values::flags(form, bytes) {
        Some(flags) if flags.len() > 1 => Some(format!("({})", flags.join(" | "))),
        _ => value(form, bytes),
    }
}

/// The end of a range that begins with `>=`, if the operation behind is that.
fn end_of_range(register: Register, how: Comparison, behind: &[Op]) -> Option<&[u8]> {
    match (how, behind.first()) {
        (Comparison::GreaterOrEqual, Some(Op::Compare { register: same, how: Comparison::LessOrEqual, value }))
            if *same == register =>
        {
            Some(value)
        }
        _ => None,
    }
}

fn relation(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn bracket(raw: &str, how: Comparison, constant: &[u8]) -> String {
    format!("[{raw} {} {}]", relation(how), hexadecimal(constant))
}

/// A comparison without a mask.
fn plain(cell: &Cell<'_>, found: &Expression, how: Comparison, constant: &[u8]) -> Option<String> {
    let is_equality = matches!(how, Comparison::Equal | Comparison::NotEqual);
    let relation = match how {
        Comparison::Equal if found.form.kind.shape() != Shape::Flags => String::new(),
        _ => format!("{} ", relation(how)),
    };
    let shown = if found.shorter || constant.len() < found.form.bytes as usize {
        is_equality.then_some(())?;
        beginning(cell, found, constant)?
    } else {
        match values::flags(&found.form, constant).filter(|flags| flags.len() > 1) {
            Some(flags) if found.form.kind != Kind::TcpFlags => flags.join(" | "),
            _ => value(&found.form, constant)?,
        }
    };
    Some(format!("{} {relation}{shown}", found.text))
}

/// The first bytes of a value: a prefix of an address, or the beginning of a name.
fn beginning(cell: &Cell<'_>, found: &Expression, constant: &[u8]) -> Option<String> {
    match (&cell.content, found.form.kind.shape()) {
        (Content::Load(Load::Payload { length, .. }), Shape::Ipv4 | Shape::Ipv6) if found.shorter => {
            (constant.len() == *length as usize).then_some(())?;
            let mut address = constant.to_vec();
            address.resize(found.form.bytes as usize, 0);
            Some(format!("{}/{}", value(&found.form, &address)?, constant.len() * 8))
        }
        (Content::Load(_), Shape::Text) if !found.shorter => values::beginning(constant),
        _ => None,
    }
}

/// A comparison under a mask.
fn masked(found: &Expression, mask: &Mask, how: Comparison, constant: &[u8]) -> Option<String> {
    let (form, text) = (&found.form, &found.text);
    let is_zero = constant.iter().all(|byte| *byte == 0) && constant.len() == form.bytes as usize;
    let flags = values::flags(form, &mask.mask).filter(|_| form.kind.shape() == Shape::Flags && mask.only_keeps());
    match (flags, how) {
        (Some(flags), Comparison::NotEqual) if is_zero => return Some(format!("{text} {}", flags.join(","))),
        (Some(flags), Comparison::Equal) if is_zero => return Some(format!("{text} ! {}", flags.join(","))),
        (Some(flags), Comparison::Equal | Comparison::NotEqual) => {
            let not = if how == Comparison::NotEqual { "!= " } else { "" };
            let set = values::flags(form, constant)?.join(",");
            return Some(format!("{text} {not}{set} / {}", flags.join(",")));
        }
        _ => {}
    }
    if let (Shape::Ipv4 | Shape::Ipv6, Some(length), true, Comparison::Equal | Comparison::NotEqual) =
        (form.kind.shape(), mask_length(&mask.mask), mask.only_keeps(), how)
        && constant.iter().zip(&mask.mask).all(|(byte, mask)| byte & !mask == 0)
    {
        let not = if how == Comparison::NotEqual { "!= " } else { "" };
        return Some(format!("{text} {not}{}/{length}", value(form, constant)?));
    }
    Some(format!("{text} {} {} {}", mask_words(form, mask)?, relation(how), value(form, constant)?))
}
