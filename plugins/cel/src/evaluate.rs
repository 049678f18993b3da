//! Evaluates checked expressions, within a budget.
//!
//! `&&`, `||`, `all` and `exists` are those of three-valued logic, as CEL has them: `false && x` is false though `x` is
//! not known. Everything else that meets something that is not known is not known itself.

use std::fmt;
use std::rc::Rc;

use loopgate_plugin::prelude::*;

use crate::budget::Budget;
use crate::glob;
use crate::program::{Comparison, Function, Loop, LoopKind, Node, Operation, Part, ReachTest};
use crate::record::{Field, HostName, Record, Seen};
use crate::value::{List, Text, Value};

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Something that it needs is not known. What is true of the rest still stands.
    Unknown(Unknown),
    /// It took too many steps or too much memory. Nothing more is evaluated.
    Spent,
}

/// Something that has no value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unknown {
    /// A field could not be observed.
    Field(&'static str),
    /// A field is not there.
    Absent(&'static str),
    /// The reach of a listener is not known well enough.
    Reach,
    /// A setting was not observed.
    Sysctl(String),
    /// A result is beyond 64 bits.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// An index that the list does not have.
    NoItem,
    /// A text that is no number.
    NoNumber,
    /// The tree is not one that the checker makes.
    Unchecked,
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(formatter, "`{name}` is not known"),
            Self::Absent(name) => write!(formatter, "there is no `{name}` (ask `has(...)` first)"),
            Self::Reach => formatter.write_str("who can reach it is not known well enough"),
            Self::Sysctl(name) => write!(formatter, "the setting `{name}` was not observed"),
            Self::Overflow => formatter.write_str("a number grows beyond 64 bits"),
            Self::DivisionByZero => formatter.write_str("a division by zero"),
            Self::NoItem => formatter.write_str("a list has no item at that index"),
            Self::NoNumber => formatter.write_str("a text is no number"),
            Self::Unchecked => formatter.write_str("the expression was not checked"),
        }
    }
}

