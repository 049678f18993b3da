//! Statements other than matches.

use std::net::IpAddr;

use serde_json::Value;

use super::constants::constant;
use super::matches::{FIRST, RuleReader};
use super::operands::{Part, part as single_part, parts};
use super::prototype::Form;
use super::rates::{connection_count, limit, quota};
use super::sets::statement_name;
use super::{Lowered, only_member, several, text, unclear};
use crate::notation::names::Network;
use crate::rule::{Effect, End, Load, LookupResult, Meta, Note, Op, PayloadBase, Rate, SetUpdate, Target, Verdict};
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
            "ct helper" | "ct timeout" | "ct expectation" | "secmark" if inner.is_string() => {
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
            "dup" => self.note(format!("dup{}", destination(inner))),
            "fwd" => self.end(Verdict::Stolen(format!("fwd{}", destination(inner)).into())),
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

    pub(super) fn end(&mut self, verdict: Verdict) -> Lowered<()> {
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
            // A map that has no answer ends the rule (`nft_objref_map_eval`, `net/netfilter/nft_objref.c`).
            Value::Object(members) if members.contains_key("map") => unclear("counter of a map"),
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
    pub(super) fn map(&mut self, key: &Value, data: &Value, forms: &[Form], result: LookupResult) -> Lowered<()> {
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
        let name = written_name(key);
        // What of a connection is reported; constants are all that it is set to.
        if name == "ct event" && only_member(new).is_none() {
            return self.effect(Effect::Write { payload: None, name: name.into() });
        }
        let target = single_part(key)?;
        match &target.load {
            Load::Meta(Meta::Trace) if new.is_number() => self.note("meta nftrace set 1".to_owned()),
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
                self.written_value(&target, new)?;
                self.effect(Effect::Write { payload, name: name.into() })
            }
        }
    }

    /// A value that is written and not followed: what counts is whether the rule goes on, which a map that has no
    /// answer ends. Another type of value is converted.
    fn written_value(&mut self, target: &Part, value: &Value) -> Lowered<()> {
        match only_member(value) {
            Some((kind, _)) if kind != "map" && kind != "|" => {
                let part = single_part(value)?;
                self.require(part.needs)?;
                self.ops.extend(part.ops(FIRST));
                Ok(())
            }
            _ => self.value(target, value),
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

pub(super) fn flags(value: &Value) -> Vec<&str> {
    value.get("flags").map_or(&[][..], several).iter().filter_map(Value::as_str).collect()
}

/// Whether values stand in registers in the same way.
pub(super) fn same_layout(left: &[Form], right: &[Form]) -> bool {
    let layout = |form: &Form| (form.bytes, form.kind.order());
    left.iter().map(layout).eq(right.iter().map(layout))
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
        Some((kind, inner)) => {
            let words = [text(inner, "key"), text(inner, "name"), text(inner, "field")];
            [Some(kind)].into_iter().chain(words).flatten().collect::<Vec<_>>().join(" ")
        }
        None => "expression".to_owned(),
    }
}

/// Where `dup` and `fwd` send a packet, as far as it is written there.
fn destination(value: &Value) -> String {
    let device = text(value, "dev").map(quoted);
    match (text(value, "addr"), device) {
        (None, Some(device)) => format!(" to {device}"),
        (Some(address), device) if address.parse::<IpAddr>().is_ok() => {
            let device = device.map(|device| format!(" device {device}")).unwrap_or_default();
            format!(" to {address}{device}")
        }
        (Some(device), None) => format!(" to {}", quoted(device)),
        _ => String::new(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
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
