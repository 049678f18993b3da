//! Statements other than matches.

use std::net::IpAddr;

use serde_json::Value;

use super::constants::constant;
use super::matches::{FIRST, RuleReader};
use super::operands::{Part, part as single_part, parts};
use super::prototype::Form;
use super::sets::statement_name;
use super::{Lowered, Trouble, only_member, several, text, unclear};
use crate::notation::names::{Kind, Network};
use crate::rule::{
    Effect, End, Load, LookupResult, Meta, Note, Op, Operand, PayloadBase, Rate, Register, SetUpdate, Target,
    Translation, Verdict,
};
use crate::ruleset::{Data, Family};

impl RuleReader<'_, '_> {
    /// Lowers one statement.
    pub(super) fn statement(&mut self, value: &Value) -> Lowered<()> {
        self.doubt_after_verdict_map();
        let Some((kind, inner)) = only_member(value) else {
            return unclear(if value.is_string() { "statement that is printed as text" } else { "statement" });
        };
        match kind {
            "match" => self.match_statement(inner),
            "accept" | "drop" | "continue" | "return" | "jump" | "goto" => {
                let verdict = self.reader.plain_verdict(self.table, value, &self.pointer)?;
                self.end(verdict)
            }
            "vmap" => self.verdict_map(inner),
            "reject" => self.reject(inner),
            "counter" => self.counter(inner),
            "log" => self.note(log(inner)),
            "last" => self.note("last".to_owned()),
            "limit" => self.rate("limit", inner),
            "quota" => self.rate("quota", inner),
            "ct count" => self.rate("ct count", inner),
            "notrack" => self.effect(Effect::NoTrack),
            "mangle" => self.mangle(inner),
            "ct helper" | "ct timeout" | "ct expectation" | "secmark" => {
                self.effect(Effect::Write { payload: None, name: kind.into() })
            }
            "dnat" => self.translate(End::Destination, inner),
            "snat" => self.translate(End::Source, inner),
            "redirect" => self.redirect(End::Destination, Target::Redirect, inner),
            "masquerade" => self.redirect(End::Source, Target::Masquerade, inner),
            "tproxy" => self.tproxy(inner),
            "queue" => self.queue(inner),
            "set" => self.set_update(inner),
            "meter" => self.meter(inner),
            "dup" => self.note("dup".to_owned()),
            "fwd" => self.end(Verdict::Stolen("fwd".into())),
            "xt" => self.extension(inner),
            _ => unclear(kind),
        }
    }

