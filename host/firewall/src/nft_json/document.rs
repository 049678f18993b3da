//! The objects of a document, and the names between them.

use std::collections::HashMap;

use loopgate_facts::Untrusted;
use serde_json::Value;

use super::matches::{Known, RuleReader};
use super::prototype::Prototype;
use super::{Lowered, NotUnderstood, ParseError, Parsed, Trouble, only_member, several, text};
use crate::rule::{Op, Unknown, Verdict};
use crate::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, DeviceName, Family, Hook, Notation, Policy, Rule, Set, SetId, Table,
    TableId,
};
use crate::{Ruleset, loops};

/// What has been read of a document.
#[derive(Default)]
pub(super) struct Reader<'d> {
    pub(super) ruleset: Ruleset,
    tables: HashMap<(Family, &'d str), TableId>,
    table_handles: Vec<u64>,
    /// Tables with a flag that is not known: what their base chains do is not known either.
    doubtful: Vec<TableId>,
    chains: HashMap<(TableId, &'d str), ChainId>,
    sets: HashMap<(TableId, &'d str), SetId>,
    prototypes: Vec<Prototype>,
    objects: HashMap<(TableId, &'d str, &'d str), &'d Value>,
    anonymous: u64,
    not_understood: Vec<(usize, NotUnderstood)>,
}

/// Commands, which a listing does not hold.
const COMMANDS: &[&str] =
    &["add", "create", "insert", "replace", "delete", "destroy", "flush", "list", "reset", "rename", "move"];

/// Objects that rules name and that decide nothing by themselves.
const OBJECTS: &[&str] =
    &["counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy", "flowtable"];

/// Reads a document: first what has a name, then what names it.
pub(super) fn read(objects: &[Value]) -> Result<Parsed, ParseError> {
    let mut reader = Reader::default();
    let named: Vec<Named<'_>> =
        objects.iter().enumerate().map(|(index, object)| (index, only_member(object))).collect();
    for (index, object) in &named {
        reader.table_pass(*index, *object)?;
    }
    for (index, object) in &named {
        reader.name_pass(*index, *object)?;
    }
    for (index, object) in &named {
        reader.element_pass(*index, *object)?;
    }
    for (index, object) in &named {
        reader.rule_pass(*index, *object)?;
    }
    match loops::find(&reader.ruleset).and_then(|id| reader.looping(id, &named)) {
        Some(error) => Err(error),
        None => Ok(reader.finish()),
    }
}

/// An object of the document: its position, its kind, and what it holds.
type Named<'d> = (usize, Option<(&'d str, &'d Value)>);

fn pointer(index: usize, kind: &str) -> String {
    format!("/nftables/{index}/{}", kind.replace('~', "~0").replace('/', "~1"))
}

impl<'d> Reader<'d> {
    fn table_pass(&mut self, index: usize, object: Option<(&'d str, &'d Value)>) -> Result<(), ParseError> {
        match object {
            Some(("table", value)) => self.add_table(value, &pointer(index, "table")),
            Some((command, _)) if COMMANDS.contains(&command) => {
                Err(ParseError::Command { pointer: pointer(index, command) })
            }
            Some(_) => Ok(()),
            None => {
                Err(ParseError::Form { pointer: format!("/nftables/{index}"), what: "not an object with one member" })
            }
        }
    }

    fn name_pass(&mut self, index: usize, object: Option<(&'d str, &'d Value)>) -> Result<(), ParseError> {
        let Some((kind, value)) = object else { return Ok(()) };
        let pointer = pointer(index, kind);
        match kind {
            "metainfo" | "table" | "rule" | "element" => Ok(()),
            "chain" => self.add_chain(index, value, &pointer),
            "set" | "map" | "meter" => self.add_set(value, &pointer),
            _ if OBJECTS.contains(&kind) => self.add_object(kind, value, &pointer),
            _ => {
                self.note(index, pointer, None, format!("object \"{kind}\""));
                Ok(())
            }
        }
    }

    fn element_pass(&mut self, index: usize, object: Option<(&'d str, &'d Value)>) -> Result<(), ParseError> {
        let Some((kind @ ("set" | "map" | "meter" | "element"), value)) = object else { return Ok(()) };
        let pointer = pointer(index, kind);
        let table = self.table_of(value, &pointer)?;
        let set = self.set(table, Self::name_of(value, "name", &pointer)?, &pointer)?;
        let elements = value.get("elem").map_or(&[][..], several);
        self.fill_set(set, elements, &pointer)?;
        let doubt = self.ruleset.set(set).and_then(|set| set.incomplete.clone());
        if let Some(doubt) = doubt {
            self.note(index, pointer, None, doubt.as_str().to_owned());
        }
        Ok(())
    }

    fn rule_pass(&mut self, index: usize, object: Option<(&'d str, &'d Value)>) -> Result<(), ParseError> {
        let Some(("rule", value)) = object else { return Ok(()) };
        self.add_rule(index, value, &pointer(index, "rule"))
    }

    /// Says of a chain that it leads back to itself.
    fn looping(&self, id: ChainId, objects: &[Named<'d>]) -> Option<ParseError> {
        let name = self.ruleset.chain(id)?.name.clone();
        let is_it = |value: &Value| {
            let place = self.table_of(value, "").ok().zip(text(value, "name"));
            place.and_then(|place| self.chains.get(&place)) == Some(&id)
        };
        let index = objects.iter().find_map(|(index, object)| match object {
            Some(("chain", value)) if is_it(value) => Some(*index),
            _ => None,
        });
        Some(ParseError::Loop { pointer: pointer(index?, "chain"), name })
    }

    fn note(&mut self, index: usize, pointer: String, handle: Option<u64>, construct: String) {
        self.not_understood.push((index, NotUnderstood { pointer, handle, construct: construct.into() }));
    }

    fn finish(mut self) -> Parsed {
        let updated: Vec<SetId> = self.rules().flat_map(|rule| &rule.ops).filter_map(updated_set).collect();
        for id in updated {
            if let Some(set) = self.ruleset.sets.get_mut(id.0 as usize) {
                set.changes = true;
            }
        }
        for chain in &mut self.ruleset.chains {
            if chain.base.is_some() && self.doubtful.contains(&chain.table) {
                chain.rules.insert(0, doubtful_rule());
            }
        }
        self.not_understood.sort_by_key(|(index, _)| *index);
        let not_understood = self.not_understood.into_iter().map(|(_, item)| item).collect();
        Parsed { ruleset: self.ruleset, not_understood }
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.ruleset.chains.iter().flat_map(|chain| &chain.rules)
    }

    /// A name that an object must have.
    pub(super) fn name_of(value: &'d Value, member: &str, pointer: &str) -> Result<&'d str, ParseError> {
        text(value, member)
            .ok_or_else(|| ParseError::Form { pointer: format!("{pointer}/{member}"), what: "there is no such name" })
    }

    /// The table that an object says it belongs to.
    pub(super) fn table_of(&self, value: &'d Value, pointer: &str) -> Result<TableId, ParseError> {
        let name = Self::name_of(value, "table", pointer)?;
        let family = family(value, pointer)?;
        let found = self.tables.get(&(family, name)).copied();
        found.ok_or_else(|| missing(&format!("{pointer}/table"), "table", name))
    }

    fn add_table(&mut self, value: &'d Value, pointer: &str) -> Result<(), ParseError> {
        let (family, name) = (family(value, pointer)?, Self::name_of(value, "name", pointer)?);
        let id = TableId(id(self.ruleset.tables.len(), pointer)?);
        if self.tables.insert((family, name), id).is_some() {
            return Err(duplicate(pointer, "table", name));
        }
        let flags = value.get("flags").map_or(&[][..], several);
        let dormant = flags.iter().any(|flag| is_dormant(flag, name));
        if !flags.iter().all(|flag| is_dormant(flag, name) || is_harmless(flag)) {
            self.doubtful.push(id);
        }
        self.table_handles.push(handle(value).unwrap_or_default());
        let name = name.into();
        self.ruleset.tables.push(Table { backend: Backend::NfTables, family, name, dormant, notation: Notation::Nft });
        Ok(())
    }

    fn add_chain(&mut self, index: usize, value: &'d Value, pointer: &str) -> Result<(), ParseError> {
        let (table, name) = (self.table_of(value, pointer)?, Self::name_of(value, "name", pointer)?);
        let id = ChainId(id(self.ruleset.chains.len(), pointer)?);
        if self.chains.insert((table, name), id).is_some() {
            return Err(duplicate(pointer, "chain", name));
        }
        let table_handle = self.table_handles.get(table.0 as usize).copied().unwrap_or_default();
        let registered = table_handle << 32 | handle(value).unwrap_or_default() & 0xffff_ffff;
        let base = value.get("hook").map(|_| base(value, registered, pointer)).transpose()?;
        let mut rules = Vec::new();
        if base.as_ref().is_some_and(lacks_devices) {
            self.note(index, format!("{pointer}/dev"), None, DEVICES.to_owned());
            rules.push(of_some_devices());
        }
        self.ruleset.chains.push(Chain { table, name: name.into(), base, rules });
        Ok(())
    }

    fn add_object(&mut self, kind: &'d str, value: &'d Value, pointer: &str) -> Result<(), ParseError> {
        let (table, name) = (self.table_of(value, pointer)?, Self::name_of(value, "name", pointer)?);
        match self.objects.insert((table, kind, name), value) {
            None => Ok(()),
            Some(_) => Err(duplicate(pointer, "object", name)),
        }
    }

    /// An object such as a limit that a rule names.
    pub(super) fn object(&self, table: TableId, kind: &str, name: &str) -> Option<&'d Value> {
        let same = |((of, k, n), value): (&(TableId, &str, &str), &&'d Value)| {
            (*of == table && *k == kind && *n == name).then_some(*value)
        };
        self.objects.get_key_value(&(table, kind, name)).and_then(same)
    }

    pub(super) fn push_set(
        &mut self,
        set: Set,
        prototype: Prototype,
        name: &'d str,
        pointer: &str,
    ) -> Result<(), ParseError> {
        let id = SetId(id(self.ruleset.sets.len(), pointer)?);
        if self.sets.insert((set.table, name), id).is_some() {
            return Err(duplicate(pointer, "set", name));
        }
        self.ruleset.sets.push(set);
        self.prototypes.push(prototype);
        Ok(())
    }

    pub(super) fn push_anonymous(&mut self, set: Set, prototype: Prototype) -> Result<SetId, ParseError> {
        let id = SetId(id(self.ruleset.sets.len(), "/nftables")?);
        self.ruleset.sets.push(set);
        self.prototypes.push(prototype);
        Ok(id)
    }

    pub(super) fn next_anonymous(&mut self) -> u64 {
        let number = self.anonymous;
        self.anonymous += 1;
        number
    }

    pub(super) fn prototype(&self, set: SetId) -> Option<&Prototype> {
        self.prototypes.get(set.0 as usize)
    }

    pub(super) fn is_anonymous(&self, set: SetId) -> bool {
        self.ruleset.set(set).is_some_and(|set| set.anonymous)
    }

    /// A set of a table by its name.
    pub(super) fn set(&self, table: TableId, name: &str, pointer: &str) -> Result<SetId, ParseError> {
        self.sets.get(&(table, name)).copied().ok_or_else(|| missing(pointer, "set", name))
    }

    /// A chain of a table by its name.
    pub(super) fn chain(&self, table: TableId, name: &str, pointer: &str) -> Result<ChainId, ParseError> {
        self.chains.get(&(table, name)).copied().ok_or_else(|| missing(pointer, "chain", name))
    }

    /// A verdict as an element of a map holds it.
    pub(super) fn plain_verdict(&self, table: TableId, value: &Value, pointer: &str) -> Lowered<Verdict> {
        let target = |value: &Value| match text(value, "target") {
            Some(name) => self.chain(table, name, pointer).map_err(Trouble::Broken),
            None => super::unclear("jump to a chain without a name"),
        };
        match only_member(value) {
            Some(("accept", _)) => Ok(Verdict::Accept),
            Some(("drop", _)) => Ok(Verdict::Drop),
            Some(("continue", _)) => Ok(Verdict::Continue),
            Some(("return", _)) => Ok(Verdict::Return),
            Some(("jump", to)) => target(to).map(Verdict::Jump),
            Some(("goto", to)) => target(to).map(Verdict::Goto),
            _ => super::unclear("verdict"),
        }
    }

    fn add_rule(&mut self, index: usize, value: &'d Value, pointer: &str) -> Result<(), ParseError> {
        let table = self.table_of(value, pointer)?;
        let name = Self::name_of(value, "chain", pointer)?;
        let chain = self.chain(table, name, &format!("{pointer}/chain"))?;
        let statements = value.get("expr").and_then(Value::as_array).ok_or_else(|| ParseError::Form {
            pointer: format!("{pointer}/expr"),
            what: "a rule without an array of statements",
        })?;
        let handle = handle(value);
        let ops = self.lower(index, table, statements, pointer, handle)?;
        let comment = text(value, "comment").map(Untrusted::from);
        if let Some(chain) = self.ruleset.chains.get_mut(chain.0 as usize) {
            chain.rules.push(Rule { handle, comment, ops, ..Rule::default() });
        }
        Ok(())
    }

    fn lower(
        &mut self,
        index: usize,
        table: TableId,
        statements: &[Value],
        pointer: &str,
        handle: Option<u64>,
    ) -> Result<Vec<Op>, ParseError> {
        let family = self.ruleset.table(table).map_or(Family::Inet, |table| table.family);
        let (ops, known) = (Vec::with_capacity(statements.len() * 3), Known::default());
        let mut rule = RuleReader { reader: self, table, family, pointer: pointer.to_owned(), ops, known };
        let mut unknown = Vec::new();
        for (position, statement) in statements.iter().enumerate() {
            rule.pointer = format!("{pointer}/expr/{position}");
            let (before, known) = (rule.ops.len(), rule.known);
            match rule.statement(statement) {
                Ok(()) => {}
                Err(Trouble::Broken(error)) => return Err(error),
                Err(Trouble::Unclear(construct)) => {
                    rule.ops.truncate(before);
                    rule.known = known;
                    let only_matches = only_matches(statement);
                    rule.ops.push(Op::Unknown(Unknown { construct: construct.clone().into(), only_matches }));
                    unknown.push((rule.pointer.clone(), construct));
                }
            }
        }
        let ops = rule.ops;
        for (pointer, construct) in unknown {
            self.note(index, pointer, handle, construct);
        }
        Ok(ops)
    }
}

/// Statements that can only match or not match, whatever is in them.
fn only_matches(statement: &Value) -> bool {
    match only_member(statement) {
        Some(("match" | "limit" | "quota" | "ct count" | "flow", _)) => true,
        Some(("xt", extension)) => text(extension, "type") == Some("match"),
        _ => false,
    }
}

fn updated_set(op: &Op) -> Option<SetId> {
    if let Op::Update { set, .. } = op { Some(*set) } else { None }
}

/// nft 1.0.6 does not print the devices of a chain; the model then has it see all of them. A name that ends in `*` is a
/// name like any other to some versions, and stands for all that begin so to others.
fn lacks_devices(base: &Base) -> bool {
    base.devices.iter().any(|device| matches!(device, DeviceName::BeginsWith(_)))
}

const DEVICES: &str = "the devices of the chain, which the listing does not name";

/// Lets packets of devices that the chain does not see go on. It is not known which they are.
fn of_some_devices() -> Rule {
    let perhaps = Op::Unknown(Unknown { construct: DEVICES.into(), only_matches: true });
    Rule { ops: vec![perhaps, Op::Verdict(Verdict::Accept)], ..Rule::default() }
}

fn doubtful_rule() -> Rule {
    let unknown = Unknown { construct: "a flag of the table".into(), only_matches: false };
    Rule { ops: vec![Op::Unknown(unknown)], ..Rule::default() }
}

/// `flags dormant`; nft 1.0.6 prints the name of the table in its place (`table_print_json`, `src/json.c`).
fn is_dormant(flag: &Value, table: &str) -> bool {
    flag.as_str().is_some_and(|flag| flag == "dormant" || flag == table)
}

/// Who may change a table, and for how long it stays.
fn is_harmless(flag: &Value) -> bool {
    matches!(flag.as_str(), Some("owner" | "persist"))
}

fn handle(value: &Value) -> Option<u64> {
    value.get("handle")?.as_u64()
}

fn id(length: usize, pointer: &str) -> Result<u32, ParseError> {
    u32::try_from(length).map_err(|_| ParseError::Form { pointer: pointer.to_owned(), what: "too many of these" })
}

fn missing(pointer: &str, kind: &'static str, name: &str) -> ParseError {
    ParseError::Missing { pointer: pointer.to_owned(), kind, name: name.into() }
}

fn duplicate(pointer: &str, kind: &'static str, name: &str) -> ParseError {
    ParseError::Duplicate { pointer: pointer.to_owned(), kind, name: name.into() }
}

fn form(pointer: &str, member: &str, what: &'static str) -> ParseError {
    ParseError::Form { pointer: format!("{pointer}/{member}"), what }
}

fn family(value: &Value, pointer: &str) -> Result<Family, ParseError> {
    match text(value, "family") {
        Some("ip") => Ok(Family::Ip),
        Some("ip6") => Ok(Family::Ip6),
        Some("inet") => Ok(Family::Inet),
        Some("arp") => Ok(Family::Arp),
        Some("bridge") => Ok(Family::Bridge),
        Some("netdev") => Ok(Family::Netdev),
        _ => Err(form(pointer, "family", "not a family")),
    }
}

fn base(value: &Value, registered: u64, pointer: &str) -> Result<Base, ParseError> {
    let family = family(value, pointer)?;
    let hook = match text(value, "hook") {
        Some("ingress") => Hook::Ingress,
        Some("prerouting") => Hook::Prerouting,
        Some("input") => Hook::Input,
        Some("forward") => Hook::Forward,
        Some("output") => Hook::Output,
        Some("postrouting") => Hook::Postrouting,
        Some("egress") => Hook::Egress,
        _ => return Err(form(pointer, "hook", "not a hook")),
    };
    let kind = match text(value, "type") {
        Some("filter") => ChainKind::Filter,
        Some("nat") => ChainKind::Nat,
        Some("route") => ChainKind::Route,
        _ => return Err(form(pointer, "type", "not a type of chain")),
    };
    let policy = match value.get("policy").map(Value::as_str) {
        None | Some(Some("accept")) => Policy::Accept,
        Some(Some("drop")) => Policy::Drop,
        _ => return Err(form(pointer, "policy", "not a policy")),
    };
    let priority = value.get("prio").and_then(|value| priority(value, family));
    let priority = priority.ok_or_else(|| form(pointer, "prio", "not a priority"))?;
    let mut devices = devices(value, pointer)?;
    if matches!(hook, Hook::Ingress | Hook::Egress) && devices.is_empty() {
        devices = vec![DeviceName::BeginsWith(Vec::new())];
    }
    Ok(Base { hook, priority, kind, policy, devices, registered })
}

fn devices(value: &Value, pointer: &str) -> Result<Vec<DeviceName>, ParseError> {
    let devices = value.get("dev").or_else(|| value.get("devs")).map_or(&[][..], several);
    let name = |device: &Value| {
        let name = device.as_str()?;
        let prefix = name.strip_suffix('*').map(|start| DeviceName::BeginsWith(start.into()));
        Some(prefix.unwrap_or_else(|| DeviceName::Is(name.into())))
    };
    let names: Option<Vec<_>> = devices.iter().map(name).collect();
    names.ok_or_else(|| form(pointer, "dev", "not the name of a device"))
}

/// `nft(8)`, "Standard priority names": of a bridge, and of the other families.
const PRIORITIES: &[(&str, Option<i32>, Option<i32>)] = &[
    ("raw", None, Some(-300)),
    ("mangle", None, Some(-150)),
    ("dstnat", Some(-300), Some(-100)),
    ("filter", Some(-200), Some(0)),
    ("security", None, Some(50)),
    ("out", Some(100), None),
    ("srcnat", Some(300), Some(100)),
];

/// A number, or a name with an offset: `filter + 10`.
fn priority(value: &Value, family: Family) -> Option<i32> {
    if let Some(number) = value.as_i64() {
        return i32::try_from(number).ok();
    }
    let text: String = value.as_str()?.chars().filter(|character| !character.is_whitespace()).collect();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (name, offset) = text.find(['+', '-']).map_or((text.as_str(), ""), |position| text.split_at(position));
    let (_, bridge, others) = PRIORITIES.iter().find(|known| known.0 == name)?;
    let number = if family == Family::Bridge { *bridge } else { *others };
    let offset = if offset.is_empty() { Some(0) } else { offset.parse::<i32>().ok() };
    number?.checked_add(offset?)
}