impl From<Unknown> for Stop {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

type Result<T> = std::result::Result<T, Stop>;

/// What expressions are evaluated over, and what evaluating them may cost.
pub(crate) struct Machine<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) names: &'a [HostName<'a>],
    pub(crate) budget: Budget,
    variables: Vec<Value<'a>>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(facts: &'a Facts, names: &'a [HostName<'a>], budget: Budget) -> Self {
        Self { facts, names, budget, variables: Vec::new() }
    }

    /// Evaluates an expression about a subject.
    pub(crate) fn evaluate(&mut self, node: &'a Node, subject: Record<'a>) -> Result<Value<'a>> {
        self.variables.clear();
        self.variables.push(Value::Record(subject));
        self.budget.begin();
        self.value(node)
    }

    fn value(&mut self, node: &'a Node) -> Result<Value<'a>> {
        Ok(match node {
            Node::Const(Value::Text(Text::Made(text))) => {
                self.budget.step()?;
                Value::text(text)
            }
            Node::Const(value) => {
                self.budget.step()?;
                value.clone()
            }
            Node::List(values) => {
                self.budget.step()?;
                Value::List(List::Kept(values))
            }
            Node::Variable(index) => {
                self.budget.step()?;
                self.variables.get(*index).cloned().ok_or(Unknown::Unchecked)?
            }
            Node::Facts(part) => {
                self.budget.step()?;
                self.part(*part)
            }
            Node::Field(of, field) => self.field(of, field)?,
            Node::If(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.truth(condition)? { yes } else { no };
                self.value(chosen)?
            }
            Node::Negate(of) => Value::Int(self.int(of)?.checked_neg().ok_or(Unknown::Overflow)?),
            Node::Calculate(how, one, other) => Value::Int(calculate(*how, self.int(one)?, self.int(other)?)?),
            Node::JoinTexts(one, other) => self.join_texts(one, other)?,
            Node::MakeList(nodes) => self.make_list(nodes)?,
            Node::JoinLists(one, other) => self.join_lists(one, other)?,
            Node::Index(list, index) => self.item(list, index)?,
            Node::Loop(it) if it.kind == LoopKind::Map => self.map(it)?,
            Node::Call(function, arguments) => self.call(*function, arguments)?,
            _ => Value::Bool(self.truth(node)?),
        })
    }

    /// The value of a condition. Most of what is evaluated is one, so it goes by without a [`Value`].
    fn truth(&mut self, node: &'a Node) -> Result<bool> {
        self.budget.step()?;
        match node {
            Node::Not(of) => self.truth(of).map(|value| !value),
            Node::And(one, other) => self.either(one, other, false),
            Node::Or(one, other) => self.either(one, other, true),
            Node::Equal(one, other) => self.equal(one, other),
            Node::Compare(how, one, other) => self.compare(*how, one, other),
            Node::In(item, list) => self.is_in(item, list),
            Node::Has(of, field) => self.has(of, field),
            Node::InNetworks(address, networks) => {
                let address = self.value(address)?.as_address().ok_or(Unknown::Unchecked)?;
                self.budget.work(networks.len())?;
                Ok(networks.iter().any(|network| network.contains(address)))
            }
            Node::Reach(listener, test, reach) => self.reach(listener, *test, *reach),
            Node::Loop(it) => match it.kind {
                LoopKind::All => self.search(it, false),
                LoopKind::Exists => self.search(it, true),
                LoopKind::ExistsOne => self.exists_one(it),
                LoopKind::Map => Err(Unknown::Unchecked.into()),
            },
            node if node.is_value() => Ok(self.value(node)?.as_bool().ok_or(Unknown::Unchecked)?),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn int(&mut self, node: &'a Node) -> Result<i64> {
        if let Node::Const(Value::Int(number)) = node {
            self.budget.step()?;
            return Ok(*number);
        }
        Ok(self.value(node)?.as_int().ok_or(Unknown::Unchecked)?)
    }

    fn text(&mut self, node: &'a Node) -> Result<Text<'a>> {
        match self.value(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn list(&mut self, node: &'a Node) -> Result<List<'a>> {
        match self.value(node)? {
            Value::List(list) => Ok(list),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn record(&mut self, node: &'a Node) -> Result<Record<'a>> {
        self.budget.step()?;
        if let Node::Variable(index) = node
            && let Some(Value::Record(record)) = self.variables.get(*index)
        {
            return Ok(*record);
        }
        match self.value(node)? {
            Value::Record(record) => Ok(record),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn part(&self, part: Part) -> Value<'a> {
        match part {
            Part::Host => Value::Record(Record::Host(self.facts)),
            Part::Listeners => Value::List(List::Listeners(&self.facts.listeners)),
            Part::Interfaces => Value::List(List::Interfaces(&self.facts.interfaces)),
            Part::Names => Value::List(List::Names(self.names)),
            Part::Sysctls => Value::List(List::Sysctls(&self.facts.sysctls)),
        }
    }

    fn field(&mut self, of: &'a Node, field: &'static Field) -> Result<Value<'a>> {
        match field.get.get(self.record(of)?) {
            Seen::Value(value) => Ok(value),
            Seen::Absent => Err(Unknown::Absent(field.name).into()),
            Seen::Unknown => Err(Unknown::Field(field.name).into()),
        }
    }

    /// A field that everything has is there if it is known. One that can be missing is asked for in vain where it is not
    /// known whether it is.
    fn has(&mut self, of: &'a Node, field: &'static Field) -> Result<bool> {
        match field.get.get(self.record(of)?) {
            Seen::Value(_) => Ok(true),
            Seen::Absent => Ok(false),
            Seen::Unknown if field.can_be_absent => Err(Unknown::Field(field.name).into()),
            Seen::Unknown => Ok(false),
        }
    }

    /// `one && other` for `decisive` false, `one || other` for true: one side that is decisive is enough.
    fn either(&mut self, one: &'a Node, other: &'a Node, decisive: bool) -> Result<bool> {
        match self.truth(one) {
            Ok(value) if value == decisive => Ok(decisive),
            Ok(_) => self.truth(other),
            Err(Stop::Spent) => Err(Stop::Spent),
            Err(unknown) => match self.truth(other) {
                Ok(value) if value == decisive => Ok(decisive),
                Err(Stop::Spent) => Err(Stop::Spent),
                _ => Err(unknown),
            },
        }
    }

    fn equal(&mut self, one: &'a Node, other: &'a Node) -> Result<bool> {
        let one = self.value(one)?;
        self.budget.read(&one)?;
        if let Node::Const(other) = other {
            return Ok(one.equals(other).ok_or(Unknown::Unchecked)?);
        }
        let other = self.value(other)?;
        Ok(one.equals(&other).ok_or(Unknown::Unchecked)?)
    }

    fn compare(&mut self, how: Comparison, one: &'a Node, other: &'a Node) -> Result<bool> {
        let (one, other) = (self.value(one)?, self.value(other)?);
        self.budget.read(&one)?;
        let order = match (&one, &other) {
            (Value::Int(one), Value::Int(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.as_str().cmp(other.as_str()),
            _ => return Err(Unknown::Unchecked.into()),
        };
        Ok(match how {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        })
    }

    fn is_in(&mut self, item: &'a Node, list: &'a Node) -> Result<bool> {
        let (item, list) = (self.value(item)?, self.list(list)?);
        if let List::Kept(values) = list {
            self.budget.work(values.len())?;
            return Ok(values.iter().any(|value| value.equals(&item) == Some(true)));
        }
        for index in 0..list.len() {
            self.budget.step()?;
            self.budget.read(&item)?;
            let found = list.get(index).and_then(|value| value.equals(&item)).ok_or(Unknown::Unchecked)?;
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn join_texts(&mut self, one: &'a Node, other: &'a Node) -> Result<Value<'a>> {
        let (one, other) = (self.text(one)?, self.text(other)?);
        let (one, other) = (one.as_str(), other.as_str());
        self.budget.make_text(one.len().saturating_add(other.len()))?;
        Ok(Value::made([one, other].concat()))
    }

    fn make_list(&mut self, nodes: &'a [Node]) -> Result<Value<'a>> {
        self.budget.make_items(nodes.len())?;
        let items = nodes.iter().map(|node| self.value(node)).collect::<Result<Vec<_>>>()?;
        Ok(Value::List(List::Made(items.into())))
    }

    fn join_lists(&mut self, one: &'a Node, other: &'a Node) -> Result<Value<'a>> {
        let (one, other) = (self.list(one)?, self.list(other)?);
        self.budget.make_items(one.len().saturating_add(other.len()))?;
        let items = |list: &List<'a>| (0..list.len()).filter_map(|index| list.get(index)).collect::<Vec<_>>();
        let all: Rc<[_]> = items(&one).into_iter().chain(items(&other)).collect();
        Ok(Value::List(List::Made(all)))
    }

    fn item(&mut self, list: &'a Node, index: &'a Node) -> Result<Value<'a>> {
        let (list, index) = (self.list(list)?, self.int(index)?);
        let index = usize::try_from(index).map_err(|_| Unknown::NoItem)?;
        Ok(list.get(index).ok_or(Unknown::NoItem)?)
    }

    /// Evaluates with the variable of a loop.
    fn with<T>(&mut self, item: Value<'a>, evaluate: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.variables.push(item);
        let result = evaluate(self);
        self.variables.pop();
        result
    }

    /// `all` for `decisive` false, `exists` for true: one item that is decisive is enough, whatever is not known.
    fn search(&mut self, it: &'a Loop, decisive: bool) -> Result<bool> {
        let list = self.list(&it.range)?;
        let mut unknown = None;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            match self.with(item, |machine| machine.truth(&it.body)) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(Stop::Spent) => return Err(Stop::Spent),
                Err(stop) => unknown = unknown.or(Some(stop)),
            }
        }
        unknown.map_or(Ok(!decisive), Err)
    }

    fn exists_one(&mut self, it: &'a Loop) -> Result<bool> {
        let list = self.list(&it.range)?;
        let mut count = 0_u32;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            count = count.saturating_add(u32::from(self.with(item, |machine| machine.truth(&it.body))?));
        }
        Ok(count == 1)
    }

    fn map(&mut self, it: &'a Loop) -> Result<Value<'a>> {
        let list = self.list(&it.range)?;
        let mut made = Vec::new();
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            let one = self.with(item, |machine| {
                let wanted = it.filter.as_ref().map_or(Ok(true), |filter| machine.truth(filter))?;
                if wanted { machine.value(&it.body).map(Some) } else { Ok(None) }
            })?;
            self.budget.make_items(usize::from(one.is_some()))?;
            made.extend(one);
        }
        Ok(Value::List(List::Made(made.into())))
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Result<Value<'a>> {
        match (function, arguments) {
            (Function::Contains, [one, other]) => self.two_texts(one, other, |one, other| one.contains(other)),
            (Function::StartsWith, [one, other]) => self.two_texts(one, other, |one, other| one.starts_with(other)),
            (Function::EndsWith, [one, other]) => self.two_texts(one, other, |one, other| one.ends_with(other)),
            (Function::LowerAscii, [of]) => {
                let text = self.text(of)?;
                self.budget.make_text(text.as_str().len())?;
                Ok(Value::made(text.as_str().to_ascii_lowercase()))
            }
            (Function::Size, [of]) => self.size(of),
            (Function::Int, [of]) => {
                let text = self.text(of)?;
                self.budget.read_text(text.as_str())?;
                Ok(Value::Int(text.as_str().trim().parse().map_err(|_| Unknown::NoNumber)?))
            }
            (Function::String, [of]) => self.string(of),
            (Function::Glob, [of, patterns]) => self.glob(of, patterns),
            (Function::IsLoopback, [of]) => self.scope(of, &[Scope::Loopback]),
            (Function::IsPrivate, [of]) => self.scope(of, &[Scope::Private]),
            (Function::InRange, [number, first, last]) => {
                let (number, first, last) = (self.int(number)?, self.int(first)?, self.int(last)?);
                Ok(Value::Bool((first..=last).contains(&number)))
            }
            (Function::SysctlValue, [name]) => self.sysctl_value(name),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn two_texts(
        &mut self,
        one: &'a Node,
        other: &'a Node,
        test: impl FnOnce(&str, &str) -> bool,
    ) -> Result<Value<'a>> {
        let (one, other) = (self.text(one)?, self.text(other)?);
        self.budget.read_text(one.as_str())?;
        self.budget.read_text(other.as_str())?;
        Ok(Value::Bool(test(one.as_str(), other.as_str())))
    }

    fn size(&mut self, of: &'a Node) -> Result<Value<'a>> {
        let size = match self.value(of)? {
            Value::List(list) => list.len(),
            Value::Text(text) => {
                self.budget.read_text(text.as_str())?;
                text.as_str().chars().count()
            }
            _ => return Err(Unknown::Unchecked.into()),
        };
        Ok(Value::Int(i64::try_from(size).map_err(|_| Unknown::Overflow)?))
    }

    fn string(&mut self, of: &'a Node) -> Result<Value<'a>> {
        let value = self.value(of)?;
        if let Value::Text(_) = value {
            return Ok(value);
        }
        self.budget.make_text(LONGEST_NUMBER)?;
        Ok(Value::made(value.to_string()))
    }

    fn glob(&mut self, of: &'a Node, patterns: &'a Node) -> Result<Value<'a>> {
        let text = self.text(of)?;
        let patterns = self.value(patterns)?;
        match &patterns {
            Value::Text(pattern) => self.matches(text.as_str(), pattern.as_str()).map(Value::Bool),
            Value::List(list) => {
                for pattern in (0..list.len()).filter_map(|index| list.get(index)) {
                    if self.matches(text.as_str(), pattern.as_text().ok_or(Unknown::Unchecked)?)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn matches(&mut self, text: &str, pattern: &str) -> Result<bool> {
        // What it takes is known afterwards; what it can take at most must be there before.
        self.budget.afford(text.len().saturating_mul(pattern.len()) / CHARACTERS_A_STEP)?;
        let (is_match, work) = glob::matches(text, pattern);
        self.budget.work(work / CHARACTERS_A_STEP)?;
        Ok(is_match)
    }

    fn scope(&mut self, of: &'a Node, scopes: &[Scope]) -> Result<Value<'a>> {
        let address = self.value(of)?.as_address().ok_or(Unknown::Unchecked)?;
        Ok(Value::Bool(scopes.contains(&crate::address::scope(address))))
    }

    fn sysctl_value(&mut self, name: &'a Node) -> Result<Value<'a>> {
        let name = self.text(name)?;
        self.budget.work(self.facts.sysctls.len())?;
        let sysctl = self.facts.sysctl(name.as_str());
        let sysctl = sysctl.ok_or_else(|| Unknown::Sysctl(crate::text::shortened(name.as_str(), LONGEST_NAME)))?;
        Ok(Value::text(&sysctl.value))
    }

    fn reach(&mut self, listener: &'a Node, test: ReachTest, reach: Reach) -> Result<bool> {
        let Record::Listener(listener) = self.record(listener)? else { return Err(Unknown::Unchecked.into()) };
        let ReachBounds { certain, possible } = listener.reach;
        match test {
            ReachTest::AtMost if possible <= reach => Ok(true),
            ReachTest::AtMost if certain > reach => Ok(false),
            ReachTest::AtLeast if certain >= reach => Ok(true),
            ReachTest::AtLeast if possible < reach => Ok(false),
            _ => Err(Unknown::Reach.into()),
        }
    }
}

/// Bytes of the longest number or address as text.
const LONGEST_NUMBER: usize = 48;

/// Longest name of a setting that a reason quotes, in characters.
const LONGEST_NAME: usize = 64;

/// Characters that a glob compares for one step of the budget.
const CHARACTERS_A_STEP: usize = 4;

fn calculate(how: Operation, one: i64, other: i64) -> Result<i64> {
    let result = match how {
        Operation::Divide | Operation::Remainder if other == 0 => return Err(Unknown::DivisionByZero.into()),
        Operation::Add => one.checked_add(other),
        Operation::Subtract => one.checked_sub(other),
        Operation::Multiply => one.checked_mul(other),
        Operation::Divide => one.checked_div(other),
        Operation::Remainder => one.checked_rem(other),
    };
    Ok(result.ok_or(Unknown::Overflow)?)
}