    /// After a verdict map that says `continue` the kernel goes on within the rule (`nft_do_chain`,
    /// `net/netfilter/nf_tables_core.c`), and the model with the next one.
    fn doubt_after_verdict_map(&mut self) {
        let Some(Op::Lookup { set, result: LookupResult::Verdict, .. }) = self.ops.last() else { return };
        let continues = |data: &Option<Data>| *data == Some(Data::Verdict(Verdict::Continue));
        let set = self.reader.ruleset.set(*set);
        if set.is_none_or(|set| set.changes || set.elements.iter().any(|element| continues(&element.data))) {
            let construct = "statements behind a verdict map".into();
            self.ops.push(Op::Unknown(crate::rule::Unknown { construct, only_matches: false }));
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the result of every statement has one type")]
    fn push(&mut self, op: Op) -> Lowered<()> {
        self.ops.push(op);
        Ok(())
    }

    fn end(&mut self, verdict: Verdict) -> Lowered<()> {
        self.push(Op::Verdict(verdict))
    }

    fn effect(&mut self, effect: Effect) -> Lowered<()> {
        self.push(Op::Effect(effect))
    }

    fn note(&mut self, text: String) -> Lowered<()> {
        self.push(Op::Note(Note::Other(text.into())))
    }

    fn counter(&mut self, value: &Value) -> Lowered<()> {
        match value {
            Value::String(name) => self.note(format!("counter name {}", quoted(name))),
            Value::Object(members) if members.contains_key("map") => self.note("counter name of a map".to_owned()),
            _ => {
                let number = |member| value.get(member).and_then(Value::as_u64).unwrap_or_default();
                self.push(Op::Note(Note::Counter { packets: number("packets"), bytes: number("bytes") }))
            }
        }
    }

    fn rate(&mut self, kind: &'static str, value: &Value) -> Lowered<()> {
        let rate = self.rate_of(kind, value)?;
        self.push(Op::Rate(rate))
    }

    /// A limit or the like, by itself or by the name of an object.
    fn rate_of(&self, kind: &'static str, value: &Value) -> Lowered<Rate> {
        let (definition, shown) = match value {
            Value::String(name) => match self.reader.object(self.table, kind, name) {
                Some(object) => (object, Some(format!("{kind} name {}", quoted(name)))),
                None => return unclear(format!("{kind} name {}", quoted(name))),
            },
            _ => (value, None),
        };
        let rate = match kind {
            "limit" => limit(definition),
            "quota" => quota(definition),
            _ => connection_count(definition),
        };
        match (rate, shown) {
            (Some(rate), None) => Ok(rate),
            (Some(rate), Some(shown)) => Ok(Rate { text: shown.into(), ..rate }),
            (None, _) => unclear(kind),
        }
    }

    fn verdict_map(&mut self, value: &Value) -> Lowered<()> {
        let Some((key, data)) = value.get("key").zip(value.get("data")) else { return unclear("vmap") };
        self.map(key, data, &[], LookupResult::Verdict)
    }

    /// Looks a key up in a map, by name or within the rule.
    fn map(&mut self, key: &Value, data: &Value, forms: &[Form], result: LookupResult) -> Lowered<()> {
        let parts = parts(key)?;
        let verdicts = result == LookupResult::Verdict;
        let set = match (data.as_str().and_then(|name| name.strip_prefix('@')), only_member(data)) {
            (Some(name), _) => self.named_set(name)?,
            (None, Some(("set", elements))) => self.anonymous_set(&parts, elements, forms.to_vec(), verdicts)?,
            _ => return unclear("map"),
        };
        match self.reader.prototype(set) {
            Some(prototype) if verdicts && prototype.verdicts => {}
            Some(prototype) if !verdicts && same_layout(&prototype.data, forms) => {}
            _ => return unclear("map to data of another type"),
        }
        self.lookup(parts, set, false, result)
    }

    fn reject(&mut self, value: &Value) -> Lowered<()> {
        let (kind, code) = (text(value, "type"), text(value, "expr"));
        let unnamed = value.get("expr").and_then(Value::as_u64).map(|code| code.to_string());
        let code = code.map(ToOwned::to_owned).or(unnamed);
        let how = match (kind, code) {
            (Some("tcp reset"), _) => {
                self.require_transport(6);
                "tcp reset".to_owned()
            }
            (Some(kind @ ("icmp" | "icmpv6")), Some(code)) => {
                self.require_network(if kind == "icmp" { Network::Ipv4 } else { Network::Ipv6 })?;
                format!("{kind} {code}")
            }
            (Some("icmpx"), Some(code)) => format!("icmpx {code}"),
            (None, None) => default_reject(self.family).to_owned(),
            _ => return unclear("reject"),
        };
        self.end(Verdict::Reject(how.into()))
    }

    fn mangle(&mut self, value: &Value) -> Lowered<()> {
        let Some((key, new)) = value.get("key").zip(value.get("value")) else { return unclear("mangle") };
        let target = single_part(key)?;
        let name = written_name(key);
        match &target.load {
            Load::Meta(Meta::Trace) => self.note("meta nftrace set 1".to_owned()),
            Load::Meta(Meta::Mark) => {
                self.value(&target, new)?;
                self.effect(Effect::SetMarkFrom(FIRST))
            }
            Load::Conntrack { key: crate::rule::ConntrackKey::Mark, .. } => {
                self.value(&target, new)?;
                self.effect(Effect::SetConntrackMarkFrom(FIRST))
            }
            load => {
                let payload = payload_of(load);
                self.require(target.needs)?;
                // What is written is not followed, but shown where it is understood.
                let (before, known) = (self.ops.len(), self.known);
                if let Err(Trouble::Broken(error)) = self.value(&target, new) {
                    return Err(Trouble::Broken(error));
                }
                if self.ops.iter().skip(before).any(|op| matches!(op, Op::Lookup { .. })) {
                    // A map that has no answer ends the rule.
                    self.known = known;
                }
                self.effect(Effect::Write { payload, name: name.into() })
            }
        }
    }

    /// Puts a value into the first register.
    fn value(&mut self, target: &Part, value: &Value) -> Lowered<()> {
        if let Some(data) = constant(value, &target.form, false) {
            return self.push(Op::Immediate { to: FIRST, data: data.into() });
        }
        match only_member(value) {
            Some(("map", map)) => {
                let Some((key, data)) = map.get("key").zip(map.get("data")) else { return unclear("map") };
                self.map(key, data, &[target.form], LookupResult::Register(FIRST))
            }
            Some(_) => {
                let part = single_part(value)?;
                if part.form.bytes != target.form.bytes || part.form.kind.order() != target.form.kind.order() {
                    return unclear("value of another type");
                }
                self.require(part.needs)?;
                self.ops.extend(part.ops(FIRST));
                Ok(())
            }
            None => unclear("value"),
        }
    }

    fn translate(&mut self, end: End, value: &Value) -> Lowered<()> {
        let family = self.translation_family(value)?;
        // A translation of one family leaves packets of another alone (`nft_nat_inet_eval`, `net/netfilter/nft_nat.c`).
        if let (Some(network), Family::Inet) = (family, self.family) {
            self.require_network(network)?;
        }
        let flags = flags(value);
        let (target, ports) = match value.get("addr").map(|address| (address, only_member(address))) {
            None => (Target::Addresses(None), None),
            Some((_, Some(("map", map)))) => self.mapped(family, map, &flags)?,
            Some((address, _)) => (constant_target(family, address, &flags)?, None),
        };
        let ports = match (value.get("port"), ports) {
            (Some(port), None) => Some(self.ports(port)?),
            (None, ports) => ports,
            (Some(_), Some(_)) => return unclear("dnat"),
        };
        self.end(Verdict::Translate(Translation { end, target, ports }))
    }

    fn translation_family(&self, value: &Value) -> Lowered<Option<Network>> {
        match (text(value, "family"), self.family) {
            (Some("ip"), _) | (None, Family::Ip) => Ok(Some(Network::Ipv4)),
            (Some("ip6"), _) | (None, Family::Ip6) => Ok(Some(Network::Ipv6)),
            (None, _) => Ok(self.known.network),
            _ => unclear("family of a translation"),
        }
    }

    /// Where a map says to translate to: an address, an address and a port, or a range of addresses.
    fn mapped(
        &mut self,
        family: Option<Network>,
        map: &Value,
        flags: &[&str],
    ) -> Lowered<(Target, Option<(Operand, Operand)>)> {
        let (Some((key, data)), Some(address)) = (map.get("key").zip(map.get("data")), family.and_then(address_form))
        else {
            return unclear("map of a translation");
        };
        let prefix = flags.contains(&"netmap");
        let shape = self.data_shape(data, &address).ok_or_else(|| Trouble::Unclear("map of a translation".into()))?;
        self.map(key, data, &shape.forms(address), LookupResult::Register(FIRST))?;
        let width = u8::try_from(address.padded() / 4).unwrap_or(u8::MAX);
        let (first, second) = (Operand::Register(FIRST), Operand::Register(Register(width)));
        Ok(match shape {
            MapShape::Address => (Target::Addresses(Some((first.clone(), first))), None),
            MapShape::AddressAndPort => {
                (Target::Addresses(Some((first.clone(), first))), Some((second.clone(), second)))
            }
            MapShape::Range if prefix => (Target::Unknown("translation of prefixes by a map".into()), None),
            MapShape::Range => (Target::Addresses(Some((first, second))), None),
        })
    }

    fn data_shape(&self, data: &Value, address: &Form) -> Option<MapShape> {
        if let Some(name) = data.as_str().and_then(|name| name.strip_prefix('@')) {
            let prototype = self.reader.prototype(self.reader.set(self.table, name, &self.pointer).ok()?)?;
            let shapes = [MapShape::Address, MapShape::AddressAndPort, MapShape::Range];
            return shapes.into_iter().find(|shape| same_layout(&prototype.data, &shape.forms(*address)));
        }
        let (_, elements) = only_member(data).filter(|(kind, _)| *kind == "set")?;
        let kinds = elements.as_array()?.iter().filter_map(|pair| pair.get(1)).map(only_member);
        let all: Vec<_> = kinds.map(|member| member.map(|(kind, _)| kind)).collect();
        Some(match all.as_slice() {
            kinds if kinds.iter().any(|kind| matches!(kind, Some("range" | "prefix"))) => MapShape::Range,
            kinds if !kinds.is_empty() && kinds.iter().all(|kind| *kind == Some("concat")) => MapShape::AddressAndPort,
            _ => MapShape::Address,
        })
    }

    fn redirect(&mut self, end: End, target: Target, value: &Value) -> Lowered<()> {
        let ports = value.get("port").map(|port| self.ports(port)).transpose()?;
        self.end(Verdict::Translate(Translation { end, target, ports }))
    }

    fn ports(&mut self, value: &Value) -> Lowered<(Operand, Operand)> {
        if let Some(("map", map)) = only_member(value) {
            let (Some((key, data)), Some(port)) = (map.get("key").zip(map.get("data")), Form::of(Kind::Service)) else {
                return unclear("map of ports");
            };
            self.map(key, data, &[port], LookupResult::Register(FIRST))?;
            return Ok((Operand::Register(FIRST), Operand::Register(FIRST)));
        }
        let ends = range_ends(value).and_then(|(low, high)| Some((port_of(low)?, port_of(high)?)));
        ends.map_or_else(|| unclear("port"), |(low, high)| Ok((Operand::Port(low), Operand::Port(high))))
    }

    fn tproxy(&mut self, value: &Value) -> Lowered<()> {
        let address = match value.get("addr") {
            None => None,
            Some(address) => match address.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
                Some(address) => Some(Operand::Address(address)),
                None => return unclear("tproxy"),
            },
        };
        let port = match value.get("port") {
            None => None,
            Some(port) => match port_of(port) {
                Some(port) => Some(Operand::Port(port)),
                None => return unclear("tproxy"),
            },
        };
        // The expression applies to packets of its family alone (`nft_tproxy_eval`, `net/netfilter/nft_tproxy.c`).
        if self.family == Family::Inet {
            match text(value, "family") {
                Some("ip") => self.require_network(Network::Ipv4)?,
                Some("ip6") => self.require_network(Network::Ipv6)?,
                _ => {}
            }
        }
        self.end(Verdict::TransparentProxy { address, port })
    }

    fn queue(&mut self, value: &Value) -> Lowered<()> {
        let bypass = flags(value).contains(&"bypass");
        self.end(Verdict::Queue { bypass })
    }

    fn set_update(&mut self, value: &Value) -> Lowered<()> {
        let how = match text(value, "op") {
            Some("add") => SetUpdate::Add,
            Some("update") => SetUpdate::Update,
            Some("delete") => SetUpdate::Delete,
            _ => return unclear("set statement"),
        };
        let name = text(value, "set").and_then(|name| name.strip_prefix('@'));
        let (Some(name), Some(element)) = (name, value.get("elem")) else { return unclear("set statement") };
        let key = match only_member(element) {
            Some(("elem", inner)) => inner.get("val").unwrap_or(&Value::Null),
            _ => element,
        };
        let rates = self.element_rates(value.get("stmt").map_or(&[][..], several))?;
        let set = self.named_set(name)?;
        self.load_key(parts(key)?, set)?;
        self.push(Op::Update { set, key: FIRST, how, inverted: false, rates })
    }

    fn element_rates(&self, statements: &[Value]) -> Lowered<Vec<Rate>> {
        let mut rates = Vec::new();
        for statement in statements {
            match only_member(statement) {
                Some(("limit", value)) => rates.push(self.rate_of("limit", value)?),
                Some(("quota", value)) => rates.push(self.rate_of("quota", value)?),
                Some(("ct count", value)) => rates.push(self.rate_of("ct count", value)?),
                Some(("counter" | "last", _)) => {}
                _ => return unclear(statement_name(statement).unwrap_or("statement on elements")),
            }
        }
        Ok(rates)
    }

    /// The older form of adding to a set, with a set of its own.
    fn meter(&mut self, value: &Value) -> Lowered<()> {
        let Some(key) = value.get("key") else { return unclear("meter") };
        let key = match only_member(key) {
            Some(("elem", inner)) => inner.get("val").unwrap_or(&Value::Null),
            _ => key,
        };
        let rates = self.element_rates(value.get("stmt").map_or(&[][..], several))?;
        let parts = parts(key)?;
        let set = match text(value, "name").map(|name| self.named_set(name)) {
            Some(Ok(set)) => set,
            _ => self.anonymous_set(&parts, &Value::Array(Vec::new()), Vec::new(), false)?,
        };
        self.load_key(parts, set)?;
        self.push(Op::Update { set, key: FIRST, how: SetUpdate::Add, inverted: false, rates })
    }

    /// Matches and targets of iptables are printed without what they ask (`src/json.c` of nftables, `xt_stmt_json`).
    fn extension(&mut self, value: &Value) -> Lowered<()> {
        let (kind, name) = (text(value, "type").unwrap_or("statement"), text(value, "name").unwrap_or_default());
        match (kind, name) {
            ("match", "comment") => self.note("xt match \"comment\"".to_owned()),
            ("target", "LOG" | "NFLOG") => self.note(format!("xt target \"{name}\"")),
            _ => unclear(format!("xt {kind} {}", quoted(name))),
        }
    }
}

/// What the data of a map for a translation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MapShape {
    Address,
    AddressAndPort,
    Range,
}

impl MapShape {
    fn forms(self, address: Form) -> Vec<Form> {
        match self {
            Self::Address => vec![address],
            Self::AddressAndPort => vec![address, Form::whole(Kind::Service, 2)],
            Self::Range => vec![address, address],
        }
    }
}

fn same_layout(left: &[Form], right: &[Form]) -> bool {
    let layout = |form: &Form| (form.bytes, form.kind.order());
    left.iter().map(layout).eq(right.iter().map(layout))
}

fn address_form(network: Network) -> Option<Form> {
    match network {
        Network::Ipv4 => Form::of(Kind::Ipv4),
        Network::Ipv6 => Form::of(Kind::Ipv6),
        Network::Arp => None,
    }
}

fn constant_target(family: Option<Network>, address: &Value, flags: &[&str]) -> Lowered<Target> {
    let of_family = |text: &Value| {
        let address = text.as_str()?.parse::<IpAddr>().ok()?;
        let fits = family.is_none_or(|family| (family == Network::Ipv4) == address.is_ipv4());
        fits.then_some(Operand::Address(address))
    };
    let ends = range_ends(address).and_then(|(low, high)| Some((of_family(low)?, of_family(high)?)));
    match ends {
        Some(ends) if !flags.contains(&"netmap") => Ok(Target::Addresses(Some(ends))),
        Some(_) => unclear("translation of a prefix"),
        // Whatever it is, it is a translation.
        None => Ok(Target::Unknown("address of a translation".into())),
    }
}

/// A value is a range from itself to itself.
fn range_ends(value: &Value) -> Option<(&Value, &Value)> {
    match only_member(value) {
        Some(("range", range)) => match range.as_array()?.as_slice() {
            [low, high] => Some((low, high)),
            _ => None,
        },
        Some(_) => None,
        None => Some((value, value)),
    }
}

fn port_of(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok()
}

fn flags(value: &Value) -> Vec<&str> {
    value.get("flags").map_or(&[][..], several).iter().filter_map(Value::as_str).collect()
}

/// What `reject` alone stands for (`stmt_evaluate_reject_default`, `src/evaluate.c` of nftables).
fn default_reject(family: Family) -> &'static str {
    match family {
        Family::Ip => "icmp port-unreachable",
        Family::Ip6 => "icmpv6 port-unreachable",
        _ => "icmpx port-unreachable",
    }
}

fn payload_of(load: &Load) -> Option<(PayloadBase, u32, u32)> {
    match load {
        Load::Payload { base, offset, length } => Some((*base, *offset, *length)),
        _ => None,
    }
}

fn written_name(key: &Value) -> String {
    match only_member(key) {
        Some(("payload", payload)) => match (text(payload, "protocol"), text(payload, "field")) {
            (Some(protocol), Some(field)) => format!("{protocol} {field}"),
            _ => "payload".to_owned(),
        },
        Some((kind, inner)) => match text(inner, "key").or_else(|| text(inner, "name")) {
            Some(name) => format!("{kind} {name}"),
            None => kind.to_owned(),
        },
        None => "expression".to_owned(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// `limit rate 5/minute burst 3 packets`: an ordinary first packet is below the rate.
fn limit(value: &Value) -> Option<Rate> {
    let (rate, per) = (value.get("rate")?.as_u64()?, text(value, "per")?);
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    let burst = value.get("burst").and_then(Value::as_u64).unwrap_or(0);
    let text = match (text(value, "rate_unit"), text(value, "burst_unit")) {
        (None, _) if burst == 0 || burst == 5 => format!("limit rate {over}{rate}/{per}"),
        (None, _) => format!("limit rate {over}{rate}/{per} burst {burst} packets"),
        (Some(unit), _) if burst == 0 => format!("limit rate {over}{rate} {unit}/{per}"),
        (Some(unit), burst_unit) => {
            format!("limit rate {over}{rate} {unit}/{per} burst {burst} {}", burst_unit.unwrap_or("bytes"))
        }
    };
    Some(Rate { text: text.into(), usually: !inverted })
}

/// `quota over 5 mbytes`: by itself, or an object, which counts in bytes.
fn quota(value: &Value) -> Option<Rate> {
    let amount = value.get("val").or_else(|| value.get("bytes"))?.as_u64()?;
    let unit = text(value, "val_unit").unwrap_or("bytes");
    let used = value.get("used").and_then(Value::as_u64).unwrap_or(0);
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    let in_bytes = amount.checked_mul(factor(unit)?)?;
    let used_in_bytes = used.checked_mul(factor(text(value, "used_unit").unwrap_or("bytes"))?)?;
    let exhausted = used_in_bytes >= in_bytes;
    let shown_used =
        if used == 0 { String::new() } else { format!(" used {used} {}", text(value, "used_unit").unwrap_or("bytes")) };
    Some(Rate { text: format!("quota {over}{amount} {unit}{shown_used}").into(), usually: inverted == exhausted })
}

fn factor(unit: &str) -> Option<u64> {
    match unit {
        "bytes" => Some(1),
        "kbytes" => Some(1 << 10),
        "mbytes" => Some(1 << 20),
        "gbytes" => Some(1 << 30),
        _ => None,
    }
}

/// `ct count over 3`: an ordinary first packet is the only connection (`nft_connlimit_eval`,
/// `net/netfilter/nft_connlimit.c`).
fn connection_count(value: &Value) -> Option<Rate> {
    let count = value.get("val")?.as_u64()?;
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    Some(Rate { text: format!("ct count {over}{count}").into(), usually: (count < 1) == inverted })
}

/// `log`, as it is shown.
fn log(value: &Value) -> String {
    let prefix = text(value, "prefix").map(|prefix| format!("prefix {}", quoted(prefix)));
    let level = text(value, "level").filter(|level| *level != "warn").map(|level| format!("level {level}"));
    let numbers = ["group", "snaplen", "queue-threshold"].into_iter().map(|option| {
        let number = value.get(option).and_then(Value::as_u64)?;
        Some(format!("{option} {number}"))
    });
    let flags = Some(flags(value)).filter(|flags| !flags.is_empty()).map(|flags| format!("flags {}", flags.join(",")));
    let options = [Some("log".to_owned()), prefix, level].into_iter().chain(numbers).chain([flags]);
    options.flatten().collect::<Vec<_>>().join(" ")
}
